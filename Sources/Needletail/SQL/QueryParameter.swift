import Foundation

/// What may stand in for a `?` of a statement: numbers, strings, bools, dates, ids, vectors, lists of strings, and `nil`.
///
/// A parameter is never read as text of the statement, so nothing needs quoting and nothing can break out of it.
public protocol QueryParameter: Sendable {
    /// The parameter as a value.
    var queryValue: QueryValue { get }
}

/// What an array must hold to be a parameter: numbers make a vector, strings a list.
public protocol QueryParameterElement: Sendable {
    /// The array as a value.
    static func queryValue(of elements: [Self]) -> QueryValue
}

extension QueryValue: QueryParameter {
    /// The value itself.
    public var queryValue: QueryValue { self }
}

extension Value: QueryParameter {
    /// The value itself.
    public var queryValue: QueryValue { .value(self) }
}

extension RecordID: QueryParameter {
    /// The integer or the string.
    public var queryValue: QueryValue { QueryValue(self) }
}

extension Timestamp: QueryParameter {
    /// The timestamp.
    public var queryValue: QueryValue { .value(.timestamp(self)) }
}

extension Date: QueryParameter {
    /// The timestamp, to the nearest microsecond; null where it is out of range.
    public var queryValue: QueryValue { .value(Timestamp(self).map(Value.timestamp) ?? .null) }
}

extension Bool: QueryParameter {
    /// The truth value.
    public var queryValue: QueryValue { .value(.bool(self)) }
}

extension Int: QueryParameter {
    /// The integer.
    public var queryValue: QueryValue { .value(.int(Int64(self))) }
}

extension Int32: QueryParameter {
    /// The integer.
    public var queryValue: QueryValue { .value(.int(Int64(self))) }
}

extension Int64: QueryParameter {
    /// The integer.
    public var queryValue: QueryValue { .value(.int(self)) }
}

extension Float: QueryParameter, QueryParameterElement {
    /// The number.
    public var queryValue: QueryValue { .value(.double(Double(self))) }
    /// A vector.
    public static func queryValue(of elements: [Float]) -> QueryValue { .vector(elements) }
}

extension Double: QueryParameter, QueryParameterElement {
    /// The number.
    public var queryValue: QueryValue { .value(.double(self)) }
    /// A vector, rounded to 32-bit floats.
    public static func queryValue(of elements: [Double]) -> QueryValue { .vector(elements.map { Float($0) }) }
}

extension String: QueryParameter, QueryParameterElement {
    /// The string.
    public var queryValue: QueryValue { .value(.string(self)) }
    /// A list of strings.
    public static func queryValue(of elements: [String]) -> QueryValue { .value(.strings(elements)) }
}

extension Array: QueryParameter where Element: QueryParameterElement {
    /// A vector, or a list of strings.
    public var queryValue: QueryValue { Element.queryValue(of: self) }
}

extension Optional: QueryParameter where Wrapped: QueryParameter {
    /// Null where there is nothing.
    public var queryValue: QueryValue { self?.queryValue ?? nil }
}
