/// Makes a ``BoundFilter``'s tree from a ``Filter``.
struct FilterBinder {
    private let fields: [(name: String, type: FieldType)]
    private var depth = 0

    init(fields: [(name: String, type: FieldType)]) { self.fields = fields }

    /// A tree with the rank of its cost. Terms are tried in the order of their ranks, so that the cheap ones spare the dear ones.
    mutating func bind(_ filter: Filter, isNegated: Bool) throws(NeedletailError) -> (node: BoundFilter.Node, rank: Int) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= BoundFilter.maximumDepth else {
            throw NeedletailError(.invalidArgument, "the filter nests deeper than \(BoundFilter.maximumDepth) levels")
        }
        switch filter {
        case .not(let inner):
            return try bind(inner, isNegated: !isNegated)
        case .and(let terms):
            return try bind(terms, isAnd: !isNegated, isNegated: isNegated)
        case .or(let terms):
            return try bind(terms, isAnd: isNegated, isNegated: isNegated)
        case .isNull(let name):
            let field = try resolve(name)
            guard case .column = field.subject else { return constant(isNegated) }
            return condition(field, .isNull, isNegated)
        case .comparison(let name, let comparison, let value):
            let field = try resolve(name)
            // What is not equal is the negation of what is equal, for NaN and null alike.
            let isUnequal = comparison == .notEqual
            let test = try test(field, isUnequal ? .equal : comparison, value)
            return condition(field, test, isNegated != isUnequal)
        case .isBetween(let name, let lower, let upper):
            let field = try resolve(name)
            let test = Self.intersection(try test(field, .greaterOrEqual, lower), try test(field, .lessOrEqual, upper))
            guard let test else { throw field.mismatch("has no order: it cannot be tested with BETWEEN") }
            return condition(field, test, isNegated)
        case .isIn(let name, let values):
            return try bind(membership: values, in: try resolve(name), isNegated)
        case .contains(let name, let string):
            let field = try resolve(name)
            guard field.type == .strings else {
                throw field.mismatch("is no list: CONTAINS looks for a string in a list" + (field.type == .string ? "; use = or LIKE" : ""))
            }
            return condition(field, .listContains(string), isNegated)
        case .hasPrefix(let name, let prefix):
            let field = try resolve(name)
            guard field.type == .string || field.type == nil else { throw field.mismatch("is no string: LIKE cannot test it") }
            return condition(field, .stringPrefix(prefix), isNegated)
        }
    }

    private mutating func bind(
        _ terms: [Filter], isAnd: Bool, isNegated: Bool
    ) throws(NeedletailError) -> (node: BoundFilter.Node, rank: Int) {
        var bound: [(node: BoundFilter.Node, rank: Int)] = []
        bound.reserveCapacity(terms.count)
        for term in terms { bound.append(try bind(term, isNegated: isNegated)) }
        if bound.count == 1 { return bound[0] }
        let order = bound.indices.sorted { (bound[$0].rank, $0) < (bound[$1].rank, $1) }
        let nodes = order.map { bound[$0].node }
        return (isAnd ? .and(nodes) : .or(nodes), bound.reduce(0) { min($0 + $1.rank, 1 << 20) })
    }

    /// `IN`: the values by type, since the id may be tested for integers and strings at once.
    private func bind(
        membership values: [Value], in field: BoundField, _ isNegated: Bool
    ) throws(NeedletailError) -> (node: BoundFilter.Node, rank: Int) {
        guard !values.isEmpty else { return constant(isNegated) }
        // No set, since Swift holds canonically equivalent strings for equal, and here bytes count.
        var strings: [String] = []
        var ints: Set<Int64> = []
        var doubles: Set<Double> = []
        var bools: Set<Bool> = []
        for value in values {
            switch try test(field, .equal, value) {
            case .stringSet(let set): strings.append(contentsOf: set)
            case .intRange(let low, let high) where low <= high: ints.insert(low)
            case .doubleRange(let low, let high) where low <= high: doubles.insert(low + 0)  // -0 becomes 0
            case .isTrue: bools.insert(true)
            case .isFalse: bools.insert(false)
            default: break  // A value that the field cannot have, such as 2.5 for an integer.
            }
        }
        var tests: [FieldTest] = []
        if !strings.isEmpty { tests.append(.stringSet(strings)) }
        if let only = ints.first { tests.append(ints.count == 1 ? .intRange(only, only) : .intSet(ints.sorted())) }
        if let only = doubles.first { tests.append(doubles.count == 1 ? .doubleRange(only, only) : .doubleSet(doubles.sorted())) }
        if bools.count == 1 { tests.append(bools.contains(true) ? .isTrue : .isFalse) }
        if bools.count == 2 { tests.append(.anything) }
        let bound = tests.map { condition(field, $0, isNegated) }
        switch bound.count {
        case 0: return condition(field, .nothing, isNegated)
        case 1: return bound[0]
        default: return (isNegated ? .and(bound.map(\.node)) : .or(bound.map(\.node)), bound.reduce(0) { $0 + $1.rank })
        }
    }
}

// MARK: - Fields and nodes

/// A field that a filter names.
private struct BoundField {
    let name: String
    let subject: BoundFilter.Subject
    /// `nil` for the id, which is an integer or a string.
    let type: FieldType?

    private var kind: String {
        switch type {
        case nil: "is the record's id, an int or a string"
        case .int: "is an int"
        case .strings: "is a list of strings"
        case .some(let type): "is a \(type.rawValue)"
        }
    }

    func mismatch(_ reason: String) -> NeedletailError {
        NeedletailError(.typeMismatch, "the field '\(name)' \(kind), and \(reason)")
    }

    func mismatch(with value: Value) -> NeedletailError {
        var remedy = ""
        switch (type, value) {
        case (.strings, _): remedy = "; use CONTAINS to look for a string in it"
        case (.string, _) where value.type == .int || value.type == .double: remedy = "; a string is written in single quotes"
        case (.timestamp, .string): remedy = "; a timestamp is written in ISO 8601, such as '2024-01-31' or '2024-01-31T12:00:00Z'"
        case (.timestamp, _): remedy = "; write a date and time such as '2024-01-31T12:00:00Z'"
        default: break
        }
        guard let type = value.type else {
            return NeedletailError(.typeMismatch, "nothing compares with null: test the field '\(name)' with IS NULL or IS NOT NULL")
        }
        let shown = type == .strings ? "a list of strings" : "the \(type.rawValue) \(Filter.literal(value))"
        return NeedletailError(.typeMismatch, "the field '\(name)' \(kind): it cannot be compared with \(shown)\(remedy)")
    }
}

extension FilterBinder {
    private func resolve(_ name: String) throws(NeedletailError) -> BoundField {
        if let position = fields.firstIndex(where: { $0.name == name }) {
            return BoundField(name: name, subject: .column(position), type: fields[position].type)
        }
        if name == "id" { return BoundField(name: name, subject: .id, type: nil) }
        let names = fields.map(\.name) + ["id"]
        let remedy =
            if let guess = TextDiagnostic.nearest(to: name, among: names) {
                "did you mean \(Filter.name(guess))?"
            } else if names.count <= 20 {
                "there are: " + names.joined(separator: ", ")
            } else {
                "there are \(names.count) others"
            }
        throw NeedletailError(.unknownField, "there is no field '\(name)'; \(remedy)")
    }

    private func constant(_ value: Bool) -> (node: BoundFilter.Node, rank: Int) { (value ? .and([]) : .or([]), 0) }

    private func condition(_ field: BoundField, _ test: FieldTest, _ isNegated: Bool) -> (node: BoundFilter.Node, rank: Int) {
        let (bound, rank): (BoundFilter.Test, Int) =
            switch test {
            case .isNull: (.isNull, 1)
            case .nothing, .anything: (.nothing, 1)
            case .isTrue, .isFalse: (.isTrue, 2)
            case .stringSet(let strings): (.stringSet(strings), strings.count == 1 ? 4 : 5)
            case .stringRange(let lower, let upper): (.stringRange(lower: lower, upper: upper), 5)
            case .stringPrefix(let prefix): (.stringPrefix(prefix), 5)
            case .intRange(let low, let high): low > high ? (.nothing, 1) : (.intRange(low: low, high: high), 8)
            case .doubleRange(let low, let high): low > high ? (.nothing, 1) : (.doubleRange(low: low, high: high), 8)
            case .intSet(let values): (.intSet(values), 20)
            case .doubleSet(let values): (.doubleSet(values), 20)
            case .listContains(let string): (.listContains(string), 100)
            }
        // Bools and "anything" are the negations of what the evaluator knows.
        let isInverse = if case .isFalse = test { true } else if case .anything = test { true } else { false }
        let isNegated = isNegated != isInverse
        // An id is never null, so a test that nothing passes has the same outcome for every record.
        let isID = if case .id = field.subject { true } else { false }
        if isID, case .nothing = bound { return constant(isNegated) }
        let condition = BoundFilter.Condition(subject: field.subject, test: bound, isNegated: isNegated)
        // Slots with an id are found before the scan, which costs nothing more.
        return (.condition(condition), isID ? 0 : rank)
    }
}

// MARK: - Literals

/// A test as it comes from one literal, before it is known whether `IN` or `BETWEEN` joins it with others.
private enum FieldTest {
    case isNull, nothing, anything, isTrue, isFalse
    case intRange(Int64, Int64), intSet([Int64])
    case doubleRange(Double, Double), doubleSet([Double])
    case stringSet([String]), stringRange(BoundFilter.StringBound?, BoundFilter.StringBound?), stringPrefix(String)
    case listContains(String)
}

extension FilterBinder {
    /// The test that a comparison (any but `notEqual`) with a literal is for a field.
    private func test(_ field: BoundField, _ comparison: Filter.Comparison, _ value: Value) throws(NeedletailError) -> FieldTest {
        switch (field.type, value) {
        case (.bool, .bool(let value)):
            guard comparison == .equal else { throw field.mismatch("has no order: only =, !=, IN and IS NULL test it") }
            return value ? .isTrue : .isFalse
        case (.int, .int(let value)), (nil, .int(let value)):
            return Self.range(comparison, value)
        case (.int, .double(let value)), (nil, .double(let value)):
            return Self.intRange(comparison, value)
        case (.double, .double(let value)):
            return Self.range(comparison, value)
        case (.double, .int(let value)):
            return Self.doubleRange(comparison, value)
        case (.timestamp, .timestamp(let value)):
            return Self.range(comparison, value.microsecondsSince1970)
        case (.timestamp, .string(let text)):
            guard let value = Timestamp(iso8601: text) else { throw field.mismatch(with: value) }
            return Self.range(comparison, value.microsecondsSince1970)
        case (.string, .string(let value)), (nil, .string(let value)):
            return Self.range(comparison, value)
        default:
            throw field.mismatch(with: value)
        }
    }

    /// What passes both tests, each a range of one type; `nil` if they are no ranges.
    private static func intersection(_ a: FieldTest, _ b: FieldTest) -> FieldTest? {
        switch (a, b) {
        case (.intRange(let a, let b), .intRange(let c, let d)): .intRange(max(a, c), min(b, d))
        case (.doubleRange(let a, let b), .doubleRange(let c, let d)): .doubleRange(max(a, c), min(b, d))
        case (.stringRange(let lower, nil), .stringRange(nil, let upper)): .stringRange(lower, upper)
        // An id between an integer and a string: none is both.
        case (.intRange, .stringRange), (.stringRange, .intRange): .nothing
        default: nil
        }
    }

    private static func range(_ comparison: Filter.Comparison, _ value: String) -> FieldTest {
        switch comparison {
        case .equal, .notEqual: .stringSet([value])
        case .less: .stringRange(nil, .init(string: value, isInclusive: false))
        case .lessOrEqual: .stringRange(nil, .init(string: value, isInclusive: true))
        case .greater: .stringRange(.init(string: value, isInclusive: false), nil)
        case .greaterOrEqual: .stringRange(.init(string: value, isInclusive: true), nil)
        }
    }

    private static let emptyInts = FieldTest.intRange(1, 0)
    private static let emptyDoubles = FieldTest.doubleRange(.infinity, -.infinity)

    private static func range(_ comparison: Filter.Comparison, _ value: Int64) -> FieldTest {
        switch comparison {
        case .equal, .notEqual: .intRange(value, value)
        case .less: value == .min ? emptyInts : .intRange(.min, value - 1)
        case .lessOrEqual: .intRange(.min, value)
        case .greater: value == .max ? emptyInts : .intRange(value + 1, .max)
        case .greaterOrEqual: .intRange(value, .max)
        }
    }

    /// The integers that compare so with a double, exactly: no integer is rounded.
    private static func intRange(_ comparison: Filter.Comparison, _ value: Double) -> FieldTest {
        let limit = 9_223_372_036_854_775_808.0  // 2^63, the first double above all integers
        guard !value.isNaN else { return emptyInts }
        switch comparison {
        case .equal, .notEqual:
            return Int64(exactly: value).map { .intRange($0, $0) } ?? emptyInts
        case .less, .lessOrEqual:
            let floor = value.rounded(.down)
            if floor >= limit { return .intRange(.min, .max) }
            if floor < -limit { return emptyInts }
            return range(comparison == .less && floor == value ? .less : .lessOrEqual, Int64(floor))
        case .greater, .greaterOrEqual:
            let ceiling = value.rounded(.up)
            if ceiling >= limit { return emptyInts }
            if ceiling < -limit { return .intRange(.min, .max) }
            return range(comparison == .greater && ceiling == value ? .greater : .greaterOrEqual, Int64(ceiling))
        }
    }

    private static func range(_ comparison: Filter.Comparison, _ value: Double) -> FieldTest {
        guard !value.isNaN else { return emptyDoubles }
        switch comparison {
        case .equal, .notEqual: return .doubleRange(value, value)
        case .less: return value == -.infinity ? emptyDoubles : .doubleRange(-.infinity, value.nextDown)
        case .lessOrEqual: return .doubleRange(-.infinity, value)
        case .greater: return value == .infinity ? emptyDoubles : .doubleRange(value.nextUp, .infinity)
        case .greaterOrEqual: return .doubleRange(value, .infinity)
        }
    }

    /// The doubles that compare so with an integer, exactly. An integer above 2^53 may lie between two doubles.
    private static func doubleRange(_ comparison: Filter.Comparison, _ value: Int64) -> FieldTest {
        let nearest = Double(value)
        let rounded = Int64(exactly: nearest)  // nil for 2^63, to which the largest integers round up
        if rounded == value { return range(comparison, nearest) }
        let isAbove = rounded.map { $0 > value } ?? true
        switch comparison {
        case .equal, .notEqual: return emptyDoubles
        case .less, .lessOrEqual: return .doubleRange(-.infinity, isAbove ? nearest.nextDown : nearest)
        case .greater, .greaterOrEqual: return .doubleRange(isAbove ? nearest : nearest.nextUp, .infinity)
        }
    }
}
