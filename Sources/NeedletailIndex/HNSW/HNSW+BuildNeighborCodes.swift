import CNeedletailKernels
import NeedletailStorage
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension HNSWBuilder {
    /// The blocks of a graph whose lists are final: encoded, or as far as neighbours are the same taken over from the graph that this
    /// one extends.
    ///
    /// - Complexity: a rotation for each entry of a list.
    func neighborBlocks(_ header: inout HNSWHeader, links: ChunkedRows, base: HNSWGraph?) throws(HNSWBuildError) -> any BuiltRows {
        let seed = base?.header.neighborCodes?.rotationSeed ?? header.seed
        let rotation = RaBitQRotation(seed: seed, dimension: header.dimension)
        let encoder = NeighborBlocks(header, rotation: rotation)
        let covered = base?.header.count ?? 0, degree = header.degree, vectors = source.vectors
        let old = base.map { (links: $0.links, blocks: $0.neighborBlocks) }
        let stride = NeighborBlocks.stride(degree: header.degree, dimension: header.dimension)
        let blocks: any BuiltRows =
            if let old { try PatchedRows(old.blocks, first: covered, count: header.count) }
            else { try MutableRows(stride: stride, count: header.count) }
        let scratches = UnsafeMutablePointer<NeighborBlocks.Scratch>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (scratches + worker).initialize(to: NeighborBlocks.Scratch(rotatedDimension: rotation.rotatedDimension, degree: encoder.degree))
        }
        defer {
            for worker in 0 ..< crew.threads { scratches[worker].deallocate() }
            scratches.deallocate()
        }
        // 64 nodes at a time: which of them have other lists than before is seen first, so that what they need can be asked for ahead.
        let count = header.count, blockStride = stride
        try crew.forEach(.codes, count: (count + 63) / 64, batch: 4) { worker, word in
            var nodes: UInt64 = 0
            for slot in 64 * word ..< min(64 * word + 64, count) {
                // Lists lie closer together than blocks, and a block was made of its list.
                if let old, slot < covered, memcmp(links.row(slot), old.links.row(slot), 4 * degree) == 0 { continue }
                nodes |= 1 << UInt64(slot & 63)
            }
            while nodes != 0 {
                let slot = 64 * word + nodes.trailingZeroBitCount
                nodes &= nodes - 1
                if nodes != 0 {
                    let next = 64 * word + nodes.trailingZeroBitCount
                    nt_prefetch(vectors.vector(next), vectors.stride)
                    if let old, next < covered { nt_prefetch(old.blocks.row(next), blockStride) }
                }
                encoder.encode(
                    links.row(slot).assumingMemoryBound(to: UInt32.self), of: slot, in: vectors,
                    keeping: slot < covered ? old?.blocks.row(slot) : nil, scratch: &scratches[worker], to: blocks.writableRow(slot))
            }
        }
        let largest = (0 ..< crew.threads).reduce(0.0) { max($0, scratches[$1].largestSquare) }.squareRoot()
        header.neighborCodes = NeighborCodes(
            rotationSeed: seed, largestNorm: max(Float(largest), base?.header.neighborCodes?.largestNorm ?? 0))
        return blocks
    }

    /// Encodes the blocks of nodes anew whose lists have changed since.
    func updateNeighborBlocks(of built: HNSWBuild) throws(HNSWBuildError) {
        guard let codes = built.header.neighborCodes else { return }
        let rotation = RaBitQRotation(seed: codes.rotationSeed, dimension: built.header.dimension)
        let encoder = NeighborBlocks(built.header, rotation: rotation), vectors = source.vectors
        let links = built.rows[HNSWArray.links.rawValue], blocks = built.arrays[HNSWArray.neighborBlocks.rawValue], view = blocks.view
        let scratches = UnsafeMutablePointer<NeighborBlocks.Scratch>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (scratches + worker).initialize(to: NeighborBlocks.Scratch(rotatedDimension: rotation.rotatedDimension, degree: encoder.degree))
        }
        defer {
            for worker in 0 ..< crew.threads { scratches[worker].deallocate() }
            scratches.deallocate()
        }
        try crew.forEach(.codes, count: built.header.count, batch: 256) { worker, slot in
            let list = links.row(slot).assumingMemoryBound(to: UInt32.self), block = view.row(slot)
            if encoder.isBlock(block, of: list) { return }
            encoder.encode(list, of: slot, in: vectors, keeping: block, scratch: &scratches[worker], to: blocks.writableRow(slot))
        }
    }
}
