import Needletail
import NeedletailTestSupport

/// Fields of every type, with random rows and random filters over them. Values come from small sets, so that filters meet them, and
/// hold the edges: NaN, infinities, both zeros, integers that no double holds, empty strings and lists, bytes beyond ASCII.
struct FilterSample {
    let fields: [(name: String, type: FieldType)] = [
        ("flag", .bool), ("count", .int), ("price", .double), ("taken", .timestamp), ("label", .string), ("tags", .strings),
        ("year", .int), ("a \"quoted\" name", .string),
    ]

    static let ints: [Int64] = [
        .min, .min + 1, -9_007_199_254_740_993, -3, -1, 0, 1, 2, 3, 4, 5, 7, 100, 9_007_199_254_740_992, 9_007_199_254_740_993, .max - 1, .max,
    ]
    static let doubles: [Double] = [
        -.infinity, -1e300, -9_223_372_036_854_775_808, -2.5, -0.0, 0, .leastNonzeroMagnitude, 1, 2, 2.5, 3, 9_007_199_254_740_992, 9_223_372_036_854_775_808, 1e300,
        .infinity,
    ]
    static let strings = ["", "a", "ab", "abc", "b", "cat", "Cat", "it's", "100%", "x_y", "\\", "é", "e\u{301}", "ü", "🐈", "zz"]
    static let times: [Int64] = [0, 1, -1, 1_706_659_200_000_000, 1_706_702_400_000_000, .min, .max]

    /// A random value of the type; sometimes null.
    func value(of type: FieldType, using random: inout SeededGenerator) -> Value {
        if Int.random(in: 0 ..< 5, using: &random) == 0 { return .null }
        switch type {
        case .double where Int.random(in: 0 ..< 8, using: &random) == 0: return .double(.nan)
        case .strings:
            return .strings((0 ..< Int.random(in: 0 ... 4, using: &random)).map { _ in Self.strings.randomElement(using: &random) ?? "" })
        default: return literal(for: type, allowNaN: false, isCell: true, using: &random)
        }
    }

    /// A literal that compares with a field of the type.
    func literal(for type: FieldType?, allowNaN: Bool, isCell: Bool = false, using random: inout SeededGenerator) -> Value {
        switch type {
        case .bool: return .bool(Bool.random(using: &random))
        case .int, .double:
            if allowNaN, Int.random(in: 0 ..< 20, using: &random) == 0 { return .double(.nan) }
            let takesInt = isCell ? type == .int : Bool.random(using: &random)
            return takesInt
                ? .int(Self.ints.randomElement(using: &random) ?? 0) : .double(Self.doubles.randomElement(using: &random) ?? 0)
        case .timestamp:
            let time = Timestamp(microsecondsSince1970: Self.times.randomElement(using: &random) ?? 0)
            return isCell || Bool.random(using: &random) ? .timestamp(time) : .string(time.iso8601)
        case .string, .strings: return .string(Self.strings.randomElement(using: &random) ?? "")
        case nil: return Bool.random(using: &random) ? .int(Int64.random(in: 0 ..< 300, using: &random)) : .string("r\(Int.random(in: 0 ..< 300, using: &random))")
        }
    }

    /// A random filter that binds to the fields.
    func filter(depth: Int, allowNaN: Bool = true, using random: inout SeededGenerator) -> Filter {
        guard depth > 0, Int.random(in: 0 ..< 10, using: &random) > 2 else { return condition(allowNaN: allowNaN, using: &random) }
        switch Int.random(in: 0 ..< 5, using: &random) {
        case 0: return !filter(depth: depth - 1, allowNaN: allowNaN, using: &random)
        case 1, 2:
            let terms = (0 ..< Int.random(in: 0 ... 4, using: &random)).map { _ in filter(depth: depth - 1, allowNaN: allowNaN, using: &random) }
            return .all(of: terms)
        default:
            let terms = (0 ..< Int.random(in: 0 ... 4, using: &random)).map { _ in filter(depth: depth - 1, allowNaN: allowNaN, using: &random) }
            return .any(of: terms)
        }
    }

    private func condition(allowNaN: Bool, using random: inout SeededGenerator) -> Filter {
        let isID = Int.random(in: 0 ..< 15, using: &random) == 0
        let position = Int.random(in: 0 ..< fields.count, using: &random)
        let (name, type): (String, FieldType?) = isID ? ("id", nil) : (fields[position].name, fields[position].type)
        let string = Self.strings.randomElement(using: &random) ?? ""
        let kind = Int.random(in: 0 ..< 10, using: &random)
        if kind == 0 { return .isNull(field: name) }
        if type == .strings { return .contains(field: name, string) }
        if kind == 1, type == .string || type == nil { return .hasPrefix(field: name, type == nil ? "r1" : string) }
        if kind <= 3 {
            // Now and then more values than are compared one after the other.
            let count = Int.random(in: 0 ..< 10, using: &random) == 0 ? 40 : Int.random(in: 0 ... 4, using: &random)
            return .isIn(field: name, (0 ..< count).map { _ in literal(for: type, allowNaN: allowNaN, using: &random) })
        }
        let first = literal(for: type, allowNaN: allowNaN, using: &random)
        if type == .bool { return .comparison(field: name, Bool.random(using: &random) ? .equal : .notEqual, first) }
        if kind == 4 {
            return .isBetween(field: name, lower: first, upper: literal(for: type, allowNaN: allowNaN, using: &random))
        }
        return .comparison(field: name, Filter.Comparison.allCases.randomElement(using: &random) ?? .equal, first)
    }
}

/// What a filter means, row by row and with as little cleverness as possible; `nil` is unknown.
enum FilterOracle {
    static func evaluate(_ filter: Filter, _ row: (String) -> Value) -> Bool? {
        switch filter {
        case .isNull(let field): return row(field).isNull
        case .not(let inner): return evaluate(inner, row).map { !$0 }
        case .and(let terms):
            let outcomes = terms.map { evaluate($0, row) }
            return outcomes.contains(false) ? false : outcomes.contains(nil) ? nil : true
        case .or(let terms):
            let outcomes = terms.map { evaluate($0, row) }
            return outcomes.contains(true) ? true : outcomes.contains(nil) ? nil : false
        case .comparison(let field, let comparison, let literal):
            return compare(row(field), comparison, literal)
        case .isIn(let field, let values):
            return evaluate(.or(values.map { .comparison(field: field, .equal, $0) }), row)
        case .isBetween(let field, let lower, let upper):
            return evaluate(
                .and([.comparison(field: field, .greaterOrEqual, lower), .comparison(field: field, .lessOrEqual, upper)]), row)
        case .contains(let field, let string):
            guard case .strings(let list) = row(field) else { return nil }
            return list.contains { Array($0.utf8) == Array(string.utf8) }
        case .hasPrefix(let field, let prefix):
            switch row(field) {
            case .null: return nil
            case .string(let string): return Array(string.utf8).starts(with: Array(prefix.utf8))
            default: return false  // an id that is an integer
            }
        }
    }

    private static func compare(_ value: Value, _ comparison: Filter.Comparison, _ literal: Value) -> Bool? {
        if value.isNull { return nil }
        let order = order(value, literal)
        switch comparison {
        case .equal: return order == 0
        case .notEqual: return order != 0
        case .less: return order.map { $0 < 0 } ?? false
        case .lessOrEqual: return order.map { $0 <= 0 } ?? false
        case .greater: return order.map { $0 > 0 } ?? false
        case .greaterOrEqual: return order.map { $0 >= 0 } ?? false
        }
    }

    /// -1, 0 or 1; `nil` where the two have no order.
    private static func order(_ a: Value, _ b: Value) -> Int? {
        switch (a, b) {
        case (.bool(let a), .bool(let b)): return a == b ? 0 : a ? 1 : -1
        case (.int(let a), .int(let b)): return (a > b ? 1 : 0) - (a < b ? 1 : 0)
        case (.double(let a), .double(let b)): return a.isNaN || b.isNaN ? nil : (a > b ? 1 : 0) - (a < b ? 1 : 0)
        case (.double, .int): return order(b, a).map { -$0 }
        case (.int(let a), .double(let b)):
            if b.isNaN { return nil }
            if b >= 0x1p63 { return -1 }
            if b < -0x1p63 { return 1 }
            let whole = Int64(b.rounded(.down))
            return a == whole ? (b > b.rounded(.down) ? -1 : 0) : a < whole ? -1 : 1
        case (.timestamp(let a), .timestamp(let b)): return (a > b ? 1 : 0) - (a < b ? 1 : 0)
        case (.timestamp, .string(let text)): return Timestamp(iso8601: text).flatMap { order(a, .timestamp($0)) }
        case (.string(let a), .string(let b)):
            let (a, b) = (Array(a.utf8), Array(b.utf8))
            return a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
        default: return nil
        }
    }
}
