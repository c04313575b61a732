import CLMDB

/// The checks of ordered indexes.
extension TableCheck {
    /// Blocks stand in order, entries in their blocks and in order; every covered live row that has a value has the entry of its
    /// value, none has two, and only deleted rows' entries are left over.
    mutating func checkOrder(_ position: Int) throws(StorageError) {
        let column = descriptor.columns[position]
        guard column.isOrdered else { return try checkNoOrder(position) }
        let covered = table.orderedCount
        let stored = try table.resolve(position)
        let place = "the ordered index of column '\(column.name)'"
        var seen = [UInt64](repeating: 0, count: (covered + 63) / 64)
        var wrong: [String] = []
        var last: OrderedEntry?
        var isFirstBlock = true
        try forEachOrderedBlock(position) { block in
            guard wrong.count < 1000 else { return }
            guard let block else { return wrong.append("\(place) has a malformed block") }
            if isFirstBlock, block.start != OrderedEntry(value: 0, slot: 0) { wrong.append("\(place) does not begin at its start") }
            if !isFirstBlock, block.count == 0 { wrong.append("\(place) has an empty block") }
            isFirstBlock = false
            for i in 0 ..< block.count {
                let entry = block[i]
                if entry < block.start { wrong.append("\(place) has an entry before its block") }
                if let last, entry <= last { wrong.append("\(place) is not in order at slot \(entry.slot)") }
                last = entry
                guard Int(entry.slot) < covered else {
                    wrong.append("\(place) has an entry of slot \(entry.slot), but covers \(covered)")
                    continue
                }
                guard !table.isDeleted(entry.slot) else { continue }
                if seen[Int(entry.slot) / 64] >> UInt64(entry.slot % 64) & 1 == 1 { wrong.append("\(place) has two entries of slot \(entry.slot)") }
                seen[Int(entry.slot) / 64] |= 1 << UInt64(entry.slot % 64)
                let segment = stored.segment(containing: entry.slot)
                let row = Int(entry.slot) - segment.firstSlot
                let number = OrderedValue.number(column.type, bits: OrderedValue.bits(column.type, segment.values, row))
                if !segment.isPresent(row) || number != entry.value { wrong.append("\(place) has another value of slot \(entry.slot) than the column") }
            }
        }
        for slot in 0 ..< UInt32(covered) where wrong.count < 1000 && seen[Int(slot) / 64] >> UInt64(slot % 64) & 1 == 0 {
            let segment = stored.segment(containing: slot)
            if segment.isPresent(Int(slot) - segment.firstSlot), !table.isDeleted(slot) { wrong.append("\(place) lacks slot \(slot)") }
        }
        for message in wrong { report(message) }
    }

    private mutating func checkNoOrder(_ position: Int) throws(StorageError) {
        var count = 0
        try forEachOrderedBlock(position) { _ in count += 1 }
        if count > 0 { report("column '\(descriptor.columns[position].name)' is not indexed, but has blocks of an ordered index") }
    }

    private func forEachOrderedBlock(_ position: Int, _ body: (OrderedBlock?) -> Void) throws(StorageError) {
        let array = descriptor.columnArrays[position]
        try locked { () throws(StorageError) in
            var cursor = try Cursor(transaction, transaction.databases.dictionary)
            let empty = UnsafeRawBufferPointer(start: nil, count: 0)
            var found = try cursor.seek(transaction.key(array, tag: OrderedIndexFormat.tag, empty))
            while found, cursor.key.count >= 5, cursor.key.bigEndian32(0) == array {
                body(OrderedBlock.isKey(cursor.key, of: array) ? OrderedBlock(key: cursor.key, value: cursor.value) : nil)
                found = try cursor.next()
            }
        }
    }
}
