extension Filter {
    /// Begins a condition on the field of this name; `"id"` is the record's id.
    /// ```swift
    /// let price = Filter.field("price")
    /// let filter = price < 10 && Filter.field("tags").contains("cat") && !Filter.field("label").isNull
    /// ```
    /// Where a filter is expected, `Filter` may be left out: `where: .field("price") < 10`.
    /// Whether the field exists, and has the right type, is found out when the filter meets a collection.
    public static func field(_ name: String) -> FilterField { FilterField(name) }
}

/// The left-hand side of a condition: made by ``Filter/field(_:)``.
///
/// Its operators make a ``Filter``. The right-hand side is a literal, or any value of a type that is ``ValueConvertible``.
public struct FilterField: Hashable, Sendable {
    /// The name of the field.
    public let name: String

    /// The field of this name.
    public init(_ name: String) { self.name = name }

    /// The same as ``Filter/field(_:)``, so that an operator's left-hand side may begin with a dot.
    public static func field(_ name: String) -> FilterField { FilterField(name) }

    /// True where the field has no value.
    public var isNull: Filter { .isNull(field: name) }

    /// True where the field, a list of strings, has this one.
    public func contains(_ string: String) -> Filter { .contains(field: name, string) }

    /// True where the field's string begins with this one, compared by bytes.
    public func hasPrefix(_ prefix: String) -> Filter { .hasPrefix(field: name, prefix) }

    /// True where the field's value equals one of these.
    public func `in`(_ values: [Value]) -> Filter { .isIn(field: name, values) }

    /// True where the field's value equals one of these.
    @_disfavoredOverload
    public func `in`(_ values: some Sequence<some ValueConvertible>) -> Filter {
        .isIn(field: name, values.map(\.filterValue))
    }

    /// True where the field's value is at least `lower` and at most `upper`.
    public func between(_ lower: Value, _ upper: Value) -> Filter {
        .isBetween(field: name, lower: lower, upper: upper)
    }

    /// True where the field's value is at least `lower` and at most `upper`.
    @_disfavoredOverload
    public func between(_ lower: some ValueConvertible, _ upper: some ValueConvertible) -> Filter {
        .isBetween(field: name, lower: lower.filterValue, upper: upper.filterValue)
    }
}

// Each operator exists twice. Literals prefer the version with `Value`, so that `1` is an integer as it is in text, also in
// a list beside `2.5`; values of other types take the generic one.
extension FilterField {
    /// True where the field's value equals this; with `nil`, where it has none.
    public static func == (field: FilterField, value: Value) -> Filter {
        value.isNull ? .isNull(field: field.name) : .comparison(field: field.name, .equal, value)
    }

    /// True where the field has a value other than this; with `nil`, where it has any.
    public static func != (field: FilterField, value: Value) -> Filter {
        value.isNull ? .not(.isNull(field: field.name)) : .comparison(field: field.name, .notEqual, value)
    }

    /// True where the field's value is less than this.
    public static func < (field: FilterField, value: Value) -> Filter { .comparison(field: field.name, .less, value) }

    /// True where the field's value is at most this.
    public static func <= (field: FilterField, value: Value) -> Filter { .comparison(field: field.name, .lessOrEqual, value) }

    /// True where the field's value is greater than this.
    public static func > (field: FilterField, value: Value) -> Filter { .comparison(field: field.name, .greater, value) }

    /// True where the field's value is at least this.
    public static func >= (field: FilterField, value: Value) -> Filter { .comparison(field: field.name, .greaterOrEqual, value) }

    /// True where the field's value equals this; with `nil`, where it has none.
    @_disfavoredOverload
    public static func == (field: FilterField, value: some ValueConvertible) -> Filter { field == value.filterValue }

    /// True where the field has a value other than this; with `nil`, where it has any.
    @_disfavoredOverload
    public static func != (field: FilterField, value: some ValueConvertible) -> Filter { field != value.filterValue }

    /// True where the field's value is less than this.
    @_disfavoredOverload
    public static func < (field: FilterField, value: some ValueConvertible) -> Filter { field < value.filterValue }

    /// True where the field's value is at most this.
    @_disfavoredOverload
    public static func <= (field: FilterField, value: some ValueConvertible) -> Filter { field <= value.filterValue }

    /// True where the field's value is greater than this.
    @_disfavoredOverload
    public static func > (field: FilterField, value: some ValueConvertible) -> Filter { field > value.filterValue }

    /// True where the field's value is at least this.
    @_disfavoredOverload
    public static func >= (field: FilterField, value: some ValueConvertible) -> Filter { field >= value.filterValue }
}

/// A type whose values can stand on the right-hand side of a condition.
public protocol ValueConvertible {
    /// The value as a literal of a filter.
    var filterValue: Value { get }
}

extension Value: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { self }
}

extension Bool: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .bool(self) }
}

extension Int: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .int(Int64(self)) }
}

extension Int32: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .int(Int64(self)) }
}

extension Int64: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .int(self) }
}

extension Double: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .double(self) }
}

extension Float: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .double(Double(self)) }
}

extension String: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .string(self) }
}

extension Substring: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .string(String(self)) }
}

extension Timestamp: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value { .timestamp(self) }
}

extension RecordID: ValueConvertible {
    /// The value that a filter compares with.
    public var filterValue: Value {
        switch self {
        case .int(let value): .int(value)
        case .string(let value): .string(value)
        }
    }
}
