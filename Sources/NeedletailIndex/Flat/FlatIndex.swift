import CNeedletailKernels
import NeedletailStorage

/// Exact search: every vector that takes part is compared with the query.
///
/// A search walks the blocks of vectors, one call of a C kernel per block, which computes the distances of several rows at
/// once, prefetches, and hands back only the keys of rows that are not beyond the threshold; the threshold is the worst of
/// the k nearest so far. A filter's bitmap turns blocks into runs of slots (scanned in place) and single slots (gathered).
///
/// Results are exact, without NaN distances, ordered by distance and then by slot, and the same whatever the number of
/// threads and whether queries come one by one or in a batch.
package struct FlatIndex: Sendable {
    let vectors: VectorBlocks
    let dimension: Int
    let metric: Metric
    let element: Element
    let kernels: nt_distance

    /// - Precondition: a row of `vectors` is `dimension` components of `element`, and its norm is `norm(of:…)` under `metric`.
    package init(vectors: VectorBlocks, dimension: Int, metric: Metric, element: Element) {
        precondition(dimension > 0 && vectors.stride >= dimension * element.byteCount, "a row holds a vector")
        self.vectors = vectors
        self.dimension = dimension
        self.metric = metric
        self.element = element
        kernels = nt_distance_for(metric.kernelMetric, element.kernelElement).pointee
    }

    /// The k nearest slots, ascending; fewer where fewer take part.
    ///
    /// - Parameters:
    ///   - query: `dimension` components. Against rows of i8 it is rounded to int8 first.
    ///   - first: the slot that the scan begins with; those before it take no part.
    ///   - allowed: bit set = slot takes part; nil: all do. At least `count` bits in whole words, as `deleted`.
    ///   - deleted: bit set = slot left out; nil: none is.
    ///   - threads: how many threads may work, this one included.
    /// - Complexity: one distance for each slot that takes part; reads the vectors once.
    package func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, from first: Int = 0,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil, threads: Int = 1
    ) -> [Neighbor] {
        precondition(query.count == dimension, "a query has the index's dimension")
        let capacity = min(k, vectors.count - first)
        guard capacity > 0, let base = query.baseAddress else { return [] }
        let mask = SlotMask(allowed: allowed, deleted: deleted, count: vectors.count)
        let prepared = PreparedQueries(base, count: 1, dimension: dimension, metric: metric, element: element)
        let query = UnsafePointer(prepared.queries)

        let parts = ScanParts(vectors: vectors, from: first, threads: threads)
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * parts.workers)
        defer { keys.deallocate() }
        let heaps = UnsafeMutablePointer<TopK>.allocate(capacity: parts.workers)
        defer { heaps.deallocate() }
        for worker in 0 ..< parts.workers {
            (heaps + worker).initialize(to: TopK(capacity: capacity, keys: keys + worker * capacity))
        }
        parts.forEach { worker, slots in
            scan(query, slots: slots, mask: mask, into: &heaps[worker])
        }
        for worker in 1 ..< max(parts.workers, 1) {
            for key in heaps[worker].contents { heaps[0].offer(key) }
        }
        return heaps[0].takeSorted().map(Neighbor.init(key:))
    }

    /// The k nearest of some slots, ascending: for so few that to look for them in a bitmap would take longer than to compare them.
    ///
    /// - Parameter slots: ascending, each below `vectors.count`.
    /// - Complexity: one distance for each slot.
    package func search(_ query: UnsafeBufferPointer<Float>, k: Int, slots: UnsafeBufferPointer<UInt32>) -> [Neighbor] {
        precondition(query.count == dimension, "a query has the index's dimension")
        precondition(slots.last.map { Int($0) < vectors.count } ?? true, "there are vectors at the slots")
        let capacity = min(k, slots.count)
        guard capacity > 0, let base = query.baseAddress else { return [] }
        let prepared = PreparedQueries(base, count: 1, dimension: dimension, metric: metric, element: element)
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
        defer { keys.deallocate() }
        var heap = TopK(capacity: capacity, keys: keys)
        scan(UnsafePointer(prepared.queries), slots: slots, into: &heap)
        return heap.takeSorted().map(Neighbor.init(key:))
    }

    /// The slots whose internal distance is at most `radius`, ascending; with a limit, the nearest of them.
    ///
    /// The other parameters are those of the search for the k nearest.
    package func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, limit: Int? = nil, from first: Int = 0,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil, threads: Int = 1
    ) -> [Neighbor] {
        precondition(query.count == dimension, "a query has the index's dimension")
        if let limit, limit < vectors.count - first {
            // The nearest `limit` of all, less those beyond the radius, are the nearest `limit` within it.
            let nearest = search(query, k: limit, from: first, allowed: allowed, deleted: deleted, threads: threads)
            return Array(nearest.prefix { $0.distance <= radius })
        }
        guard first < vectors.count, let base = query.baseAddress else { return [] }
        let mask = SlotMask(allowed: allowed, deleted: deleted, count: vectors.count)
        let prepared = PreparedQueries(base, count: 1, dimension: dimension, metric: metric, element: element)
        let query = UnsafePointer(prepared.queries)

        let parts = ScanParts(vectors: vectors, from: first, threads: threads)
        let found = UnsafeMutablePointer<WithinRadius>.allocate(capacity: parts.workers)
        found.initialize(repeating: WithinRadius(threshold: radius), count: parts.workers)
        defer {
            found.deinitialize(count: parts.workers)
            found.deallocate()
        }
        parts.forEach { worker, slots in
            scan(query, slots: slots, mask: mask, into: &found[worker])
        }
        var keys: [UInt64] = []
        for worker in 0 ..< parts.workers { keys += found[worker].keys }
        keys.sort()
        return keys.map(Neighbor.init(key:))
    }
}
