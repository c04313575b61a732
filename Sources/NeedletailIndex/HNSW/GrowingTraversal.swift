import CNeedletailKernels
import NeedletailStorage

/// A traversal of level 0 that drops nothing, and so can go on with a larger pool.
final class GrowingTraversal {
    private let graph: HNSWGraph
    private let query: [Float]
    private let pools: HNSWScratchPool
    private let scratch: HNSWScratch
    private var prepared: nt_traversal_query
    private var beam = nt_beam()
    private var overflow: UnsafeMutablePointer<UInt64>
    private let queryMemory: UnsafeMutablePointer<Float>
    private(set) var statistics = HNSWStatistics()

    /// Nodes in the pool, and how many it may hold.
    var count: Int { beam.pool_count }
    var capacity: Int { beam.capacity }

    init(_ graph: HNSWGraph, query: [Float], scratch pools: HNSWScratchPool) {
        self.graph = graph
        self.query = query
        self.pools = pools
        scratch = pools.take()
        queryMemory = .allocate(capacity: query.count)
        queryMemory.initialize(from: query, count: query.count)
        prepared = graph.prepare(queryMemory, scratch)
        overflow = .allocate(capacity: 4096)
        beam.overflow = overflow
        beam.overflow_capacity = 4096
        scratch.reserve(pool: 64)
        beam.pool = scratch.pool
        graph.enter(&prepared, scratch, &beam)
        beam.capacity = 1
    }

    deinit {
        nt_seen_clear(&beam.seen)
        overflow.deallocate()
        queryMemory.deallocate()
        pools.giveBack(scratch)
    }

    /// The slot of a place in the pool.
    func slot(_ position: Int) -> UInt32 { nt_pool_node(beam.pool[position]) }

    /// Goes on with a pool of `capacity`. False where nothing could be added, since the whole pool had been expanded and
    /// nothing was put aside.
    func grow(to capacity: Int) -> Bool {
        if beam.hops > 0, beam.overflow_count == 0, beam.cursor == beam.pool_count { return false }
        let pool = UnsafeMutablePointer<UInt64>.allocate(capacity: beam.pool_count)
        pool.initialize(from: beam.pool, count: beam.pool_count)
        scratch.reserve(pool: max(capacity, beam.capacity))
        beam.pool = scratch.pool
        beam.pool.initialize(from: pool, count: beam.pool_count)
        pool.deallocate()
        beam.capacity = max(capacity, beam.capacity)
        takeBack()
        withUnsafePointer(to: graph.level(0)) { level in
            let traversal = nt_traversal_for(graph.traversalKind).pointee
            while true {
                traversal.search_growing(level, &prepared, &beam)
                if beam.cursor < beam.pool_count { enlargeOverflow() } else if !graph.goOnFromEntry(&prepared, &beam) { break }
            }
        }
        statistics = HNSWStatistics()
        statistics.add(beam)
        return true
    }

    /// Puts the nearest of what was put aside into the room that the pool has now.
    private func takeBack() {
        let room = beam.capacity - beam.pool_count
        guard room > 0, beam.overflow_count > 0 else { return }
        nt_sort_keys(overflow, beam.overflow_count)
        // All that was put aside is farther than what was kept: it follows on.
        let moved = min(room, beam.overflow_count)
        beam.pool.advanced(by: beam.pool_count).update(from: overflow, count: moved)
        beam.pool_count += moved
        beam.overflow_count -= moved
        overflow.update(from: overflow + moved, count: beam.overflow_count)
        beam.cursor = 0
    }

    private func enlargeOverflow() {
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: 2 * beam.overflow_capacity)
        larger.initialize(from: overflow, count: beam.overflow_count)
        overflow.deallocate()
        overflow = larger
        beam.overflow = larger
        beam.overflow_capacity *= 2
    }

    /// (exact distance, slot) of slots, in their order but without NaN distances.
    func exactKeys(_ slots: [UInt32]) -> [UInt64] {
        let functions = nt_distance_for(graph.header.metric.kernelMetric, graph.header.element.kernelElement).pointee
        var rows = graph.vectors.rows
        return [UInt64](unsafeUninitializedCapacity: slots.count) { keys, count in
            guard let base = keys.baseAddress else { return }
            count = functions.scan_slots(&prepared.vector, &rows, slots, slots.count, .infinity, base)
        }
    }
}
