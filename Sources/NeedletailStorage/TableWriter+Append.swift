import CLMDB
import Foundation

/// Appending: keys, then columns, then either a tail segment or sealed blocks, then records.
extension TableWriter {
    /// Adds rows at the end. A batch that cannot be stored is refused before anything is written.
    package func append(_ batch: RecordBatch, onDuplicate: OnDuplicate = .fail) throws(StorageError) {
        try batch.validate(for: descriptor)
        guard batch.count > 0 else { return }
        guard slotCount + batch.count < Int(UInt32.max) else {
            throw StorageError(.tooLarge, "collection '\(descriptor.name)' would have more than 4,294,967,294 slots; compact it, or use another table",
                               expected: Int(UInt32.max) - 1, actual: slotCount + batch.count)
        }
        let rows: [Int]
        switch onDuplicate {
        case .fail:
            try owner.demand(estimatedByteCount(batch))
            do throws(StorageError) { try insertKeys(batch.keys) } catch {
                if error.code != .duplicateKey { transaction.fail(error) }
                throw error
            }
            return try wholeOrNothing { () throws(StorageError) in try appendRows(batch) }
        case .skip: rows = try rowsWithoutDuplicates(batch)
        case .replace: rows = rowsThatRemain(batch)
        }
        guard rows.count < batch.count else { return try appendFree(batch, replacing: onDuplicate == .replace) }
        guard !rows.isEmpty else { return }
        try batch.withRows(rows, vectorByteCount: descriptor.vectorByteCount) { batch throws(StorageError) in
            try appendFree(batch, replacing: onDuplicate == .replace)
        }
    }

    /// Adds rows of different keys, which are free or, when replacing, are made free first.
    private func appendFree(_ batch: RecordBatch, replacing: Bool) throws(StorageError) {
        try owner.demand(estimatedByteCount(batch))
        try wholeOrNothing { () throws(StorageError) in
            if replacing {
                for row in 0 ..< batch.count { _ = try delete(batch.keys[row]) }
            }
            try overwriteKeys(batch.keys)
            try appendRows(batch)
        }
    }

    /// About what the batch adds to the file, the tree pages around it included.
    private func estimatedByteCount(_ batch: RecordBatch) -> Int {
        var byteCount = batch.count * (descriptor.rowByteCount + 64)
        for case .stringList(let lists) in batch.columns {
            for list in lists { byteCount += 4 * (list?.count ?? 0) }
        }
        for payload in batch.payloads ?? [] { byteCount += payload.map { $0.count + 64 } ?? 0 }
        for attachment in batch.attachments ?? [] { byteCount += attachment.map { $0.count + 64 } ?? 0 }
        // Sealing moves the tail into a block and rewrites each column's last chunk.
        if Int(state.slotCount - state.sealedCount) + batch.count >= descriptor.blockRows {
            byteCount += descriptor.blockByteCount + (descriptor.columns.count * 2 + 1) * (80 << 10)
        }
        return byteCount + 24 * transaction.pageByteCount
    }

    private func appendRows(_ batch: RecordBatch) throws(StorageError) {
        let encoded = try EncodedBatch(batch, table: descriptor) { position, string throws(StorageError) in try code(position, string) }
        try withExtendedLifetime(encoded) { () throws(StorageError) in
            try store(encoded.source)
            try putRecords(batch, firstSlot: UInt32(state.slotCount))
        }
        state.slotCount += UInt64(batch.count)
        state.liveCount += UInt64(batch.count)
    }

    // MARK: Keys

    /// Enters keys that must all be new: takes back what it entered before it throws `.duplicateKey`.
    private func insertKeys(_ keys: RecordBatch.Keys) throws(StorageError) {
        let firstSlot = UInt32(state.slotCount)
        func duplicate(_ row: Int) -> StorageError {
            StorageError(.duplicateKey, "a record with id \(keys[row]) exists in collection '\(descriptor.name)'; choose another id, or replace it",
                         key: keys[row], row: row)
        }
        if let stretch = keys.stretch, try insertStretch(stretch, firstSlot) { return }
        for row in 0 ..< keys.count {
            let key = keys[row]
            var exists = try putNew(key, firstSlot + UInt32(row)) != nil
            if !exists, case .int(let id) = key, let run = try transaction.run(descriptor.id, state, holding: id),
               try !isDeleted(run.slot(of: id)) {
                exists = true
                try deleteIndividual(key)
            }
            guard !exists else {
                for earlier in 0 ..< row { try deleteIndividual(keys[earlier]) }
                throw duplicate(row)
            }
        }
        try closeRun()
    }

    /// Enters keys that are known to be free.
    private func overwriteKeys(_ keys: RecordBatch.Keys) throws(StorageError) {
        let firstSlot = UInt32(state.slotCount)
        if let stretch = keys.stretch, try insertStretch(stretch, firstSlot) { return }
        for row in 0 ..< keys.count { _ = try putNew(keys[row], firstSlot + UInt32(row)) }
        try closeRun()
    }

    /// Enters consecutive ids as a run, if none of them has been used; false where they must be entered one by one.
    /// The run stays open: the next ids, if they follow, need no entry at all.
    private func insertStretch(_ ids: Range<Int64>, _ firstSlot: UInt32) throws(StorageError) -> Bool {
        let count = Int64(ids.count)
        let previous = try transaction.run(descriptor.id, state, startingAtOrBefore: ids.lowerBound)
        let extends = previous.map { $0.last < Int64.max && $0.last + 1 == ids.lowerBound && UInt64($0.slot) + UInt64($0.count) == UInt64(firstSlot) } ?? false
        guard extends || count >= Self.shortestRun || state.slotCount == 0 else { return false }
        if try transaction.hasIdentifiers(descriptor.id, state, ids.lowerBound, ids.upperBound - 1) { return false }
        let run: IdentifierRun
        if extends, let previous {
            if state.openRun == previous.first { return true }
            run = previous
        } else {
            try closeRun()
            run = IdentifierRun(first: ids.lowerBound, count: count, slot: firstSlot)
            state.runCount += 1
        }
        try transaction.putRun(descriptor.id, run, isOpen: true)
        state.openRun = run.first
        return true
    }

    /// Before slots are given to ids that do not go on with the open run.
    private func closeRun() throws(StorageError) {
        guard let first = state.openRun else { return }
        guard let run = try transaction.run(descriptor.id, state, startingAtOrBefore: first), run.first == first else {
            throw transaction.corrupt("the open run of ids of collection '\(descriptor.name)' is missing")
        }
        try transaction.putRun(descriptor.id, run, isOpen: false)
        state.openRun = nil
    }

    /// Fewer consecutive ids than this do not begin a run, only go on with one; but a table's first ids do, since they
    /// tend to count up.
    private static let shortestRun: Int64 = 8

    private func putNew(_ key: RecordKey, _ slot: UInt32) throws(StorageError) -> UInt32? {
        try transaction.putNew(transaction.databases.ids, individualKey(key), slot)
    }

    private func individualKey(_ key: RecordKey) -> MDB_val {
        switch key {
        case .int(let id): transaction.key(descriptor.id, tag: IdentifierTag.int, id)
        case .string(let text): transaction.stringKey(descriptor.id, text)
        }
    }

    func deleteIndividual(_ key: RecordKey) throws(StorageError) {
        try transaction.delete(transaction.databases.ids, individualKey(key))
    }

    /// Rows whose key is new; of equal keys in the batch the first.
    private func rowsWithoutDuplicates(_ batch: RecordBatch) throws(StorageError) -> [Int] {
        var rows: [Int] = []
        var seen: Set<RecordKey> = []
        for row in 0 ..< batch.count where seen.insert(batch.keys[row]).inserted {
            if try slot(for: batch.keys[row]) == nil { rows.append(row) }
        }
        return rows
    }

    /// Of equal keys in the batch only the last row.
    private func rowsThatRemain(_ batch: RecordBatch) -> [Int] {
        var rows: [Int] = []
        var seen: Set<RecordKey> = []
        for row in (0 ..< batch.count).reversed() where seen.insert(batch.keys[row]).inserted { rows.append(row) }
        return rows.reversed()
    }

    // MARK: Rows

    /// Stores rows at the end: as a segment while they do not fill a block with the tail before them, else as blocks,
    /// with what is left over as a segment. Whole blocks go from the caller's memory to LMDB's page with one copy.
    private func store(_ source: RowSource) throws(StorageError) {
        let tailCount = Int(state.slotCount - state.sealedCount)
        let total = tailCount + source.count
        guard total >= descriptor.blockRows else {
            return try putSegment(source, first: 0, count: source.count, firstSlot: UInt32(state.slotCount))
        }
        try forgetSegments()
        var sources: [RowSource] = []
        var starts: [UInt32] = []
        // The segments are copied: a put may move the pages that they stand in.
        var copies: [UnsafeMutableRawBufferPointer] = []
        defer { for copy in copies { copy.deallocate() } }
        do {
            var cursor = try Cursor(transaction, transaction.databases.tails)
            var found = try cursor.seek(transaction.key(descriptor.id, UInt32(state.sealedCount)))
            var expected = UInt32(state.sealedCount)
            while found, cursor.key.count == 8, cursor.key.bigEndian32(0) == descriptor.id {
                let start = cursor.key.bigEndian32(4)
                guard start == expected else { break }
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: cursor.value.count, alignment: 8)
                copy.copyMemory(from: cursor.value)
                copies.append(copy)
                let segment = try TailSegment(UnsafeRawBufferPointer(copy), firstSlot: start, table: descriptor, transaction: transaction)
                sources.append(segment.source)
                starts.append(start)
                expected += UInt32(segment.source.count)
                found = try cursor.next()
            }
            guard expected == UInt32(state.slotCount) else { throw transaction.corrupt("the tail of collection '\(descriptor.name)' lacks rows") }
        }
        sources.append(source)
        let sealing = total / descriptor.blockRows * descriptor.blockRows
        try sealVectors(sources, count: sealing)
        try sealColumns(sources, count: sealing)
        for start in starts { try transaction.delete(transaction.databases.tails, transaction.key(descriptor.id, start)) }
        let left = total - sealing
        if left > 0 {
            try putSegment(source, first: source.count - left, count: left, firstSlot: UInt32(state.sealedCount) + UInt32(sealing))
        }
        state.sealedCount += UInt64(sealing)
    }

    private func putSegment(_ source: RowSource, first: Int, count: Int, firstSlot: UInt32) throws(StorageError) {
        try forgetSegments()
        let bytes = TailSegment.encode(source, first: first, count: count, firstSlot: firstSlot, table: descriptor, generation: generation)
        try transaction.put(transaction.databases.tails, transaction.key(descriptor.id, firstSlot), bytes)
    }

    private func sealVectors(_ sources: [RowSource], count: Int) throws(StorageError) {
        let rows = descriptor.blockRows, stride = descriptor.vectorByteCount
        let byteCount = ChunkHeader.byteCount + descriptor.blockByteCount
        var source = 0, first = 0
        for block in 0 ..< count / rows {
            let number = UInt32(Int(state.sealedCount) / rows + block)
            let base = try transaction.reserve(
                transaction.databases.chunks, transaction.key(descriptor.vectorArray, number), count: byteCount)
            ChunkHeader(kind: .vectors, count: rows, generation: generation).writeFields(to: base)
            let vectors = base + ChunkHeader.byteCount, norms = vectors + rows * stride
            var checksum = ChunkHeader.checksumOfHeader(base, (descriptor.vectorArray, number))
            var done = 0
            while done < rows {
                if first == sources[source].count {
                    source += 1
                    first = 0
                }
                // Pieces that stay in the first-level caches between the copy and the checksum.
                let piece = min(rows - done, sources[source].count - first, max(1, (32 << 10) / stride))
                sources[source].copyVectors(first: first, count: piece, byteCount: stride, to: vectors + done * stride)
                (norms + 4 * done).copyMemory(from: sources[source].norms + 4 * first, byteCount: 4 * piece)
                checksum = crc32c(checksum, vectors + done * stride, piece * stride)
                done += piece
                first += piece
            }
            checksum = crc32c(checksum, norms, 4 * rows)
            base.storeBytes(of: checksum.littleEndian, toByteOffset: 16, as: UInt32.self)
        }
    }

    private func sealColumns(_ sources: [RowSource], count: Int) throws(StorageError) {
        try sealColumn(descriptor.keyArray, .int, sources.map { ($0.keys, $0.count) }, count: count, list: nil)
        for (position, column) in descriptor.columns.enumerated() {
            try sealColumn(
                descriptor.columnArrays[position], column.type, sources.map { ($0.columns[position], $0.count) }, count: count,
                list: column.type == .stringList ? position : nil)
        }
    }

    private func sealColumn(
        _ array: UInt32, _ type: ColumnType, _ sources: [(ColumnSource, Int)], count: Int, list: Int?
    ) throws(StorageError) {
        let layout = ColumnLayout(descriptor, type)
        var slot = Int(state.sealedCount)
        let end = slot + count
        for (source, sourceCount) in sources {
            var first = 0
            var codes = source.codes
            while first < sourceCount, slot < end {
                let row = slot % layout.capacity
                let piece = min(sourceCount - first, end - slot, layout.capacity - row)
                // Lists come first: a new chunk for their codes may have changed chunks written and let go, this column's too.
                var elements: [UInt64] = []
                if let list {
                    elements.reserveCapacity(piece)
                    for i in 0 ..< piece {
                        guard source.isPresent(first + i) else {
                            elements.append(0)
                            continue
                        }
                        let length = source.listCount(first + i)
                        elements.append(try appendList(list, codes, length).littleEndian)
                        codes = codes.map { $0 + 4 * length }
                    }
                }
                let chunk = try columnChunk(array, layout, slot / layout.capacity)
                guard chunk.count == row else { throw transaction.corrupt("chunk \(slot / layout.capacity) of array \(array)") }
                let validity = chunk.payload.assumingMemoryBound(to: UInt8.self)
                Bits.copy(from: source.validity, at: first, to: validity, at: row, count: piece)
                let values = chunk.base + layout.valuesOffset + row * layout.width
                if list == nil {
                    values.copyMemory(from: source.values + first * layout.width, byteCount: piece * layout.width)
                } else {
                    elements.withUnsafeBytes { if let base = $0.baseAddress { values.copyMemory(from: base, byteCount: $0.count) } }
                }
                chunk.count = row + piece
                chunk.isDirty = true
                first += piece
                slot += piece
            }
        }
    }

    /// Appends a list's codes to the column's value array, in one chunk; the result is the row's element.
    func appendList(_ position: Int, _ codes: UnsafeRawPointer?, _ count: Int) throws(StorageError) -> UInt64 {
        guard count > 0 else { return 0 }
        var start = Int(state.columns[position].listValueCount)
        if start % listChunkCapacity + count > listChunkCapacity { start = (start / listChunkCapacity + 1) * listChunkCapacity }
        guard start + count < maximumListValueCount else {
            throw StorageError(.tooLarge, "column '\(descriptor.columns[position].name)' holds too many list values; compact the table")
        }
        let chunk = try chunk(
            descriptor.listArrays[position], start / listChunkCapacity,
            capacityByteCount: ChunkHeader.byteCount + 4 * listChunkCapacity, kind: .listValues)
        let offset = start % listChunkCapacity
        if let codes { (chunk.payload + 4 * offset).copyMemory(from: codes, byteCount: 4 * count) }
        chunk.count = offset + count
        chunk.isDirty = true
        state.columns[position].listValueCount = UInt64(start + count)
        return UInt64(start) << 24 | UInt64(count)
    }

    // MARK: Records

    private func putRecords(_ batch: RecordBatch, firstSlot: UInt32) throws(StorageError) {
        let records = transaction.databases.records
        var hasStringKeys = false
        if case .keys = batch.keys { hasStringKeys = true }
        guard hasStringKeys || batch.payloads != nil || batch.attachments != nil else { return }
        for row in 0 ..< batch.count {
            let slot = firstSlot + UInt32(row)
            if hasStringKeys, case .string(let text) = batch.keys[row] {
                try transaction.putRecord(records, descriptor.id, slot, RecordValue.stringKey, Array(text.utf8))
            }
            if let payload = batch.payloads?[row] {
                try transaction.putRecord(records, descriptor.id, slot, RecordValue.payload, payload)
            }
            if let attachment = batch.attachments?[row] {
                try transaction.putRecord(records, descriptor.id, slot, RecordValue.attachment, attachment)
            }
        }
    }
}

extension Transaction {
    func putRecord(_ database: MDB_dbi, _ table: UInt32, _ slot: UInt32, _ kind: UInt8, _ data: some ContiguousBytes) throws(StorageError) {
        var failure: StorageError?
        data.withUnsafeBytes { bytes in
            do throws(StorageError) { try put(database, key(table, slot, kind), bytes, append: true) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension RecordBatch.Keys {
    /// The ids as a range, where they are consecutive integers.
    var stretch: Range<Int64>? {
        switch self {
        case .range(let range): return range
        case .ints(let ids):
            guard let first = ids.first, first <= Int64.max - Int64(ids.count) else { return nil }
            for (offset, id) in ids.enumerated() where id != first + Int64(offset) { return nil }
            return first ..< first + Int64(ids.count)
        case .keys(let keys):
            guard let key = keys.first, case .int(let first) = key, first <= Int64.max - Int64(keys.count) else { return nil }
            for (offset, key) in keys.enumerated() where key != .int(first + Int64(offset)) { return nil }
            return first ..< first + Int64(keys.count)
        }
    }
}
