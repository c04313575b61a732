extension StatementRun {
    /// Runs `SELECT field, COUNT(*) … GROUP BY field`. Records without a value are a group of their own, as SQL has it.
    func facets(
        of field: Int, _ select: SelectStatement, _ plan: SelectPlan, _ collection: Collection
    ) throws(NeedletailError) -> QueryResult {
        let (offset, limit) = try window(select)
        let order = try groupOrder(select, collection.schema.fields[field])
        // The most frequent come first by themselves: then only so many are needed as will be shown.
        let most = order == .mostFrequent ? limit.map { offset.addingReportingOverflow($0) } : nil
        let facets = try collection.facets(
            of: collection.schema.fields[field].name, where: try filter(select.condition, of: collection),
            limit: most.flatMap { $0.overflow ? nil : $0.partialValue })
        try checkCancellation()
        var groups = facets.facets
        if facets.nullCount > 0 { groups.append(Facet(value: .null, count: facets.nullCount)) }
        groups.sort(by: order)
        let shown = groups.dropFirst(offset).prefix(limit ?? .max)
        return QueryResult(
            columns: plan.columns.map(\.column),
            rows: shown.map { group in plan.columns.map { $0.source == .count ? .value(.int(Int64(group.count))) : .value(group.value) } },
            collection: collection.name)
    }

    private func groupOrder(_ select: SelectStatement, _ field: Field) throws(NeedletailError) -> GroupOrder {
        switch select.order {
        case nil, .count(isDescending: true): return .mostFrequent
        case .count(isDescending: false): return .leastFrequent
        case .field(let name, let isDescending):
            guard name.content == field.name else {
                throw failure(.invalidArgument, "groups are ordered by COUNT(*) or \(Statement.name(field.name))", at: name.offset)
            }
            return isDescending ? .descending : .ascending
        case .distance(let distance):
            throw failure(.invalidArgument, "groups are ordered by COUNT(*) or \(Statement.name(field.name))", at: distance.vectorName.offset)
        }
    }
}

/// How groups are ordered. Equal ones come by their value, the group without a value last.
private enum GroupOrder {
    case mostFrequent, leastFrequent, ascending, descending
}

extension [Facet] {
    fileprivate mutating func sort(by order: GroupOrder) {
        sort { a, b in
            switch order {
            case .mostFrequent: a.count != b.count ? a.count > b.count : a.value.precedes(b.value)
            case .leastFrequent: a.count != b.count ? a.count < b.count : a.value.precedes(b.value)
            case .ascending: a.value.precedes(b.value)
            case .descending: !a.value.isNull && (b.value.isNull || b.value.precedes(a.value))
            }
        }
    }
}

extension Value {
    /// Whether one value of a field comes before another: as records do that are ordered by it, null last.
    fileprivate func precedes(_ other: Value) -> Bool {
        switch (self, other) {
        case (.null, _): false
        case (_, .null): true
        case (.bool(let a), .bool(let b)): !a && b
        case (.int(let a), .int(let b)): a < b
        case (.double(let a), .double(let b)): a < b || (!a.isNaN && b.isNaN)
        case (.timestamp(let a), .timestamp(let b)): a < b
        case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
        default: false
        }
    }
}
