import CLMDB
import Foundation

/// The catalog: `t` + name → the table's descriptor as JSON; and each table's ``TableState``, which stands in `tails`
/// behind the table's last segment, so that an insert changes both on the same page.
extension Transaction {
    private func tableKey(_ name: String) -> MDB_val { key([0x74] + Array(name.utf8)) }

    /// Longer than a segment's key, and behind all of them.
    private func stateKey(_ table: UInt32) -> MDB_val { key(table, .max, 0x73) }

    /// Where format version 1 kept the state: `s` + table number, in the catalog.
    private func oldStateKey(_ table: UInt32) -> MDB_val { key([0x73] + withUnsafeBytes(of: table.bigEndian) { Array($0) }) }

    func tableBytes(_ name: String) throws(StorageError) -> UnsafeRawBufferPointer? {
        guard name.utf8.count <= TableDescriptor.maximumNameByteCount else { return nil }
        return try get(databases.catalog, tableKey(name))
    }

    func putTable(_ descriptor: TableDescriptor) throws(StorageError) {
        let json: Data
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            json = try encoder.encode(descriptor)
        } catch {
            throw StorageError(.invalidArgument, "the collection '\(descriptor.name)' cannot be described as JSON: \(error)", path: path)
        }
        try put(databases.catalog, tableKey(descriptor.name), Array(json))
    }

    func state(of table: TableDescriptor) throws(StorageError) -> TableState {
        var bytes = try get(databases.tails, stateKey(table.id))
        if bytes == nil { bytes = try get(databases.catalog, oldStateKey(table.id)) }
        guard let bytes, let state = TableState(bytes), state.columns.count == table.columns.count else {
            throw corrupt("the state of collection '\(table.name)' is missing or malformed")
        }
        return state
    }

    func putState(_ state: TableState, of table: TableDescriptor) throws(StorageError) {
        try put(databases.tails, stateKey(table.id), state.encoded())
    }

    /// Moves the states to where they stand since format version 2.
    func moveStates() throws(StorageError) {
        var states: [(table: UInt32, bytes: [UInt8])] = []
        do {
            var cursor = try Cursor(self, databases.catalog)
            var found = try cursor.seek(key([0x73]))
            while found, cursor.key.first == 0x73 {
                if cursor.key.count == 5 { states.append((cursor.key.bigEndian32(1), Array(cursor.value))) }
                found = try cursor.next()
            }
        }
        for (table, bytes) in states {
            try put(databases.tails, stateKey(table), bytes)
            try delete(databases.catalog, oldStateKey(table))
        }
    }

    func tableNames() throws(StorageError) -> [String] {
        var names: [String] = []
        var cursor = try Cursor(self, databases.catalog)
        var found = try cursor.seek(key([0x74]))
        while found, cursor.key.first == 0x74 {
            names.append(String(decoding: cursor.key.dropFirst(), as: UTF8.self))
            found = try cursor.next()
        }
        return names
    }

    /// The first of so many new array numbers; a number is never used twice.
    func takeArrayNumbers(_ count: Int) throws(StorageError) -> UInt32 {
        let bytes = try get(databases.meta, key(FileFormat.nextArrayKey))
        guard (bytes?.count ?? 4) == 4 else { throw corrupt("the array counter is malformed") }
        let next = bytes?.littleEndian32(0) ?? 1
        guard next > 0, UInt32.max - next > UInt32(count) else {
            throw StorageError(.tooLarge, "\(path) has no array numbers left; copy it to a new file", path: path)
        }
        let after = next + UInt32(count)
        try put(databases.meta, key(FileFormat.nextArrayKey), withUnsafeBytes(of: after.littleEndian) { Array($0) })
        return next
    }

    /// Deletes every key that starts with the number.
    func deleteAll(_ database: MDB_dbi, prefix: UInt32) throws(StorageError) {
        var cursor = try Cursor(self, database)
        var found = try cursor.seek(key(prefix))
        while found, cursor.key.count >= 4, cursor.key.bigEndian32(0) == prefix {
            try cursor.delete()
            found = try cursor.seek(key(prefix))
        }
    }

    func removeTable(_ table: TableDescriptor, _ core: EnvironmentCore) throws(StorageError) {
        // Its rows may have been added, and covered, in this very transaction: the stored count need not know them.
        _ = try removeIndexes(of: table, slotCount: Int(UInt32.max), core)
        for array in table.arrays {
            try deleteAll(databases.chunks, prefix: array)
        }
        for array in table.columnArrays { try deleteAll(databases.dictionary, prefix: array) }
        for database in [databases.tails, databases.ids, databases.records] { try deleteAll(database, prefix: table.id) }
        try removeStatistics(of: table.id)
        try delete(databases.catalog, tableKey(table.name))
    }
}

extension TableDescriptor {
    static let maximumNameByteCount = 255
    static let maximumVectorByteCount = 1 << 20
    static let maximumColumnCount = 4096

    func validate() throws(StorageError) {
        guard !name.isEmpty, name.utf8.count <= Self.maximumNameByteCount else {
            throw StorageError(.invalidArgument, "a table's name has 1 to \(Self.maximumNameByteCount) bytes; '\(name.prefix(40))' has \(name.utf8.count)")
        }
        guard 1 ... Self.maximumVectorByteCount ~= vectorByteCount else {
            throw StorageError(.tooLarge, "a vector has 1 to \(Self.maximumVectorByteCount) bytes, not \(vectorByteCount)",
                               expected: Self.maximumVectorByteCount, actual: vectorByteCount)
        }
        guard columns.count <= Self.maximumColumnCount else {
            throw StorageError(.tooLarge, "a table has at most \(Self.maximumColumnCount) columns, not \(columns.count)",
                               expected: Self.maximumColumnCount, actual: columns.count)
        }
        guard Set(columns.map(\.name)).count == columns.count else {
            throw StorageError(.invalidArgument, "two columns of collection '\(name)' have the same name; rename one")
        }
    }
}

/// Descriptors decoded once: parsing JSON for each write would cost more than the write.
final class DescriptorCache: @unchecked Sendable {
    private let lock = Lock()
    private var entries: [String: (bytes: [UInt8], descriptor: TableDescriptor)] = [:]

    /// The table's descriptor; throws `.unknownTable` where there is none.
    func descriptor(_ name: String, _ transaction: Transaction) throws(StorageError) -> TableDescriptor {
        guard let bytes = try transaction.tableBytes(name) else {
            throw StorageError(.unknownTable, "there is no collection '\(name)'", path: transaction.path)
        }
        if let entry = lock.withLock({ entries[name] }), Self.isSame(entry.bytes, bytes) { return entry.descriptor }
        let copy = Array(bytes)
        let descriptor: TableDescriptor
        do {
            descriptor = try JSONDecoder().decode(TableDescriptor.self, from: Data(copy))
        } catch {
            throw transaction.corrupt("the description of collection '\(name)' does not parse (\(error))")
        }
        guard descriptor.name == name, descriptor.id > 0, descriptor.vectorByteCount > 0,
              descriptor.vectorByteCount <= TableDescriptor.maximumVectorByteCount,
              64 ... 4096 ~= descriptor.blockRows, descriptor.blockRows.nonzeroBitCount == 1,
              descriptor.columnArrays.count == descriptor.columns.count, descriptor.listArrays.count == descriptor.columns.count
        else { throw transaction.corrupt("the description of collection '\(name)' contradicts itself") }
        lock.withLock { entries[name] = (copy, descriptor) }
        return descriptor
    }

    /// Every write compares a kilobyte here: by `elementsEqual` that takes longer than finding it in the file.
    private static func isSame(_ known: [UInt8], _ stored: UnsafeRawBufferPointer) -> Bool {
        known.withUnsafeBytes { known in
            guard known.count == stored.count, let a = known.baseAddress, let b = stored.baseAddress else { return false }
            return memcmp(a, b, known.count) == 0
        }
    }
}
