import NeedletailIndex

/// What a search asks for beside the query itself.
struct SearchRequest: Sendable {
    var k: Int
    var recall: Double?
    var efSearch: Int?
    var isExact: Bool
    var threads: Int

    /// Throws where a parameter is out of its range, or says the opposite of another.
    func validate() throws(NeedletailError) {
        guard (1 ... Collection.maximumK).contains(k) else {
            throw NeedletailError(.invalidArgument, "\(k) neighbours cannot be asked for: from 1 to \(NumberText.count(Collection.maximumK)) can", actual: k)
        }
        guard (1 ... 1_024).contains(threads) else {
            throw NeedletailError(.invalidArgument, "\(threads) threads are not possible: from 1 to 1,024 are", actual: threads)
        }
        if let recall, !(recall > 0 && recall <= 1) {
            throw NeedletailError(.invalidArgument, "a recall of \(recall) is not possible: it must be above 0 and at most 1")
        }
        guard let efSearch else { return }
        guard IndexDescription.possibleEfSearch.contains(efSearch) else {
            throw NeedletailError(
                .invalidArgument, "an efSearch of \(efSearch) is not possible: from 1 to \(NumberText.count(IndexDescription.possibleEfSearch.upperBound)) are",
                actual: efSearch)
        }
        guard efSearch >= k else {
            throw NeedletailError(
                .invalidArgument, "an efSearch of \(efSearch) cannot find \(k) neighbours: it must be at least k", expected: k, actual: efSearch)
        }
        guard !isExact else {
            throw NeedletailError(.invalidArgument, "efSearch does not apply to an exact search: leave out one of the two")
        }
        guard recall == nil else {
            throw NeedletailError(.invalidArgument, "recall and efSearch set the same thing: leave out one of the two")
        }
    }
}

/// What the choice of a plan depends on.
struct SearchFacts: Sendable {
    /// Live records.
    var liveCount: Int
    /// Records that pass the filter; `nil` without one.
    var matchingCount: Int?
    /// The share of walks with the filter that gave up.
    var failureShare = 0.0
    /// The index, if there is one.
    var index: Index?

    /// What the ways to search the index under a filter cost.
    func costs(_ index: Index, matching: Int) -> CostModel {
        let header = index.graph.header
        return CostModel(
            kernels: index.kernels, liveCount: liveCount, matchingCount: matching, tailCount: index.tailCount,
            hasCodes: index.graph.hasCodes, hasSigns: header.signRotationSeed != nil, hasNeighborCodes: header.quantization == .rabitq,
            failureShare: failureShare)
    }

    struct Index: Sendable {
        /// Slots behind the index, which every search through it compares one by one.
        var tailCount: Int
        /// Links of a record on the lowest level.
        var degree: Int
        /// The graph, which knows what a filter costs it.
        var graph: HNSWGraph

        /// What its inner loops cost here; measured when first asked for.
        var kernels: KernelCosts {
            let header = graph.header
            return KernelCosts.measured(
                metric: header.metric, element: header.element, dimension: header.dimension, degree: header.degree,
                isQuantized: header.quantization != .none)
        }
    }
}

extension SearchPlan {
    /// The recall that a search aims at where none is asked for.
    static let defaultRecall = 0.95

    /// What a scan by codes finds, measured; of what it overlooks, most is as good as tied.
    static let codesRecall = 0.995

    /// The plan for a search: a pure function of what is asked and what there is.
    ///
    /// Through the graph, a search computes about `efSearch × degree` distances, and an exact scan one for each record: it is taken
    /// where that is less. With a filter, the graph knows the cost of its ways to apply it, and whether a scan of those that
    /// match is below all of them.
    static func choose(
        _ request: SearchRequest, _ facts: SearchFacts, calibration: Calibration?, collection: String
    ) throws(NeedletailError) -> SearchPlan {
        let exact = SearchPlan.exact(compared: facts.matchingCount ?? facts.liveCount)
        guard let index = facts.index, let calibration else {
            guard request.efSearch == nil else {
                throw NeedletailError(
                    .unknownIndex, "efSearch is for searches through an index, and collection '\(collection)' has none: leave it out, or create an index")
            }
            return exact
        }
        func graph(_ efSearch: Int) -> SearchPlan {
            .hnsw(
                efSearch: efSearch, tail: index.tailCount, matching: facts.matchingCount,
                recall: calibration.recall(efSearch: efSearch, k: request.k))
        }
        if let efSearch = request.efSearch { return graph(efSearch) }
        // Only comparing all finds all for certain.
        let recall = request.recall ?? defaultRecall
        guard recall < 1, let efSearch = calibration.efSearch(recall: recall, k: request.k) else { return exact }
        if let matching = facts.matchingCount, matching < facts.liveCount {
            let costs = facts.costs(index, matching: matching)
            let walk = costs.walk(efSearch: efSearch, k: request.k), codes = costs.codes(k: request.k)
            if min(walk, codes) >= costs.exact { return exact }
            return codes < walk
                ? .codes(compared: matching, tail: index.tailCount, recall: codesRecall) : graph(efSearch)
        }
        return facts.liveCount < efSearch * index.degree ? exact : graph(efSearch)
    }
}
