extension StatementRun {
    /// Runs `SELECT`.
    func select(_ select: SelectStatement) throws(NeedletailError) -> QueryResult {
        let collection = try collectionToRead(select.collection)
        let plan = try plan(select, of: collection)
        return try checking(select.condition, of: collection) { () throws(NeedletailError) in
            switch plan.method {
            case .count:
                let filter = try filter(select.condition, of: collection)
                let count = if let filter { try collection.count(where: filter) } else { try collection.count() }
                return QueryResult(
                    columns: plan.columns.map(\.column), rows: [plan.columns.map { _ in .value(.int(Int64(count))) }], collection: collection.name)
            case .facets(let field):
                return try facets(of: field, select, plan, collection)
            case .records:
                return try records(select, plan, collection)
            case .search(let distance, let radius):
                return try search(by: distance, radius, select, plan, collection)
            }
        }
    }

    /// `LIMIT` and `OFFSET`, checked.
    func window(_ select: SelectStatement) throws(NeedletailError) -> (offset: Int, limit: Int?) {
        func count(_ operand: Operand?, _ clause: String) throws(NeedletailError) -> Int? {
            guard let operand else { return nil }
            let count = try integer(operand, clause)
            guard count >= 0 else { throw failure(.invalidArgument, "\(clause) cannot be negative", at: operand.offset) }
            return count
        }
        return (try count(select.offset, "OFFSET") ?? 0, try count(select.limit, "LIMIT"))
    }
}

// MARK: - Records

extension StatementRun {
    private func records(_ select: SelectStatement, _ plan: SelectPlan, _ collection: Collection) throws(NeedletailError) -> QueryResult {
        let (offset, limit) = try window(select)
        var order: (field: String, isAscending: Bool)?
        if case .field(let name, let isDescending) = select.order {
            let field = if case .name(let field) = select.source(named: name.content) { field } else { name.content }
            guard collection.schema.field(field) != nil || field == "id" else {
                throw unknownField(field, among: collection.schema.fields.map(\.name) + ["id"], at: name.offset)
            }
            order = (field, !isDescending)
        }
        let filter = try filter(select.condition, of: collection)
        let cursor: RecordCursor
        do throws(NeedletailError) {
            cursor = try collection.records(
                where: filter, orderBy: order?.field, ascending: order?.isAscending ?? true, limit: limit, offset: offset,
                select: plan.fields(of: collection.schema))
        } catch {
            // The field has been found; what it may lack is an order.
            let bound = try checking(select.condition, of: collection, error)
            guard case .field(let name, _) = select.order, error.code == .typeMismatch else { throw bound }
            throw located(bound, at: name.offset)
        }
        var result = QueryResult(columns: plan.columns.map(\.column), collection: collection.name)
        while let record = try cursor.next() {
            if result.rows.count % 1_024 == 0 { try checkCancellation() }
            result.rows.append(row(plan, collection.schema, id: record.id, record.fields, vector: record.vector, distance: nil, score: nil))
            result.recordIDs.append(record.id)
        }
        return result
    }

    private func row(
        _ plan: SelectPlan, _ schema: Schema, id: RecordID, _ fields: [String: Value], vector: [Float]?, distance: Double?, score: Double?
    ) -> [QueryValue] {
        plan.columns.map { _, source in
            switch source {
            case .id: QueryValue(id)
            case .field(let position): .value(fields[schema.fields[position].name] ?? .null)
            case .vector: vector.map(QueryValue.vector) ?? nil
            case .distance: distance.map { .value(.double($0)) } ?? nil
            case .score: score.map { .value(.double($0)) } ?? nil
            case .count: nil
            }
        }
    }
}

// MARK: - Searches

extension StatementRun {
    private func search(
        by distance: Distance, _ radius: Condition.Radius?, _ select: SelectStatement, _ plan: SelectPlan, _ collection: Collection
    ) throws(NeedletailError) -> QueryResult {
        let (offset, limit) = try window(select)
        let isCount = plan.columns.allSatisfy { $0.source == .count }
        var result = QueryResult(columns: plan.columns.map(\.column), collection: collection.name)
        if limit == 0 { return result }
        let found = try hits(by: distance, radius, window: (offset, limit), select, isCount ? .none : plan.fields(of: collection.schema), collection)
        result.plan = found.plan
        if isCount {
            result.rows = [plan.columns.map { _ in .value(.int(Int64(found.hits.count))) }]
            return result
        }
        try checkCancellation()
        let hits = found.hits.dropFirst(offset)
        let vectors = plan.needsVectors ? try collection.vectors(of: hits.map(\.id)) : []
        result.rows.reserveCapacity(hits.count)
        for (position, hit) in hits.enumerated() {
            let vector = plan.needsVectors ? vectors[position] : nil
            result.rows.append(row(plan, collection.schema, id: hit.id, hit.fields, vector: vector, distance: hit.distance, score: hit.score))
        }
        result.recordIDs = hits.map(\.id)
        return result
    }

    /// The hits of a search, those before the offset included.
    private func hits(
        by distance: Distance, _ radius: Condition.Radius?, window: (offset: Int, limit: Int?), _ select: SelectStatement,
        _ fields: FieldSelection, _ collection: Collection
    ) throws(NeedletailError) -> (hits: [SearchHit], plan: SearchPlan) {
        let settings = try searchSettings(select.settings)
        let query = try vector(distance.query, of: collection)
        try pointing(at: distance.query.offset) { () throws(NeedletailError) in try collection.check(query: query) }
        let filter = try filter(select.condition, of: collection)
        let bound = try bound(radius, collection.schema)
        let threads = settings.threads ?? options.threads ?? 1
        let found: SearchResults
        do throws(NeedletailError) {
            if select.groupBy != nil || select.collapse != nil {
                found = try selective(query, k: try resultCount(window, select, collection), filter, fields, settings, threads, select, collection)
            } else if let bound {
                found = try collection.search(
                    near: query, within: bound, limit: window.limit == nil ? nil : try resultCount(window, select, collection), where: filter, select: fields,
                    recall: settings.recall, efSearch: settings.efSearch, nprobe: settings.nprobe, refineFactor: settings.refineFactor,
                    exact: settings.isExact, threads: threads)
            } else {
                found = try collection.search(
                    near: query, k: try resultCount(window, select, collection), where: filter, select: fields, recall: settings.recall,
                    efSearch: settings.efSearch, nprobe: settings.nprobe, refineFactor: settings.refineFactor, exact: settings.isExact, threads: threads)
            }
        } catch {
            guard error.code == .invalidArgument || error.code == .unknownIndex else { throw error }
            throw located(error, at: select.settings.first?.name.offset ?? select.limit?.offset ?? distance.query.offset)
        }
        guard let radius, let bound else { return (found.hits, found.plan) }
        return (found.hits.filter { radius.isStrict ? $0.distance < bound : $0.distance <= bound }, found.plan)
    }

    /// The best of each group, or records that are no near-duplicates. Those too far away are left out afterwards, which comes to the
    /// same, since the nearest are taken first.
    private func selective(
        _ query: [Float], k: Int, _ filter: Filter?, _ fields: FieldSelection, _ settings: SearchSettings, _ threads: Int,
        _ select: SelectStatement, _ collection: Collection
    ) throws(NeedletailError) -> SearchResults {
        var distance: Double?
        if let collapse = select.collapse {
            let least = try number(collapse, "a distance")
            guard least.isFinite, least > 0 else {
                throw failure(.invalidArgument, "near-duplicates within a distance of \(least) are not possible: it must be finite and above 0", at: collapse.offset)
            }
            distance = least
        }
        if let groupBy = select.groupBy {
            let field = collection.schema.fields[try field(groupBy, collection.schema)]
            guard field.type != .strings else {
                throw failure(
                    .typeMismatch, "the field '\(field.name)' is a list: a record would belong to several groups. COUNT(*) without ORDER BY a distance counts its strings",
                    at: groupBy.offset)
            }
            return try collection.search(
                near: query, k: k, groupBy: field.name, collapsing: distance, where: filter, select: fields, recall: settings.recall,
                efSearch: settings.efSearch, nprobe: settings.nprobe, refineFactor: settings.refineFactor, exact: settings.isExact, threads: threads)
        }
        return try collection.search(
            near: query, k: k, collapsing: distance ?? 0, where: filter, select: fields, recall: settings.recall, efSearch: settings.efSearch,
            nprobe: settings.nprobe, refineFactor: settings.refineFactor, exact: settings.isExact, threads: threads)
    }

    /// The largest distance at which a record is found.
    private func bound(_ radius: Condition.Radius?, _ schema: Schema) throws(NeedletailError) -> Double? {
        guard let radius else { return nil }
        let bound = try number(radius.bound, "a distance")
        guard bound.isFinite, bound >= 0 || schema.metric == .dot else {
            throw failure(.invalidArgument, "a distance of \(bound) is not possible: it must be finite, and not negative but under dot", at: radius.bound.offset)
        }
        return bound
    }

    /// How many are to be found: those before the offset, too. Without `LIMIT` all are, as SQL has it.
    func resultCount(_ window: (offset: Int, limit: Int?), _ select: SelectStatement, _ collection: Collection) throws(NeedletailError) -> Int {
        guard let limit = window.limit else {
            let count = try collection.count()
            guard count <= Collection.maximumK else {
                throw failure(
                    .invalidArgument,
                    "without LIMIT all \(NumberText.count(count)) records would be put in order of their distance, more than the \(NumberText.count(Collection.maximumK)) that can be: add LIMIT",
                    at: text.utf8.count)
            }
            return max(1, count)
        }
        let (sum, overflow) = window.offset.addingReportingOverflow(limit)
        guard !overflow, sum <= Collection.maximumK else {
            throw failure(
                .invalidArgument, "LIMIT and OFFSET go to \(NumberText.count(Collection.maximumK)) records at the most",
                at: select.limit?.offset ?? select.collection.offset)
        }
        return sum
    }
}
