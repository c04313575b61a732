import Dispatch
import NeedletailIndex
import NeedletailStorage
import Synchronization

extension IndexBuild {
    /// Measures with real queries how much a graph finds, and keeps that beside the curve of its records. Lists keep theirs.
    func calibrate(with queries: [[Float]]) async throws(NeedletailError) {
        try await onOwnThread { () throws(NeedletailError) in
            let table = try collection.table()
            guard case .graph(let index)? = try ReadView.of(table, collection).index(), index.graph.header.count > 0 else { return }
            guard let points = QueryMeasurement(index: index, table: table, schema: collection.schema, queries: queries, threads: threads)
                .points(continues) else { throw cancelled() }
            var parameters = index.parameters
            parameters.queryPoints = points
            // All rows stay as they are.
            let arrays = index.snapshot.descriptor.arrays.map {
                IndexArrayContent(stride: $0.stride, count: $0.count, chunks: [UnsafeRawPointer?](repeating: nil, count: $0.chunkCount))
            }
            try install(parameters, arrays, expectedVersion: index.snapshot.descriptor.version)
        }
    }
}

/// Measures the recall of a graph's settings by queries that are no records.
private struct QueryMeasurement {
    let index: GraphIndex
    let table: TableSnapshot
    let schema: Schema
    let queries: [[Float]]
    let threads: Int

    /// The recall of each setting of the ladder; `nil` where `isWanted` said no.
    func points(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [HNSWHeader.CalibrationPoint]? {
        let settings = Calibration.graphK.flatMap { k in Calibration.efSearchLadder(k: k).map { (k: k, efSearch: $0) } }
        guard isWanted(0, settings.count) else { return nil }
        // Only what the graph covers: what came later, every search finds.
        let blocks = table.vectors
        let flat = FlatIndex(
            vectors: VectorBlocks(
                pointers: blocks.pointers, blockCount: blocks.blockCount, blockShift: blocks.blockShift, stride: blocks.stride,
                count: index.graph.header.count),
            dimension: schema.dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement)
        let truth = queries.flatMap { $0 }.withUnsafeBufferPointer {
            flat.search(batch: $0, count: queries.count, k: Calibration.graphK.max() ?? 1, deleted: table.deleted, threads: threads)
        }
        var points: [HNSWHeader.CalibrationPoint] = []
        for (position, setting) in settings.enumerated() {
            points.append(HNSWHeader.CalibrationPoint(k: setting.k, efSearch: setting.efSearch, recall: recall(setting.k, setting.efSearch, truth)))
            guard isWanted(position + 1, settings.count) else { return nil }
        }
        return points
    }

    private func recall(_ k: Int, _ efSearch: Int, _ truth: [[Neighbor]]) -> Double {
        let found = Atomic<Int>(0), wanted = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: threads) { worker in
            var statistics = HNSWStatistics(), hits = 0, all = 0
            for position in stride(from: worker, to: queries.count, by: threads) {
                let exact = truth[position].prefix(k)
                guard let farthest = exact.last?.distance else { continue }
                let neighbors = queries[position].withUnsafeBufferPointer {
                    index.search($0, k: k, efSearch: max(efSearch, k), allowed: nil, deleted: table.deleted, &statistics)
                }
                // Of several that are equally far away, each is as good as the other.
                hits += min(neighbors.count { $0.distance <= farthest }, exact.count)
                all += exact.count
            }
            found.add(hits, ordering: .relaxed)
            wanted.add(all, ordering: .relaxed)
        }
        let count = wanted.load(ordering: .relaxed)
        return count == 0 ? 1 : Double(found.load(ordering: .relaxed)) / Double(count)
    }
}
