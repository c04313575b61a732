import CLMDB

/// The checks of what leads from keys to slots and back, and of dictionaries and records.
extension TableCheck {
    /// By-string and by-code entries say the same, as many as the catalog says.
    mutating func checkDictionary(_ position: Int) throws(StorageError) {
        let column = descriptor.columns[position]
        guard column.type == .string || column.type == .stringList else { return }
        let array = descriptor.columnArrays[position], count = table.dictionaryCount(column: position)
        var wrong: [String] = []
        var byString = 0
        try locked { () throws(StorageError) in
            for code in 0 ..< UInt32(count) {
                let bytes = Array(try transaction.dictionaryBytes(array, code))
                if try transaction.dictionaryCode(array, bytes) != code { wrong.append("string \(code) of column '\(column.name)' is not found by its bytes") }
                if String(validating: bytes, as: UTF8.self) == nil { wrong.append("string \(code) of column '\(column.name)' is not UTF-8") }
            }
            if try transaction.get(transaction.databases.dictionary, transaction.key(array, tag: 1, UInt32(count))) != nil {
                wrong.append("the dictionary of column '\(column.name)' has codes beyond \(count)")
            }
            var cursor = try Cursor(transaction, transaction.databases.dictionary)
            var found = try cursor.seek(transaction.key(array, tag: 0, UnsafeRawBufferPointer(start: nil, count: 0)))
            while found, cursor.key.count >= 5, cursor.key.bigEndian32(0) == array, cursor.key[4] == 0 {
                byString += 1
                found = try cursor.next()
            }
        }
        if byString != count { wrong.append("the dictionary of column '\(column.name)' has \(byString) strings, the catalog says \(count)") }
        for message in wrong { report(message) }
    }

    /// Every id leads to a live slot that has this id, and every live slot is reached by exactly one id.
    mutating func checkIdentifiers() throws(StorageError) {
        let keys = try table.resolve(TableSnapshot.keyColumn)
        var reached = [UInt64](repeating: 0, count: (table.slotCount + 63) / 64)
        var wrong: [String] = []
        var runs = 0, openRuns = 0, lastOfRun: Int64?

        func meet(_ key: RecordKey, _ slot: UInt32) throws(StorageError) {
            guard wrong.count < 1000 else { return }
            guard Int(slot) < table.slotCount, !table.isDeleted(slot) else { return wrong.append("id \(key) leads to slot \(slot), which is not live") }
            if reached[Int(slot) / 64] >> UInt64(slot % 64) & 1 == 1 { wrong.append("two ids lead to slot \(slot)") }
            reached[Int(slot) / 64] |= 1 << UInt64(slot % 64)
            let segment = keys.segment(containing: slot)
            let row = Int(slot) - segment.firstSlot
            let back: RecordKey?
            if segment.isPresent(row) {
                back = .int(segment.values.load(fromByteOffset: 8 * row, as: Int64.self))
            } else {
                let bytes = try transaction.get(transaction.databases.records, transaction.key(descriptor.id, slot, RecordValue.stringKey))
                back = bytes.map { .string(String(decoding: $0, as: UTF8.self)) }
            }
            if back != key { wrong.append("id \(key) leads to slot \(slot), whose id is \(back.map(String.init(describing:)) ?? "missing")") }
        }

        try locked { () throws(StorageError) in
            var cursor = try Cursor(transaction, transaction.databases.ids)
            var found = try cursor.seek(transaction.key(descriptor.id))
            while found, cursor.key.count >= 5, cursor.key.bigEndian32(0) == descriptor.id {
                switch cursor.key[4] {
                case IdentifierTag.run:
                    guard let run = try transaction.decodeRun(cursor.key, cursor.value, descriptor.id, table.state) else {
                        wrong.append("a run of ids is malformed")
                        break
                    }
                    runs += 1
                    if run.first == table.state.openRun { openRuns += 1 }
                    if let lastOfRun, run.first <= lastOfRun { wrong.append("two runs of ids overlap at \(run.first)") }
                    lastOfRun = run.last
                    for id in run.first ... run.last where Int(run.slot(of: id)) >= table.slotCount || !table.isDeleted(run.slot(of: id)) {
                        try meet(.int(id), run.slot(of: id))
                    }
                case IdentifierTag.int where cursor.key.count == 13 && cursor.value.count == 4:
                    try meet(.int(cursor.key.orderedInt64(5)), cursor.value.littleEndian32(0))
                case IdentifierTag.string where cursor.value.count == 4:
                    try meet(.string(String(decoding: cursor.key.dropFirst(5), as: UTF8.self)), cursor.value.littleEndian32(0))
                default: wrong.append("an entry of 'ids' is malformed")
                }
                found = try cursor.next()
            }
        }
        for message in wrong { report(message) }
        if runs != Int(table.state.runCount) { report("there are \(runs) runs of ids, the catalog says \(table.state.runCount)") }
        if table.state.openRun != nil, openRuns != 1 { report("the open run of ids is missing") }
        let count = reached.reduce(0) { $0 + $1.nonzeroBitCount }
        if count != table.liveCount { report("\(count) records are reached by their ids, \(table.liveCount) are live") }
    }

    /// Records belong to live slots.
    mutating func checkRecords() throws(StorageError) {
        var wrong: [String] = []
        try locked { () throws(StorageError) in
            var cursor = try Cursor(transaction, transaction.databases.records)
            var found = try cursor.seek(transaction.key(descriptor.id))
            while found, cursor.key.count >= 4, cursor.key.bigEndian32(0) == descriptor.id {
                if cursor.key.count != 9 || cursor.key[8] > RecordValue.attachment {
                    wrong.append("an entry of 'records' is malformed")
                } else {
                    let slot = cursor.key.bigEndian32(4)
                    if Int(slot) >= table.slotCount || table.isDeleted(slot) { wrong.append("slot \(slot) is not live, but has a record of kind \(cursor.key[8])") }
                }
                found = try cursor.next()
            }
        }
        for message in wrong { report(message) }
    }
}
