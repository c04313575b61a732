import Dispatch
import Foundation
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// Measures how much a graph that is being built finds, by the settings of a search: records that are still held out of it are asked
/// with (``HNSWTrial``), and what comes back is compared with the exact answer among the others.
struct GraphMeasurement {
    let graph: HNSWGraph
    /// Slots that the graph does not hold yet.
    let heldOut: [Int]
    let table: TableSnapshot
    let schema: Schema
    let threads: Int

    /// Records that are asked with, at most: the more neighbours each is asked for, the fewer tell as much.
    private static func queryCount(k: Int) -> Int { k == 1 ? 1_500 : k == 10 ? 400 : 100 }
    /// The least distance of their nearest neighbour over that of the tenth, as the index has distances.
    private static let leastIsolation = 0.5
    /// Beyond it, longer searches tell nothing more.
    private static let enoughRecall = 0.998
    /// The same of one neighbour under a filter, for which walks soon take longer than a scan.
    private static let enoughFilteredRecallOfOne = 0.9905
    /// Records that filtered searches ask with, at most.
    private static func filteredQueryCount(k: Int) -> Int { k == 1 ? 1_500 : k == 10 ? 200 : 100 }

    /// The recall of each setting of the ladder, rather too low than too high; `nil` where `isWanted` said no.
    func points(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [HNSWHeader.CalibrationPoint]? {
        let settings = Calibration.graphK.flatMap { k in
            Calibration.efSearchLadder(k: k).map { (k: k, efSearch: $0) }
        }
        let total = settings.count + 1 + GraphCalibration.selectivities.count
        guard isWanted(0, total) else { return nil }
        guard !heldOut.isEmpty else { return settings.map { HNSWHeader.CalibrationPoint(k: $0.k, efSearch: $0.efSearch, recall: 1) } }
        let count = graph.header.count
        let all = RecallSample(heldOut: heldOut, table, schema, count: count, depth: Calibration.graphK.max() ?? 0, threads: threads)
        // Under dot, distances have no zero that tells duplicates from others.
        let sample = schema.metric == .dot ? all : all.isolated(limit: Self.queryCount(k: 1), least: Self.leastIsolation)

        let scratches = HNSWScratchPool()
        var points: [HNSWHeader.CalibrationPoint] = []
        for (position, setting) in settings.enumerated() {
            guard isWanted(position + 1, total) else { return nil }
            if let last = points.last, last.k == setting.k, last.recall > Self.enoughRecall { continue }
            points.append(point(setting.k, setting.efSearch, sample, scratches))
        }
        for (position, selectivity) in GraphCalibration.selectivities.enumerated() {
            guard isWanted(settings.count + 1 + position, total) else { return nil }
            let filter = ChanceFilter(selectivity, table, count: count, leavingOut: heldOut)
            // Where a walk looks at a good part of what passes, nobody takes it: a scan does so sooner.
            let greatest = Double(filter.count) * selectivity / 4
            let ladders = Calibration.graphK.map { k in (k: k, ladder: GraphCalibration.filteredLadder(k: k).filter { Double($0) <= greatest }) }
                .filter { $0.ladder.count > 1 }
            if ladders.isEmpty { break }
            filter.withWords { words in
                for (k, ladder) in ladders {
                    let filtered = sample.filtered(words, table, schema, k: k, queryCount: Self.filteredQueryCount(k: k), threads: threads)
                    for efSearch in ladder {
                        let point = point(k, efSearch, filtered, scratches, allowed: words, selectivity)
                        points.append(point)
                        if point.recall > (k == 1 ? Self.enoughFilteredRecallOfOne : Self.enoughRecall) { break }
                    }
                }
            }
        }
        return isWanted(total, total) ? points : nil
    }

    /// What searches with a setting find, and how many nodes they expand for it.
    private func point(
        _ k: Int, _ efSearch: Int, _ sample: RecallSample, _ scratches: HNSWScratchPool,
        allowed: UnsafeBufferPointer<UInt64>? = nil, _ selectivity: Double? = nil
    ) -> HNSWHeader.CalibrationPoint {
        // Bitmaps are constant while it measures.
        nonisolated(unsafe) let allowed = allowed
        let found = Atomic<Int>(0)
        let squares = Atomic<Int>(0)
        let wanted = Atomic<Int>(0)
        let dimension = sample.dimension, askedCount = min(Self.queryCount(k: k), sample.slots.count)
        let hops = UnsafeMutableBufferPointer<Int>.allocate(capacity: askedCount)
        hops.initialize(repeating: 0)
        defer { hops.deallocate() }
        sample.queries.withUnsafeBufferPointer { queries in
            // Each call reads what it shares, writes the hops of the queries whose numbers it drew, and adds to atomic numbers.
            nonisolated(unsafe) let queries = queries, hops = hops
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: min(threads, askedCount)) { _ in
                while true {
                    var statistics = HNSWStatistics()
                    let number = next.add(1, ordering: .relaxed).oldValue
                    guard number < askedCount else { return }
                    // Evenly over the sample.
                    let position = number * sample.slots.count / askedCount
                    let query = UnsafeBufferPointer(rebasing: queries[position * dimension ..< (position + 1) * dimension])
                    let exact = sample.truth[position].prefix(k)
                    guard let farthest = exact.last?.distance else { continue }
                    // Deleted slots need no leaving out: none is linked.
                    let neighbors = graph.search(
                        query, k: k, ef: efSearch, allowed: allowed, strategy: allowed == nil ? nil : .all, scratch: scratches,
                        statistics: &statistics)
                    hops[number] = statistics.hops
                    // Of several that are equally far away, each is as good as the other.
                    let hits = min(neighbors.count { $0.distance <= farthest }, exact.count)
                    found.add(hits, ordering: .relaxed)
                    squares.add(hits * hits, ordering: .relaxed)
                    wanted.add(exact.count, ordering: .relaxed)
                }
            }
        }
        let (hits, total, queryCount) = (Double(found.load(ordering: .relaxed)), Double(wanted.load(ordering: .relaxed)), Double(askedCount))
        var point = HNSWHeader.CalibrationPoint(k: k, efSearch: efSearch, recall: 1, selectivity: selectivity)
        guard total > 0 else { return point }
        point.hops = max(Double(hops.reduce(0, +)) / queryCount, 1)
        point.typicalHops = exp(hops.reduce(0) { $0 + log(Double(max($1, 1))) } / queryCount)
        // Other queries than these are to find as much as was promised: hence less by two standard errors of the mean, but not by more than
        // a third of what was missed: where little is, twice as much would still be little.
        let recall = hits / total, mean = hits / queryCount
        let variance = max(Double(squares.load(ordering: .relaxed)) / queryCount - mean * mean, 0)
        point.recall = max(0, recall - min(2 * (variance / queryCount).squareRoot() * queryCount / total, (1 - recall) / 3))
        return point
    }
}
