/// How a search was run.
public enum SearchPlan: Sendable, Hashable, CustomStringConvertible {
    /// Every record that the filter lets through was compared: `compared` of them. Recall is 1.
    case exact(compared: Int)
    /// Every record that the filter lets through was compared by the codes of the graph index, `compared` of them, and the nearest
    /// in full precision; the `tail` records that came after the index, one by one. `recall` is what such a scan gives.
    case codes(compared: Int, tail: Int, recall: Double)
    /// Through the graph, keeping `efSearch` candidates, and one by one through the `tail` records that came after the index;
    /// `matching` records pass the filter, `nil` where there is none. `recall` is what was measured for such searches when the
    /// index was built.
    case hnsw(efSearch: Int, tail: Int, matching: Int?, recall: Double)
    /// Through the graph as without a filter, for `fetched` neighbours, of which those that do not match are dropped. Where fewer than
    /// k are left, a search that tests the filter on its way follows; else the k nearest that match are among those that were
    /// looked for, wherever they lie. The rest as for `hnsw`.
    case overfetch(fetched: Int, efSearch: Int, tail: Int, matching: Int, recall: Double)
    /// Through the codes of the `nprobe` nearest lists, of which the best `refineFactor` for each of the k were compared in full
    /// precision, and one by one through the `tail` records that came after the index; the rest as for a graph.
    case ivfpq(nprobe: Int, refineFactor: Int, tail: Int, matching: Int?, recall: Double)

    /// The recall that the plan gives: the share of the true nearest that is found.
    public var recall: Double {
        switch self {
        case .exact: 1
        case .codes(_, _, let recall), .hnsw(_, _, _, let recall), .overfetch(_, _, _, _, let recall), .ivfpq(_, _, _, _, let recall): recall
        }
    }

    /// The plan in a few words.
    public var description: String {
        switch self {
        case .exact(let compared): "exact scan of \(NumberText.counted(compared, "record"))"
        case .codes(let compared, let tail, let recall):
            "scan of the codes of \(NumberText.counted(compared, "record"))" + Self.rest(tail, nil, recall)
        case .hnsw(let efSearch, let tail, let matching, let recall):
            "hnsw with efSearch \(efSearch)" + Self.rest(tail, matching, recall)
        case .overfetch(let fetched, let efSearch, let tail, let matching, let recall):
            "hnsw with efSearch \(efSearch) for \(NumberText.count(fetched)), dropping what does not match"
                + Self.rest(tail, matching, recall)
        case .ivfpq(let nprobe, let refineFactor, let tail, let matching, let recall):
            "ivfpq with nprobe \(nprobe), refineFactor \(refineFactor)" + Self.rest(tail, matching, recall)
        }
    }

    private static func rest(_ tail: Int, _ matching: Int?, _ recall: Double) -> String {
        (matching.map { " among \(NumberText.counted($0, "matching record"))" } ?? "")
            + (tail > 0 ? " and an exact scan of \(NumberText.counted(tail, "newer record"))" : "") + ", recall about \((recall * 1000).rounded() / 1000)"
    }
}
