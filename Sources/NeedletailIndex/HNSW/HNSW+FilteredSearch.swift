import CNeedletailKernels
import NeedletailStorage

/// How a search goes about a filter.
package enum HNSWFilterStrategy: String, Sendable, CaseIterable {
    /// Goes through all nodes as without a filter, and keeps those that pass in a pool of their own: ends when no node is
    /// left that is nearer than the worst of `ef` that pass.
    case all
    /// Goes through nodes that pass alone: in place of a neighbour that does not, its own neighbours are looked at
    /// (ACORN-1, arXiv 2403.04871), so that distances are computed of slots that pass alone.
    case twoHops
    /// Compares the query with every slot that passes.
    case exact
}

extension HNSWGraph {
    /// The strategy that costs least at about the same recall.
    ///
    /// On SIFT, two hops beat going through all nodes where 3 to 15 % pass; where fewer do, what lies within two hops of each
    /// other falls apart, and recall with it (0.92 at 2 %, 0.80 at 1 %, ef 160). Costs are in nanoseconds, measured
    /// there: a hop takes 400; one in two hops, which reads up to a list's length of lists, 2,000; a row out of sequence
    /// 0.08 a byte.
    package func filterStrategy(passing: Int, ef: Int) -> HNSWFilterStrategy {
        if isCostly(ef: ef) { return .exact }
        let selectivity = Double(passing) / Double(header.count)
        let exact = 0.08 * Double(passing) * Double(vectors.stride)
        let isWithinTwoHops = selectivity > 0.03 && selectivity < 0.15
        let traversal = isWithinTwoHops ? 2000 * Double(ef) : 1.2 * 400 * Double(ef) / selectivity
        return exact < traversal ? .exact : isWithinTwoHops ? .twoHops : .all
    }

    func filteredSearch(
        _ query: UnsafeBufferPointer<Float>, k: Int, ef: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?,
        mask: SlotMask, strategy: HNSWFilterStrategy?, budget: Int?, leavingOut hidden: UInt32?, scratch pool: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let passing = mask.isFull ? header.count : mask.cardinality(count: header.count)
        guard passing > 0, let base = query.baseAddress else { return [] }
        let k = min(k, passing), ef = min(ef, passing)
        let strategy = strategy ?? filterStrategy(passing: passing, ef: ef)
        guard strategy != .exact else {
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        let scratch = pool.take()
        defer { pool.giveBack(scratch) }
        if strategy == .all, usesNeighborCodes(k: k, ef: ef) {
            var extent = SearchExtent(header.reaches ?? [], k: k, ef: ef, selectivity: Double(passing) / Double(header.count))
            let before = statistics.hops
            let budget = budget.map { max($0, 1) } ?? .max
            extent.budget = min(extent.budget, budget)
            let found = search(base, k: k, extent: extent, allowed: allowed, deleted: deleted, leavingOut: hidden, scratch, &statistics)
            if statistics.hops - before >= budget {
                statistics.spentBudgets += 1
                return []
            }
            if found.count == k { return found }
            statistics.exactFallbacks += 1
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        let prepared = prepare(base, scratch)
        var beam = nt_beam()
        beam.allowed = allowed?.baseAddress
        beam.deleted = deleted?.baseAddress
        if strategy == .twoHops {
            searchInTwoHops(prepared, ef: ef, mask: mask, leavingOut: hidden, scratch, &beam)
        } else {
            // As many nodes as `ef` that pass belong to, and half as many again. Where too few of them pass, since those
            // that do not lie near the query, more.
            var capacity = Int(1.5 * Double(ef) * Double(header.count) / Double(passing))
            while true {
                searchAll(prepared, ef: ef, capacity: min(capacity, header.count), mask: mask, leavingOut: hidden, scratch, &beam)
                let last = beam.pool_count == capacity ? nt_key_distance(beam.pool[capacity - 1]) : .infinity
                let worst = beam.result_count == ef ? nt_key_distance(beam.results[ef - 1]) : .infinity
                // Nodes that the pool had no room for may have led to more.
                if last >= worst || beam.pool_count < capacity || capacity >= header.count { break }
                capacity *= 4
                if isCostly(ef: capacity) { break }
            }
        }
        statistics.add(beam)
        if beam.result_count < k {
            // k come back whenever k exist.
            statistics.exactFallbacks += 1
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        return nearest(k, of: beam.results, count: beam.result_count, ef: ef, query: prepared.vector, scratch, &statistics)
    }

    /// Goes through all nodes; those that pass end up in the beam's results.
    private func searchAll(
        _ prepared: nt_traversal_query, ef: Int, capacity: Int, mask: SlotMask, leavingOut hidden: UInt32?, _ scratch: HNSWScratch,
        _ beam: inout nt_beam
    ) {
        scratch.reserve(pool: capacity, results: ef)
        beam.pool = scratch.pool
        beam.results = scratch.results
        beam.result_capacity = ef
        withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            if let hidden { nt_seen_insert(&beam.seen, hidden) }
            beam.capacity = capacity
            beam.result_count = mask.contains(nt_pool_node(beam.pool[0])) ? 1 : 0
            beam.results[0] = beam.pool[0]
            withUnsafePointer(to: level(0)) { nt_traversal_for(traversalKind).pointee.search_filtered($0, prepared, &beam) }
        }
        nt_seen_clear(&beam.seen)
    }

    /// Goes through nodes that pass; they end up in the beam's results.
    private func searchInTwoHops(
        _ prepared: nt_traversal_query, ef: Int, mask: SlotMask, leavingOut hidden: UInt32?, _ scratch: HNSWScratch, _ beam: inout nt_beam
    ) {
        // The entry point, which may not pass, takes one place more.
        scratch.reserve(pool: ef + 1)
        beam.pool = scratch.pool
        withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            if let hidden { nt_seen_insert(&beam.seen, hidden) }
            beam.capacity = ef + 1
            withUnsafePointer(to: level(0)) { nt_traversal_for(traversalKind).pointee.search_two_hops($0, prepared, &beam) }
        }
        nt_seen_clear(&beam.seen)
        var kept = 0
        for i in 0 ..< beam.pool_count where mask.contains(nt_pool_node(beam.pool[i])) {
            beam.pool[kept] = beam.pool[i]
            kept += 1
        }
        beam.results = beam.pool
        beam.result_count = min(kept, ef)
    }

    /// Exact search of the slots that the graph covers.
    var covered: FlatIndex {
        let covered = VectorBlocks(
            pointers: vectors.pointers, blockCount: vectors.blockCount, blockShift: vectors.blockShift, stride: vectors.stride,
            count: header.count)
        return FlatIndex(vectors: covered, dimension: header.dimension, metric: header.metric, element: header.element)
    }
}

extension SlotMask {
    /// How many of the slots 0 ..< count take part.
    func cardinality(count: Int) -> Int {
        var sum = 0
        for position in 0 ..< (count + 63) / 64 { sum += word(position, of: 0 ..< count).nonzeroBitCount }
        return sum
    }
}
