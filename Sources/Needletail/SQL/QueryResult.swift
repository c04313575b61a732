/// What a statement gave back: rows with named and typed columns, or the number of records it changed.
///
/// ```swift
/// let result = try await database.query("SELECT id, label, distance FROM photos ORDER BY embedding <-> ? LIMIT 3", vector)
/// for row in result.rows { print(row[0], row[1], row[2]) }
/// ```
public struct QueryResult: Sendable, Hashable {
    /// The columns, in the order asked for. Empty for a statement that gives no rows.
    public var columns: [QueryColumn]
    /// The rows; each has one value a column.
    public var rows: [[QueryValue]]
    /// How many records (or for `CREATE` and `DROP`, collections or indexes) were changed; `nil` for a statement that only reads.
    public var changedCount: Int?
    /// How a vector search was run, or under `EXPLAIN` would be; `nil` where there was none.
    public var plan: SearchPlan?
    /// What `EXPLAIN` has to say, in lines; its rows hold the same, a line each. `nil` for other statements.
    public var explanation: String?
    /// The collection that was read or changed.
    public var collection: String?
    /// The record behind each row, where rows are records; else empty. ``Collection/attachment(of:)`` finds a thumbnail by it.
    public var recordIDs: [RecordID]

    /// Makes a result; what does not apply stays empty.
    public init(
        columns: [QueryColumn] = [], rows: [[QueryValue]] = [], changedCount: Int? = nil, plan: SearchPlan? = nil,
        explanation: String? = nil, collection: String? = nil, recordIDs: [RecordID] = []
    ) {
        self.columns = columns
        self.rows = rows
        self.changedCount = changedCount
        self.plan = plan
        self.explanation = explanation
        self.collection = collection
        self.recordIDs = recordIDs
    }

    /// The values of the column of this name, from the first row to the last; `nil` where there is no such column.
    public subscript(column name: String) -> [QueryValue]? {
        guard let position = columns.firstIndex(where: { $0.name == name }) else { return nil }
        return rows.map { $0[position] }
    }
}

/// A column of a result.
public struct QueryColumn: Sendable, Hashable {
    /// What the values of a column are; each may be null.
    public enum Kind: Sendable, Hashable {
        /// Record ids: integers or strings.
        case id
        /// Values of this type.
        case value(FieldType)
        /// Vectors of so many components.
        case vector(dimension: Int)
    }

    /// The field's name, or what `AS` says.
    public var name: String
    /// What its values are.
    public var kind: Kind

    /// Makes a column.
    public init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// One value of a row: that of a field, or a vector.
public enum QueryValue: Sendable, Hashable {
    /// A value as fields have them; an id is an integer or a string, a distance a double.
    case value(Value)
    /// A vector.
    case vector([Float])

    /// The value of a field; `nil` for a vector.
    public var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }

    /// The vector, if this is one.
    public var vector: [Float]? {
        if case .vector(let vector) = self { vector } else { nil }
    }

    /// Whether the value is missing.
    public var isNull: Bool { self == .value(.null) }
}

extension QueryValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation
{
    /// Null.
    public init(nilLiteral: ()) { self = .value(.null) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .value(.bool(value)) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .value(.int(value)) }
    /// A double.
    public init(floatLiteral value: Double) { self = .value(.double(value)) }
    /// A string.
    public init(stringLiteral value: String) { self = .value(.string(value)) }
}

extension QueryValue {
    /// An id as a value.
    init(_ id: RecordID) {
        switch id {
        case .int(let value): self = .value(.int(value))
        case .string(let value): self = .value(.string(value))
        }
    }
}

/// The value as a person reads it in a table; a vector as `[0.1, 0.2]`.
extension QueryValue: CustomStringConvertible {
    /// The value as a person reads it.
    public var description: String {
        switch self {
        case .value(let value): value.description
        case .vector(let vector): "[" + vector.map { String($0) }.joined(separator: ", ") + "]"
        }
    }
}
