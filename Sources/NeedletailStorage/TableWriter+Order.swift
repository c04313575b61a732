import CLMDB

/// Keeping ordered indexes: see ``OrderedIndexFormat``.
extension TableWriter {
    /// Notes that a covered row's value changes; the index follows when the body ends, or earlier where much has gathered.
    func changeOrder(_ position: Int, _ slot: UInt32, from old: UInt64?, to new: UInt64?) throws(StorageError) {
        let type = descriptor.columns[position].type
        var changes = orderChanges[position] ?? [:]
        orderChanges[position] = nil
        // Of two changes of one entry the later one counts.
        if let old { changes[OrderedEntry(value: OrderedValue.number(type, bits: old), slot: slot)] = false }
        if let new { changes[OrderedEntry(value: OrderedValue.number(type, bits: new), slot: slot)] = true }
        orderChanges[position] = changes
        if changes.count >= 1 << 18 { try mergeOrderChanges(position) }
    }

    /// Whether a change of this row's column changes an ordered index.
    func isOrdered(_ position: Int, _ slot: UInt32) -> Bool { UInt64(slot) < state.orderedCount && descriptor.columns[position].isOrdered }

    private func mergeOrderChanges(_ position: Int) throws(StorageError) {
        guard let changes = orderChanges.removeValue(forKey: position) else { return }
        try merge(position, changes.map { OrderedChange(entry: $0.key, isAdded: $0.value) })
    }

    /// At the end of the body, when columns are stored: brings the indexes along.
    func flushOrder() throws(StorageError) {
        for position in orderChanges.keys.sorted() { try mergeOrderChanges(position) }
        // Only who seals rows brings them in: a delete must succeed where there is no room for that.
        guard state.sealedCount > sealedCountBefore, !orderedPositions.isEmpty else { return }
        let waiting = Int(state.sealedCount - state.orderedCount)
        if waiting >= OrderedIndexFormat.patience(covered: Int(state.orderedCount), blockRows: descriptor.blockRows) { try extendOrder() }
    }

    /// Sealed rows that the ordered indexes do not cover yet; 0 where the table has none.
    package var unorderedCount: Int { orderedPositions.isEmpty ? 0 : Int(state.sealedCount - state.orderedCount) }

    /// Brings the sealed rows that came after the ordered indexes into them: at most two million, so that an index that was
    /// never built, as in a file of an earlier version, takes several transactions and little memory.
    package func extendOrder() throws(StorageError) {
        guard unorderedCount > 0 else { return }
        try flushChunks()
        let first = Int(state.orderedCount)
        let end = first + min(unorderedCount, OrderedIndexFormat.maximumRowsAtOnce / descriptor.blockRows * descriptor.blockRows)
        try owner.demand(orderedPositions.count * roomToMerge(end - first))
        for position in orderedPositions { try merge(position, try addedEntries(position, first ..< end)) }
        state.orderedCount = UInt64(end)
    }

    /// What a merge of so many entries writes: each may go to a block of its own, and a block that overflows becomes two.
    func roomToMerge(_ count: Int) -> Int {
        let blocks = min(count, Int(state.orderedCount) / (OrderedIndexFormat.maximumEntryCount / 2) + 1)
        return (blocks + 8) * transaction.pageByteCount + count * 2 * OrderedIndexFormat.entryByteCount
    }

    /// Entries of the live, stored rows that have a value.
    private func addedEntries(_ position: Int, _ slots: Range<Int>) throws(StorageError) -> [OrderedChange] {
        let type = descriptor.columns[position].type, array = descriptor.columnArrays[position]
        let layout = ColumnLayout(descriptor, type)
        var changes: [OrderedChange] = []
        changes.reserveCapacity(slots.count)
        var slot = slots.lowerBound
        while slot < slots.upperBound {
            let number = slot / layout.capacity
            let end = min(slots.upperBound, (number + 1) * layout.capacity)
            // Found before the chunk is read: the bitmap's own chunk may have others written.
            var live: [UInt32] = []
            live.reserveCapacity(end - slot)
            for candidate in UInt32(slot) ..< UInt32(end) where try !isDeleted(candidate) { live.append(candidate) }
            guard let value = try transaction.get(transaction.databases.chunks, transaction.key(array, UInt32(number))),
                  let header = ChunkHeader(value, kind: .column), end - number * layout.capacity <= header.count,
                  value.count >= layout.byteCount(header.count), let base = value.baseAddress
            else { throw transaction.corrupt("chunk \(number) of array \(array) of collection '\(descriptor.name)'") }
            let validity = (base + ChunkHeader.byteCount).assumingMemoryBound(to: UInt8.self)
            for slot in live {
                let row = Int(slot) - number * layout.capacity
                guard Bits.test(validity, row) else { continue }
                let number = OrderedValue.number(type, bits: OrderedValue.bits(type, base + layout.valuesOffset, row))
                changes.append(OrderedChange(entry: OrderedEntry(value: number, slot: slot), isAdded: true))
            }
            slot = end
        }
        return changes
    }

    /// Makes changes of different entries, each block written once.
    private func merge(_ position: Int, _ unsorted: [OrderedChange]) throws(StorageError) {
        let changes = unsorted.sorted { $0.entry < $1.entry }
        let array = descriptor.columnArrays[position]
        try wholeOrNothing { () throws(StorageError) in
            var next = 0
            while next < changes.count { next = try mergeBlock(array, changes, from: next) }
        }
    }

    /// Makes the changes that belong to the block of the first of them; the result is the first that does not.
    private func mergeBlock(_ array: UInt32, _ changes: [OrderedChange], from first: Int) throws(StorageError) -> Int {
        var start = OrderedEntry(value: 0, slot: 0)
        var merged: [OrderedEntry] = []
        var end = first
        var isGrowingAtEnd = true, isLast = true
        do {
            var cursor = try Cursor(transaction, transaction.databases.dictionary)
            var old: OrderedBlock?
            if try cursor.seek(blockHolding: changes[first].entry, of: array, transaction) {
                let block = try cursor.block(of: descriptor.name, transaction)
                start = block.start
                old = block
            }
            let oldCount = old?.count ?? 0
            var bound: OrderedEntry?
            if old != nil, try cursor.next(), OrderedBlock.isKey(cursor.key, of: array) { bound = OrderedBlock.entry(of: cursor.key) }
            isLast = bound == nil
            merged.reserveCapacity(oldCount + 16)
            var position = 0
            while end < changes.count, bound.map({ changes[end].entry < $0 }) ?? true {
                let change = changes[end]
                while position < oldCount, let entry = old?[position], entry < change.entry {
                    merged.append(entry)
                    position += 1
                }
                if position < oldCount, old?[position] == change.entry { position += 1 }
                if change.isAdded { merged.append(change.entry) }
                end += 1
            }
            isGrowingAtEnd = position == oldCount
            while position < oldCount, let entry = old?[position] {
                merged.append(entry)
                position += 1
            }
        }
        try put(merged, array, start, filled: isLast || isGrowingAtEnd)
        return end
    }

    /// Stores entries as blocks: full ones where more is expected behind them, else of equal size, which leaves room in each.
    private func put(_ entries: [OrderedEntry], _ array: UInt32, _ start: OrderedEntry, filled: Bool) throws(StorageError) {
        let database = transaction.databases.dictionary
        guard !entries.isEmpty else {
            // The first block stays, so that every entry has one.
            if start > OrderedEntry(value: 0, slot: 0) {
                try transaction.delete(database, transaction.orderedKey(array, start))
            } else {
                try transaction.put(database, transaction.orderedKey(array, start), [])
            }
            return
        }
        let blockCount = (entries.count + OrderedIndexFormat.maximumEntryCount - 1) / OrderedIndexFormat.maximumEntryCount
        for block in 0 ..< blockCount {
            let from = filled ? block * OrderedIndexFormat.maximumEntryCount : entries.count * block / blockCount
            let to = filled ? min(entries.count, from + OrderedIndexFormat.maximumEntryCount) : entries.count * (block + 1) / blockCount
            let count = to - from
            let bytes = [UInt8](unsafeUninitializedCapacity: count * OrderedIndexFormat.entryByteCount) { buffer, written in
                guard let base = buffer.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
                for position in 0 ..< count {
                    base.storeBytes(of: entries[from + position].value.littleEndian, toByteOffset: 8 * position, as: UInt64.self)
                    base.storeBytes(of: entries[from + position].slot.littleEndian, toByteOffset: 8 * count + 4 * position, as: UInt32.self)
                }
                written = count * OrderedIndexFormat.entryByteCount
            }
            try transaction.put(database, transaction.orderedKey(array, block == 0 ? start : entries[from]), bytes)
        }
    }
}

/// An entry to be there, or not to be there.
struct OrderedChange {
    var entry: OrderedEntry
    var isAdded: Bool
}
