import NeedletailStorage

/// `EXPLAIN` of a `SELECT` that is no search: how records are found, ordered and counted.
extension StatementRun {
    func explain(_ explain: ExplainStatement, _ plan: SelectPlan, of collection: Collection) throws(NeedletailError) -> QueryResult {
        let select = explain.select
        guard !explain.verify else {
            throw failure(.invalidArgument, "VERIFY compares what a search finds with the truth: this is no search, leave it out", at: select.collection.offset)
        }
        let table = try collection.table()
        let (filterNode, matching) = try checking(select.condition, of: collection) { () throws(NeedletailError) in
            try self.filterNode(select, table, collection)
        }
        var actual: PlanNode.Actual?
        if explain.analyze {
            let start = ContinuousClock.now
            let rows = try self.select(select).rows.count
            actual = PlanNode.Actual(microseconds: (ContinuousClock.now - start) / .microseconds(1), rows: rows)
        }
        let (question, root) = try node(select, plan, table, collection, filterNode, matching, actual)
        var lines = [question]
        root.write(to: &lines, depth: 0)
        return QueryResult(
            columns: [QueryColumn("plan", .value(.string))], rows: lines.map { [.value(.string($0))] },
            explanation: lines.joined(separator: "\n"), collection: collection.name)
    }

    /// The filter, if there is one, and how many records it is expected to let through.
    private func filterNode(
        _ select: SelectStatement, _ table: TableSnapshot, _ collection: Collection
    ) throws(NeedletailError) -> (PlanNode?, Int) {
        guard let filter = try filter(select.condition, of: collection) else { return (nil, table.liveCount) }
        let bound = try BoundFilter(filter, fields: collection.schema.fields.map { ($0.name, $0.type) })
        let statistics = TableStatistics.of(table, collection)
        let selectivity = try storage { () throws(StorageError) in try statistics.selectivity(of: bound, in: table) }
        let access = try FilterAccess(filter, table, collection)
        let matching = Int((selectivity.expected * Double(table.liveCount)).rounded())
        let detail = "\(filter): \(selectivity) of \(NumberText.counted(table.liveCount, "record"))" + (access.description.map { ", " + $0 } ?? "")
        return (PlanNode(access.isOrdered ? "ordered index" : "filter", detail, microseconds: access.microseconds, rows: matching), matching)
    }

    private func node(
        _ select: SelectStatement, _ plan: SelectPlan, _ table: TableSnapshot, _ collection: Collection, _ filter: PlanNode?, _ matching: Int,
        _ actual: PlanNode.Actual?
    ) throws(NeedletailError) -> (String, PlanNode) {
        let children = filter.map { [$0] } ?? []
        let name = "'\(collection.name)'"
        switch plan.method {
        case .count:
            let detail = filter == nil ? "all records, whose number is known" : "the records that pass"
            return ("count \(name)", PlanNode("count", detail, microseconds: filter?.estimatedMicroseconds, rows: 1, actual: actual, children: children))
        case .facets(let field):
            let statistics = TableStatistics.of(table, collection)
            let distinct = try storage { () throws(StorageError) in try statistics.column(field, in: table).distinctCount }
            return (
                "count \(name) by value",
                PlanNode("group", "one pass over '\(collection.schema.fields[field].name)'", rows: min(distinct, matching), actual: actual, children: children)
            )
        case .records, .search:
            let (offset, limit) = try window(select)
            let rows = max(0, min(matching - offset, limit ?? .max))
            let order = try orderNode(select, table, collection, filter, matching, bound: limit.map { $0.addingReportingOverflow(offset) })
            let below = order.map { [$0] } ?? children
            let detail = (order == nil ? "in order of arrival" : "in that order") + (offset > 0 ? ", without the first \(NumberText.count(offset))" : "")
            return ("records of \(name)", PlanNode("read", detail, rows: rows, actual: actual, children: below))
        }
    }

    /// What brings records into the order of a field; `nil` where the order is that of arrival.
    private func orderNode(
        _ select: SelectStatement, _ table: TableSnapshot, _ collection: Collection, _ filter: PlanNode?, _ matching: Int,
        bound: (partialValue: Int, overflow: Bool)?
    ) throws(NeedletailError) -> PlanNode? {
        guard case .field(let name, let isDescending) = select.order else { return nil }
        let field = if case .name(let field) = select.source(named: name.content) { field } else { name.content }
        let position = collection.schema.fields.firstIndex { $0.name == field }
        guard position != nil || field == "id" else {
            throw unknownField(field, among: collection.schema.fields.map(\.name) + ["id"], at: name.offset)
        }
        let children = filter.map { [$0] } ?? []
        let bound = bound.flatMap { $0.overflow ? nil : $0.partialValue }
        let rows = min(matching, bound ?? .max)
        let direction = "by '\(field)', \(isDescending ? "descending" : "ascending")"
        if let position, let index = table.orderedIndex(column: position),
           OrderedScan.isWorthWalking(coveredCount: index.coveredCount, slotCount: table.slotCount, liveCount: matching, bound) {
            let steps = min(index.coveredCount, Int(Double(rows) * Double(table.slotCount) / Double(max(matching, 1))))
            let waiting = table.slotCount - index.coveredCount
            return PlanNode(
                "ordered index",
                "\(direction), about \(NumberText.counted(steps, "step"))" + (waiting > 0 ? ", and a sort of \(NumberText.counted(waiting, "newer record"))" : ""),
                rows: rows, children: children)
        }
        return PlanNode("sort", "\(direction), of \(NumberText.counted(matching, "record"))", rows: rows, children: children)
    }
}
