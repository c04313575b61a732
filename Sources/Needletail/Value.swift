/// The value of a metadata field, or a literal in a filter.
///
/// Literals work wherever a value is expected:
/// ```swift
/// let fields: [String: Value] = ["label": "cat", "year": 2024, "score": 0.5, "tags": ["furry", "small"], "sold": nil]
/// ```
/// Equality is that of the case and its content: `.int(1)` and `.double(1)` are different values, although a filter
/// compares them as numbers.
public enum Value: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case timestamp(Timestamp)
    case string(String)
    case strings([String])

    /// The field type that this value belongs to; `nil` for null, which belongs to all.
    public var type: FieldType? {
        switch self {
        case .null: nil
        case .bool: .bool
        case .int: .int
        case .double: .double
        case .timestamp: .timestamp
        case .string: .string
        case .strings: .strings
        }
    }

    /// Whether the value is missing.
    public var isNull: Bool { self == .null }
}

extension Value {
    /// The content, if this is a bool.
    public var boolValue: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The content, if this is an integer.
    public var intValue: Int64? {
        if case .int(let value) = self { value } else { nil }
    }

    /// The content as a floating-point number, if this is a number; a large integer is rounded.
    public var doubleValue: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The content, if this is a timestamp.
    public var timestampValue: Timestamp? {
        if case .timestamp(let value) = self { value } else { nil }
    }

    /// The content, if this is a string.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The content, if this is a list of strings.
    public var stringsValue: [String]? {
        if case .strings(let value) = self { value } else { nil }
    }
}

extension Value: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral
{
    /// Null.
    public init(nilLiteral: ()) { self = .null }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .int(value) }
    /// A double.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A list of strings.
    public init(arrayLiteral elements: String...) { self = .strings(elements) }
}

/// The content as a person reads it in a table: strings without quotes, a timestamp in ISO 8601, null as `null`.
extension Value: CustomStringConvertible {
    /// The content as a person reads it.
    public var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let value): String(value)
        case .timestamp(let value): value.description
        case .string(let value): value
        case .strings(let value): "[" + value.joined(separator: ", ") + "]"
        }
    }
}
