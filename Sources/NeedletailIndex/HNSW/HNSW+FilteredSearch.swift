import CNeedletailKernels
import NeedletailStorage

/// How a search goes about a filter.
package enum HNSWFilterStrategy: String, Sendable, CaseIterable {
    /// Goes through all nodes as without a filter, and keeps those that pass in a pool of their own: ends when no node is
    /// left within the reach of the `k`-th that passes (``SearchExtent``), or nearer than the worst of `ef`.
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
        mask: SlotMask, strategy: HNSWFilterStrategy?, limit: HNSWWalkLimit?, scratch pool: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let passing = mask.isFull ? header.count : mask.cardinality(count: header.count)
        guard passing > 0, let base = query.baseAddress else { return [] }
        let k = min(k, passing), ef = min(ef, passing)
        let strategy = strategy ?? filterStrategy(passing: passing, ef: ef)
        guard strategy != .exact else {
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        // Most hops that a walk may make, and what comes back where it gives up: nothing, if it is the caller who has set a limit, else
        // what comparing all finds.
        let hopLimit = limit.map { max($0.hops, 1) } ?? .max
        func compared() -> [Neighbor] {
            if limit != nil {
                statistics.givenUp += 1
                return []
            }
            statistics.exactFallbacks += 1
            statistics.rescored += passing
            return covered.search(query, k: k, allowed: allowed, deleted: deleted)
        }
        let scratch = pool.take()
        defer { pool.giveBack(scratch) }
        let selectivity = Double(passing) / Double(header.count)
        if strategy == .all, usesNeighborCodes(k: k, ef: ef) {
            var extent = SearchExtent(header.reaches ?? [], k: k, ef: ef, selectivity: selectivity)
            let before = statistics.hops
            extent.budget = min(extent.budget, hopLimit)
            extent.leastRate = Float(limit?.leastRate ?? 0)
            let found = search(base, k: k, extent: extent, allowed: allowed, deleted: deleted, scratch, &statistics)
            return statistics.hops - before >= hopLimit || found.count < k ? compared() : found
        }
        let prepared = prepare(base, scratch)
        var beam = nt_beam()
        beam.allowed = allowed?.baseAddress
        beam.deleted = deleted?.baseAddress
        var isComplete = true
        // Of what passes, how much a walk keeps in view, and has to find.
        var kept = ef, wanted = ef
        if strategy == .twoHops {
            isComplete = searchInTwoHops(prepared, ef: ef, mask: mask, selectivity: selectivity, scratch, &beam)
        } else {
            let extent = usesReach(k: k, ef: ef) ? SearchExtent(header.reaches ?? [], k: k, ef: ef) : nil
            if let extent {
                beam.reach_count = k
                beam.reach = extent.reach
                beam.slack = slackOfCodes
                (kept, wanted) = (min(extent.budget, passing), k)
            }
            if let limit { beam.hop_limit = UInt64(max(limit.hops, 1)) }
            // As many nodes as those that are kept belong to, and half as many again. Where too few of them pass, since those
            // that do not lie near the query, more.
            var capacity = Int(1.5 * Double(kept) / selectivity)
            while true {
                isComplete = searchAll(
                    prepared, kept: kept, capacity: min(capacity, header.count), mask: mask, selectivity: selectivity, scratch, &beam)
                if beam.hop_limit > 0, beam.hops >= beam.hop_limit { isComplete = false }
                guard isComplete else { break }
                let last = beam.pool_count == capacity ? nt_key_distance(beam.pool[capacity - 1]) : .infinity
                // Nodes that the pool had no room for may have led to more.
                if last >= beam.limit(kept: kept) || beam.pool_count < capacity || capacity >= header.count { break }
                capacity *= 4
                if isCostly(ef: capacity) || capacity > hopLimit - min(Int(beam.hops), hopLimit) {
                    isComplete = false
                    break
                }
            }
        }
        statistics.add(beam)
        // A walk that ran dry before it had found as many, though there are, has not come to where they are. k come back whenever
        // k exist.
        guard isComplete, beam.result_count >= wanted else { return compared() }
        return nearest(k, of: beam.results, count: beam.result_count, ef: ef, query: prepared.vector, scratch, &statistics)
    }

    /// Whether a node, where a search has entered level 0, lies amid others that pass a filter much less often than all nodes do.
    ///
    /// What passes is elsewhere then: a walk finds a way there, but not every one, and so too little of what is nearest.
    private func liesApart(_ slot: UInt32, mask: SlotMask, selectivity: Double) -> Bool {
        var passing = 0, looked = 0
        func look(_ slot: UInt32, _ next: ((UInt32) -> Void)?) {
            let list = list(level: 0, slot)
            for i in 0 ..< header.degree {
                if list[i] >= header.count { break }
                looked += 1
                passing += mask.contains(list[i]) ? 1 : 0
                if i < Self.neighborhood { next?(list[i]) }
            }
        }
        look(slot) { look($0, nil) }
        let expected = selectivity * Double(looked)
        return expected >= Self.leastExpected && Double(passing) < Self.apartShare * expected
    }

    /// Neighbours of the node whose own are looked at.
    private static var neighborhood: Int { 8 }
    /// Nodes that must be expected to pass, so that it means something that few do.
    private static var leastExpected: Double { 6 }
    /// The share of those that are expected below which what passes is elsewhere.
    private static var apartShare: Double { 0.25 }

    /// Goes through all nodes; those that pass end up in the beam's results. False where it does not even begin, since what passes is
    /// elsewhere.
    private func searchAll(
        _ prepared: nt_traversal_query, kept: Int, capacity: Int, mask: SlotMask, selectivity: Double, _ scratch: HNSWScratch,
        _ beam: inout nt_beam
    ) -> Bool {
        scratch.reserve(pool: capacity, results: kept)
        beam.pool = scratch.pool
        beam.results = scratch.results
        beam.result_capacity = kept
        defer { nt_seen_clear(&beam.seen) }
        return withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            if liesApart(nt_pool_node(beam.pool[0]), mask: mask, selectivity: selectivity) { return false }
            beam.capacity = capacity
            beam.result_count = mask.contains(nt_pool_node(beam.pool[0])) ? 1 : 0
            beam.results[0] = beam.pool[0]
            withUnsafePointer(to: level(0)) { nt_traversal_for(traversalKind).pointee.search_filtered($0, prepared, &beam) }
            return true
        }
    }

    /// Goes through nodes that pass; they end up in the beam's results. False as above.
    private func searchInTwoHops(
        _ prepared: nt_traversal_query, ef: Int, mask: SlotMask, selectivity: Double, _ scratch: HNSWScratch, _ beam: inout nt_beam
    ) -> Bool {
        // The entry point, which may not pass, takes one place more.
        scratch.reserve(pool: ef + 1)
        beam.pool = scratch.pool
        let began = withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            if liesApart(nt_pool_node(beam.pool[0]), mask: mask, selectivity: selectivity) { return false }
            beam.capacity = ef + 1
            withUnsafePointer(to: level(0)) { nt_traversal_for(traversalKind).pointee.search_two_hops($0, prepared, &beam) }
            return true
        }
        nt_seen_clear(&beam.seen)
        var kept = 0
        for i in 0 ..< beam.pool_count where mask.contains(nt_pool_node(beam.pool[i])) {
            beam.pool[kept] = beam.pool[i]
            kept += 1
        }
        beam.results = beam.pool
        beam.result_count = min(kept, ef)
        return began
    }

    /// Exact search of the slots that the graph covers.
    var covered: FlatIndex {
        let covered = VectorBlocks(
            pointers: vectors.pointers, blockCount: vectors.blockCount, blockShift: vectors.blockShift, stride: vectors.stride,
            count: header.count)
        return FlatIndex(vectors: covered, dimension: header.dimension, metric: header.metric, element: header.element)
    }
}

extension nt_beam {
    /// The distance beyond which a filtered search of `kept` results expands nothing.
    fileprivate func limit(kept: Int) -> Float {
        let worst = result_count == kept ? nt_key_distance(results[kept - 1]) : .infinity
        guard reach_count > 0, result_count >= reach_count else { return worst }
        return min(nt_key_distance(results[reach_count - 1]) * reach + slack, worst)
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
