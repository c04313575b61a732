import NeedletailIndex

/// What the choice of a plan depends on.
struct SearchFacts: Sendable {
    /// Live records.
    var liveCount: Int
    /// Records that pass the filter; `nil` without one.
    var matchingCount: Int?
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

    struct Graph: Sendable {
        /// Slots behind the index, which every search through it compares one by one.
        var tailCount: Int
        /// Links of a record on the lowest level.
        var degree: Int
        /// The graph, which knows what a filter costs it.
        var graph: HNSWGraph
        var calibration: Calibration
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

extension SearchPlan {
    /// The recall that a search aims at where none is asked for.
    static let defaultRecall = 0.95

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

    /// Through the graph, a search computes about `efSearch × degree` distances, and an exact scan one for each record: it is taken
    /// where that is less. With a filter, the graph knows the cost of its ways to apply it, and whether a scan of those that
    /// match is below all of them.
    private static func choose(_ request: SearchRequest, _ facts: SearchFacts, _ index: SearchFacts.Graph) -> SearchPlan {
        func graph(_ efSearch: Int) -> SearchPlan {
            .hnsw(
                efSearch: efSearch, tail: index.tailCount, matching: facts.matchingCount,
                recall: index.calibration.recall(efSearch: efSearch, k: request.k))
        }
        if let efSearch = request.efSearch { return graph(efSearch) }
        // Only comparing all finds all for certain.
        let recall = request.recall ?? defaultRecall
        guard recall < 1, let efSearch = index.calibration.efSearch(recall: recall, k: request.k) else { return exact(facts) }
        if let matching = facts.matchingCount, matching < facts.liveCount {
            return index.graph.filterStrategy(passing: matching, ef: efSearch) == .exact ? exact(facts) : graph(efSearch)
        }
        return facts.liveCount < efSearch * index.degree ? exact(facts) : graph(efSearch)
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
        let choice = calibration.choice(recall: recall, k: reach) { index.cost(nprobe: $0, refineFactor: $1, k: request.k) }
        // Only comparing all finds all for certain.
        guard recall < 1, let choice, index.cost(nprobe: choice.nprobe, refineFactor: choice.refineFactor, k: request.k) < Double(part) else {
            return exact(facts)
        }
        return lists(choice.nprobe, choice.refineFactor)
    }
}
