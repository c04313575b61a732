/// How a search was run.
public enum SearchPlan: Sendable, Hashable, CustomStringConvertible {
    /// Every record that the filter lets through was compared: `compared` of them. Recall is 1.
    case exact(compared: Int)
    /// Every record that the filter lets through was compared by the index's codes, `compared` of them, and the nearest in full
    /// precision; the `tail` records that came after the index, one by one. `recall` is what such a scan gives.
    case codes(compared: Int, tail: Int, recall: Double)
    /// Through the graph, keeping `efSearch` candidates, and one by one through the `tail` records that came after the index;
    /// `matching` records pass the filter, `nil` where there is none. `recall` is what was measured for such searches when the
    /// index was built.
    case hnsw(efSearch: Int, tail: Int, matching: Int?, recall: Double)

    /// The recall that the plan gives: the share of the true nearest that is found.
    public var recall: Double {
        switch self {
        case .exact: 1
        case .codes(_, _, let recall): recall
        case .hnsw(_, _, _, let recall): recall
        }
    }

    /// The plan in a few words.
    public var description: String {
        switch self {
        case .exact(let compared): "exact scan of \(NumberText.counted(compared, "record"))"
        case .codes(let compared, let tail, let recall):
            "scan of the codes of \(NumberText.counted(compared, "matching record"))"
                + (tail > 0 ? " and an exact scan of \(NumberText.counted(tail, "newer record"))" : "") + ", recall about \(Self.rounded(recall))"
        case .hnsw(let efSearch, let tail, let matching, let recall):
            "hnsw with efSearch \(efSearch)" + (matching.map { " among \(NumberText.counted($0, "matching record"))" } ?? "")
                + (tail > 0 ? " and an exact scan of \(NumberText.counted(tail, "newer record"))" : "") + ", recall about \(Self.rounded(recall))"
        }
    }

    private static func rounded(_ recall: Double) -> Double { (recall * 1000).rounded() / 1000 }
}
