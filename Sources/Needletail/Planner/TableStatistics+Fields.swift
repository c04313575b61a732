import NeedletailStorage

extension TableStatistics {
    /// How many of the most common values are told.
    private static let mostCommonCount = 10
    private static let quantileCount = 10

    /// The statistics of one field, as people read them.
    func field(_ position: Int, in table: TableSnapshot, _ schema: Schema) throws(NeedletailError) -> FieldStatistics {
        let name = schema.fields[position].name, type = schema.fields[position].type
        return try storage { () throws(StorageError) in
            let column = try column(position, in: table)
            var common: [(Value, Int)] = []
            var quantiles: [Value] = []
            switch column.values {
            case .integers(let values):
                common = Self.mostCommon(values).map { (Self.value($0, type), $1) }
                if type != .bool { quantiles = Self.quantiles(values).map { Self.value($0, type) } }
            case .doubles(let values):
                common = Self.mostCommon(values).map { (.double($0), $1) }
                quantiles = Self.quantiles(values).map { .double($0) }
            case .codes(let counts):
                let order = counts.filter { $0.value > 1 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                for (code, count) in order.prefix(Self.mostCommonCount) {
                    common.append((.string(try table.string(column: position, code: code)), count))
                }
            }
            let sampled = Double(max(column.sampled, 1))
            return FieldStatistics(
                name: name, count: table.liveCount, nullCount: min(column.nullCount, table.liveCount), distinctCount: column.distinctCount,
                minimum: Self.bound(column, type, isMaximum: false), maximum: Self.bound(column, type, isMaximum: true),
                mostCommon: common.map { FieldStatistics.CommonValue(value: $0, share: Double($1) / sampled) }, quantiles: quantiles,
                sampledCount: column.sampled, countWhenSampled: liveCount)
        }
    }

    private static func value(_ integer: Int64, _ type: FieldType) -> Value {
        switch type {
        case .bool: .bool(integer != 0)
        case .timestamp: .timestamp(Timestamp(microsecondsSince1970: integer))
        default: .int(integer)
        }
    }

    private static func bound(_ column: ColumnSample, _ type: FieldType, isMaximum: Bool) -> Value? {
        let bits = column.zones.map { isMaximum ? $0.maximum : $0.minimum }
        switch type {
        case .string, .strings: return nil
        case .double:
            let values = bits.map { Double(bitPattern: $0) }
            return (isMaximum ? values.max() : values.min()).map { .double($0) }
        case .bool, .int, .timestamp:
            let values = bits.map { Int64(bitPattern: $0) }
            return (isMaximum ? values.max() : values.min()).map { value($0, type) }
        }
    }

    /// Values that occur more than once among ascending ones.
    private static func mostCommon<T: Equatable>(_ values: [T]) -> [(T, Int)] {
        var runs: [(T, Int)] = []
        var position = 0
        while position < values.count {
            var end = position + 1
            while end < values.count, values[end] == values[position] { end += 1 }
            if end - position > 1 { runs.append((values[position], end - position)) }
            position = end
        }
        return Array(runs.sorted { $0.1 > $1.1 }.prefix(mostCommonCount))
    }

    private static func quantiles<T>(_ values: [T]) -> [T] {
        guard values.count > quantileCount else { return values }
        return (0 ... quantileCount).map { values[$0 * (values.count - 1) / quantileCount] }
    }
}
