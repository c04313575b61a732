import Foundation
import NeedletailIndex

/// What each way to answer a search costs, in microseconds: a pure function of what there is to search and of what the machine's
/// inner loops cost.
///
/// The terms are few, and each is a count times a cost that was measured (``KernelCosts``):
/// - *exact*: a full-precision row for each record that matches; where a third of all match, all rows in sequence are as fast.
/// - *codes*: a code of one bit a dimension for each record that matches, an SQ8 code for the few that pass, a row for the fewer
///   that remain. What passes grows with the logarithm of the number of records, since the threshold falls as the scan goes on.
/// - *over-fetch*: a walk without a filter for more neighbours, and where too few of them match, the cheapest of the others.
/// - *walk*: the nodes that a walk expands are the `efSearch` that match and those between them that do not, `efSearch` ÷
///   selectivity in all, as long as what matches lies everywhere; where it does not, the walk spends its budget and a scan follows. Most
///   walks take less than the mean, and one that takes as long as a scan gives up: so what counts is the mean of those that do not, and
///   how many do (``HopDistribution``).
/// `Benchmarks/run plan` tells how near they come: scans within a third, walks within a factor of two.
package struct CostModel: Sendable {
    var kernels: KernelCosts
    /// Records in all, and those that match.
    var liveCount: Int
    var matchingCount: Int
    /// Slots behind the index.
    var tailCount: Int
    /// What the index goes by.
    var hasCodes: Bool
    var hasSigns: Bool
    var hasPackedSigns = false
    var hasNeighborCodes: Bool
    /// The share of walks with this filter that gave up, and of searches for more that found too few that match.
    var failureShare: Double
    var shortfallShare = 0.0
    /// Of the vectors.
    var dimension: Int
    var rowByteCount = 0
    /// What walks were counted to take, if they were, on average and typically.
    var effort, typicalEffort: GraphEffort?

    init(_ facts: SearchFacts, _ index: SearchFacts.Graph) {
        self.init(
            kernels: index.kernels, liveCount: facts.liveCount, matchingCount: facts.matchingCount ?? facts.liveCount,
            tailCount: index.tailCount, hasCodes: index.graph.hasCodes, hasSigns: index.graph.signs != nil,
            hasNeighborCodes: index.graph.header.quantization == .rabitq, failureShare: facts.failureShare,
            dimension: index.graph.header.dimension)
        shortfallShare = facts.shortfallShare
        hasPackedSigns = facts.hasPackedSigns
        rowByteCount = index.graph.vectors.stride
        effort = index.calibration.effort
        typicalEffort = index.calibration.typicalEffort
    }

    package init(
        kernels: KernelCosts, liveCount: Int, matchingCount: Int, tailCount: Int = 0, hasCodes: Bool = true, hasSigns: Bool = true,
        hasNeighborCodes: Bool = true, failureShare: Double = 0, dimension: Int = 0
    ) {
        self.kernels = kernels
        self.liveCount = liveCount
        self.matchingCount = matchingCount
        self.tailCount = tailCount
        self.hasCodes = hasCodes
        self.hasSigns = hasSigns
        self.hasNeighborCodes = hasNeighborCodes
        self.failureShare = failureShare
        self.dimension = dimension
    }

    /// The share of records that match.
    var selectivity: Double { liveCount == 0 ? 1 : min(1, max(Double(matchingCount) / Double(liveCount), 1e-9)) }

    /// Comparing all that match in full precision; where all do, one after another.
    package func exact(k: Int) -> Double {
        let sequential = Double(liveCount) * kernels.sequentialRow
        let rows = matchingCount < liveCount ? min(Double(matchingCount) * row, sequential * 1.1) : sequential
        return (0.5 * kernels.search + rows + keeping(k: k, of: Double(matchingCount))) / 1000
    }

    /// Nanoseconds of a row that matches: of few, the searches before with this filter have left them in the CPU's own cache.
    private var row: Double {
        kernels.cachedRow + (kernels.row - kernels.cachedRow) * Self.shareBeyondCache(matchingCount * rowByteCount)
    }

    /// How much of so many bytes does not stay in the CPU's own cache from one search to the next.
    private static func shareBeyondCache(_ byteCount: Int) -> Double { min(max((Double(byteCount) / 0x1p20 - 0.5) / 1.5, 0), 1) }

    /// Nanoseconds of one of many packed signs: from beyond the CPU's own cache they come somewhat slower than rows in sequence, as was
    /// measured.
    private var packedSign: Double {
        let byteCount = PackedSigns.byteCount(matchingCount, dimension: dimension)
        let bytes = Double(byteCount) / Double(max(matchingCount, 1)), perByte = kernels.sequentialRow / Double(max(rowByteCount, 1))
        return kernels.packedSign + max(1.4 * bytes * perByte - kernels.packedSign, 0) * Self.shareBeyondCache(byteCount)
    }

    /// The tail, which every search through an index compares.
    var tail: Double { Double(tailCount) * selectivity * kernels.row / 1000 }

    /// Comparing all that match by codes. The threshold falls in steps, so that less is kept for a time than where all are compared.
    package func codes(k: Int, _ precision: CodeScanPrecision = .standard) -> Double {
        guard hasCodes else { return .infinity }
        // Of so few, all are compared in full precision.
        guard matchingCount > max(precision.keptCount(k: k), HNSWGraph.fewSlots) else { return exact(k: k) + kernels.search / 1000 + tail }
        let kept = Double(precision.keptCount(k: k)), matching = Double(matchingCount)
        var cost = 1.2 * kernels.search + kept * row * 2 + 0.6 * keeping(k: Int(kept), of: matching)
        if hasSigns, matchingCount >= HNSWGraph.leastForSigns {
            cost += matching * (hasPackedSigns ? packedSign : kernels.sign) + precision.comparedCount(k: k, of: matching) * kernels.code
        } else {
            cost += matching * kernels.code
        }
        return cost / 1000 + tail
    }

    /// The faster of the two scans.
    private func scan(k: Int) -> Double { min(codes(k: k), exact(k: k)) }

    /// Hops that walks are expected to make: as were counted. Where they were not: one looks as far as the k-th nearest by all means,
    /// whatever `efSearch` is; for few neighbours, it makes sure of them.
    func hops(efSearch: Int, k: Int) -> HopDistribution {
        let most = Double(liveCount)
        guard let effort else {
            let nodes = max(Double(efSearch), 2.5 * Double(k)) + (k < 10 ? 2 * Double(10 - k) : 0)
            return HopDistribution(mean: min(nodes / selectivity, most))
        }
        let mean = min(effort.hops(efSearch: efSearch, k: k, selectivity: selectivity), most)
        return HopDistribution(mean: mean, typical: typicalEffort?.hops(efSearch: efSearch, k: k, selectivity: selectivity))
    }

    /// Nanoseconds of a hop, amid others: with the queue and the pool, and memory that is farther away than where it was measured.
    private var hop: Double { hasNeighborCodes ? 1.1 * kernels.blockHop : 1.3 * kernels.rowHop }

    /// When a walk gives up: after as many hops as cost what the scan does that follows, but not below twice what it typically takes; and
    /// before where so little matches around it that it would come to as many.
    package func limit(efSearch: Int, k: Int) -> HNSWWalkLimit { limit(hops(efSearch: efSearch, k: k), k: k) }

    private func limit(_ hops: HopDistribution, k: Int) -> HNSWWalkLimit {
        let most = max(scan(k: k) * 1000 / hop, 2 * hops.typical) + 32
        return HNSWWalkLimit(hops: Int(most), leastRate: selectivity * hops.typical / most)
    }

    /// Nanoseconds of keeping the k nearest of so many: each that is for a time.
    private func keeping(k: Int, of count: Double) -> Double {
        let kept = min(Double(k), count)
        return kept == 0 ? 0 : 50 * kept * (1 + log(count / kept))
    }

    /// What every walk takes: the upper levels are gone through; for neighbour codes, the query is rotated.
    private var walkStart: Double { (4 * kernels.search + (hasNeighborCodes ? 6.5 * Double(dimension) : 0)) / 1000 }

    /// The least that a walk takes, and a search for more than k: it expands k nodes that match, and what lies between them.
    func leastWalk(k: Int) -> Double { walkStart + Double(k) / selectivity * hop / 1000 }

    /// A walk through the graph, and what follows where it gives up.
    package func walk(efSearch: Int, k: Int) -> Double {
        let hops = hops(efSearch: efSearch, k: k), start = walkStart * 1000
        func cost(hops: Double) -> Double { start + hops * hop + 1.5 * Double(k) * kernels.row + keeping(k: k, of: hops) }
        guard matchingCount < liveCount else { return cost(hops: hops.mean) / 1000 + tail }
        let limit = limit(hops, k: k), most = Double(limit.hops)
        let (ended, endedShare) = hops.ended(by: most)
        // Where more have given up than do so by chance, it was seen after some hops that what matches is elsewhere.
        let elsewhere = max(failureShare - (1 - endedShare), 0)
        let own = (1 - elsewhere) * cost(hops: ended + (1 - endedShare) * most)
            + elsewhere * (start + min(most, 8 / max(limit.leastRate, 1e-9)) * hop)
        return own / 1000 + max(failureShare, 1 - endedShare) * scan(k: k) + tail
    }

    /// A walk without the filter for more neighbours, of which what does not match is dropped; and what follows where that is too much.
    package func overfetch(fetched: Int, efSearch: Int, k: Int) -> Double {
        var plain = self
        plain.matchingCount = liveCount
        plain.failureShare = 0
        let retry = min(scan(k: k), walk(efSearch: max(efSearch, k), k: k))
        return plain.walk(efSearch: efSearch, k: fetched) - plain.tail + tail + shortfallShare * retry
    }
}

/// How many hops walks take: most fewer than the mean, some many more. Their logarithms are taken for normally distributed.
package struct HopDistribution {
    var mean: Double
    /// The geometric mean, which half of them do not exceed.
    var typical: Double

    /// - Parameter typical: `nil`: each walk takes the mean.
    package init(mean: Double, typical: Double? = nil) {
        self.mean = mean
        self.typical = min(max(typical ?? mean, 1), mean)
    }

    /// Of walks with at most so many hops: their share, and their hops, on average over all walks.
    package func ended(by most: Double) -> (hops: Double, share: Double) {
        let deviation = (2 * log(mean / typical)).squareRoot()
        guard deviation > 1e-6 else { return mean <= most ? (mean, 1) : (0, 0) }
        let z = log(most / typical) / deviation
        func below(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }
        return (mean * below(z - deviation), below(z))
    }
}

extension VectorShape {
    /// That of a collection's vectors.
    init(_ schema: Schema) {
        self.init(metric: schema.metric.indexMetric, element: schema.element.indexElement, dimension: schema.dimension)
    }
}
