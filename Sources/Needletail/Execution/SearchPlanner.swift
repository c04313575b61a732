import NeedletailIndex

/// What the choice of a plan depends on.
struct SearchFacts: Sendable {
    /// Live records.
    var liveCount: Int
    /// Records that pass the filter; `nil` without one.
    var matchingCount: Int?
    /// The share of walks with the filter that gave up, and of searches for more that found too few that match.
    var failureShare = 0.0, shortfallShare = 0.0
    /// Whether a scan of what passes the filter finds its signs packed.
    var hasPackedSigns = false
    /// The vectors' shape, which costs depend on.
    var shape = VectorShape(metric: .l2, element: .f32, dimension: 1)
    /// The index, if there is one.
    var index: Index?

    enum Index: Sendable {
        case graph(Graph)
        case lists(Lists)

        var kind: String {
            switch self {
            case .graph: IndexParameters.graphKind
            case .lists: IndexParameters.listKind
            }
        }
    }

    /// Made once for a snapshot, and shared by the planning of every search in it.
    final class Graph: Sendable {
        /// Slots behind the index, which every search through it compares one by one.
        let tailCount: Int
        /// Links of a record on the lowest level.
        let degree: Int
        /// The graph, which knows what a filter costs it.
        let graph: HNSWGraph
        let calibration: GraphCalibration

        init(tailCount: Int, degree: Int, graph: HNSWGraph, calibration: GraphCalibration) {
            (self.tailCount, self.degree, self.graph, self.calibration) = (tailCount, degree, graph, calibration)
        }

        /// What the machine's inner loops cost, as far as known.
        var kernels: KernelCosts { shape.kernels(isQuantized: graph.header.quantization != .none) }
        var shape: VectorShape {
            let header = graph.header
            return VectorShape(metric: header.metric, element: header.element, dimension: header.dimension, degree: header.degree)
        }
    }

    struct Lists: Sendable {
        /// As for a graph.
        var tailCount: Int
        var nlist: Int
        /// Rows in all lists.
        var rowCount: Int
        /// Bytes of a row in a list, and of a vector.
        var rowByteCount: Int
        var vectorByteCount: Int
        var calibration: ListCalibration
        var shape: VectorShape
        /// What the machine's inner loops cost, as far as known.
        var kernels: KernelCosts { shape.kernels() }

        /// What a search costs, in distances of a scan: one from each centroid; the bytes of the codes in the lists, which a scan reads
        /// as fast as those of vectors; and the vectors that are compared in the end, which lie anywhere in memory.
        func cost(nprobe: Int, refineFactor: Int, k: Int) -> Double {
            let rows = Double(rowCount) * Double(nprobe) / Double(max(nlist, 1))
            return Double(nlist) + rows * Double(rowByteCount) / Double(max(vectorByteCount, 1))
                + Self.anywhere * min(Double(k) * Double(refineFactor), rows)
        }

        /// A vector that lies anywhere costs as much as so many that lie one after another.
        private static let anywhere = 3.0
    }
}

/// What the inner loops' costs depend on.
struct VectorShape: Sendable {
    var metric: NeedletailIndex.Metric
    var element: NeedletailIndex.Element
    var dimension: Int
    /// Of a graph.
    var degree = 32

    /// What the machine's inner loops cost, as far as known: measured in the background at the first use.
    func kernels(isQuantized: Bool = true) -> KernelCosts {
        KernelCosts.current(metric: metric, element: element, dimension: dimension, degree: degree, isQuantized: isQuantized)
    }

    /// Waits until that has been measured.
    func measureKernels() {
        _ = KernelCosts.measured(metric: metric, element: element, dimension: dimension, degree: degree, isQuantized: true)
    }
}

extension SearchFacts {
    /// Waits until it has been measured what the machine's inner loops cost.
    func measureKernels() {
        switch index {
        case .graph(let graph): graph.shape.measureKernels()
        case .lists(let lists): lists.shape.measureKernels()
        case nil: shape.measureKernels()
        }
    }

    /// What the machine's inner loops cost, as far as known.
    var kernels: KernelCosts { shape.kernels() }

    /// The share of records that pass the filter.
    var selectivity: Double { matchingCount.map { Double($0) / Double(max(liveCount, 1)) } ?? 1 }
}

/// A plan, what it is expected to cost, and why it will not do, if so.
struct PricedPlan: Sendable, Equatable {
    var plan: SearchPlan
    var microseconds: Double
    var refusal: String?
}

extension SearchPlan {
    /// The recall that a search aims at where none is asked for.
    static let defaultRecall = 0.95

    /// How sure a scan by codes makes of what it finds, for a recall that is asked for: by the errors of signs alone it would overlook one
    /// near row in fifteen, or in forty; but threshold and rescoring leave room for more. Measured 0.9996 to 1 on MiniLM by `standard`.
    static func precision(recall: Double) -> CodeScanPrecision { .finding(recall <= 0.95 ? 0.97 : recall) }

    /// A walk under a filter must be so many times as fast as a scan: its recall was measured under filters that leave out records by
    /// chance, and is lower under one that leaves out just what is near the query.
    static let certainty = 1.25

    /// The `efSearch` of a walk; 0 of other plans.
    var efSearch: Int {
        switch self {
        case .hnsw(let efSearch, _, _, _), .overfetch(_, let efSearch, _, _, _): efSearch
        default: 0
        }
    }

    /// The least share of records that match for which more are looked for and the others dropped.
    private static let leastOverfetchShare = 0.3

    /// The share of searches for more that may have found too few that match, for others to be tried.
    private static let mostShortfalls = 0.2

    /// Of what a search for more may miss, the share that it is allowed to: what matches may be the farther ones of those that it looks for,
    /// which it misses more often than the nearer ones.
    private static let overfetchCare = 0.7

    /// How many to look for, so that k of them match in 39 of 40 searches where matches lie by chance: two standard deviations of
    /// the number that has to be passed over.
    static func fetchedCount(k: Int, selectivity: Double) -> Int {
        let passed = Double(k) * (1 - selectivity)
        return k + Int(((passed + 2 * passed.squareRoot()) / selectivity).rounded(.up))
    }

    /// The plan for a search: a pure function of what is asked and what there is.
    static func choose(_ request: SearchRequest, _ facts: SearchFacts, collection: String) throws(NeedletailError) -> SearchPlan {
        try request.checkSettings(apply: facts.index?.kind, collection: collection)
        switch facts.index {
        case nil: return exact(facts)
        case .graph(let graph): return choose(request, facts, graph)
        case .lists(let lists): return try choose(request, facts, lists)
        }
    }

    private static func exact(_ facts: SearchFacts) -> SearchPlan { .exact(compared: facts.matchingCount ?? facts.liveCount) }

    /// Through the graph, by the codes of all that match, or exactly: whatever costs least of what reaches the recall.
    ///
    /// - Parameter overfetches: Whether to look for more and drop what does not match is one of the ways.
    static func choose(
        _ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph, overfetches: Bool = true
    ) -> SearchPlan {
        if let efSearch = request.efSearch { return graph(efSearch, request, facts, index) }
        // Without a filter, hardly anything but a small collection is faster to scan: then no costs need be known.
        if facts.selectivity == 1, let walk = walk(request, facts, index), facts.liveCount >= 4 * walk.efSearch * index.degree { return walk }
        var best = (plan: exact(facts), cost: Double.infinity)
        for alternative in alternatives(request, facts, index, all: false) where alternative.refusal == nil && alternative.microseconds < best.cost {
            if !overfetches, alternative.plan.kind == "overfetch" { continue }
            best = (alternative.plan, alternative.microseconds)
        }
        return best.plan
    }

    private static func graph(_ efSearch: Int, _ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph) -> SearchPlan {
        .hnsw(
            efSearch: efSearch, tail: index.tailCount, matching: facts.matchingCount,
            recall: index.calibration.recall(efSearch: efSearch, k: request.k, selectivity: facts.selectivity))
    }

    /// The walk that reaches the recall, if one does. Only comparing all finds all for certain.
    private static func walk(_ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph) -> SearchPlan? {
        let recall = request.recall ?? defaultRecall
        guard recall < 1,
              let efSearch = index.calibration.efSearch(recall: recall, k: request.k, selectivity: facts.selectivity)
        else { return nil }
        return .hnsw(efSearch: efSearch, tail: index.tailCount, matching: facts.matchingCount, recall: max(recall, index.calibration.recall(
            efSearch: efSearch, k: request.k, selectivity: facts.selectivity)))
    }

    /// A search without the filter that looks for more, if one reaches the recall.
    ///
    /// Its recall is that of the unfiltered search for as many, wherever what matches lies: where k of those found match, the k nearest
    /// that match are among the nearest of all that were looked for.
    private static func overfetch(_ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph) -> SearchPlan? {
        let recall = request.recall ?? defaultRecall
        guard recall < 1, !request.isOpenEnded, facts.selectivity >= leastOverfetchShare, facts.selectivity < 1,
              facts.matchingCount ?? 0 >= request.k
        else { return nil }
        let fetched = fetchedCount(k: request.k, selectivity: facts.selectivity)
        guard fetched <= index.graph.header.count / 4,
              let efSearch = index.calibration.unfiltered.efSearch(recall: 1 - overfetchCare * (1 - recall), k: fetched)
        else { return nil }
        return overfetch(fetched: fetched, efSearch: efSearch, facts, index)
    }

    /// The same with given settings; `nil` without a filter.
    static func overfetch(fetched: Int, efSearch: Int, _ facts: SearchFacts, _ index: SearchFacts.Graph) -> SearchPlan? {
        guard let matching = facts.matchingCount else { return nil }
        return .overfetch(
            fetched: fetched, efSearch: efSearch, tail: index.tailCount, matching: matching,
            recall: index.calibration.unfiltered.recall(efSearch: efSearch, k: fetched))
    }

    /// All ways to search a graph index, priced, with those that do not reach the recall and why.
    ///
    /// - Parameter all: Whether walks are priced too where a scan takes less time than the shortest one.
    static func alternatives(_ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph, all: Bool = true) -> [PricedPlan] {
        let costs = CostModel(facts, index), recall = request.recall ?? defaultRecall
        let compared = facts.matchingCount ?? facts.liveCount
        let isFiltered = compared < facts.liveCount
        var plans = [PricedPlan(plan: exact(facts), microseconds: costs.exact(k: request.k))]
        if costs.hasCodes, !request.isOpenEnded {
            let precision = precision(recall: recall), found = precision.recall
            plans.append(PricedPlan(
                plan: .codes(compared: compared, tail: index.tailCount, recall: found), microseconds: costs.codes(k: request.k, precision),
                refusal: recall > found ? "finds about \(found) of them, less than is asked for" : nil))
        }
        if !all, request.efSearch == nil {
            let least = costs.leastWalk(k: min(request.k, compared))
            if plans.contains(where: { $0.refusal == nil && $0.microseconds < least }) { return plans }
        }
        if request.efSearch == nil, let overfetch = overfetch(request, facts, index) {
            plans.append(priced(overfetch, request, facts))
            if facts.shortfallShare > mostShortfalls { plans[plans.count - 1].refusal = "too few match around the queries, as earlier searches have shown" }
        }
        if let walk = request.efSearch.map({ graph($0, request, facts, index) }) ?? walk(request, facts, index) {
            let microseconds = costs.walk(efSearch: walk.efSearch, k: request.k)
            let scan = plans.filter { $0.refusal == nil && $0.plan.kind != "overfetch" }.map(\.microseconds).min() ?? .infinity
            let isUncertain = isFiltered && request.efSearch == nil && Self.certainty * microseconds > scan
            plans.append(PricedPlan(
                plan: walk, microseconds: microseconds,
                refusal: isUncertain ? "finds less where a filter leaves out just what is near, and is not many times as fast as a scan" : nil))
        } else {
            let greatest = graph(Calibration.efSearchLadder.last ?? 512, request, facts, index)
            plans.append(PricedPlan(
                plan: greatest, microseconds: costs.walk(efSearch: greatest.efSearch, k: request.k),
                refusal: "no setting that was measured reaches the recall"))
        }
        return plans
    }

    /// Through the lists, where that costs less than to compare all that take part. Of these, the k nearest are among the k / s nearest
    /// of all, for the share s of records that the filter lets through: so many lists are scanned as would find those.
    private static func choose(_ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Lists) throws(NeedletailError) -> SearchPlan {
        let part = max(1, facts.matchingCount ?? facts.liveCount)
        let reach = Double(request.k) * Double(max(facts.liveCount, 1)) / Double(part)
        let calibration = index.calibration
        func lists(_ nprobe: Int, _ refineFactor: Int) -> SearchPlan {
            .ivfpq(
                nprobe: nprobe, refineFactor: refineFactor, tail: index.tailCount, matching: facts.matchingCount,
                recall: calibration.recall(nprobe: nprobe, refineFactor: refineFactor, k: reach))
        }
        if let nprobe = request.nprobe {
            guard nprobe <= index.nlist else {
                throw NeedletailError(
                    .invalidArgument, "an nprobe of \(NumberText.count(nprobe)) is not possible: the index has \(NumberText.counted(index.nlist, "list"))",
                    expected: index.nlist, actual: nprobe)
            }
            return lists(nprobe, request.refineFactor ?? calibration.refineFactor(nprobe: nprobe, k: reach))
        }
        let recall = request.recall ?? defaultRecall
        if let refineFactor = request.refineFactor {
            guard let nprobe = calibration.nprobe(recall: recall, k: reach, refineFactor: refineFactor) else {
                throw NeedletailError(
                    .invalidArgument, "a recall of \(recall) is not reached with a refineFactor of \(refineFactor): raise it, or leave it out",
                    actual: refineFactor)
            }
            return lists(nprobe, refineFactor)
        }
        let choice = calibration.choice(recall: recall, k: request.k, reach: reach) { index.cost(nprobe: $0, refineFactor: $1, k: request.k) }
        // Only comparing all finds all for certain.
        guard recall < 1, let choice, index.cost(nprobe: choice.nprobe, refineFactor: choice.refineFactor, k: request.k) < Double(part) else {
            return exact(facts)
        }
        return lists(choice.nprobe, choice.refineFactor)
    }
}

extension SearchPlan {
    /// Which of the ways it is.
    var kind: String {
        switch self {
        case .exact: "exact"
        case .codes: "codes"
        case .hnsw: "hnsw"
        case .overfetch: "overfetch"
        case .ivfpq: "ivfpq"
        }
    }

    /// Records behind the index that it compares one by one.
    var tail: Int {
        switch self {
        case .exact: 0
        case .codes(_, let tail, _), .hnsw(_, let tail, _, _), .overfetch(_, _, let tail, _, _), .ivfpq(_, _, let tail, _, _): tail
        }
    }

    /// A plan with what it is expected to cost.
    static func priced(_ plan: SearchPlan, _ request: SearchRequest, _ facts: SearchFacts) -> PricedPlan {
        let matching = facts.matchingCount ?? facts.liveCount
        switch (facts.index, plan) {
        case (.graph(let graph), .exact):
            let costs = CostModel(facts, graph)
            return PricedPlan(plan: plan, microseconds: costs.exact(k: request.k))
        case (.graph(let graph), .codes): return PricedPlan(plan: plan, microseconds: CostModel(facts, graph).codes(k: request.k))
        case (.graph(let graph), .hnsw(let efSearch, _, _, _)):
            return PricedPlan(plan: plan, microseconds: CostModel(facts, graph).walk(efSearch: efSearch, k: request.k))
        case (.graph(let graph), .overfetch(let fetched, let efSearch, _, _, _)):
            return PricedPlan(plan: plan, microseconds: CostModel(facts, graph).overfetch(fetched: fetched, efSearch: efSearch, k: request.k))
        case (.lists(let lists), .ivfpq(let nprobe, let refineFactor, _, _, _)):
            let row = lists.kernels.sequentialRow
            return PricedPlan(plan: plan, microseconds: lists.cost(nprobe: nprobe, refineFactor: refineFactor, k: request.k) * row / 1000)
        case (.lists(let lists), _):
            let costs = CostModel(kernels: lists.kernels, liveCount: facts.liveCount, matchingCount: matching)
            return PricedPlan(plan: plan, microseconds: costs.exact(k: request.k))
        case (nil, _), (.graph, _):
            let costs = CostModel(kernels: facts.kernels, liveCount: facts.liveCount, matchingCount: matching)
            return PricedPlan(plan: plan, microseconds: costs.exact(k: request.k))
        }
    }
}
