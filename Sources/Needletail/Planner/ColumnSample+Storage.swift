import NeedletailStorage

extension ColumnType {
    /// Whether values are codes of strings.
    var hasDictionary: Bool { self == .string || self == .stringList }
}

extension ColumnSample {
    /// The sample as it goes into the file: values that many rows have by themselves, of the others one in so many with how many lie
    /// between.
    var storable: StoredStatistics.Column {
        var column = StoredStatistics.Column(sampled: sampled, nulls: sampledNulls, distinct: distinctCount)
        switch values {
        case .codes(let counts):
            let common = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(StoredStatistics.maximumValueCount)
            for (code, count) in common.sorted(by: { $0.key < $1.key }) where count <= sampled {
                column.append(Int64(code), count: count, between: 0)
            }
        case .integers(let values): column.append(values) { $0 }
        case .doubles(let values): column.append(values) { Int64(bitPattern: $0.bitPattern) }
        }
        return column
    }
}

extension StoredStatistics.Column {
    fileprivate mutating func append(_ value: Int64, count: Int, between others: Int) {
        values.append(value)
        counts.append(count)
        between.append(others)
    }

    /// Lists the first and the last, what many rows have, and the last of so many others: as many are listed at most as there is room for, whether they are
    /// common or not, since each stands for so many rows or comes behind one that does.
    fileprivate mutating func append<T: Equatable>(_ ascending: [T], _ bits: (T) -> Int64) {
        let share = 2 * ascending.count / StoredStatistics.maximumValueCount + 1
        var position = 0, waiting = 0
        while position < ascending.count {
            var end = position + 1
            while end < ascending.count, ascending[end] == ascending[position] { end += 1 }
            let count = end - position
            if count >= share || waiting + count >= share || position == 0 || end == ascending.count {
                append(bits(ascending[position]), count: count, between: waiting)
                waiting = 0
            } else {
                waiting += count
            }
            position = end
        }
    }
}

extension ColumnSample.Values {
    /// From the file: what is not listed is taken to lie evenly between what is.
    init(_ type: ColumnType, _ stored: StoredStatistics.Column) {
        if type.hasDictionary {
            self = .codes(Dictionary(zip(stored.values.map { UInt32(truncatingIfNeeded: $0) }, stored.counts)) { first, _ in first })
            return
        }
        var integers: [Int64] = [], doubles: [Double] = []
        var before = 0.0
        for position in stored.values.indices {
            let value = stored.values[position], others = stored.between[position], count = stored.counts[position]
            let number = type == .double ? Double(bitPattern: UInt64(bitPattern: value)) : Double(value)
            // Nothing is less than the first.
            let low = position == 0 ? number : before
            for other in 0 ..< others {
                let between = low + (number - low) * Double(other + 1) / Double(others + 1)
                if type == .double { doubles.append(between.isFinite ? between : number) } else { integers.append(min(Int64(exactly: between.rounded()) ?? value, value)) }
            }
            if type == .double { doubles += repeatElement(number, count: count) } else { integers += repeatElement(value, count: count) }
            before = number
        }
        self = type == .double ? .doubles(doubles.filter { !$0.isNaN }.sorted()) : .integers(integers.sorted())
    }
}

extension Collection {
    /// Looks at the columns anew, and keeps what they tell in the file.
    func refreshStatistics() async throws(NeedletailError) {
        guard !schema.fields.isEmpty else { return }
        let table = try table()
        let stored = try storage { () throws(StorageError) in try table.storedStatistics() }
        if let stored, stored.generation == table.generation { return }
        let statistics = TableStatistics(table)
        let storable = try storage { () throws(StorageError) in try statistics.storable(table) }
        database.statistics.keep(statistics, of: tableID)
        try await write(.full) { writer throws(StorageError) in try writer.putStatistics(storable) }
    }
}
