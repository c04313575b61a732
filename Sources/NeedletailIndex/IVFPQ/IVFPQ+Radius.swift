import CNeedletailKernels
import NeedletailStorage

extension IVFPQIndex {
    /// The rows of the `nprobe` nearest lists whose exact internal distance is at most `radius`, ascending.
    ///
    /// Estimates are too great by the squared error of the code on average, more or less by its size times the distance; rows
    /// are refined as far as two such errors beyond the radius, so that few are missed.
    ///
    /// - Parameter limit: the nearest so many at most.
    package func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, nprobe: Int, limit: Int? = nil,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil, statistics: inout IVFPQStatistics
    ) -> [Neighbor] {
        precondition(query.count == header.dimension, "a query has the index's dimension")
        guard header.rowCount > 0, !radius.isNaN, limit ?? 1 > 0, let base = query.baseAddress else { return [] }
        _ = SlotMask(allowed: allowed, deleted: deleted, count: header.count)
        let scratch = scratches.take()
        defer { scratches.giveBack(scratch) }
        var state = prepare(base, scratch, keep: 1)
        state.query.keep = .max
        state.query.threshold = estimateLimit(radius, base, scratch)
        let probes = chooseLists(scratch.query[0], scratch, nprobe: nprobe)
        if advisesPages { for probe in probes { advise(list: Int(nt_key_slot(probe))) } }
        var run = emptyRun(allowed, deleted)
        let (offset, step) = (state.offset, state.step)
        withUnsafeMutablePointer(to: &state.query) { query in
            var pointer: UnsafeMutablePointer<nt_pq_query>? = query
            for probe in probes {
                let row = lists.row(Int(nt_key_slot(probe)))
                let head = IVFPQList.Head(row)
                if head.rowCount == 0 { continue }
                guard Self.enter(query, head, distance: nt_key_distance(probe), offset: offset, step: step) else { continue }
                // Room for the whole list: nothing is dropped.
                scratch.grow(keys: Int(query.pointee.count) + head.rowCount, keeping: Int(query.pointee.count))
                query.pointee.keys = scratch.keys
                query.pointee.capacity = UInt32(clamping: scratch.keyCapacity)
                statistics.lists += 1
                statistics.codes += head.rowCount
                scan(row, head, &run, &pointer, count: 1)
            }
        }
        let count = Int(state.query.count)
        statistics.refined += count
        let found = refine(scratch.keys, count, base, threshold: radius, scratch)
        nt_sort_keys(scratch.keys, found)
        return UnsafeBufferPointer(start: scratch.keys, count: found).prefix(limit ?? found).map(Neighbor.init(key:))
    }

    /// As an estimate may be at most for the exact distance to be within `radius`, but for rare rows.
    private func estimateLimit(_ radius: Float, _ query: UnsafePointer<Float>, _ scratch: IVFPQScratch) -> Float {
        let error = Float(header.quantizationError)
        if header.codeKind == .rabitq {
            // The estimate is right on average, and misses by e·(q − c) where the error e of the code lies in a random direction.
            let reach = Float(header.trainingError) + max(0, header.metric == .cosine ? 2 * radius : radius)
            let miss = 6 * (max(reach, 0) * error / Float(header.paddedDimension)).squareRoot()
            if header.metric != .dot { return max(0, header.metric == .cosine ? 2 * radius : radius) + miss }
        }
        switch header.metric {
        case .l2, .cosine:
            // 1 − cos is half the squared distance of vectors of unit length.
            let squared = max(0, header.metric == .cosine ? 2 * radius : radius)
            return squared + 1.5 * error + 2 * (squared * error).squareRoot()
        case .dot:
            let length = Float(nt_sqnorm_f32(scratch.query[0], header.paddedDimension).squareRoot())
            let mean = nt_dot_f32(query, transform.mean.base, header.dimension)
            return radius + mean + 4 * length * (error / Float(header.dimension)).squareRoot()
        }
    }
}
