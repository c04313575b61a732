import NeedletailStorage

/// A filter resolved against the fields of a collection: names are positions, literals have the fields' types.
///
/// Binding also brings the filter into negation normal form: `NOT` is pushed down to the conditions by De Morgan's laws, which hold
/// in three-valued logic too. What remains is `AND` and `OR` over conditions, some of them negated, and these two connectives need
/// no third value: whether `a AND b` or `a OR b` is *true* depends only on whether a and b are true. So one bitmap a condition is
/// enough, "true", where a negated condition is true on the rows that have a value and do not meet it.
package struct BoundFilter: Sendable {
    /// A tree without `NOT`.
    package indirect enum Node: Sendable {
        case condition(Condition)
        /// Of none it is true.
        case and([Node])
        /// Of none it is false.
        case or([Node])
    }

    /// A test of one field, or of the id.
    package struct Condition: Sendable {
        package var subject: Subject
        package var test: Test
        /// Whether the condition holds where the test does not. Null meets neither form, but for ``Test/isNull``.
        package var isNegated = false
    }

    /// What a condition looks at.
    package enum Subject: Sendable {
        /// The column at this position.
        case column(Int)
        case id
    }

    /// What a value is tested for. All of them fail for null but `isNull`.
    package enum Test: Sendable {
        case isNull
        /// No value passes.
        case nothing
        case isTrue
        /// From `low` to `high`, both included; also for timestamps.
        case intRange(low: Int64, high: Int64)
        /// Ascending, at least two.
        case intSet([Int64])
        /// From `low` to `high`, both included; neither is NaN.
        case doubleRange(low: Double, high: Double)
        /// Ascending, at least two, no NaN, no -0.
        case doubleSet([Double])
        case stringSet([String])
        /// In the order of UTF-8 bytes; a missing bound is open.
        case stringRange(lower: StringBound?, upper: StringBound?)
        case stringPrefix(String)
        case listContains(String)
    }

    /// The end of a range of strings.
    package struct StringBound: Sendable {
        package var string: String
        package var isInclusive: Bool
    }

    /// The tree.
    package let root: Node

    /// How deep a tree may be. Text cannot nest deeper than ``FilterParser/maximumDepth`` brackets, each of three levels at the most.
    package static let maximumDepth = 1000

    /// Resolves a filter.
    ///
    /// - Parameter fields: Names and types, at the positions of their columns.
    /// - Throws: `unknownField`, with the nearest name; `typeMismatch`; `invalidArgument` for a tree that nests too deep.
    package init(_ filter: Filter, fields: [(name: String, type: FieldType)]) throws(NeedletailError) {
        var binder = FilterBinder(fields: fields)
        root = try binder.bind(filter, isNegated: false).node
    }
}
