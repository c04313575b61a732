/// What a statement wants of its condition beyond the filter: its parameters, the bound of a radius search, and where things stand.
struct ConditionContext: Sendable {
    var operands: OperandParser
    var fields: [Int] = []
    /// Where literals and parameters stand: one for each value in the filter, in the order of the text.
    var literals: [Int] = []
    /// The parameters among them, by their position in `literals`.
    var parameters: [Int: Int] = [:]
    var radius: (content: Condition.Radius, offset: Int)?

    init(operands: OperandParser) { self.operands = operands }

    /// What stands in the filter for the distance while it is read. No text makes it, since a name is never empty.
    static let marker = Filter.isNull(field: "")

    /// The condition, once its filter is read. A distance can only be joined with the rest by AND.
    func condition(_ filter: Filter, _ tokens: TokenStream) throws(NeedletailError) -> Condition {
        let places = Located(FilterPlaces(fields: fields, literals: literals), at: 0)
        guard let radius else { return Condition(filter: filter, parameters: parameters, places: places) }
        let rest: Filter
        switch filter {
        case Self.marker:
            rest = .and([])
        case .and(let terms) where terms.contains(Self.marker):
            rest = .all(of: terms.filter { $0 != Self.marker })
        default:
            throw tokens.error("a distance bounds the whole search: AND joins it with the other conditions, not OR or NOT", at: radius.offset)
        }
        return Condition(filter: rest, parameters: parameters, radius: radius.content, places: places)
    }
}

extension FilterParser {
    /// Goes past a `?` that stands for a value, if one is here and may be.
    mutating func takeParameter(_ tokens: inout TokenStream) throws(NeedletailError) -> Bool {
        guard context != nil else { return false }
        let offset = tokens.current.range.lowerBound
        guard let number = try context?.operands.parameter(&tokens), let ordinal = context?.literals.count else { return false }
        context?.parameters[ordinal] = number
        context?.literals.append(offset)
        return true
    }

    /// `embedding <-> q < 0.5` or `distance < 0.5`, behind the name; `nil` where the condition is another.
    mutating func distanceCondition(
        on name: String, at offset: Int, _ tokens: inout TokenStream
    ) throws(NeedletailError) -> Filter? {
        guard context != nil, case .symbol(let symbol) = tokens.current.kind else { return nil }
        var distance: Distance?
        if let metric = Metric(symbol) {
            let operatorOffset = tokens.current.range.lowerBound
            try tokens.advance()
            guard let query = try context?.operands.vector(&tokens) else { return nil }
            distance = Distance(vectorName: Name(name, at: offset), metric: Located(metric, at: operatorOffset), query: query)
        } else if name.lowercased() != "distance" {
            return nil
        }
        let isStrict = tokens.current.kind == .symbol(.less)
        guard isStrict || tokens.current.kind == .symbol(.lessOrEqual) else {
            throw tokens.unexpected("< or <= and the largest distance")
        }
        try tokens.advance()
        guard let bound = try context?.operands.operand(&tokens) else { return nil }
        guard context?.radius == nil else {
            throw tokens.error("a second distance: a search has one", at: offset)
        }
        context?.radius = (Condition.Radius(distance: distance, isStrict: isStrict, bound: bound), offset)
        return ConditionContext.marker
    }
}
