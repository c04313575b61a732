/// What is known of the values of a field: from the chunks' own bounds, and from a sample of records.
///
/// Kept in the file: taken when an index is built and when the collection is optimized, where the records have changed. Once a tenth
/// of the records has come or gone since, or where there is none, it is taken when somebody asks, in some hundred microseconds a field.
public struct FieldStatistics: Sendable, Hashable {
    /// The field's name.
    public let name: String
    /// Records in all, and those without a value.
    public let count, nullCount: Int
    /// About how many different values there are; of strings, how many there ever were.
    public let distinctCount: Int
    /// The least and the greatest value, of numbers, times and truth values; deleted records may have had them.
    public let minimum, maximum: Value?
    /// The values that most records have, the most common first, each with its share of all records.
    public let mostCommon: [CommonValue]
    /// Values that cut those that are not null into equally many: of numbers and times, ten parts at most.
    public let quantiles: [Value]
    /// Records whose values were looked at to tell which are common, how many differ and where they lie.
    public let sampledCount: Int
    /// Records that there were then; there may be a tenth more or fewer by now.
    public let countWhenSampled: Int

    /// A value and the share of records that have it.
    public struct CommonValue: Sendable, Hashable {
        /// The value.
        public let value: Value
        /// The share of all records that have it, from 0 to 1.
        public let share: Double
    }
}

extension Collection {
    /// What is known of the values of each field, in the order of the schema.
    ///
    /// - Complexity: A sample of at most 4,096 records a field, where nothing is known yet.
    public func statistics() throws(NeedletailError) -> [FieldStatistics] {
        let table = try table()
        let statistics = TableStatistics.of(table, self)
        var fields: [FieldStatistics] = []
        for position in schema.fields.indices { fields.append(try statistics.field(position, in: table, schema)) }
        return fields
    }
}
