import CNeedletailKernels
import NeedletailStorage

// A filter inside the search. Where many slots pass, the search goes through all nodes as without a filter and keeps those
// that pass in a pool of their own: it ends when no node is left that is nearer than the worst of `ef` that pass. Where few
// pass, nodes that do not pass are passed over: in their place their own neighbours are looked at (ACORN-1,
// arXiv 2403.04871), so that distances are computed of slots that pass alone. Where very few pass, and wherever the graph
// leads to fewer than k, they are compared one by one: k come back whenever k exist.

extension HNSWGraph {
    /// Above this share of slots that pass, all nodes are gone through; below, only those that pass, in two hops.
    static let twoHopSelectivity = 0.35
    /// As many slots that pass, for each of `ef`, are compared one by one.
    static let exactSlotsPerCandidate = 4

    func filteredSearch(
        _ query: UnsafeBufferPointer<Float>, k: Int, ef: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?,
        mask: SlotMask, scratch pool: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let passing = mask.isFull ? header.count : mask.cardinality(count: header.count)
        guard passing > 0, let base = query.baseAddress else { return [] }
        let k = min(k, passing)
        guard passing > Self.exactSlotsPerCandidate * ef, !isCostly(ef: ef) else {
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        let scratch = pool.take()
        defer { pool.giveBack(scratch) }
        let selectivity = Double(passing) / Double(header.count)
        if selectivity >= Self.twoHopSelectivity, usesNeighborCodes(k: k, ef: ef), let codes = header.neighborCodes {
            let extent = NeighborCodesExtent(codes, k: k, ef: ef, selectivity: selectivity)
            let found = search(base, k: k, extent: extent, allowed: allowed, deleted: deleted, scratch, &statistics)
            if found.count == k { return found }
            statistics.exactFallbacks += 1
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        let prepared = prepare(base, scratch)
        var beam = nt_beam()
        beam.allowed = allowed?.baseAddress
        beam.deleted = deleted?.baseAddress
        if selectivity < Self.twoHopSelectivity {
            searchInTwoHops(prepared, ef: ef, mask: mask, scratch, &beam)
        } else {
            // As many nodes as `ef` that pass belong to, and half as many again. Where too few of them pass, since those
            // that do not lie near the query, more.
            var capacity = Int(1.5 * Double(ef) / selectivity)
            while true {
                searchAll(prepared, ef: ef, capacity: min(capacity, header.count), mask: mask, scratch, &beam)
                if beam.result_count >= max(k, ef * 3 / 4) || capacity >= header.count { break }
                capacity *= 4
                if isCostly(ef: capacity) { break }
            }
        }
        statistics.add(beam)
        if beam.result_count < k {
            statistics.exactFallbacks += 1
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        return nearest(k, of: beam.results, count: beam.result_count, ef: ef, query: prepared.vector, scratch, &statistics)
    }

    /// Goes through all nodes; those that pass end up in the beam's results.
    private func searchAll(
        _ prepared: nt_traversal_query, ef: Int, capacity: Int, mask: SlotMask, _ scratch: HNSWScratch, _ beam: inout nt_beam
    ) {
        scratch.reserve(pool: capacity, results: ef)
        beam.pool = scratch.pool
        beam.results = scratch.results
        beam.result_capacity = ef
        withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            beam.capacity = capacity
            beam.result_count = mask.contains(nt_pool_node(beam.pool[0])) ? 1 : 0
            beam.results[0] = beam.pool[0]
            withUnsafePointer(to: level(0)) { nt_traversal_for(traversalKind).pointee.search_filtered($0, prepared, &beam) }
        }
        nt_seen_clear(&beam.seen)
    }

    /// Goes through nodes that pass; they end up in the beam's results.
    private func searchInTwoHops(_ prepared: nt_traversal_query, ef: Int, mask: SlotMask, _ scratch: HNSWScratch, _ beam: inout nt_beam) {
        // The entry point, which may not pass, takes one place more.
        scratch.reserve(pool: ef + 1)
        beam.pool = scratch.pool
        withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
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
