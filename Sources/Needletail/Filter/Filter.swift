/// A condition on the metadata of a record: what `WHERE` is in SQL.
///
/// A filter is a value. It is written in Swift or as text, and both give the same tree:
/// ```swift
/// let a = Filter.field("label").in(["cat", "dog"]) && Filter.field("price") < 10
/// let b = try Filter(parsing: "label IN ('cat', 'dog') AND price < 10")
/// assert(a == b)
/// ```
/// The ``description`` of a filter made in either way is text that parses back to an equal filter.
///
/// ## Null
/// A record passes where the filter is *true*. As in SQL there is a third outcome besides true and false: a comparison with a
/// field that is null is *unknown*, so are `IN`, `BETWEEN`, `LIKE` and `CONTAINS` on such a field, and `NOT` of unknown is unknown.
/// Hence neither `a = 1` nor `NOT (a = 1)` nor `a != 1` finds a record whose `a` is null; `a IS NULL` does.
/// `AND` is false where one side is false, `OR` is true where one side is true, whatever the other is; otherwise an unknown side
/// makes them unknown.
///
/// ## Comparing
/// - Numbers compare by their exact value: `3 < 3.5`, and 2⁵³ + 1 is not equal to the double 2⁵³.
/// - NaN follows IEEE 754: it is neither equal to, less than nor greater than any number, itself included. So of a field that holds
///   NaN only `!=`, and `NOT` before any other comparison, is true. NaN is not null.
/// - Strings compare by their UTF-8 bytes: case counts, no locale takes part, and no Unicode normalisation happens.
/// - A timestamp field compares with a ``Timestamp`` or with a string in ISO 8601.
/// - `false` and `true` are only equal or not equal, never less.
/// - The field `id` is the record's id, unless the schema has a field of that name. An id that is an integer is never
///   equal to, less than or greater than a string, and the other way round.
public indirect enum Filter: Hashable, Sendable {
    /// The field's value stands in this relation to a literal. To compare with null, use ``isNull(field:)``.
    case comparison(field: String, Comparison, Value)
    /// `IN`: the field's value equals one of these. Of no values at all it is false, for null too.
    case isIn(field: String, [Value])
    /// `BETWEEN`: the field's value is at least `lower` and at most `upper`.
    case isBetween(field: String, lower: Value, upper: Value)
    /// `CONTAINS`: the field is a list of strings, and this is one of them.
    case contains(field: String, String)
    /// `LIKE 'prefix%'`: the field's string begins with these bytes.
    case hasPrefix(field: String, String)
    /// `IS NULL`: the field has no value. Never unknown.
    case isNull(field: String)
    /// True where the filter is false, false where it is true.
    case not(Filter)
    /// True where all are true; of none it is `TRUE`. Prefer ``&&(_:_:)`` or ``all(of:)``, which keep trees flat.
    case and([Filter])
    /// True where at least one is true; of none it is `FALSE`. Prefer ``||(_:_:)`` or ``any(of:)``, which keep trees flat.
    case or([Filter])

    /// A relation between a field's value and a literal.
    public enum Comparison: String, Hashable, Sendable, CaseIterable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="

        /// The relation that holds between the same two values the other way round: `<` for `>`.
        var mirrored: Comparison {
            switch self {
            case .equal, .notEqual: self
            case .less: .greater
            case .lessOrEqual: .greaterOrEqual
            case .greater: .less
            case .greaterOrEqual: .lessOrEqual
            }
        }
    }
}

// Trees are kept flat: a chain of a hundred thousand terms is one node with so many children, not a list a hundred thousand
// calls deep. So text and builder agree on `a AND b AND c`, however it is bracketed.
extension Filter {
    /// True where all of the filters are true: `AND` between each two. Of none it is true, of one it is that one.
    public static func all(of filters: some Sequence<Filter>) -> Filter {
        var terms: [Filter] = []
        for filter in filters {
            if case .and(let inner) = filter { terms.append(contentsOf: inner) } else { terms.append(filter) }
        }
        return terms.count == 1 ? terms[0] : .and(terms)
    }

    /// True where at least one of the filters is true: `OR` between each two. Of none it is false, of one it is that one.
    public static func any(of filters: some Sequence<Filter>) -> Filter {
        var terms: [Filter] = []
        for filter in filters {
            if case .or(let inner) = filter { terms.append(contentsOf: inner) } else { terms.append(filter) }
        }
        return terms.count == 1 ? terms[0] : .or(terms)
    }

    /// True where both are true.
    public static func && (a: Filter, b: Filter) -> Filter { all(of: [a, b]) }

    /// True where at least one is true.
    public static func || (a: Filter, b: Filter) -> Filter { any(of: [a, b]) }

    /// True where the filter is false; unknown, as before, where it is unknown.
    public static prefix func ! (filter: Filter) -> Filter { .not(filter) }
}
