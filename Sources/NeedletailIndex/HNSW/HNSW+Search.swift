import CNeedletailKernels
import NeedletailStorage

/// What searches did, for EXPLAIN ANALYZE and for tuning.
package struct HNSWStatistics: Sendable, Equatable {
    /// Lists read.
    package var hops = 0
    /// Distances computed during traversal, or by SQ8 codes during a scan.
    package var distances = 0
    /// Codes of one bit a dimension that a scan has looked at.
    package var codes = 0
    /// Rows whose distance was then computed in full precision.
    package var rescored = 0
    /// Searches that found too few rows in the graph and compared all that the filter allows.
    package var exactFallbacks = 0
    /// Walks with a limit that reached it, and gave up.
    package var givenUp = 0

    package init() {}

    mutating func add(_ beam: nt_beam) {
        hops += Int(beam.hops)
        distances += Int(beam.distances)
    }
}

/// When a walk under a filter gives up, since a scan of what passes would take less time.
package struct HNSWWalkLimit: Sendable, Equatable {
    /// After so many hops.
    package var hops: Int
    /// Before, by neighbour codes, where of the nodes that it has expanded a smaller share passes, but for a few.
    package var leastRate: Double

    package init(hops: Int, leastRate: Double = 0) {
        self.hops = hops
        self.leastRate = leastRate
    }
}

extension HNSWGraph {
    /// The k nearest slots as far as the graph leads to them, ascending by exact internal distance.
    ///
    /// Algorithms 2 and 5 of the paper: greedily through the upper levels, then best first on level 0 with a pool of `ef`.
    /// The pool is one sorted array for candidates and results, and under quantization its best are rescored.
    ///
    /// - Parameters:
    ///   - query: `dimension` components, finite.
    ///   - ef: how many nodes the search keeps in view; raised to k.
    ///   - allowed: bit set = slot may be returned; nil: all may. At least `header.count` bits in whole words, as `deleted`.
    ///   - deleted: bit set = slot is left out; nil: none is.
    ///   - strategy: how to go about them; nil: as costs least.
    ///   - limit: under a filter, when the search gives up and returns nothing; so it does where it sees that what passes is not where
    ///     the query is. Nil: it compares all that pass then.
    ///   - statistics: added to.
    package func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, ef: Int,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil, strategy: HNSWFilterStrategy? = nil,
        limit: HNSWWalkLimit? = nil, scratch pool: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        precondition(query.count == header.dimension, "a query has the index's dimension")
        guard k > 0, let base = query.baseAddress, header.entrySlot != nil else { return [] }
        let k = min(k, header.count), ef = min(max(ef, k), header.count)
        let mask = SlotMask(allowed: allowed, deleted: deleted, count: header.count)
        if !mask.isFull || isCostly(ef: ef) {
            return filteredSearch(
                query, k: k, ef: ef, allowed: allowed, deleted: deleted, mask: mask, strategy: strategy, limit: limit, scratch: pool, statistics: &statistics)
        }
        let scratch = pool.take()
        defer { pool.giveBack(scratch) }
        if usesNeighborCodes(k: k, ef: ef) {
            let extent = SearchExtent(header.reaches ?? [], k: k, ef: ef)
            return search(base, k: k, extent: extent, allowed: nil, deleted: nil, scratch, &statistics)
        }
        let extent = usesReach(k: k, ef: ef) ? SearchExtent(header.reaches ?? [], k: k, ef: ef) : nil
        return search(base, k: k, ef: ef, extent: extent, scratch, &statistics)
    }

    /// The k nearest by codes or stored vectors, all of which may be returned: as far as the extent goes, or with a pool of `ef`.
    func search(
        _ query: UnsafePointer<Float>, k: Int, ef: Int, extent: SearchExtent?,
        _ scratch: HNSWScratch, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let prepared = prepare(query, scratch)
        let capacity = min(extent?.budget ?? ef, header.count)
        scratch.reserve(pool: capacity)
        var beam = nt_beam()
        beam.pool = scratch.pool
        withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam)
            beam.capacity = capacity
            if let extent {
                beam.reach_count = k
                beam.reach = extent.reach
                beam.slack = slackOfCodes
            }
            withUnsafePointer(to: level(0)) { level in
                let search = nt_traversal_for(traversalKind).pointee.search
                search?(level, prepared, &beam)
                if goOnFromEntry(prepared, &beam) { search?(level, prepared, &beam) }
            }
        }
        nt_seen_clear(&beam.seen)
        statistics.add(beam)
        return nearest(k, of: beam.pool, count: beam.pool_count, ef: ef, query: prepared.vector, scratch, &statistics)
    }

    /// Whether a search for k with a pool of `ef` compares the query with every slot, those that no link leads to among them.
    package func comparesAll(k: Int, ef: Int) -> Bool { isCostly(ef: min(max(ef, k), header.count)) }

    /// Whether a pool of `ef` costs more than comparing the query with every vector: a place in it is found by moving half
    /// of what it holds. Measured in nanoseconds, roughly; small pools are always worth it.
    func isCostly(ef: Int) -> Bool {
        guard ef > 4096 else { return false }
        let traversal = Double(ef) * (200 + 0.05 * Double(ef))
        return traversal > 0.1 * Double(header.count) * Double(vectors.stride)
    }

    /// The query in the forms that traversal and rescoring need.
    func prepare(_ query: UnsafePointer<Float>, _ scratch: HNSWScratch) -> nt_traversal_query {
        scratch.reserve(codes: SQ8Quantizer.rowByteCount(dimension: header.dimension))
        let norm: Float = header.metric == .cosine ? inverseNorm(squared: nt_sqnorm_f32(query, header.dimension)) : 0
        var prepared = nt_traversal_query()
        if header.quantization != .none, let sq8 = header.sq8 {
            prepared = sq8.prepare(query, inverseNorm: norm, codes: scratch.codes)
        }
        prepared.functions = nt_distance_for(header.metric.kernelMetric, header.element.kernelElement)
        prepared.vector = nt_query(vector: query, dimension: header.dimension, inverse_norm: norm)
        if header.element == .i8 {
            nt_narrow_i8(query, scratch.narrowed, header.dimension)
            prepared.vector.vector = UnsafeRawPointer(scratch.narrowed)
            if header.metric == .cosine {
                prepared.vector.inverse_norm = inverseNorm(squared: nt_sqnorm_i8(scratch.narrowed, header.dimension))
            }
        }
        return prepared
    }

    /// Goes through the upper levels, and leaves the node where level 0 begins in the pool: alone, and marked as seen.
    /// Whoever calls this clears the set of seen nodes after the search.
    ///
    /// - Parameter lowest: the levels above this one are gone through.
    func enter(
        _ query: UnsafePointer<nt_traversal_query>, _ scratch: HNSWScratch, _ beam: inout nt_beam, above lowest: Int = 0
    ) {
        let traversal = nt_traversal_for(traversalKind).pointee
        var slot = header.entrySlot ?? 0, distance: Float = 0
        var rows = traversalRows
        traversal.distances(query, &rows, &slot, 1, &distance)
        beam.distances += 1
        // A NaN has no place in a pool, but a start must be there.
        if distance.isNaN { distance = .infinity }
        if header.maxLevel > 0, let entry = header.entryUpper {
            // One set of seen nodes serves all upper levels: what was too far away on one is so on the next.
            beam.seen = scratch.beginSeen(count: header.upperCount)
            nt_seen_insert(&beam.seen, entry)
            beam.capacity = 1
            beam.pool_count = 1
            beam.pool[0] = nt_pool_key(distance, entry)
            for number in stride(from: header.maxLevel, to: lowest, by: -1) {
                beam.pool[0] &= ~1
                beam.cursor = 0
                withUnsafePointer(to: level(number)) { traversal.search($0, query, &beam) }
            }
            nt_seen_clear(&beam.seen)
            let node = upperNodes.row(Int(nt_pool_node(beam.pool[0]))).load(as: nt_upper_node.self)
            // A damaged number would not have been followed, but the entry's own has not been looked at.
            slot = node.slot < header.count ? node.slot : slot
            distance = nt_key_distance(beam.pool[0])
        }
        beam.seen = scratch.beginSeen(count: header.count)
        nt_seen_insert(&beam.seen, slot)
        beam.pool[0] = nt_pool_key(distance, slot)
        beam.pool_count = 1
        beam.cursor = 0
    }

    /// Puts the entry point into a pool that has room left, once nothing is left to expand; false where it has been seen.
    ///
    /// Every live node can be reached from the entry point, but a search enters level 0 elsewhere, and not everything can be
    /// reached from there: the entry point itself may be in no list.
    func goOnFromEntry(_ query: UnsafePointer<nt_traversal_query>, _ beam: inout nt_beam) -> Bool {
        let wanted = beam.reach_count > 0 ? beam.reach_count : beam.capacity
        guard beam.pool_count < wanted, var slot = header.entrySlot, nt_seen_contains(&beam.seen, slot) == 0 else { return false }
        var distance: Float = 0, rows = traversalRows
        nt_traversal_for(traversalKind).pointee.distances(query, &rows, &slot, 1, &distance)
        beam.distances += 1
        nt_seen_insert(&beam.seen, slot)
        beam.cursor = nt_pool_insert(beam.pool, &beam.pool_count, beam.capacity, nt_pool_key(distance.isNaN ? .infinity : distance, slot))
        return true
    }

    /// How many of the best codes are compared in full precision, so that the k nearest are among them.
    static func rescoreCount(k: Int, ef: Int) -> Int { k + max(2, k / 5) + ef / 8 }

    /// The k nearest of a pool by exact distance.
    func nearest(
        _ k: Int, of pool: UnsafeMutablePointer<UInt64>, count: Int, ef: Int, query: nt_query,
        _ scratch: HNSWScratch, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        if header.quantization == .none {
            return (0 ..< min(k, count)).map { Neighbor(slot: nt_pool_node(pool[$0]), distance: nt_key_distance(pool[$0])) }
        }
        let rescored = min(count, Self.rescoreCount(k: k, ef: ef))
        scratch.reserve(rescored: rescored)
        let rowByteCount = min(vectors.stride, 2048)
        for i in 0 ..< rescored {
            scratch.slots[i] = nt_pool_node(pool[i])
            nt_prefetch(vectors.vector(Int(scratch.slots[i])), rowByteCount)
        }
        let functions = nt_distance_for(header.metric.kernelMetric, header.element.kernelElement).pointee
        var query = query, rows = vectors.rows
        let found = functions.scan_slots(&query, &rows, scratch.slots, rescored, .infinity, scratch.keys)
        statistics.rescored += rescored
        nt_sort_keys(scratch.keys, found)
        return (0 ..< min(k, found)).map { Neighbor(key: scratch.keys[$0]) }
    }
}
