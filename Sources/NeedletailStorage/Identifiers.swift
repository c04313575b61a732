import CLMDB

/// External ids: the database `ids`.
///
/// | key | value |
/// |---|---|
/// | (table, 0, first id) | a run: u64 count, u32 slot of the first; consecutive ids with consecutive slots. Count 0: an open run |
/// | (table, 1, id) | u32 slot |
/// | (table, 2, UTF-8 bytes) | u32 slot |
///
/// Row numbers as ids, the common bulk load, so cost one entry and not one each. Runs never overlap, and are never cut:
/// an id of a run whose slot has been deleted is free, and if it comes again gets an entry of its own, which is looked up first.
///
/// At most one run of a table is open: its last record has the table's last slot, so its length follows from the slot
/// count, and a record that goes on with it changes nothing here. The first record that does not closes it.
enum IdentifierTag {
    static let run: UInt8 = 0
    static let int: UInt8 = 1
    static let string: UInt8 = 2
}

/// The longest string id, in bytes of UTF-8.
package let maximumStringKeyByteCount = 480

struct IdentifierRun {
    var first: Int64
    var count: Int64
    var slot: UInt32

    var last: Int64 { first + (count - 1) }
    func slot(of id: Int64) -> UInt32 { slot + UInt32(id - first) }
}

extension RecordKey {
    /// Throws where the format cannot hold the key.
    func validate(row: Int? = nil) throws(StorageError) {
        guard case .string(let text) = self else { return }
        guard !text.isEmpty else { throw StorageError(.invalidArgument, "an id cannot be empty: it has 1 to \(maximumStringKeyByteCount) bytes", key: self, row: row) }
        guard text.utf8.count <= maximumStringKeyByteCount else {
            throw StorageError(.tooLarge, "an id has at most \(maximumStringKeyByteCount) bytes, '\(text.prefix(40))…' has \(text.utf8.count); shorten it",
                               key: self, row: row, expected: maximumStringKeyByteCount, actual: text.utf8.count)
        }
    }
}

extension Transaction {
    /// The slot last given to the key, deleted or not.
    func individualSlot(_ table: UInt32, _ recordKey: RecordKey) throws(StorageError) -> UInt32? {
        let value: UnsafeRawBufferPointer?
        switch recordKey {
        case .int(let id): value = try get(databases.ids, key(table, tag: IdentifierTag.int, id))
        case .string(let text):
            guard text.utf8.count <= maximumStringKeyByteCount else { return nil }
            value = try get(databases.ids, stringKey(table, text))
        }
        guard let value else { return nil }
        guard value.count == 4 else { throw corrupt("the id \(recordKey) has a malformed slot") }
        return value.littleEndian32(0)
    }

    func stringKey(_ table: UInt32, _ text: String) -> MDB_val {
        var text = text
        return text.withUTF8 { key(table, tag: IdentifierTag.string, UnsafeRawBufferPointer($0)) }
    }

    /// The run that holds the id.
    func run(_ table: UInt32, _ state: TableState, holding id: Int64) throws(StorageError) -> IdentifierRun? {
        guard let run = try run(table, state, startingAtOrBefore: id), run.last >= id else { return nil }
        return run
    }

    /// The last run that starts at or before the id.
    func run(_ table: UInt32, _ state: TableState, startingAtOrBefore id: Int64) throws(StorageError) -> IdentifierRun? {
        guard state.runCount > 0 else { return nil }
        var cursor = try Cursor(self, databases.ids)
        var found = try cursor.seek(key(table, tag: IdentifierTag.run, id))
        if found, let run = try decodeRun(cursor.key, cursor.value, table, state), run.first == id { return run }
        found = found ? try cursor.previous() : try cursor.last()
        guard found else { return nil }
        return try decodeRun(cursor.key, cursor.value, table, state)
    }

    /// The run in a record of `ids`, nil where the record is something else.
    func decodeRun(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ table: UInt32, _ state: TableState
    ) throws(StorageError) -> IdentifierRun? {
        guard key.count == 13, key.bigEndian32(0) == table, key[4] == IdentifierTag.run else { return nil }
        guard value.count == 12 else { throw corrupt("a run of ids has the wrong size") }
        var run = IdentifierRun(first: key.orderedInt64(5), count: Int64(bitPattern: value.littleEndian64(0)), slot: value.littleEndian32(8))
        guard (run.count == 0) == (state.openRun == run.first) else { throw corrupt("a run of ids is open, and another should be") }
        if run.count == 0 { run.count = Int64(state.slotCount) - Int64(run.slot) }
        guard run.count > 0, run.count <= Int64(UInt32.max), !run.first.addingReportingOverflow(run.count - 1).overflow,
              UInt64(run.slot) + UInt64(run.count) < UInt64(UInt32.max)
        else { throw corrupt("a run of ids has a wrong length") }
        return run
    }

    func putRun(_ table: UInt32, _ run: IdentifierRun, isOpen: Bool) throws(StorageError) {
        let count = isOpen ? 0 : run.count
        let value = withUnsafeBytes(of: count.littleEndian) { Array($0) } + withUnsafeBytes(of: run.slot.littleEndian) { Array($0) }
        try put(databases.ids, key(table, tag: IdentifierTag.run, run.first), value)
    }

    /// Whether any id in the closed range has an entry of its own, or stands in a run.
    func hasIdentifiers(_ table: UInt32, _ state: TableState, _ first: Int64, _ last: Int64) throws(StorageError) -> Bool {
        if let run = try run(table, state, startingAtOrBefore: last), run.last >= first { return true }
        var cursor = try Cursor(self, databases.ids)
        guard try cursor.seek(key(table, tag: IdentifierTag.int, first)) else { return false }
        let found = cursor.key
        return found.count == 13 && found.bigEndian32(0) == table && found[4] == IdentifierTag.int && found.orderedInt64(5) <= last
    }
}
