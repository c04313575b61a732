import Foundation
import Needletail
import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("Costs of plans")
struct CostModelTests {
    private static let kernels = KernelCosts(sign: 6, code: 12, row: 80, sequentialRow: 60, blockHop: 400, rowHop: 500)

    private static func costs(_ matching: Int, failureShare: Double = 0, hasNeighborCodes: Bool = true) -> CostModel {
        CostModel(kernels: kernels, liveCount: 100_000, matchingCount: matching, hasNeighborCodes: hasNeighborCodes, failureShare: failureShare)
    }

    /// Which way is cheapest.
    private static func choice(_ matching: Int, k: Int = 10, efSearch: Int = 40, failureShare: Double = 0) -> String {
        let costs = costs(matching, failureShare: failureShare)
        let ways = [("walk", costs.walk(efSearch: efSearch, k: k)), ("codes", costs.codes(k: k)), ("exact", costs.exact(k: k))]
        return ways.min { $0.1 < $1.1 }?.0 ?? ""
    }

    @Test("from half of the records to none, the choice turns over from a walk to codes to an exact scan, once each")
    func sweep() {
        var choices: [String] = []
        for share in stride(from: 0.0, through: 4.7, by: 0.05) { choices.append(Self.choice(Int(50_000 * pow(10, -share)))) }
        var turns = [choices[0]]
        for choice in choices where choice != turns.last { turns.append(choice) }
        #expect(turns == ["walk", "codes", "exact"])
        #expect(Self.choice(40_000) == "walk" && Self.choice(10_000) == "codes" && Self.choice(1_000) == "codes" && Self.choice(10) == "exact")
    }

    @Test("more records never cost a scan less, nor a rarer filter a walk")
    func monotony() {
        var last: (codes: Double, exact: Double, walk: Double)?
        for matching in stride(from: 100, through: 90_000, by: 700) {
            let costs = Self.costs(matching)
            let now = (codes: costs.codes(k: 10), exact: costs.exact(k: 10), walk: costs.walk(efSearch: 40, k: 10))
            if let last {
                #expect(now.codes >= last.codes && now.exact >= last.exact && now.walk <= last.walk, "at \(matching)")
            }
            last = now
        }
    }

    @Test("a filter that makes walks give up is scanned, and a walk gives up no later than twice the scan's time")
    func failures() {
        #expect(Self.choice(30_000) == "walk" && Self.choice(30_000, failureShare: 1) == "codes")
        for matching in [10_000, 30_000, 90_000] {
            let costs = Self.costs(matching)
            let limit = costs.limit(efSearch: 40, k: 10)
            // Microseconds of a hop.
            let hop = 1.1 * Self.kernels.blockHop / 1000
            #expect(Double(limit.hops) * hop <= max(costs.codes(k: 10), 2 * 40 * 100_000 / Double(matching) * hop) + 33 * hop)
            // Where half as much matches as on average, a walk takes twice as many hops, which it may.
            #expect(limit.leastRate > 0 && limit.leastRate <= Double(matching) / 100_000 / 2)
        }
    }

    @Test("of walks whose logarithms are normally distributed, so many end in time, and take so long")
    func distribution() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CostModelTests seed \(random.seed)")
        for (typical, deviation) in [(40.0, 0.1), (100, 0.8), (90, 1.4)] {
            let draws = (0 ..< 100_000).map { _ in typical * exp(deviation * Double(random.normal())) }
            let hops = HopDistribution(mean: draws.reduce(0, +) / Double(draws.count), typical: typical)
            for most in [typical / 2, typical, 3 * typical] {
                let ended = draws.filter { $0 <= most }, expected = hops.ended(by: most)
                #expect(abs(Double(ended.count) / Double(draws.count) - expected.share) < 0.01)
                #expect(abs(ended.reduce(0, +) / Double(draws.count) / expected.hops - 1) < 0.05 || expected.hops < 1)
            }
        }
        #expect(HopDistribution(mean: 50).ended(by: 49) == (0, 0) && HopDistribution(mean: 50).ended(by: 50) == (50, 1))
    }
}
