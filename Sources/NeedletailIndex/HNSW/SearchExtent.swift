import CNeedletailKernels

/// How far a search through a graph goes.
///
/// It does not fill a pool of efSearch nodes. It looks as far as `reach` times the distance of the k-th nearest so far
/// (distance-adaptive beam search, arXiv 2505.15636), and so stops early where the k nearest stand out, and late where they do
/// not. efSearch is what it expands on average for k = 10; the reach for it was measured when the graph was built. On SIFT 1M by
/// SQ8 codes, 1.15 times the queries of a pool of fixed size at recall@10 0.95, 1.3 times at 0.99.
struct SearchExtent {
    var reach: Float
    /// Nodes that it expands, or keeps in its pool, at most.
    var budget: Int
    /// By neighbour codes, and under a filter: of the nodes that it has expanded, the share that must pass, but for a few; else what
    /// passes is not where the query is, and the search gives up with nothing.
    var leastRate: Float = 0

    /// The most nodes that a search by neighbour codes keeps in its unsorted queue; one that looks farther goes by SQ8 codes alone.
    static let largestEf = 4096
    /// The same for a search with a sorted pool, where a place costs more the longer the pool is.
    static let largestSortedEf = 1024
    /// How many times the mean a single search may expand. At 4, recall for the same mean is no better, but the slowest
    /// searches take twice as long.
    private static let budgetFactor = 1.75

    /// - Parameters:
    ///   - reaches: of the header.
    ///   - ef: nodes to expand on average for k = 10; for another k in proportion.
    ///   - selectivity: the share of nodes that may be returned.
    init(_ reaches: [HNSWHeader.ReachPoint], k: Int, ef: Int, selectivity: Double = 1) {
        reach = reaches.first?.reach ?? 1
        budget = Int(Self.budgetFactor * Double(ef)) + 24
        // A filter may exclude just what is near.
        if selectivity < 1 { budget = Int(4 * Double(budget) / selectivity) }
        let wanted = Float(ef) * 10 / Float(k)
        guard var low = reaches.first, wanted > low.hops else { return }
        for high in reaches.dropFirst() {
            if wanted <= high.hops, high.hops > low.hops {
                reach = low.reach + (high.reach - low.reach) * (wanted - low.hops) / (high.hops - low.hops)
                return
            }
            low = high
        }
        reach = low.reach * wanted / low.hops
    }

    init(reach: Float, budget: Int) {
        self.reach = reach
        self.budget = budget
    }
}

extension HNSWHeader {
    /// How many nodes a search expands that reaches so far.
    package struct ReachPoint: Codable, Sendable, Equatable {
        package var reach: Float
        package var hops: Float

        /// Whether a search can go by it: it comes out of a file.
        var isValid: Bool { reach.isFinite && reach > 0 && hops.isFinite && hops > 0 }
    }
}

extension [HNSWHeader.ReachPoint] {
    /// What was measured with new records, which may lie elsewhere than the old ones, together with what was measured before with
    /// those: for a query that is as likely near the ones as near the others as there are of them.
    ///
    /// - Parameter share: that of the new ones.
    func mixed(with old: [HNSWHeader.ReachPoint]?, share: Double) -> [HNSWHeader.ReachPoint] {
        guard let old, old.first?.reach == first?.reach else { return self }
        return zip(self, old).prefix { $0.reach == $1.reach }.map { new, old in
            HNSWHeader.ReachPoint(reach: new.reach, hops: Float(share) * new.hops + Float(1 - share) * old.hops)
        }
    }
}

extension HNSWGraph {
    /// Whether a search without neighbour codes stops by distance.
    func usesReach(k: Int, ef: Int) -> Bool {
        header.reaches?.isEmpty == false && ef <= SearchExtent.largestSortedEf && k <= ef
    }

    /// What is added to the reach: the error of SQ8 codes, without which a search would end at once where distances are
    /// smaller than that.
    var slackOfCodes: Float {
        guard let step = header.sq8?.step else { return 0 }
        return header.metric == .l2 ? step * step * Float(header.dimension) / 3 : step
    }
}

extension HNSWBuilder {
    /// Measures how many nodes searches expand by how far they reach; nil for a graph that is too small, and where distances have no
    /// zero that a multiple of them would be reckoned from, unless neighbour codes know the longest vector.
    ///
    /// Queries are what is held out of the graph. Where that is little, they are rows of it, which find themselves: one more result is
    /// asked for. To find itself, a row may expand other than a query does, by a few per cent, and not the same in every graph.
    static func measureReaches(
        _ graph: HNSWGraph, heldOut: [Int], deleted: UnsafeBufferPointer<UInt64>?
    ) -> [HNSWHeader.ReachPoint]? {
        let header = graph.header, isHeldOut = heldOut.count >= leastHeldOut
        let k = isHeldOut ? 10 : 11
        let asking = isHeldOut
            ? evenly(reachQueryCount, of: heldOut.count).map { heldOut[$0] }
            : evenly(reachQueryCount, of: header.count).filter { slot in
                deleted.map { $0[slot >> 6] >> UInt64(slot & 63) & 1 == 0 } ?? true
            }
        guard header.count > 10 * k, !asking.isEmpty, header.metric != .dot || header.neighborCodes != nil else { return nil }
        let scratch = HNSWScratch()
        let query = UnsafeMutablePointer<Float>.allocate(capacity: header.dimension)
        defer { query.deallocate() }
        let slack = max(graph.slackOfCodes, 0)
        let largestEf = header.neighborCodes == nil ? SearchExtent.largestSortedEf : SearchExtent.largestEf
        var points: [HNSWHeader.ReachPoint] = []
        var excess: Float = 0.025
        // Below 1, a search ends before the nearest that it knows of have been expanded. Still less takes three quarters of the time,
        // and finds a third of the ten nearest, not two thirds.
        var reaches: [Float] = [0.94, 1]
        while let last = reaches.last, last < 16 {
            reaches.append(1 + excess)
            excess *= 1.5
        }
        for reach in reaches {
            var hops = 0, asked = 0
            // A short search is one of many, which its reach decides over; a long one tells as much as several.
            for position in stride(from: 0, to: asking.count, by: reach < 1.25 ? 1 : reach < 1.5 ? 4 : 16) {
                let slot = asking[position]
                header.element.decode(graph.vectors.vector(slot), count: header.dimension, to: query)
                let extent = SearchExtent(reach: reach, budget: min(2 * largestEf, header.count))
                var statistics = HNSWStatistics()
                let found = header.neighborCodes == nil
                    ? graph.search(query, k: k, ef: extent.budget, extent: extent, scratch, &statistics)
                    : graph.search(query, k: k, extent: extent, allowed: nil, deleted: deleted, scratch, &statistics)
                // Amid equals, a search goes on for as long as there are any, however far it reaches.
                if let last = found.last, header.metric != .dot, last.distance <= slack { continue }
                hops += statistics.hops
                asked += 1
            }
            guard asked > 0 else { return nil }
            points.append(.init(reach: reach, hops: max(1, Float(hops) / Float(asked))))
            if hops >= min(largestEf, header.count / 2) * asked { break }
        }
        return points
    }

    /// Queries that short searches are measured with, at most.
    private static let reachQueryCount = 1024
    /// So few that are held out tell less than as many rows as are wanted.
    private static let leastHeldOut = 256

    /// Numbers in `0 ..< count`, evenly over them.
    private static func evenly(_ wanted: Int, of count: Int) -> [Int] {
        wanted >= count ? Array(0 ..< count) : (0 ..< wanted).map { $0 * count / wanted }
    }
}
