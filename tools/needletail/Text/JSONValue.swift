/// A JSON value as the loader needs it: numbers that form a vector are kept as `Float`s, and what no field type
/// can hold (objects, mixed or nested lists) as its text.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    /// A list of numbers, not empty.
    case numbers([Float])
    /// A list of strings; also the empty list.
    case strings([String])
    /// Anything else, as it was written.
    case other(String)

    /// What the value is, for messages.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a bool"
        case .int: "an integer"
        case .double: "a number"
        case .string: "a string"
        case .numbers: "a list of numbers"
        case .strings: "a list of strings"
        case .other(let text): text.hasPrefix("{") ? "an object" : "a mixed list"
        }
    }
}

/// Where and why a text is no JSON.
package struct JSONSyntaxError: Error, Sendable, Hashable {
    /// Bytes from the beginning of the text.
    package var offset: Int
    package var message: String
}
