/// What a `SELECT` comes to once its names are looked up: which columns, and which of the collection's methods finds the rows.
struct SelectPlan: Sendable {
    /// What a value of a row is.
    enum Source: Sendable, Hashable {
        case id
        /// The field at this position of the schema.
        case field(Int)
        case vector
        case distance
        case score
        case count
    }

    /// How the rows are found.
    enum Method: Sendable {
        /// One row: how many records there are.
        case count
        /// One row for each value of a field: how many records have it.
        case facets(field: Int)
        /// Records, by a field or in order of arrival.
        case records
        /// The nearest to a vector, and how near they must be.
        case search(Distance, radius: Condition.Radius?)
    }

    var columns: [(column: QueryColumn, source: Source)]
    var method: Method

    /// The fields that the rows need.
    func fields(of schema: Schema) -> FieldSelection {
        let positions = Set(columns.compactMap { if case .field(let position) = $0.source { position } else { nil } })
        return positions.isEmpty ? .none : .only(positions.sorted().map { schema.fields[$0].name })
    }

    /// Whether the rows need the vectors.
    var needsVectors: Bool { columns.contains { $0.source == .vector } }
}

extension StatementRun {
    /// Looks up the names of a `SELECT`, and decides what it asks for.
    func plan(_ select: SelectStatement, of collection: Collection) throws(NeedletailError) -> SelectPlan {
        let schema = collection.schema
        let distance = try distance(of: select, schema)
        var columns: [(column: QueryColumn, source: SelectPlan.Source)] = []
        let asked = select.columns.isEmpty ? [SelectColumn(source: Located(.all, at: 0))] : select.columns
        for column in asked {
            switch column.source.content {
            case .all:
                columns.append((QueryColumn("id", .id), .id))
                for (position, field) in schema.fields.enumerated() { columns.append((QueryColumn(field.name, .value(field.type)), .field(position))) }
                if distance != nil { columns.append((QueryColumn("distance", .value(.double)), .distance)) }
            case .count:
                columns.append((QueryColumn(column.alias ?? "count", .value(.int)), .count))
            case .name(let name):
                let (kind, source) = try self.column(name, at: column.source.offset, schema)
                guard distance != nil || (source != .distance && source != .score) else {
                    throw failure(
                        .invalidArgument, "there is no \(name) to what: ORDER BY \(Statement.name(schema.vectorName)) \(schema.metric.symbol.rawValue) [0.1, …] says it",
                        at: column.source.offset)
                }
                columns.append((QueryColumn(column.alias ?? name, kind), source))
            }
        }
        let plan = SelectPlan(columns: columns, method: try method(select, columns.map(\.source), distance, schema))
        return plan
    }

    private func column(_ name: String, at offset: Int, _ schema: Schema) throws(NeedletailError) -> (QueryColumn.Kind, SelectPlan.Source) {
        if let position = schema.fields.firstIndex(where: { $0.name == name }) { return (.value(schema.fields[position].type), .field(position)) }
        switch name {
        case "id": return (.id, .id)
        case schema.vectorName: return (.vector(dimension: schema.dimension), .vector)
        case "distance": return (.value(.double), .distance)
        case "score": return (.value(.double), .score)
        default: throw unknownField(name, among: schema.fields.map(\.name) + ["id", schema.vectorName, "distance", "score"], at: offset)
        }
    }

    func unknownField(_ name: String, among names: [String], at offset: Int) -> NeedletailError {
        let remedy =
            if let guess = TextDiagnostic.nearest(to: name, among: names) {
                "did you mean \(Statement.name(guess))?"
            } else {
                "there are: " + names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) others" : "")
            }
        return failure(.unknownField, "there is no field '\(name)'; \(remedy)", at: offset)
    }

    /// The position of a field.
    func field(_ name: Name, _ schema: Schema) throws(NeedletailError) -> Int {
        if let position = schema.fields.firstIndex(where: { $0.name == name.content }) { return position }
        throw unknownField(name.content, among: schema.fields.map(\.name), at: name.offset)
    }

    /// The distance that a `SELECT` searches by, checked against the collection; `nil` where it does not search.
    private func distance(of select: SelectStatement, _ schema: Schema) throws(NeedletailError) -> Distance? {
        var distance: Distance?
        if case .distance(let order) = select.order {
            try check(order, schema)
            distance = order
        }
        guard let radius = select.condition?.radius else { return distance }
        if let own = radius.distance {
            try check(own, schema)
            guard distance == nil || distance == own else {
                throw failure(.invalidArgument, "WHERE and ORDER BY measure different distances: a search has one", at: own.vectorName.offset)
            }
            return own
        }
        guard let distance else {
            throw failure(
                .invalidArgument, "there is no distance to what: ORDER BY \(Statement.name(schema.vectorName)) \(schema.metric.symbol.rawValue) [0.1, …] says it",
                at: radius.bound.offset)
        }
        return distance
    }

    /// Throws where a distance names something else than the vector, or is not the collection's.
    private func check(_ distance: Distance, _ schema: Schema) throws(NeedletailError) {
        let name = distance.vectorName
        guard name.content == schema.vectorName else {
            if let field = schema.field(name.content) {
                throw failure(
                    .typeMismatch, "the field '\(name.content)' holds \(field.type.rawValue) values; the vector is called \(Statement.name(schema.vectorName))",
                    at: name.offset)
            }
            throw failure(.unknownField, "the vector is called \(Statement.name(schema.vectorName)), not '\(name.content)'", at: name.offset)
        }
        let metric = distance.metric
        guard metric.content == schema.metric else {
            throw failure(
                .invalidArgument,
                "\(metric.content.symbol.rawValue) is \(metric.content.statementName), but the collection compares by \(schema.metric.statementName): write \(schema.metric.symbol.rawValue)",
                at: metric.offset)
        }
    }

    private func method(
        _ select: SelectStatement, _ sources: [SelectPlan.Source], _ distance: Distance?, _ schema: Schema
    ) throws(NeedletailError) -> SelectPlan.Method {
        func offset(of source: SelectPlan.Source) -> Int {
            zip(sources, select.columns).first { $0.0 == source }?.1.source.offset ?? select.collection.offset
        }
        if case .field(let name, let isDescending) = select.order, distance != nil {
            guard name.content == "distance", !isDescending else {
                throw failure(.invalidArgument, "a search gives the nearest first: ORDER BY distance, or leave it out", at: name.offset)
            }
        }
        if let collapse = select.collapse, distance == nil {
            throw failure(.invalidArgument, "DISTINCT WITHIN is for searches: ORDER BY \(Statement.name(schema.vectorName)) \(schema.metric.symbol.rawValue) [0.1, …]", at: collapse.offset)
        }
        if !select.settings.isEmpty, distance == nil {
            throw failure(.invalidArgument, "\(select.settings[0].name.content) is for searches, which have a distance in ORDER BY or WHERE", at: select.settings[0].name.offset)
        }
        if let groupBy = select.groupBy {
            let field = try field(groupBy, schema)
            if let distance {
                guard !sources.contains(.count) else {
                    throw failure(.invalidArgument, "a search gives the best of each group: COUNT(*) … GROUP BY counts without ORDER BY a distance", at: offset(of: .count))
                }
                return .search(distance, radius: select.condition?.radius)
            }
            guard sources.contains(.count) else {
                throw failure(.invalidArgument, "GROUP BY needs COUNT(*), or a distance in ORDER BY to give the best of each group", at: groupBy.offset)
            }
            if let other = sources.first(where: { $0 != .count && $0 != .field(field) }) {
                throw failure(.invalidArgument, "of a group there is \(groupBy) and COUNT(*), nothing of single records", at: offset(of: other))
            }
            return .facets(field: field)
        }
        if case .count? = select.order {
            throw failure(.invalidArgument, "ORDER BY COUNT(*) needs GROUP BY", at: select.collection.offset)
        }
        guard sources.contains(.count) else {
            return distance.map { .search($0, radius: select.condition?.radius) } ?? .records
        }
        guard Set(sources) == [.count] else {
            throw failure(.invalidArgument, "COUNT(*) stands alone, or with the field of GROUP BY", at: offset(of: .count))
        }
        guard select.order == nil, select.limit == nil, select.offset == nil else {
            throw failure(.invalidArgument, "COUNT(*) gives one row: ORDER BY, LIMIT and OFFSET do not apply", at: offset(of: .count))
        }
        return distance.map { .search($0, radius: select.condition?.radius) } ?? .count
    }
}

extension Metric {
    /// What the operator of a metric is called.
    var statementName: String {
        switch self {
        case .l2: "L2 distance"
        case .cosine: "cosine distance"
        case .dot: "the negative inner product"
        }
    }
}
