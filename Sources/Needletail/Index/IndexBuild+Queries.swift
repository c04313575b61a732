import Dispatch
import NeedletailIndex
import NeedletailStorage
import Synchronization

extension IndexBuild {
    /// Measures with real queries how much the index finds, and keeps that beside the curves of its records.
    func calibrate(with queries: [[Float]]) async throws(NeedletailError) {
        try await onOwnThread { () throws(NeedletailError) in
            let table = try collection.table()
            guard let index = try ReadView.of(table, collection).index(), index.parameters.coveredCount > 0 else { return }
            var parameters = index.parameters
            parameters.content = try content(of: index, measuredWith: queries, table)
            // All rows stay as they are.
            let arrays = index.snapshot.descriptor.arrays.map {
                IndexArrayContent(stride: $0.stride, count: $0.count, chunks: [UnsafeRawPointer?](repeating: nil, count: $0.chunkCount))
            }
            try install(parameters, arrays, expectedVersion: index.snapshot.descriptor.version)
        }
    }

    private func content(
        of index: CollectionIndex, measuredWith queries: [[Float]], _ table: TableSnapshot
    ) throws(NeedletailError) -> IndexParameters.Content {
        switch index {
        case .graph(let index):
            let measurement = QueryMeasurement(index: index, table: table, schema: collection.schema, queries: queries, threads: threads)
            guard let points = measurement.points(continues) else { throw cancelled() }
            return .graph(index.graph.header, unlinkedCount: index.parameters.unlinkedCount, queryPoints: points)
        case .lists(let index):
            let measurement = ListMeasurement(index: index.lists, table: table, schema: collection.schema, threads: threads, queries: queries)
            guard let curves = measurement.curves(continues) else { throw cancelled() }
            return .lists(
                index.lists.header, request: index.parameters.request ?? ListRequest(), curves: index.parameters.curves, queryCurves: curves)
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
        let sample = RecallSample(
            queries: queries, table, schema, count: index.coveredCount, depth: Calibration.graphK.max() ?? 1, threads: threads)
        var points: [HNSWHeader.CalibrationPoint] = []
        for (position, setting) in settings.enumerated() {
            let recall = recall(setting.k, setting.efSearch, sample.truth)
            points.append(HNSWHeader.CalibrationPoint(k: setting.k, efSearch: setting.efSearch, recall: recall))
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
