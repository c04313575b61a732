import CLMDB
import Foundation

/// A table inside a write transaction.
///
/// What it changes in place (column chunks, the deletion bitmap, tail segments, the table's state) it keeps in memory
/// until the body ends, see ``flush()``; reads through this object see it.
package final class TableWriter {
    package internal(set) var descriptor: TableDescriptor
    unowned let owner: WriteTransaction
    let transaction: Transaction
    var state: TableState
    private let stateBefore: TableState
    var chunks: [UInt64: MutableChunk] = [:]
    private var chunkByteCount = 0
    /// Changed tail segments, by first slot.
    var segments: [UInt32: MutableSegment] = [:]
    private var segmentStarts: [UInt32]?
    private var dictionaryCodes: [[String: UInt32]]
    /// Columns that have an ordered index.
    let orderedPositions: [Int]
    /// Entries of ordered indexes that shall be there (true) or not (false) when the body ends, by column.
    var orderChanges: [Int: [OrderedEntry: Bool]] = [:]

    /// Changed chunks are written early beyond this, so that an update of every row does not take the memory of a column.
    private static let maximumChunkByteCount = 32 << 20

    init(_ owner: WriteTransaction, _ descriptor: TableDescriptor) throws(StorageError) {
        self.owner = owner
        self.descriptor = descriptor
        transaction = owner.transaction
        state = try transaction.state(of: descriptor)
        stateBefore = state
        dictionaryCodes = Array(repeating: [:], count: descriptor.columns.count)
        orderedPositions = descriptor.columns.indices.filter { descriptor.columns[$0].isOrdered }
    }

    /// Records that are not deleted.
    package var liveCount: Int { Int(state.liveCount) }
    /// Slots given so far.
    package var slotCount: Int { Int(state.slotCount) }

    /// The generation that this transaction's changes carry.
    var generation: UInt64 { stateBefore.generation + 1 }

    /// Sealed slots before this transaction.
    var sealedCountBefore: UInt64 { stateBefore.sealedCount }

    /// Stores what has been kept back.
    func flush() throws(StorageError) {
        try flushChunks()
        for segment in segments.values where segment.isDirty { try segment.write(transaction, descriptor, generation) }
        try flushOrder()
        if state != stateBefore {
            state.generation = generation
            try transaction.putState(state, of: descriptor)
        }
    }

    func flushChunks() throws(StorageError) {
        for chunk in chunks.values.sorted(by: { $0.key < $1.key }) where chunk.isDirty { try write(chunk) }
        chunks.removeAll()
        chunkByteCount = 0
    }

    private func write(_ chunk: MutableChunk) throws(StorageError) {
        let array = chunk.key.array
        if array == descriptor.deletedArray {
            try writeBitmap(chunk)
        } else if descriptor.listArrays.contains(array) {
            let header = ChunkHeader(kind: .listValues, count: chunk.count, generation: generation)
            try chunk.write(byteCount: ChunkHeader.byteCount + 4 * chunk.count, header: header, transaction)
        } else {
            let type = descriptor.columnArrays.firstIndex(of: array).map { descriptor.columns[$0].type } ?? .int
            let layout = ColumnLayout(descriptor, type)
            let validity = chunk.payload.assumingMemoryBound(to: UInt64.self)
            let header = ChunkHeader(
                kind: .column, count: chunk.count, nullCount: ColumnStatistics.nullCount(validity: validity, count: chunk.count),
                generation: generation,
                bounds: ColumnStatistics.bounds(type, values: chunk.base + layout.valuesOffset, validity: validity, count: chunk.count))
            try chunk.write(byteCount: layout.byteCount(chunk.count), header: header, transaction)
        }
    }

    /// A chunk to change.
    func chunk(_ array: UInt32, _ number: Int, capacityByteCount: Int, kind: ChunkHeader.Kind) throws(StorageError) -> MutableChunk {
        let id = UInt64(array) << 32 | UInt64(number)
        if let chunk = chunks[id] { return chunk }
        if chunkByteCount > Self.maximumChunkByteCount { try flushChunks() }
        let chunk = try MutableChunk((array, UInt32(number)), capacityByteCount: capacityByteCount, kind: kind, transaction)
        chunks[id] = chunk
        chunkByteCount += capacityByteCount
        return chunk
    }

    /// Whether the chunk has been taken out to be changed, so that it will be written anyway.
    func holdsChunk(_ array: UInt32, _ number: Int) -> Bool { chunks[UInt64(array) << 32 | UInt64(number)]?.isDirty ?? false }

    func columnChunk(_ array: UInt32, _ layout: ColumnLayout, _ number: Int) throws(StorageError) -> MutableChunk {
        try chunk(array, number, capacityByteCount: layout.byteCount(layout.capacity), kind: .column)
    }

    // MARK: Keys

    /// The live slot of a key.
    package func slot(for key: RecordKey) throws(StorageError) -> UInt32? {
        var failure: StorageError?
        let slot = try transaction.liveSlot(descriptor, state, key) { slot in
            do throws(StorageError) { return try !isDeleted(slot) } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        return slot
    }

    /// The key of a slot that has not been deleted.
    package func key(ofSlot slot: UInt32) throws(StorageError) -> RecordKey {
        try checkSlot(slot)
        if let id = try integerKey(slot) { return .int(id) }
        guard let bytes = try transaction.get(transaction.databases.records, transaction.key(descriptor.id, slot, RecordValue.stringKey)) else {
            throw StorageError(.notFound, "slot \(slot) of collection '\(descriptor.name)' has been deleted")
        }
        return .string(String(decoding: bytes, as: UTF8.self))
    }

    private func integerKey(_ slot: UInt32) throws(StorageError) -> Int64? {
        if slot >= state.sealedCount {
            let (segment, row) = try segment(of: slot)
            return segment.integerKey(row)
        }
        let layout = ColumnLayout(descriptor, .int)
        let number = Int(slot) / layout.capacity, row = Int(slot) % layout.capacity
        let base: UnsafeRawPointer
        if let chunk = chunks[UInt64(descriptor.keyArray) << 32 | UInt64(number)] {
            base = UnsafeRawPointer(chunk.base)
        } else {
            guard let value = try transaction.get(transaction.databases.chunks, transaction.key(descriptor.keyArray, UInt32(number))),
                  let header = ChunkHeader(value, kind: .column), row < header.count, value.count >= layout.byteCount(header.count),
                  let start = value.baseAddress
            else { throw transaction.corrupt("the key column of collection '\(descriptor.name)'") }
            base = start
        }
        guard Bits.test((base + ChunkHeader.byteCount).assumingMemoryBound(to: UInt8.self), row) else { return nil }
        return Int64(littleEndian: (base + layout.valuesOffset).loadUnaligned(fromByteOffset: 8 * row, as: Int64.self))
    }

    func checkSlot(_ slot: UInt32) throws(StorageError) {
        guard slot < state.slotCount else {
            throw StorageError(.notFound, "collection '\(descriptor.name)' has no slot \(slot)", expected: slotCount, actual: Int(slot))
        }
    }

    // MARK: Tail

    /// The tail segment that holds a slot, and the row in it.
    func segment(of slot: UInt32) throws(StorageError) -> (MutableSegment, Int) {
        let starts: [UInt32]
        if let segmentStarts { starts = segmentStarts } else {
            starts = try readSegmentStarts()
            segmentStarts = starts
        }
        guard let position = starts.lastIndex(where: { $0 <= slot }) else {
            throw transaction.corrupt("the tail of collection '\(descriptor.name)' lacks slot \(slot)")
        }
        let start = starts[position]
        let segment: MutableSegment
        if let known = segments[start] { segment = known } else {
            guard let value = try transaction.get(transaction.databases.tails, transaction.key(descriptor.id, start)) else {
                throw transaction.corrupt("the tail of collection '\(descriptor.name)' lacks slot \(slot)")
            }
            segment = try MutableSegment(value, firstSlot: start, table: descriptor, transaction: transaction)
            segments[start] = segment
        }
        guard Int(slot - start) < segment.count else { throw transaction.corrupt("the tail of collection '\(descriptor.name)' lacks slot \(slot)") }
        return (segment, Int(slot - start))
    }

    private func readSegmentStarts() throws(StorageError) -> [UInt32] {
        var starts: [UInt32] = []
        var cursor = try Cursor(transaction, transaction.databases.tails)
        var found = try cursor.seek(transaction.key(descriptor.id, UInt32(state.sealedCount)))
        while found, cursor.key.count == 8, cursor.key.bigEndian32(0) == descriptor.id {
            starts.append(cursor.key.bigEndian32(4))
            found = try cursor.next()
        }
        return starts
    }

    /// Before the set of segments changes: writes the changed ones and forgets them.
    func forgetSegments() throws(StorageError) {
        for segment in segments.values where segment.isDirty { try segment.write(transaction, descriptor, generation) }
        segments.removeAll()
        segmentStarts = nil
    }

    // MARK: Dictionary

    /// The code of a string in a column, added to its dictionary where it is new.
    func code(_ position: Int, _ string: String) throws(StorageError) -> UInt32 {
        // Swift's strings are equal where Unicode says so; the dictionary goes by bytes, so only ASCII is safe to remember.
        let isASCII = string.utf8.allSatisfy { $0 < 0x80 }
        if isASCII, let code = dictionaryCodes[position][string] { return code }
        let array = descriptor.columnArrays[position]
        let bytes = Array(string.utf8)
        let code: UInt32
        if let known = try transaction.dictionaryCode(array, bytes) {
            code = known
        } else {
            guard state.columns[position].dictionaryCount < UInt64(UInt32.max) else {
                throw StorageError(.tooLarge, "column '\(descriptor.columns[position].name)' has 4,294,967,295 different strings; put more into another table")
            }
            code = UInt32(state.columns[position].dictionaryCount)
            try owner.demand(2 * bytes.count + 64)
            try transaction.addToDictionary(array, bytes, code: code)
            state.columns[position].dictionaryCount += 1
        }
        guard isASCII else { return code }
        if dictionaryCodes[position].count >= 65536 { dictionaryCodes[position].removeAll() }
        dictionaryCodes[position][string] = code
        return code
    }
}

extension Transaction {
    /// The live slot of a key; `isLive` judges a slot found in a run.
    func liveSlot(
        _ table: TableDescriptor, _ state: TableState, _ key: RecordKey, isLive: (UInt32) -> Bool
    ) throws(StorageError) -> UInt32? {
        if let slot = try individualSlot(table.id, key) { return slot }
        guard case .int(let id) = key, let run = try run(table.id, state, holding: id) else { return nil }
        let slot = run.slot(of: id)
        return isLive(slot) ? slot : nil
    }
}
