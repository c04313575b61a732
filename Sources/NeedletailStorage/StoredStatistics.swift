import CLMDB
import Foundation

/// What was found out about the values of a table's columns, kept in the catalog so that the next process need not look again: `a` +
/// table number → this, as JSON.
///
/// It may be older than the rows: whoever reads it decides whether it still serves. Nothing but the speed of searches hangs on it, so
/// one that is damaged is as good as none; `check` reports it.
package struct StoredStatistics: Codable, Sendable, Hashable {
    /// One column: a sample of its rows, by value.
    package struct Column: Codable, Sendable, Hashable {
        /// Rows looked at, and those of them that have no value.
        package var sampled: Int
        package var nulls: Int
        /// About how many different values there are.
        package var distinct: Int
        /// Bits of values as in a column chunk, in ascending order of the values; of strings their codes.
        package var values: [Int64]
        /// How many sampled rows have each of them.
        package var counts: [Int]
        /// How many sampled rows have a value between it and the one before, which is not listed; of strings 0.
        package var between: [Int]

        package init(sampled: Int, nulls: Int, distinct: Int, values: [Int64] = [], counts: [Int] = [], between: [Int] = []) {
            self.sampled = sampled
            self.nulls = nulls
            self.distinct = distinct
            self.values = values
            self.counts = counts
            self.between = between
        }
    }

    /// The table's generation, and its live records, when they were looked at.
    package var generation: UInt64
    package var liveCount: Int
    /// One a column, in their order.
    package var columns: [Column]

    package init(generation: UInt64, liveCount: Int, columns: [Column]) {
        self.generation = generation
        self.liveCount = liveCount
        self.columns = columns
    }

    /// Values listed of a column at most.
    package static let maximumValueCount = 256

    /// Whether it can be true of a table; what it says is then safe to reckon with.
    func isConsistent(with table: TableDescriptor, _ state: TableState) -> Bool {
        guard columns.count == table.columns.count, liveCount >= 0, generation <= state.generation else { return false }
        return columns.indices.allSatisfy { position in
            columns[position].isConsistent(table.columns[position].type, codes: state.columns[position].dictionaryCount)
        }
    }
}

extension StoredStatistics.Column {
    fileprivate func isConsistent(_ type: ColumnType, codes: UInt64) -> Bool {
        // A sample is never larger: what is read makes so many values in memory.
        let most = 1 << 16
        guard 0 ... most ~= sampled, 0 ... sampled ~= nulls, 0 ... 1 << 32 ~= distinct, values.count == counts.count,
              values.count == between.count, values.count <= StoredStatistics.maximumValueCount,
              counts.allSatisfy({ 1 ... max(sampled, 1) ~= $0 }), between.allSatisfy({ 0 ... sampled ~= $0 })
        else { return false }
        // A row of a list counts once for each of its strings.
        guard type == .stringList || counts.reduce(0, +) + between.reduce(0, +) <= sampled - nulls else { return false }
        switch type {
        case .bool: guard values.allSatisfy({ 0 ... 1 ~= $0 }) else { return false }
        case .string, .stringList: guard values.allSatisfy({ $0 >= 0 && $0 < Int64(clamping: codes) }) else { return false }
        case .int, .timestamp, .double: break
        }
        let numbers = values.map { OrderedValue.number(type, bits: UInt64(bitPattern: $0)) }
        return zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
    }
}

extension Transaction {
    private func statisticsKey(_ table: UInt32) -> MDB_val { key([0x61] + withUnsafeBytes(of: table.bigEndian) { Array($0) }) }

    /// What is stored of a table; `nil` where nothing is, and where it is damaged, `isDamaged` then being set.
    func statistics(of table: TableDescriptor, _ state: TableState, isDamaged: inout Bool) throws(StorageError) -> StoredStatistics? {
        guard let bytes = try get(databases.catalog, statisticsKey(table.id)) else { return nil }
        guard let statistics = try? JSONDecoder().decode(StoredStatistics.self, from: Data(bytes)), statistics.isConsistent(with: table, state)
        else {
            isDamaged = true
            return nil
        }
        return statistics
    }

    func removeStatistics(of table: UInt32) throws(StorageError) { try delete(databases.catalog, statisticsKey(table)) }

    /// The numbers of tables for which the catalog has statistics.
    func tablesWithStatistics() throws(StorageError) -> [UInt32] {
        var tables: [UInt32] = []
        var cursor = try Cursor(self, databases.catalog)
        var found = try cursor.seek(key([0x61]))
        while found, cursor.key.first == 0x61 {
            tables.append(cursor.key.count == 5 ? cursor.key.bigEndian32(1) : 0)
            found = try cursor.next()
        }
        return tables
    }

    fileprivate func putStatistics(_ json: Data, of table: UInt32) throws(StorageError) {
        try put(databases.catalog, statisticsKey(table), Array(json))
    }
}

extension TableSnapshot {
    /// The statistics that were stored last; `nil` where there are none, or they are damaged.
    package func storedStatistics() throws(StorageError) -> StoredStatistics? {
        inner.lock.lock()
        defer { inner.lock.unlock() }
        var isDamaged = false
        return try inner.transaction.statistics(of: descriptor, state, isDamaged: &isDamaged)
    }
}

extension TableWriter {
    /// Stores statistics in place of those before. They are no change of the table: its generation stays.
    package func putStatistics(_ statistics: StoredStatistics) throws(StorageError) {
        let json: Data
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            json = try encoder.encode(statistics)
        } catch {
            throw StorageError(.invalidArgument, "the statistics of collection '\(descriptor.name)' cannot be written as JSON: \(error)", path: transaction.path)
        }
        try owner.demand(2 * json.count + 8 * owner.core.pageByteCount)
        try transaction.putStatistics(json, of: descriptor.id)
    }
}

extension TableCheck {
    /// Statistics can be read, if there are any.
    mutating func checkStatistics() throws(StorageError) {
        var isDamaged = false
        try locked { () throws(StorageError) in _ = try transaction.statistics(of: descriptor, table.state, isDamaged: &isDamaged) }
        if isDamaged { report("its statistics are damaged, and not used: optimize takes them anew") }
    }
}
