import CNeedletailKernels
import NeedletailStorage

extension HNSWBuilder {
    /// The blocks of a graph whose lists are final: encoded, or taken over from the graph that this one extends where a list
    /// is the same.
    ///
    /// - Complexity: a rotation for each entry of a list.
    func neighborBlocks(_ header: inout HNSWHeader, links: ChunkedRows, base: HNSWGraph?) throws(HNSWBuildError) -> MutableRows {
        let seed = base?.header.neighborCodes?.rotationSeed ?? header.seed
        let rotation = RaBitQRotation(seed: seed, dimension: header.dimension)
        let encoder = NeighborBlocks(header, rotation: rotation)
        let stride = NeighborBlocks.stride(degree: header.degree, dimension: header.dimension)
        let blocks = try MutableRows(stride: stride, count: header.count)
        let vectors = source.vectors
        let old = base.flatMap { $0.header.neighborCodes == nil ? nil : $0.neighborBlocks }
        let scratches = UnsafeMutablePointer<NeighborBlocks.Scratch>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (scratches + worker).initialize(to: NeighborBlocks.Scratch(rotatedDimension: rotation.rotatedDimension))
        }
        defer {
            for worker in 0 ..< crew.threads { scratches[worker].deallocate() }
            scratches.deallocate()
        }
        let covered = base?.header.count ?? 0
        try crew.forEach(.encode, count: header.count, batch: 256) { worker, slot in
            let list = links.row(slot).assumingMemoryBound(to: UInt32.self)
            let block = blocks.row(slot)
            if let old, slot < covered, encoder.isBlock(old.row(slot), of: list) {
                block.copyMemory(from: old.row(slot), byteCount: stride)
            } else {
                encoder.encode(list, of: slot, in: vectors, scratch: &scratches[worker], to: block)
            }
        }
        let largest = (0 ..< crew.threads).reduce(0.0) { max($0, scratches[$1].largestSquare) }.squareRoot()
        header.neighborCodes = NeighborCodes(
            rotationSeed: seed, largestNorm: max(Float(largest), base?.header.neighborCodes?.largestNorm ?? 0),
            reaches: base?.header.neighborCodes?.reaches ?? [])
        return blocks
    }

    /// Measures how many nodes searches expand by how far they reach.
    ///
    /// Queries are rows of the graph, which find themselves: one more result is asked for.
    static func measureReaches(_ graph: HNSWGraph, deleted: UnsafeBufferPointer<UInt64>?) -> [NeighborCodes.ReachPoint] {
        let header = graph.header, k = 11, sampleCount = 64
        let live = (0 ..< sampleCount).map { $0 * header.count / sampleCount }.filter { slot in
            deleted.map { $0[slot >> 6] >> UInt64(slot & 63) & 1 == 0 } ?? true
        }
        guard header.count > 10 * k, !live.isEmpty else { return [] }
        let scratch = HNSWScratch()
        let query = UnsafeMutablePointer<Float>.allocate(capacity: header.dimension)
        defer { query.deallocate() }
        var points: [NeighborCodes.ReachPoint] = []
        var excess: Float = 0.02
        var reach: Float = 1
        while reach < 16 {
            var statistics = HNSWStatistics()
            for slot in live {
                header.element.decode(graph.vectors.vector(slot), count: header.dimension, to: query)
                let extent = NeighborCodesExtent(reach: reach, budget: 2 * NeighborCodesExtent.largestEf)
                _ = graph.search(query, k: k, extent: extent, allowed: nil, deleted: deleted, scratch, &statistics)
            }
            points.append(.init(reach: reach, hops: max(1, Float(statistics.hops) / Float(live.count))))
            if statistics.hops >= min(NeighborCodesExtent.largestEf, header.count / 2) * live.count { break }
            reach = 1 + excess
            excess *= 1.4
        }
        return points
    }
}
