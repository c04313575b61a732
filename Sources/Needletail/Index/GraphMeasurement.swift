import Dispatch
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// Measures how much a graph that has just been built finds, by the settings of a search: a sample of its own records is asked with,
/// and what comes back is compared with the exact answer.
///
/// No query is a record as a rule, and a record's own node leads to the very neighbours that are asked for: so each search is run
/// twice, with the node hidden from it and with the node in sight but left out of the answer. The first finds less than other
/// queries do, the second more: on 200,000 SIFT vectors at efSearch 16 the two find 0.82 and 0.97, other queries 0.86. What is
/// taken lies between.
///
/// A record with near duplicates is not asked with: of several that lie together all but one may be reached through that one alone,
/// so that to hide it cuts the others off, as no query does.
struct GraphMeasurement {
    let graph: HNSWGraph
    let table: TableSnapshot
    let schema: Schema
    let threads: Int

    /// The recall of each setting of the ladder; `nil` where `isWanted` said no.
    func points(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [HNSWHeader.CalibrationPoint]? {
        let settings = Calibration.graphK.flatMap { k in
            Calibration.efSearchLadder(k: k).map { (k: k, efSearch: $0) }
        }
        let total = settings.count + 1 + GraphCalibration.selectivities.count
        guard isWanted(0, total) else { return nil }
        guard graph.header.count - table.deletedCount(in: 0 ..< graph.header.count) > 1 else { return settings.map { HNSWHeader.CalibrationPoint(k: $0.k, efSearch: $0.efSearch, recall: 1) } }
        // Nodes of the upper levels, where a walk begins, cannot be hidden.
        var upper: Set<UInt32> = []
        for number in 0 ..< graph.header.upperCount { upper.insert(graph.upperNodes.row(number).load(as: UInt32.self)) }
        let sample = RecallSample(
            table, schema, count: graph.header.count, depth: Calibration.graphK.max() ?? 0, threads: threads,
            isExcluded: { upper.contains(UInt32($0)) })

        let scratches = HNSWScratchPool()
        var points: [HNSWHeader.CalibrationPoint] = []
        for (position, setting) in settings.enumerated() {
            guard isWanted(position + 1, total) else { return nil }
            let recall = recall(setting.k, setting.efSearch, sample, scratches)
            points.append(HNSWHeader.CalibrationPoint(k: setting.k, efSearch: setting.efSearch, recall: recall))
        }
        for (position, selectivity) in GraphCalibration.selectivities.enumerated() {
            guard isWanted(settings.count + 1 + position, total) else { return nil }
            let filter = ChanceFilter(selectivity, table, count: graph.header.count)
            // What does not leave enough for the ladder tells nothing.
            guard filter.count > 4 * (GraphCalibration.filteredLadder.last ?? 0) else { break }
            let filtered = filter.withWords { words in sample.filtered(words, table, schema, k: GraphCalibration.filteredK, threads: threads) }
            for efSearch in GraphCalibration.filteredLadder {
                let share = filter.withWords { words in recall(GraphCalibration.filteredK, efSearch, filtered, scratches, allowed: words, selectivity) }
                points.append(
                    HNSWHeader.CalibrationPoint(k: GraphCalibration.filteredK, efSearch: efSearch, recall: share, selectivity: selectivity))
            }
        }
        return isWanted(total, total) ? points : nil
    }

    /// How much what is found with the node in sight counts, were the nearest neighbour a duplicate.
    private static let sightWeight = 0.75
    /// The least ``isolation`` of records to ask with.
    private static let leastIsolation = 0.35

    /// The distance of the nearest neighbour over that of the tenth: 0 beside a duplicate.
    private func isolation(_ truth: [Neighbor]) -> Double {
        guard schema.metric != .dot, let tenth = truth.prefix(10).last, tenth.distance > 0 else { return 1 }
        return Double(truth[0].distance / tenth.distance)
    }

    private func recall(
        _ k: Int, _ efSearch: Int, _ sample: RecallSample, _ scratches: HNSWScratchPool, allowed: UnsafeBufferPointer<UInt64>? = nil,
        _ selectivity: Double = 1
    ) -> Double {
        let strategy = CostModel.strategy(hasNeighborCodes: graph.header.quantization == .rabitq, selectivity: selectivity)
        // Bitmaps are constant while it measures.
        nonisolated(unsafe) let allowed = allowed
        // In thousandths of a neighbour.
        let found = Atomic<Int>(0)
        let wanted = Atomic<Int>(0)
        let ratios = sample.truth.map { isolation($0) }
        // Where hardly a record has none, there is no choice.
        let excludes = ratios.count { $0 >= Self.leastIsolation } > ratios.count / 4
        let dimension = sample.dimension
        sample.queries.withUnsafeBufferPointer { queries in
            // Each call reads what it shares, and adds to one atomic number.
            nonisolated(unsafe) let queries = queries
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: min(threads, sample.slots.count)) { _ in
                var statistics = HNSWStatistics()
                while true {
                    let position = next.add(1, ordering: .relaxed).oldValue
                    guard position < sample.slots.count else { return }
                    let query = UnsafeBufferPointer(rebasing: queries[position * dimension ..< (position + 1) * dimension])
                    let exact = sample.truth[position].prefix(k)
                    guard let farthest = exact.last?.distance, !excludes || ratios[position] >= Self.leastIsolation else { continue }
                    let own = UInt32(sample.slots[position])
                    // Deleted slots need no leaving out: none is linked.
                    func hits(hidden: Bool) -> Int {
                        let neighbors = graph.search(
                            query, k: hidden ? k : k + 1, ef: hidden ? efSearch : efSearch * (k + 1) / k, allowed: allowed,
                            strategy: allowed == nil ? nil : strategy, leavingOut: hidden ? own : nil, scratch: scratches,
                            statistics: &statistics)
                        // Of several that are equally far away, each is as good as the other.
                        return min(neighbors.count { $0.distance <= farthest && $0.slot != own }, exact.count)
                    }
                    let without = hits(hidden: true)
                    let seen = max(hits(hidden: false), without)
                    let weight = max(Self.sightWeight * (1 - ratios[position]), 0.25)
                    found.add(Int((1000 * (Double(without) + weight * Double(seen - without))).rounded()), ordering: .relaxed)
                    wanted.add(exact.count, ordering: .relaxed)
                }
            }
        }
        let count = wanted.load(ordering: .relaxed)
        return count == 0 ? 1 : Double(found.load(ordering: .relaxed)) / 1000 / Double(count)
    }
}
