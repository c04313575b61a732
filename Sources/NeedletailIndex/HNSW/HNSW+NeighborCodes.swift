import CNeedletailKernels
import NeedletailStorage

// Search by neighbour codes. A hop estimates the distances of all of a node's neighbours from one block; only nodes that are
// expanded get a distance of their own, from their SQ8 code.
//
// How far it goes is a matter of `SearchExtent`: at recall@10 0.95 of MiniLM embeddings it expands a fifth fewer nodes than a pool
// of fixed size.

/// The memory of a search by neighbour codes.
final class NeighborCodesScratch {
    private(set) var queue: UnsafeMutablePointer<UInt64>
    private(set) var results: UnsafeMutablePointer<UInt64>
    private(set) var best: UnsafeMutablePointer<UInt64>
    private(set) var normalized: UnsafeMutablePointer<Float>
    private(set) var rotated: UnsafeMutablePointer<Float>
    private(set) var tables: UnsafeMutableRawPointer
    private var queueCapacity = 0, resultCapacity = 0, bestCapacity = 0, dimension = 0

    init() {
        queue = .allocate(capacity: 0)
        results = .allocate(capacity: 0)
        best = .allocate(capacity: 0)
        normalized = .allocate(capacity: 0)
        rotated = .allocate(capacity: 0)
        tables = .allocate(byteCount: 0, alignment: 64)
    }

    deinit {
        queue.deallocate()
        results.deallocate()
        best.deallocate()
        normalized.deallocate()
        rotated.deallocate()
        tables.deallocate()
    }

    func reserve(queue: Int, budget: Int, k: Int, dimension: Int) {
        if queue > queueCapacity {
            self.queue.deallocate()
            queueCapacity = queue
            self.queue = .allocate(capacity: queue)
        }
        if budget > resultCapacity {
            results.deallocate()
            resultCapacity = budget
            results = .allocate(capacity: budget)
        }
        if k > bestCapacity {
            best.deallocate()
            bestCapacity = k
            best = .allocate(capacity: k)
        }
        if dimension > self.dimension {
            normalized.deallocate()
            rotated.deallocate()
            tables.deallocate()
            self.dimension = dimension
            normalized = .allocate(capacity: dimension)
            rotated = UnsafeMutableRawPointer.allocate(byteCount: 4 * dimension, alignment: 64)
                .bindMemory(to: Float.self, capacity: dimension)
            tables = .allocate(byteCount: 4 * dimension, alignment: 64)
        }
    }
}

extension HNSWGraph {
    /// Whether a search goes by neighbour codes: only as far as it knows how far to go.
    func usesNeighborCodes(k: Int, ef: Int) -> Bool {
        header.quantization == .rabitq && header.reaches?.isEmpty == false && ef <= SearchExtent.largestEf && k <= SearchExtent.largestEf
    }

    /// The k nearest slots that may be returned, as far as the extent goes, ascending by exact internal distance.
    func search(
        _ query: UnsafePointer<Float>, k: Int, extent: SearchExtent,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?,
        _ scratch: HNSWScratch, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let prepared = prepare(query, scratch)
        scratch.reserve(pool: 1)
        var beam = nt_beam()
        beam.pool = scratch.pool
        // A hop by neighbour codes is cheaper than one among the many nodes of the lowest upper levels.
        let lowest = min(2, header.maxLevel - 1)
        return withUnsafePointer(to: prepared) { prepared in
            enter(prepared, scratch, &beam, above: lowest)
            return searchByNeighborCodes(
                prepared, query, k: k, extent: extent, allowed: allowed, deleted: deleted, scratch, beam, &statistics)
        }
    }

    /// The same from where `enter` has left the first node in the beam.
    func searchByNeighborCodes(
        _ prepared: UnsafePointer<nt_traversal_query>, _ query: UnsafePointer<Float>, k: Int, extent: SearchExtent,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?,
        _ scratch: HNSWScratch, _ entered: nt_beam, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        guard let rotation, let codes = header.neighborCodes else { return [] }
        let memory = scratch.neighborCodes, budget = min(extent.budget, header.count)
        let groups = NeighborBlocks.groupCount(degree: header.degree), group = Int(NT_RABITQ_GROUP)
        // Room enough for a short search to go without thinning its queue out.
        let queueCapacity = max(2 * budget, 1024) + groups * group
        memory.reserve(queue: queueCapacity + 40, budget: budget, k: k, dimension: rotation.rotatedDimension)
        let functions = nt_rabitq_current().pointee
        let signs = prepareTables(query, rotation, functions, memory)

        var level = nt_rabitq_level()
        level.blocks = neighborBlocks.kernel
        level.codes = self.codes.rows
        level.kind = traversalKind
        level.query = prepared
        level.signs = signs
        level.rotated_dimension = rotation.rotatedDimension
        level.groups = UInt32(groups)
        level.count = UInt32(header.count)

        var beam = nt_rabitq_beam()
        beam.queue = memory.queue
        let entry = entered.pool[0]
        beam.queue[0] = nt_key(nt_key_distance(entry), nt_pool_node(entry))
        beam.queue_count = 1
        beam.queue_capacity = queueCapacity
        beam.results = memory.results
        beam.best = memory.best
        beam.k = k
        beam.wanted = k + max(4, k / 4)
        beam.reach = extent.reach
        beam.slack = slack(reach: extent.reach, query, codes)
        beam.budget = budget
        beam.least_rate = extent.leastRate
        beam.seen = entered.seen
        beam.allowed = allowed?.baseAddress
        beam.deleted = deleted?.baseAddress
        functions.search(&level, &beam)
        nt_seen_clear(&beam.seen)
        statistics.hops += Int(entered.hops + beam.hops)
        statistics.distances += Int(entered.distances + beam.distances)
        return rescored(k, beam, query: prepared.pointee.vector, scratch, &statistics)
    }

    /// What is added to the reach: ``slackOfCodes``; under dot, where distances have no zero, also what makes them as l2
    /// distances between vectors that one more dimension gives the norm of the longest.
    private func slack(reach: Float, _ query: UnsafePointer<Float>, _ codes: NeighborCodes) -> Float {
        guard header.metric == .dot else { return slackOfCodes }
        let norm = Float(nt_sqnorm_f32(query, header.dimension).squareRoot())
        return norm * ((header.sq8?.step ?? 0) + (reach - 1) * codes.largestNorm)
    }

    /// The tables that neighbour codes are looked up in.
    private func prepareTables(
        _ query: UnsafePointer<Float>, _ rotation: RaBitQRotation, _ functions: nt_rabitq, _ memory: NeighborCodesScratch
    ) -> nt_rabitq_query {
        var source = query
        if header.metric == .cosine {
            let norm = inverseNorm(squared: nt_sqnorm_f32(query, header.dimension))
            for i in 0 ..< header.dimension { memory.normalized[i] = query[i] * norm }
            source = UnsafePointer(memory.normalized)
        }
        var kernel = rotation.kernel
        functions.rotate(&kernel, source, memory.rotated)
        return functions.prepare(memory.rotated, rotation.rotatedDimension, memory.tables.assumingMemoryBound(to: UInt8.self))
    }

    /// Of the nodes expanded, compares the nearest by code in full precision.
    private func rescored(
        _ k: Int, _ beam: nt_rabitq_beam, query: nt_query, _ scratch: HNSWScratch, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let count = min(beam.result_count, beam.wanted)
        scratch.reserve(rescored: count)
        let rowByteCount = min(vectors.stride, 2048)
        for i in 0 ..< count {
            scratch.slots[i] = nt_key_slot(beam.results[i])
            nt_prefetch(vectors.vector(Int(scratch.slots[i])), rowByteCount)
        }
        let functions = nt_distance_for(header.metric.kernelMetric, header.element.kernelElement).pointee
        var query = query, rows = vectors.rows
        let found = functions.scan_slots(&query, &rows, scratch.slots, count, .infinity, scratch.keys)
        statistics.rescored += count
        nt_sort_keys(scratch.keys, found)
        return (0 ..< min(k, found)).map { Neighbor(key: scratch.keys[$0]) }
    }
}
