import Dispatch
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// Measures how much a graph that has just been built finds, by the settings of a search: a sample of its own records is asked with, and what comes back
/// is compared with the exact answer.
///
/// Each record of the sample is hidden from its own search: else the walk would come upon it, and find in its links the very
/// neighbours that are asked for. Measured on 200,000 SIFT vectors at efSearch 16, searches that see the record itself find 0.97 of the
/// neighbours, those with other queries 0.86, and those that do not see it 0.82.
struct RecallMeasurement: @unchecked Sendable {
    // `@unchecked`: bitmaps and vectors are constant while it measures.

    private let graph: HNSWGraph
    private let deleted: UnsafeBufferPointer<UInt64>?
    private let threads: Int
    /// Live slots, evenly over all.
    private let sample: [Int]
    private let liveCount: Int
    private let scratches = HNSWScratchPool()

    init(graph: HNSWGraph, deleted: UnsafeBufferPointer<UInt64>?, liveCount: Int, threads: Int) {
        self.graph = graph
        self.deleted = deleted
        self.liveCount = liveCount
        self.threads = threads
        // Nodes of the upper levels, where a walk begins, cannot be hidden.
        var upper: Set<UInt32> = []
        for number in 0 ..< graph.header.upperCount { upper.insert(graph.upperNodes.row(number).load(as: UInt32.self)) }
        // The middles of as many equal stretches of the live slots, or the next one behind.
        let count = min(Calibration.maximumQueryCount, liveCount)
        var sample: [Int] = []
        var live = 0
        for slot in 0 ..< graph.header.count where sample.count < count {
            if let deleted, deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { continue }
            if live >= (2 * sample.count + 1) * liveCount / (2 * count), !upper.contains(UInt32(slot)) { sample.append(slot) }
            live += 1
        }
        self.sample = sample
    }

    /// The recall of each setting of the ladder; `nil` where `isWanted` said no.
    func points(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [HNSWHeader.CalibrationPoint]? {
        let header = graph.header
        let settings = Calibration.measuredK.flatMap { k in
            ([k] + Calibration.ladder.filter { $0 > k }).map { (k: k, efSearch: $0) }
        }
        let total = settings.count + 1
        guard isWanted(0, total) else { return nil }
        guard liveCount > 1 else { return settings.map { HNSWHeader.CalibrationPoint(k: $0.k, efSearch: $0.efSearch, recall: 1) } }
        let queries = self.queries()
        let dimension = header.dimension
        let vectors = graph.vectors
        // Only what the graph covers: what came later is none of its concern.
        let covered = VectorBlocks(
            pointers: vectors.pointers, blockCount: vectors.blockCount, blockShift: vectors.blockShift, stride: vectors.stride, count: header.count)
        let flat = FlatIndex(vectors: covered, dimension: dimension, metric: header.metric, element: header.element)
        let deepest = min((Calibration.measuredK.max() ?? 0) + 1, liveCount)
        var truth = queries.withUnsafeBufferPointer {
            flat.search(batch: $0, count: sample.count, k: deepest, deleted: deleted, threads: threads)
        }
        for (position, slot) in sample.enumerated() { truth[position].removeAll { Int($0.slot) == slot } }

        var points: [HNSWHeader.CalibrationPoint] = []
        for (position, setting) in settings.enumerated() {
            guard isWanted(position + 1, total) else { return nil }
            let recall = recall(setting.k, setting.efSearch, queries, truth)
            points.append(HNSWHeader.CalibrationPoint(k: setting.k, efSearch: setting.efSearch, recall: recall))
        }
        return isWanted(total, total) ? points : nil
    }

    /// The sample's vectors, one after another.
    private func queries() -> [Float] {
        let header = graph.header
        return [Float](unsafeUninitializedCapacity: sample.count * header.dimension) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            for (position, slot) in sample.enumerated() {
                header.element.decode(graph.vectors.vector(slot), count: header.dimension, to: base + position * header.dimension)
            }
            count = sample.count * header.dimension
        }
    }

    private func recall(_ k: Int, _ efSearch: Int, _ queries: [Float], _ truth: [[Neighbor]]) -> Double {
        let found = Atomic<Int>(0)
        let wanted = truth.reduce(0) { $0 + min(k, $1.count) }
        let dimension = graph.header.dimension
        queries.withUnsafeBufferPointer { queries in
            // Each call reads what it shares, and adds to one atomic number.
            nonisolated(unsafe) let queries = queries
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: min(threads, sample.count)) { _ in
                var statistics = HNSWStatistics()
                while true {
                    let position = next.add(1, ordering: .relaxed).oldValue
                    guard position < sample.count else { return }
                    let query = UnsafeBufferPointer(rebasing: queries[position * dimension ..< (position + 1) * dimension])
                    let exact = truth[position].prefix(k)
                    guard let farthest = exact.last?.distance else { continue }
                    // Deleted slots need no leaving out: none is linked.
                    let neighbors = graph.search(
                        query, k: k, ef: efSearch, leavingOut: UInt32(sample[position]), scratch: scratches, statistics: &statistics)
                    // Of several that are equally far away, each is as good as the other.
                    let hits = neighbors.lazy.filter { $0.distance <= farthest }.count
                    found.add(min(hits, exact.count), ordering: .relaxed)
                }
            }
        }
        return wanted == 0 ? 1 : Double(found.load(ordering: .relaxed)) / Double(wanted)
    }
}
