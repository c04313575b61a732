import Foundation
import Synchronization

/// One table at one commit: pointers into the map, resolved once. Keeps its snapshot alive.
package final class TableSnapshot: @unchecked Sendable {
    package let descriptor: TableDescriptor
    /// Slots given so far, the deleted ones included.
    package let slotCount: Int
    package let liveCount: Int
    /// Slots below it stand in sealed blocks.
    package let sealedCount: Int
    package let vectors: VectorBlocks
    /// Bit set = deleted; nil when nothing is. Word `i` covers slots `64 * i ..< 64 * i + 64`; as many words as `slotCount` needs.
    package let deleted: UnsafeBufferPointer<UInt64>?
    /// Grows with every transaction that changes the table.
    package let generation: UInt64

    let inner: SnapshotCore
    let state: TableState
    private let pointers: UnsafeMutablePointer<UnsafeRawPointer>
    private let tail: TailBuffer?
    private let columnLock = Lock()
    private var columns: [Int: ColumnSnapshot] = [:]
    private var tailColumns: [TailColumn] = []
    private var indexSnapshots: [IndexSnapshot]?

    /// What the layer above makes of the snapshot at the first query, and reads without a lock at each one after it.
    /// It must not hold the snapshot, which holds it.
    package let view = AtomicLazyReference<AnyObject>()

    /// Position that stands for the column of integer keys.
    static let keyColumn = -1

    /// nil where the snapshot has no such table.
    init?(_ name: String, _ inner: SnapshotCore) throws(StorageError) {
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let transaction = inner.transaction
        guard try transaction.tableBytes(name) != nil else { return nil }
        let table = try inner.core.descriptors.descriptor(name, transaction)
        let state = try transaction.state(of: table)
        let sealed = Int(state.sealedCount)
        guard sealed % table.blockRows == 0, Int(state.slotCount) - sealed < table.blockRows else {
            throw transaction.corrupt("the sealed count of collection '\(name)'")
        }
        let sealedBlocks = sealed >> table.blockShift
        let tailCount = Int(state.slotCount) - sealed
        let blockCount = sealedBlocks + (tailCount > 0 ? 1 : 0)
        let pointers = UnsafeMutablePointer<UnsafeRawPointer>.allocate(capacity: max(1, blockCount))
        var tail: TailBuffer?
        let deleted: UnsafeBufferPointer<UInt64>?
        do throws(StorageError) {
            var next = 0
            try transaction.forEachChunk(of: table.vectorArray) { number, value throws(StorageError) in
                guard next < sealedBlocks, number == next, value.count == ChunkHeader.byteCount + table.blockByteCount,
                      ChunkHeader(value, kind: .vectors) != nil, let base = value.baseAddress
                else { throw transaction.corrupt("block \(number) of collection '\(name)'") }
                pointers[next] = base + ChunkHeader.byteCount
                next += 1
            }
            guard next == sealedBlocks else { throw transaction.corrupt("block \(next) of collection '\(name)' is missing") }
            if tailCount > 0 {
                let buffer = inner.core.snapshots.tail(table, state)
                try buffer.fill(upTo: tailCount, table, transaction)
                pointers[sealedBlocks] = UnsafeRawPointer(buffer.base)
                tail = buffer
            }
            deleted = try Self.deletedBits(table, state, transaction)
        } catch {
            pointers.deallocate()
            throw error
        }
        descriptor = table
        slotCount = Int(state.slotCount)
        liveCount = Int(state.liveCount)
        sealedCount = sealed
        generation = state.generation
        vectors = VectorBlocks(
            pointers: UnsafePointer(pointers), blockCount: blockCount, blockShift: table.blockShift, stride: table.vectorByteCount,
            count: Int(state.slotCount))
        self.deleted = deleted
        self.inner = inner
        self.state = state
        self.pointers = pointers
        self.tail = tail
    }

    deinit {
        pointers.deallocate()
        deleted?.baseAddress.map { UnsafeMutablePointer(mutating: $0).deallocate() }
    }

    private static func deletedBits(
        _ table: TableDescriptor, _ state: TableState, _ transaction: Transaction
    ) throws(StorageError) -> UnsafeBufferPointer<UInt64>? {
        guard state.liveCount < state.slotCount else { return nil }
        let words = (Int(state.slotCount) + 63) / 64
        let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: words)
        bits.initialize(repeating: 0, count: words)
        do throws(StorageError) {
            try transaction.forEachChunk(of: table.deletedArray) { number, value throws(StorageError) in
                guard ChunkHeader(value, kind: .bitmap) != nil, let base = value.baseAddress else {
                    throw transaction.corrupt("the deletion bitmap of collection '\(table.name)'")
                }
                let first = Int(number) * (bitmapChunkCapacity / 64)
                let count = min((value.count - ChunkHeader.byteCount) / 8, words - first)
                guard count > 0 else { return }
                UnsafeMutableRawPointer(bits + first).copyMemory(from: base + ChunkHeader.byteCount, byteCount: count * 8)
            }
        } catch {
            bits.deallocate()
            throw error
        }
        return UnsafeBufferPointer(start: bits, count: words)
    }

    /// Whether the slot's record has been deleted.
    @inline(__always)
    package func isDeleted(_ slot: UInt32) -> Bool {
        guard let deleted else { return false }
        return deleted[Int(slot) >> 6] >> UInt64(slot & 63) & 1 == 1
    }

    // MARK: Indexes

    /// The table's search indexes at this commit, in byte order of their names; resolved at the first call.
    package func indexes() throws(StorageError) -> [IndexSnapshot] {
        columnLock.lock()
        defer { columnLock.unlock() }
        if let indexSnapshots { return indexSnapshots }
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let found = try inner.transaction.indexes(of: descriptor, slotCount: slotCount, inner.core.indexDescriptors)
            .map { IndexSnapshot($0, tableName: descriptor.name, inner) }
        indexSnapshots = found
        return found
    }

    // MARK: Columns

    /// The column at a position, resolved at the first call.
    package func column(_ position: Int) throws(StorageError) -> ColumnSnapshot {
        guard descriptor.columns.indices.contains(position) else {
            throw StorageError(.invalidArgument, "collection '\(descriptor.name)' has no column \(position)")
        }
        return try resolve(position)
    }

    /// The integer keys as a column; null where the key is a string.
    package func keyColumn() throws(StorageError) -> ColumnSnapshot { try resolve(Self.keyColumn) }

    /// ``column(_:)``, or the column of keys.
    func resolve(_ position: Int) throws(StorageError) -> ColumnSnapshot {
        columnLock.lock()
        defer { columnLock.unlock() }
        if let column = columns[position] { return column }
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let column = try makeColumn(position)
        columns[position] = column
        return column
    }

    private func makeColumn(_ position: Int) throws(StorageError) -> ColumnSnapshot {
        let transaction = inner.transaction
        let isKey = position == Self.keyColumn
        let type = isKey ? ColumnType.int : descriptor.columns[position].type
        let array = isKey ? descriptor.keyArray : descriptor.columnArrays[position]
        let layout = ColumnLayout(descriptor, type)
        func damaged(_ number: UInt32) -> StorageError { transaction.corrupt("chunk \(number) of array \(array) of collection '\(descriptor.name)'") }
        var segments: [ColumnSegment] = []
        try transaction.forEachChunk(of: array) { number, value throws(StorageError) in
            let first = Int(number) * layout.capacity
            let count = min(layout.capacity, sealedCount - first)
            guard Int(number) == segments.count, count > 0, let header = ChunkHeader(value, kind: .column), header.count == count,
                  value.count >= layout.byteCount(count), let base = value.baseAddress
            else { throw damaged(number) }
            segments.append(ColumnSegment(
                firstSlot: first, count: count, values: base + layout.valuesOffset,
                validity: header.nullCount == 0 ? nil : (base + ChunkHeader.byteCount).assumingMemoryBound(to: UInt64.self),
                nullCount: header.nullCount, minimum: header.bounds?.minimum ?? 0, maximum: header.bounds?.maximum ?? 0,
                hasBounds: header.bounds != nil))
        }
        guard segments.reduce(0, { $0 + $1.count }) == sealedCount else { throw damaged(UInt32(segments.count)) }
        let tailCount = slotCount - sealedCount
        var tailColumn: TailColumn?
        if tailCount > 0 {
            let memory = TailColumn(count: tailCount, type: type)
            try transaction.forEachTailSegment(of: descriptor, from: sealedCount, to: slotCount) { segment throws(StorageError) in
                let source = isKey ? segment.source.keys : segment.source.columns[position]
                memory.put(source, count: segment.source.count, at: segment.firstSlot - sealedCount, type: type)
            }
            let bounds = ColumnStatistics.bounds(type, values: memory.values, validity: memory.validity, count: tailCount)
            segments.append(ColumnSegment(
                firstSlot: sealedCount, count: tailCount, values: UnsafeRawPointer(memory.values),
                validity: memory.nullCount == 0 ? nil : UnsafePointer(memory.validity), nullCount: memory.nullCount,
                minimum: bounds?.minimum ?? 0, maximum: bounds?.maximum ?? 0, hasBounds: bounds != nil))
            tailColumns.append(memory)
            tailColumn = memory
        }
        return ColumnSnapshot(
            type: type, segments: segments,
            listValues: type == .stringList ? try makeListValues(descriptor.listArrays[position], tailColumn) : .none,
            capacityShift: layout.capacity.trailingZeroBitCount)
    }

    private func makeListValues(_ array: UInt32, _ tail: TailColumn?) throws(StorageError) -> ListValues {
        var chunks: [UnsafePointer<UInt32>] = []
        var counts: [Int] = []
        let transaction = inner.transaction
        try transaction.forEachChunk(of: array) { number, value throws(StorageError) in
            guard Int(number) == chunks.count, let header = ChunkHeader(value, kind: .listValues), header.count <= listChunkCapacity,
                  value.count >= ChunkHeader.byteCount + 4 * header.count, let base = value.baseAddress
            else { throw transaction.corrupt("chunk \(number) of list array \(array) of collection '\(descriptor.name)'") }
            chunks.append((base + ChunkHeader.byteCount).assumingMemoryBound(to: UInt32.self))
            counts.append(header.count)
        }
        return ListValues(chunks: chunks, counts: counts, tail: tail?.codes.map { UnsafePointer($0) }, tailCount: tail?.codeCount ?? 0)
    }

    // MARK: Keys and records

    func checkSlot(_ slot: UInt32) throws(StorageError) {
        guard Int(slot) < slotCount else {
            throw StorageError(.notFound, "collection '\(descriptor.name)' has no slot \(slot)", expected: slotCount, actual: Int(slot))
        }
    }

    /// The live slot of a key; nil where there is none, or it was deleted.
    package func slot(for key: RecordKey) throws(StorageError) -> UInt32? {
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let slot = try inner.transaction.liveSlot(descriptor, state, key) { $0 >= slotCount || !isDeleted($0) }
        if let slot { try checkSlot(slot) }
        return slot
    }

    /// The key of a slot, live or (for integer keys) deleted.
    package func key(ofSlot slot: UInt32) throws(StorageError) -> RecordKey {
        try checkSlot(slot)
        let segment = try resolve(Self.keyColumn).segment(containing: slot)
        let row = Int(slot) - segment.firstSlot
        if segment.isPresent(row) {
            return .int(Int64(littleEndian: segment.values.load(fromByteOffset: 8 * row, as: Int64.self)))
        }
        guard let bytes = try record(slot, RecordValue.stringKey) else {
            throw StorageError(.notFound, "slot \(slot) of collection '\(descriptor.name)' has been deleted")
        }
        return .string(String(decoding: bytes, as: UTF8.self))
    }

    package func keys(ofSlots slots: [UInt32]) throws(StorageError) -> [RecordKey] {
        var keys: [RecordKey] = []
        keys.reserveCapacity(slots.count)
        for slot in slots { keys.append(try key(ofSlot: slot)) }
        return keys
    }

    /// The JSON payload of a slot.
    package func payload(ofSlot slot: UInt32) throws(StorageError) -> Data? { try record(slot, RecordValue.payload) }

    /// The attachment of a slot.
    package func attachment(ofSlot slot: UInt32) throws(StorageError) -> Data? { try record(slot, RecordValue.attachment) }

    private func record(_ slot: UInt32, _ kind: UInt8) throws(StorageError) -> Data? {
        try checkSlot(slot)
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let transaction = inner.transaction
        guard let bytes = try transaction.get(transaction.databases.records, transaction.key(descriptor.id, slot, kind)) else { return nil }
        return Data(bytes)
    }

    /// One value.
    package func cell(slot: UInt32, column position: Int) throws(StorageError) -> CellValue {
        try checkSlot(slot)
        let column = try column(position)
        let segment = column.segment(containing: slot)
        let row = Int(slot) - segment.firstSlot
        guard segment.isPresent(row) else { return .null }
        let values = segment.values
        switch column.type {
        case .bool: return .bool(values.load(fromByteOffset: row, as: UInt8.self) != 0)
        case .int: return .int(values.load(fromByteOffset: 8 * row, as: Int64.self))
        case .timestamp: return .timestamp(values.load(fromByteOffset: 8 * row, as: Int64.self))
        case .double: return .double(values.load(fromByteOffset: 8 * row, as: Double.self))
        case .string: return .string(try string(column: position, code: values.load(fromByteOffset: 4 * row, as: UInt32.self)))
        case .stringList:
            var strings: [String] = []
            for code in column.listValues.codes(of: values.load(fromByteOffset: 8 * row, as: UInt64.self)) {
                strings.append(try string(column: position, code: code))
            }
            return .stringList(strings)
        }
    }
}
