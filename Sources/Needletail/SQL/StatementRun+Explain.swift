extension StatementRun {
    /// Runs `EXPLAIN`: the rows are the lines of the explanation.
    func explain(_ explain: ExplainStatement) throws(NeedletailError) -> QueryResult {
        let select = explain.select
        let collection = try collectionToRead(select.collection)
        let plan = try plan(select, of: collection)
        guard case .search(let distance, let radius) = plan.method else { return try self.explain(explain, plan, of: collection) }
        for offset in [radius?.bound.offset, select.groupBy?.offset, select.collapse?.offset].compactMap({ $0 }) {
            throw failure(.invalidArgument, "EXPLAIN tells the plan of a search for the nearest: leave out the bound on the distance, GROUP BY and DISTINCT", at: offset)
        }
        let settings = try searchSettings(select.settings)
        if settings.threads != nil, let setting = select.settings.first(where: { Self.folded($0.name.content) == "threads" }) {
            throw failure(.invalidArgument, "EXPLAIN runs a search on one thread: leave out threads", at: setting.name.offset)
        }
        let query = try vector(distance.query, of: collection)
        try pointing(at: distance.query.offset) { () throws(NeedletailError) in try collection.check(query: query) }
        let explanation = try checking(select.condition, of: collection) { () throws(NeedletailError) in
            let filter = try filter(select.condition, of: collection)
            let k = max(1, try resultCount(try window(select), select, collection))
            return try pointing(at: select.settings.first?.name.offset ?? distance.query.offset, whereAbout: .invalidArgument, .unknownIndex) {
                () throws(NeedletailError) in
                try collection.explain(
                    near: query, k: k, where: filter, recall: settings.recall, efSearch: settings.efSearch, nprobe: settings.nprobe,
                    refineFactor: settings.refineFactor, exact: settings.isExact, analyze: explain.analyze, verify: explain.verify)
            }
        }
        let text = explanation.description
        return QueryResult(
            columns: [QueryColumn("plan", .value(.string))],
            rows: text.split(separator: "\n", omittingEmptySubsequences: false).map { [.value(.string(String($0)))] },
            plan: explanation.plan, explanation: text, collection: collection.name)
    }
}
