import Foundation
import NeedletailIndex

/// What each way to answer a search costs, in microseconds: a pure function of what there is to search and of what the machine's
/// inner loops cost.
///
/// The terms are few, and each is a count times a cost that was measured (``KernelCosts``):
/// - *exact*: a full-precision row for each record that matches; where a third of all match, all rows in sequence are as fast.
/// - *codes*: a code of one bit a dimension for each record that matches, an SQ8 code for the few that pass, a row for the fewer
///   that remain. What passes grows with the logarithm of the number of records, since the threshold falls as the scan goes on.
/// - *walk*: the nodes that a walk expands are the `efSearch` that match and those between them that do not, `efSearch` ÷
///   selectivity in all, as long as what matches lies everywhere; where it does not, the walk spends its budget and a scan follows.
/// `Benchmarks/run plan` tells how near they come: scans within a third, walks within a factor of two.
package struct CostModel: Sendable, Equatable {
    var kernels: KernelCosts
    /// Records in all, and those that match.
    var liveCount: Int
    var matchingCount: Int
    /// Slots behind the index.
    var tailCount: Int
    /// What the index goes by.
    var hasCodes: Bool
    var hasSigns: Bool
    var hasNeighborCodes: Bool
    /// The share of walks with this filter that gave up.
    var failureShare: Double
    /// Of the vectors.
    var dimension: Int

    init(_ facts: SearchFacts, _ index: SearchFacts.Graph) {
        self.init(
            kernels: index.kernels, liveCount: facts.liveCount, matchingCount: facts.matchingCount ?? facts.liveCount,
            tailCount: index.tailCount, hasCodes: index.graph.hasCodes, hasSigns: index.graph.signs != nil,
            hasNeighborCodes: index.graph.header.quantization == .rabitq, failureShare: facts.failureShare,
            dimension: index.graph.header.dimension)
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

    /// Comparing all that match in full precision.
    package var exact: Double {
        min(Double(matchingCount) * kernels.row, Double(liveCount) * kernels.sequentialRow * 1.1) / 1000
    }

    /// Comparing all records, one after another.
    package var sequential: Double { Double(liveCount) * kernels.sequentialRow / 1000 }

    /// The tail, which every search through an index compares.
    var tail: Double { Double(tailCount) * selectivity * kernels.row / 1000 }

    /// Comparing all that match by codes.
    package func codes(k: Int) -> Double {
        guard hasCodes else { return .infinity }
        let kept = min(Double(CodeScanPrecision.standard.keptCount(k: k)), Double(matchingCount)), matching = Double(matchingCount)
        var cost = kernels.search + kept * kernels.row * 2
        if hasSigns, matchingCount >= HNSWGraph.leastForSigns {
            let passing = min(matching, 2 * kept + 6 * kept * log(max(matching / kept, 1)))
            cost += matching * kernels.sign + passing * kernels.code
        } else {
            cost += matching * kernels.code
        }
        return cost / 1000 + tail
    }

    /// Hops that a walk is expected to make. It looks as far as the k-th nearest by all means, whatever `efSearch` is; for few
    /// neighbours, it makes sure of them.
    func hops(efSearch: Int, k: Int) -> Double {
        let nodes = max(Double(efSearch), 2.5 * Double(k)) + (k < 10 ? 2 * Double(10 - k) : 0)
        return min(nodes / selectivity, Double(liveCount))
    }

    /// Nanoseconds of a hop. By neighbour codes, those that a filter leaves out are passed over, and more are queued for each that is not.
    private var hop: Double { hasNeighborCodes ? kernels.blockHop * (1 + min(0.2 / selectivity, 4)) : kernels.rowHop }

    /// Hops after which a walk gives up: as many as cost what the scan does that follows, but not below twice what is expected.
    package func budget(efSearch: Int, k: Int) -> Int? {
        guard hasNeighborCodes else { return nil }
        let fallback = min(codes(k: k), exact) * 1000 / hop
        return Int(max(fallback, 2 * hops(efSearch: efSearch, k: k))) + 32
    }

    /// How a walk goes about the filter. Without neighbour codes, two hops are better where few match, but not so few that they
    /// fall apart.
    var strategy: HNSWFilterStrategy { Self.strategy(hasNeighborCodes: hasNeighborCodes, selectivity: selectivity) }

    static func strategy(hasNeighborCodes: Bool, selectivity: Double) -> HNSWFilterStrategy {
        !hasNeighborCodes && selectivity > 0.03 && selectivity < 0.15 ? .twoHops : .all
    }

    /// A walk through the graph, and what follows where it gives up.
    package func walk(efSearch: Int, k: Int) -> Double {
        let hops = hops(efSearch: efSearch, k: k)
        // The query is rotated for neighbour codes.
        let start = kernels.search + (hasNeighborCodes ? 6.5 * Double(dimension) : 0)
        // Within two hops, several lists of rows are compared.
        let own = start + (strategy == .twoHops ? 8 * hops * selectivity : hops) * hop
        guard hasNeighborCodes, let budget = budget(efSearch: efSearch, k: k) else { return own / 1000 + tail }
        let failing = (start + Double(budget) * hop) / 1000 + min(codes(k: k), exact)
        return (1 - failureShare) * own / 1000 + failureShare * failing + tail
    }
}

extension VectorShape {
    /// That of a collection's vectors.
    init(_ schema: Schema) {
        self.init(metric: schema.metric.indexMetric, element: schema.element.indexElement, dimension: schema.dimension)
    }
}
