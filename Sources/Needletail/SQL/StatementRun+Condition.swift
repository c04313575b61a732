extension StatementRun {
    /// The filter of a condition with its parameters filled in; `nil` where it lets every record through.
    func filter(_ condition: Condition?, of collection: Collection) throws(NeedletailError) -> Filter? {
        guard let condition else { return nil }
        if case .and(let terms) = condition.filter, terms.isEmpty { return nil }
        guard !condition.parameters.isEmpty else { return condition.filter }
        var ordinal = 0
        return try filled(condition.filter, condition, &ordinal)
    }

    /// Runs `body`, and lets an error about the condition point at the field or the literal that it is about.
    func checking<R>(_ condition: Condition?, of collection: Collection, _ body: () throws(NeedletailError) -> R) throws(NeedletailError) -> R {
        do throws(NeedletailError) { return try body() } catch { throw try checking(condition, of: collection, error) }
    }

    /// The error, pointing at the field or the literal of the condition that it is about, if it is about one.
    func checking(_ condition: Condition?, of collection: Collection, _ error: NeedletailError) throws(NeedletailError) -> NeedletailError {
        guard let condition, error.position == nil, error.code == .typeMismatch || error.code == .unknownField else { return error }
        return try culprit(in: condition, of: collection) ?? error
    }

    // MARK: Parameters

    /// A filter whose literals that stand for parameters are replaced. `ordinal` counts literals, as the parser did.
    private func filled(_ filter: Filter, _ condition: Condition, _ ordinal: inout Int) throws(NeedletailError) -> Filter {
        switch filter {
        case .comparison(let field, let comparison, let value):
            return .comparison(field: field, comparison, try filled(value, condition, &ordinal))
        case .isIn(let field, let values):
            var filledValues: [Value] = []
            for value in values {
                // A list for one `?` is as many values: how many is known only now.
                let filledValue = try filled(value, condition, &ordinal)
                if case .strings(let strings) = filledValue { filledValues += strings.map(Value.string) } else { filledValues.append(filledValue) }
            }
            return .isIn(field: field, filledValues)
        case .isBetween(let field, let lower, let upper):
            let lower = try filled(lower, condition, &ordinal)
            return .isBetween(field: field, lower: lower, upper: try filled(upper, condition, &ordinal))
        case .contains(let field, let string):
            return .contains(field: field, try filled(string, condition, &ordinal, "CONTAINS takes a string"))
        case .hasPrefix(let field, let prefix):
            let place = ordinal
            guard condition.parameters[place] != nil else {
                ordinal += 1
                return filter
            }
            let pattern = try filled(prefix, condition, &ordinal, "LIKE takes a string")
            guard let prefix = FilterParser.prefix(ofPattern: pattern) else {
                throw failure(.invalidArgument, FilterParser.patternRule, at: condition.places.content.literals[place])
            }
            return .hasPrefix(field: field, prefix)
        case .isNull:
            return filter
        case .not(let inner):
            return .not(try filled(inner, condition, &ordinal))
        case .and(let terms):
            return .and(try filled(terms, condition, &ordinal))
        case .or(let terms):
            return .or(try filled(terms, condition, &ordinal))
        }
    }

    private func filled(_ terms: [Filter], _ condition: Condition, _ ordinal: inout Int) throws(NeedletailError) -> [Filter] {
        var filledTerms: [Filter] = []
        filledTerms.reserveCapacity(terms.count)
        for term in terms { filledTerms.append(try filled(term, condition, &ordinal)) }
        return filledTerms
    }

    private func filled(_ value: Value, _ condition: Condition, _ ordinal: inout Int) throws(NeedletailError) -> Value {
        defer { ordinal += 1 }
        return try self.value(condition, ordinal) ?? value
    }

    private func filled(_ string: String, _ condition: Condition, _ ordinal: inout Int, _ rule: String) throws(NeedletailError) -> String {
        defer { ordinal += 1 }
        guard let value = try value(condition, ordinal) else { return string }
        guard let string = value.stringValue else {
            throw failure(.typeMismatch, rule, at: condition.places.content.literals[ordinal])
        }
        return string
    }

    /// The parameter that a literal stands for, if it does.
    private func value(_ condition: Condition, _ ordinal: Int) throws(NeedletailError) -> Value? {
        guard let number = condition.parameters[ordinal] else { return nil }
        guard let value = parameters[number - 1].value else {
            throw failure(.typeMismatch, "a vector cannot be compared with a field", at: condition.places.content.literals[ordinal])
        }
        return value
    }

    // MARK: Culprits

    /// The error of the first part of a condition that does not fit the collection's fields, pointing at it.
    private func culprit(in condition: Condition, of collection: Collection) throws(NeedletailError) -> NeedletailError? {
        var (field, literal) = (0, 0)
        return try culprit(in: condition.filter, of: condition, collection, &field, &literal)
    }

    /// `field` and `literal` count, as the parser did, what has been passed.
    private func culprit(
        in filter: Filter, of condition: Condition, _ collection: Collection, _ field: inout Int, _ literal: inout Int
    ) throws(NeedletailError) -> NeedletailError? {
        switch filter {
        case .not(let inner):
            return try culprit(in: inner, of: condition, collection, &field, &literal)
        case .and(let terms), .or(let terms):
            for term in terms {
                if let error = try culprit(in: term, of: condition, collection, &field, &literal) { return error }
            }
            return nil
        default:
            let firstLiteral = literal
            defer { field += 1 }
            guard let error = failure(of: try filled(filter, condition, &literal), collection) else { return nil }
            let places = condition.places.content
            guard error.code == .typeMismatch, literal > firstLiteral else { return located(error, at: places.fields[field]) }
            if case .isIn(let name, let values) = filter {
                literal = firstLiteral
                for value in values {
                    let place = places.literals[literal]
                    if let error = failure(of: try filled(.isIn(field: name, [value]), condition, &literal), collection) { return located(error, at: place) }
                }
            }
            return located(error, at: places.literals[firstLiteral])
        }
    }

    private func failure(of filter: Filter, _ collection: Collection) -> NeedletailError? {
        do throws(NeedletailError) {
            _ = try BoundFilter(filter, fields: collection.schema.fields.map { ($0.name, $0.type) })
            return nil
        } catch {
            return error
        }
    }
}
