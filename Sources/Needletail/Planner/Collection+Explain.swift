import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// How a search would be run, what it is expected to cost and to find, and why not otherwise.
    ///
    /// ```swift
    /// print(try photos.explain(near: vector, where: Filter(parsing: "label = 'cat'"), analyze: true, verify: true))
    /// ```
    /// - Parameters:
    ///   - analyze: Run it too, and tell what it really took. Without, the search is not run, and what a filter lets through is
    ///     estimated, unless it is known from a search before.
    ///   - verify: Run it, and compare what it finds with what an exact search finds.
    ///   - compare: Run it, and run the ways that were not taken too, each twice, of which the faster counts.
    ///   - vector, k, filter, recall, efSearch, nprobe, refineFactor, exact: As of
    ///     ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    /// - Throws: As that search.
    public func explain(
        near vector: [Float], k: Int = 10, where filter: Filter? = nil, recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil,
        refineFactor: Int? = nil, exact: Bool = false, analyze: Bool = false, verify: Bool = false,
        compare: Bool = false
    ) throws(NeedletailError) -> Explanation {
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: 1)
        try request.validate()
        try check(query: vector)
        let runs = analyze || verify || compare
        var explainer = try Explainer(self, request, filter, runs: runs)
        if runs { try explainer.run(vector, verifies: verify, compares: compare) }
        return explainer.explanation
    }

    /// What it takes to run a search by a plan of your own choice, as one of ``Explanation/rejected``: runs it, and tells.
    ///
    /// - Parameters:
    ///   - plan: The way and its settings; what else it says, as its recall, is found out anew. One that the collection's index does
    ///     not offer is an error.
    ///   - verify: Compare what it finds with what an exact search finds.
    ///   - vector, k, filter: As of ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    /// - Throws: As that search.
    public func explain(
        near vector: [Float], k: Int = 10, where filter: Filter? = nil, following plan: SearchPlan, verify: Bool = false
    ) throws(NeedletailError) -> Explanation {
        var request = SearchRequest(k: k, isExact: false, threads: 1)
        switch plan {
        case .exact: request.isExact = true
        case .codes: break
        case .hnsw(let efSearch, _, _, _): request.efSearch = efSearch
        case .overfetch(let fetched, let efSearch, _, _, _):
            // Neither has anything to do with k by itself.
            for setting in [fetched, efSearch] where !IndexDescription.possibleEfSearch.contains(setting) {
                throw NeedletailError(.invalidArgument, "a search for \(setting) neighbours is not possible", actual: setting)
            }
        case .ivfpq(let nprobe, let refineFactor, _, _, _): (request.nprobe, request.refineFactor) = (nprobe, refineFactor)
        }
        try request.validate()
        try check(query: vector)
        var explainer = try Explainer(self, request, filter, runs: true, following: plan)
        try explainer.run(vector, verifies: verify, compares: false)
        return explainer.explanation
    }
}

/// Makes the explanation of one search.
private struct Explainer {
    private let collection: Collection
    private let request: SearchRequest
    private let filter: Filter?
    private let table: TableSnapshot
    private let view: ReadView
    private let facts: SearchFacts
    /// What is known of the filter, and how it came to be known.
    private let selectivity: Selectivity
    private let access: FilterAccess?
    private let source: FilterKnowledge
    private var plan: SearchPlan
    private let chosen: PricedPlan
    private let planningMicroseconds: Double

    private var search: SearchExecution?
    private var work: SearchWork?
    private var totalMicroseconds = 0.0
    private var filterMicroseconds = 0.0
    private var found = 0
    private var trueRecall: Double?
    private var compared: [SearchPlan: Double] = [:]

    /// How it is known what a filter lets through.
    private enum FilterKnowledge: String {
        case cached = "known from an earlier search"
        case evaluated = "evaluated"
        case estimated = "estimated from the columns' statistics"
        case sampled = "estimated from a sample of records"
    }

    /// - Parameter given: The plan that is wanted, where it is not the best one that is.
    init(
        _ collection: Collection, _ request: SearchRequest, _ filter: Filter?, runs: Bool, following given: SearchPlan? = nil
    ) throws(NeedletailError) {
        self.collection = collection
        self.request = request
        self.filter = filter
        table = try collection.table()
        view = try ReadView.of(table, collection)
        let index = try view.index()?.facts
        let live = table.liveCount
        var facts = SearchFacts(liveCount: live, matchingCount: nil, shape: VectorShape(collection.schema), index: index)
        // Costs are measured once a process, which is no part of planning.
        facts.measureKernels()
        var selectivity = Selectivity(exactly: 1), source = FilterKnowledge.evaluated
        if let filter {
            if let known = view.filters.slots(of: filter) {
                (facts.matchingCount, source) = (known.count, .cached)
                (facts.failureShare, facts.shortfallShare) = (known.walks.failureShare, known.overfetches.failureShare)
                facts.hasPackedSigns = known.packsSigns
                selectivity = Selectivity(exactly: Double(known.count) / Double(max(live, 1)))
            } else if runs {
                let start = ContinuousClock.now
                let matching = try view.matching(filter, in: table, collection)
                filterMicroseconds = (ContinuousClock.now - start) / .microseconds(1)
                facts.matchingCount = matching.count
                selectivity = Selectivity(exactly: Double(matching.count) / Double(max(live, 1)))
            } else {
                (selectivity, source) = try Self.estimate(filter, request, facts, table, collection)
                facts.matchingCount = Int((selectivity.expected * Double(live)).rounded())
            }
        }
        (self.facts, self.selectivity, self.source) = (facts, selectivity, source)
        if let filter { access = try FilterAccess(filter, table, collection) } else { access = nil }
        let start = ContinuousClock.now
        plan = request.isExact
            ? .exact(compared: facts.matchingCount ?? live) : try SearchPlan.choose(request, facts, collection: collection.name)
        planningMicroseconds = (ContinuousClock.now - start) / .microseconds(1)
        if let given, plan.kind != given.kind || given.kind == "overfetch" {
            var wanted: SearchPlan?
            if case .graph(let graph) = index {
                if case .overfetch(let fetched, let efSearch, _, _, _) = given {
                    wanted = SearchPlan.overfetch(fetched: fetched, efSearch: max(efSearch, fetched), facts, graph)
                } else {
                    wanted = SearchPlan.alternatives(request, facts, graph).first { $0.plan.kind == given.kind }?.plan
                }
            }
            guard let wanted else {
                throw NeedletailError(.invalidArgument, "collection '\(collection.name)' has no index that offers such a plan: follow one of those that an explanation names")
            }
            plan = wanted
        }
        chosen = SearchPlan.priced(plan, request, facts)
    }

    /// What a filter lets through, without reading the columns: looked into more closely where the bounds leave open what to do.
    private static func estimate(
        _ filter: Filter, _ request: SearchRequest, _ facts: SearchFacts, _ table: TableSnapshot, _ collection: Collection
    ) throws(NeedletailError) -> (Selectivity, FilterKnowledge) {
        let bound = try BoundFilter(filter, fields: collection.schema.fields.map { ($0.name, $0.type) })
        let statistics = TableStatistics.of(table, collection)
        let known = try storage { () throws(StorageError) in try statistics.selectivity(of: bound, in: table) }
        func kind(_ share: Double) throws(NeedletailError) -> String {
            var facts = facts
            facts.matchingCount = Int((share * Double(facts.liveCount)).rounded())
            return try SearchPlan.choose(request, facts, collection: collection.name).kind
        }
        guard !request.isExact, try kind(known.minimum) != kind(known.maximum) else { return (known, .estimated) }
        let program = try storage { () throws(StorageError) in try FilterProgram(bound, on: table) }
        return (statistics.sampledSelectivity(of: program, within: known), .sampled)
    }

    // MARK: Running

    mutating func run(_ vector: [Float], verifies: Bool, compares: Bool) throws(NeedletailError) {
        let search = try SearchExecution(collection, filter, .none)
        self.search = search
        var work = SearchWork()
        work.isTimed = true
        let start = ContinuousClock.now
        let (neighbors, followed) = try search.nearest(to: vector, k: request.k, plan: plan, threads: 1, &work)
        totalMicroseconds = (ContinuousClock.now - start) / .microseconds(1)
        plan = followed
        self.work = work
        found = neighbors.count
        if compares {
            // What ran first has brought the memory for what comes after it.
            totalMicroseconds = min(totalMicroseconds, try best(of: 2, vector, plan, search))
            for other in others where other.refusal == nil { compared[other.plan] = try best(of: 2, vector, other.plan, search) }
        }
        guard verifies else { return }
        let truth = try search.nearest(to: vector, k: request.k, plan: .exact(compared: search.candidateCount), threads: 1).0
        // Of several that are equally far away, each is as good as the other.
        let hits = truth.last.map { last in neighbors.count { $0.distance <= last.distance } } ?? 0
        trueRecall = truth.isEmpty ? 1 : Double(min(hits, truth.count)) / Double(truth.count)
    }

    /// Microseconds of the fastest of some runs.
    private func best(of runs: Int, _ vector: [Float], _ plan: SearchPlan, _ search: SearchExecution) throws(NeedletailError) -> Double {
        var best = Double.infinity
        for _ in 0 ..< runs {
            let start = ContinuousClock.now
            _ = try search.nearest(to: vector, k: request.k, plan: plan, threads: 1)
            best = min(best, (ContinuousClock.now - start) / .microseconds(1))
        }
        return best
    }

    // MARK: The tree

    var explanation: Explanation {
        let k = request.k
        var question = "search '\(collection.name)': k \(NumberText.count(k))"
        if request.isExact { question += ", exact" }
        else if let efSearch = request.efSearch { question += ", efSearch \(efSearch)" }
        else if let nprobe = request.nprobe { question += ", nprobe \(nprobe)" }
        else { question += ", recall \(NumberText.significant(request.recall ?? SearchPlan.defaultRecall, digits: 4))" }
        if request.recall == nil, let refineFactor = request.refineFactor { question += ", refineFactor \(refineFactor)" }
        return Explanation(
            question: question, root: root, plan: plan, rejected: rejected, planningMicroseconds: planningMicroseconds,
            trueRecall: trueRecall)
    }

    private var root: PlanNode {
        let tail = chosen.plan.tail
        guard tail > 0 else { return indexNode(isWhole: true) }
        let rows = min(request.k, facts.matchingCount ?? facts.liveCount)
        let tailNode = PlanNode(
            "tail scan", "\(NumberText.counted(tail, "record")) that came after the index, one by one", microseconds: tailCost, rows: rows,
            recall: 1,
            actual: work.map {
                PlanNode.Actual(
                    microseconds: $0.tailMicroseconds, rows: min(rows, tail), distances: $0.tailRows,
                    byteCount: $0.tailRows * collection.schema.vectorByteCount)
            })
        return PlanNode(
            "merge", "the nearest of both", microseconds: chosen.microseconds, rows: rows, recall: chosen.plan.recall,
            actual: work.map { _ in PlanNode.Actual(microseconds: totalMicroseconds, rows: found) },
            children: [indexNode(isWhole: false), tailNode])
    }

    private var tailCost: Double {
        guard case .graph(let graph) = facts.index else { return 0 }
        return CostModel(facts, graph).tail
    }

    private func indexNode(isWhole: Bool) -> PlanNode {
        let rows = min(request.k, facts.matchingCount ?? facts.liveCount)
        let cost = isWhole ? chosen.microseconds : max(chosen.microseconds - tailCost, 0)
        let name, detail: String
        switch chosen.plan {
        case .exact(let compared):
            (name, detail) = ("exact scan", "\(NumberText.counted(compared, "record")) in full precision")
        case .codes(let compared, _, _):
            (name, detail) = ("scan by codes", "\(NumberText.counted(compared, "record")) by signs, of these the near ones by SQ8 codes, the nearest in full precision")
        case .hnsw(let efSearch, _, let matching, _):
            (name, detail) = ("walk of the graph", "hnsw, efSearch \(efSearch)" + (matching == nil ? "" : ", the filter tested on the way"))
        case .overfetch(let fetched, let efSearch, _, _, _):
            (name, detail) = ("walk of the graph for more", "hnsw, efSearch \(efSearch), \(NumberText.count(fetched)) without the filter, of which those that match are kept")
        case .ivfpq(let nprobe, let refineFactor, _, let matching, _):
            (name, detail) = ("scan of lists", "ivfpq, nprobe \(nprobe), refineFactor \(refineFactor)" + (matching == nil ? "" : ", the filter tested on the way"))
        }
        return PlanNode(
            name, detail, microseconds: cost, rows: rows, recall: chosen.plan.recall, actual: indexActual(isWhole: isWhole),
            children: filterNode.map { [$0] } ?? [])
    }

    private func indexActual(isWhole: Bool) -> PlanNode.Actual? {
        guard let work else { return nil }
        let graph = work.graph, dimension = collection.schema.dimension, vector = collection.schema.vectorByteCount
        var actual = PlanNode.Actual(
            microseconds: isWhole ? totalMicroseconds : work.indexMicroseconds + work.exactMicroseconds, rows: found,
            hops: graph.hops, codes: graph.codes + graph.distances + work.lists.codes,
            distances: graph.rescored + work.lists.refined + work.exactRows)
        actual.byteCount = actual.distances * vector + graph.codes * HNSWGraph.signByteCount(dimension: dimension)
        if case .graph(let index) = facts.index {
            actual.byteCount += index.graph.traversalByteCount(hops: graph.hops, distances: graph.distances)
        } else if case .lists(let lists) = facts.index {
            actual.byteCount += work.lists.codes * lists.rowByteCount
        }
        if work.gaveUp { actual.remark = "the walk found too little near the query and was given up for a scan by codes" }
        else if work.fellShort { actual.remark = "too few of those found match, and a search with the filter followed" }
        else if work.exactRows > 0, chosen.plan.kind != "exact" { actual.remark = "it came up short, and all were compared" }
        return actual
    }

    private var filterNode: PlanNode? {
        guard let filter else { return nil }
        let matching = facts.matchingCount ?? 0
        let how = source == .cached ? nil : access?.description
        return PlanNode(
            how != nil && access?.isOrdered == true ? "ordered index" : "filter",
            "\(filter): \(selectivity) of \(NumberText.counted(facts.liveCount, "record")), \(source.rawValue)" + (how.map { ", " + $0 } ?? ""),
            microseconds: source == .cached ? nil : access?.microseconds, rows: matching,
            actual: search.map { search in
                PlanNode.Actual(microseconds: source == .cached ? nil : filterMicroseconds, rows: search.candidateCount)
            })
    }

    /// The ways that were not taken, priced.
    private var others: [PricedPlan] {
        let all: [PricedPlan] = switch facts.index {
        case .graph(let graph): SearchPlan.alternatives(request, facts, graph)
        case .lists: [SearchPlan.priced(.exact(compared: facts.matchingCount ?? facts.liveCount), request, facts)]
        case nil: []
        }
        return all.filter { $0.plan.kind != chosen.plan.kind }.sorted { $0.microseconds < $1.microseconds }
    }

    private var rejected: [RejectedPlan] {
        let isGiven = request.isExact || request.efSearch != nil || request.nprobe != nil
        return others.map { other in
            let ratio = other.microseconds / max(chosen.microseconds, 0.1)
            let reason = isGiven ? "not asked for" : "\(NumberText.significant(ratio, digits: 2)) times as long"
            return RejectedPlan(
                plan: other.plan, estimatedMicroseconds: other.microseconds, reason: other.refusal ?? reason,
                actualMicroseconds: compared[other.plan])
        }
    }
}
