import CLMDB
import Foundation

/// Changing what is there: deletes, updates of columns and payloads.
extension TableWriter {
    // MARK: Deletes

    private func bitmapChunk(_ slot: UInt32) throws(StorageError) -> MutableChunk {
        try chunk(descriptor.deletedArray, Int(slot) / bitmapChunkCapacity,
                  capacityByteCount: ChunkHeader.byteCount + bitmapChunkCapacity / 8, kind: .bitmap)
    }

    /// Whether a slot's record has been deleted.
    package func isDeleted(_ slot: UInt32) throws(StorageError) -> Bool {
        guard state.liveCount < state.slotCount else { return false }
        return Bits.test(try bitmapChunk(slot).payload.assumingMemoryBound(to: UInt8.self), Int(slot) % bitmapChunkCapacity)
    }

    /// The last chunk is stored only as far as slots go, in steps of a page, so that a small table's delete writes little.
    func writeBitmap(_ chunk: MutableChunk) throws(StorageError) {
        let slots = min(bitmapChunkCapacity, slotCount - Int(chunk.key.number) * bitmapChunkCapacity)
        let firstPage = 4096 - 16 - ChunkHeader.byteCount
        let needed = (max(0, slots) + 7) / 8
        let payload = needed <= firstPage ? firstPage : min(bitmapChunkCapacity / 8, firstPage + (needed - firstPage + 4095) / 4096 * 4096)
        let header = ChunkHeader(kind: .bitmap, count: chunk.count, generation: generation)
        try chunk.write(byteCount: ChunkHeader.byteCount + payload, header: header, transaction)
    }

    /// Deletes a record; false where there is none. Works also when the map or the disk is full.
    package func delete(_ key: RecordKey) throws(StorageError) -> Bool {
        guard let slot = try slot(for: key) else { return false }
        try remove(slot, key)
        return true
    }

    private func remove(_ slot: UInt32, _ key: RecordKey) throws(StorageError) {
        // Before the first delete of a table the count of live records says that there is no bitmap to read.
        let chunk = try bitmapChunk(slot)
        Bits.set(chunk.payload.assumingMemoryBound(to: UInt8.self), Int(slot) % bitmapChunkCapacity, true)
        chunk.count += 1
        chunk.isDirty = true
        state.liveCount -= 1
        try deleteIndividual(key)
        for kind in [RecordValue.stringKey, RecordValue.payload, RecordValue.attachment] {
            try transaction.delete(transaction.databases.records, transaction.key(descriptor.id, slot, kind))
        }
    }

    // MARK: Updates

    /// Sets columns, by position, of one record; false where there is none with this key.
    package func update(_ key: RecordKey, _ cells: [Int: CellValue]) throws(StorageError) -> Bool {
        guard let slot = try slot(for: key) else { return false }
        for (position, cell) in cells { try validate(cell, position) }
        try demandRoom(slot, cells)
        try wholeOrNothing { () throws(StorageError) in
            if slot >= state.sealedCount {
                let (segment, row) = try segment(of: slot)
                for (position, cell) in cells { segment.set(row, position, try encode(cell, position)) }
                state.tailGeneration = generation
            } else {
                for (position, cell) in cells { try setSealed(slot, position, try encode(cell, position)) }
            }
        }
        // Makes the state differ, so that the table's generation moves.
        state.generation = generation
        return true
    }

    /// Room for what an update rewrites: a chunk or a segment is written once, however many of its rows change.
    private func demandRoom(_ slot: UInt32, _ cells: [Int: CellValue]) throws(StorageError) {
        var byteCount = 0
        for (position, cell) in cells {
            if case .stringList(let list) = cell { byteCount += 4 * list.count }
            guard slot < state.sealedCount else { continue }
            // The entry leaves one block of the ordered index and goes to another.
            if isOrdered(position, slot) { byteCount += 4 * transaction.pageByteCount }
            let number = Int(slot) / descriptor.columnCapacity(descriptor.columns[position].type)
            if !holdsChunk(descriptor.columnArrays[position], number) { byteCount += 80 << 10 }
            // Codes go to the end of the value array: its last chunk, and the next where that is full.
            if case .stringList = cell, !holdsChunk(descriptor.listArrays[position], Int(state.columns[position].listValueCount) / listChunkCapacity) {
                byteCount += 2 * (80 << 10)
            }
        }
        if slot >= state.sealedCount {
            let segment = try segment(of: slot).0
            if !segment.isDirty { byteCount += segment.count * descriptor.rowByteCount + 8 * transaction.pageByteCount }
        }
        guard byteCount > 0 else { return }
        try owner.demand(byteCount + 8 * transaction.pageByteCount)
    }

    /// Runs a change that cannot be taken back halfway: if it throws, the transaction can only be undone.
    func wholeOrNothing(_ change: () throws(StorageError) -> Void) throws(StorageError) {
        do throws(StorageError) { try change() } catch {
            transaction.fail(error)
            throw error
        }
    }

    /// Sets or removes the JSON payload of one record; false where there is none with this key.
    package func setPayload(_ key: RecordKey, _ json: Data?) throws(StorageError) -> Bool {
        try RecordValue.validate(json, row: nil)
        guard let slot = try slot(for: key) else { return false }
        if let json {
            try owner.demand(json.count + 16 * transaction.pageByteCount)
            try transaction.putRecord(transaction.databases.records, descriptor.id, slot, RecordValue.payload, json)
        } else {
            try transaction.delete(transaction.databases.records, transaction.key(descriptor.id, slot, RecordValue.payload))
        }
        state.generation = generation
        return true
    }

    /// Replaces the bytes that the layer above keeps with the table.
    package func setUserInfo(_ data: Data) throws(StorageError) {
        try owner.demand(data.count * 2 + 8 * transaction.pageByteCount)
        descriptor.userInfo = data
        try transaction.putTable(descriptor)
        state.generation = generation
    }

    private func validate(_ cell: CellValue, _ position: Int) throws(StorageError) {
        guard descriptor.columns.indices.contains(position) else {
            throw StorageError(.invalidArgument, "collection '\(descriptor.name)' has no column \(position)")
        }
        let column = descriptor.columns[position]
        guard let type = cell.type else { return }
        guard type == column.type else {
            throw StorageError(.invalidArgument, "column '\(column.name)' holds \(column.type), not \(type)")
        }
        switch cell {
        case .string(let text): try ColumnLimit.validate(text, of: column, row: nil)
        case .stringList(let list): try ColumnLimit.validate(list, of: column, row: nil)
        default: break
        }
    }

    /// A cell with its strings turned into codes.
    private func encode(_ cell: CellValue, _ position: Int) throws(StorageError) -> EncodedCell {
        switch cell {
        case .null: return .null
        case .bool(let value): return .bits(value ? 1 : 0)
        case .int(let value), .timestamp(let value): return .bits(UInt64(bitPattern: value))
        case .double(let value): return .bits(value.bitPattern)
        case .string(let text): return .bits(UInt64(try code(position, text)))
        case .stringList(let list):
            var codes: [UInt32] = []
            for text in list { codes.append(try code(position, text)) }
            return .list(codes)
        }
    }

    private func setSealed(_ slot: UInt32, _ position: Int, _ cell: EncodedCell) throws(StorageError) {
        let type = descriptor.columns[position].type
        let layout = ColumnLayout(descriptor, type)
        let row = Int(slot) % layout.capacity
        var bits: UInt64 = 0
        switch cell {
        case .null: break
        case .bits(let value): bits = value
        // A changed list goes to the end of the value array; the old codes stay behind until the table is compacted.
        case .list(let codes):
            let stored = codes.map(\.littleEndian)
            let room = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, stored.count))
            defer { room.deallocate() }
            room.update(from: stored, count: stored.count)
            bits = try appendList(position, UnsafeRawPointer(room), stored.count)
        }
        let chunk = try columnChunk(descriptor.columnArrays[position], layout, Int(slot) / layout.capacity)
        guard row < chunk.count else { throw transaction.corrupt("chunk \(Int(slot) / layout.capacity) of array \(descriptor.columnArrays[position])") }
        let validity = chunk.payload.assumingMemoryBound(to: UInt8.self)
        if isOrdered(position, slot) {
            let old = Bits.test(validity, row) ? OrderedValue.bits(type, chunk.base + layout.valuesOffset, row) : nil
            try changeOrder(position, slot, from: old, to: cell.isNull ? nil : bits)
        }
        Bits.set(validity, row, !cell.isNull)
        var stored = bits.littleEndian
        (chunk.base + layout.valuesOffset + row * layout.width).copyMemory(from: &stored, byteCount: layout.width)
        chunk.isDirty = true
    }
}

/// A cell as it is stored: the low bytes of `bits`, or dictionary codes.
enum EncodedCell {
    case null, bits(UInt64), list([UInt32])

    var isNull: Bool {
        if case .null = self { return true }
        return false
    }
}

extension CellValue {
    /// The column type that holds the value; nil for null.
    var type: ColumnType? {
        switch self {
        case .null: nil
        case .bool: .bool
        case .int: .int
        case .double: .double
        case .timestamp: .timestamp
        case .string: .string
        case .stringList: .stringList
        }
    }
}
