import CNeedletailKernels
import NeedletailStorage

extension HNSWBuilder {
    /// The blocks of a graph whose lists are final: encoded, or as far as neighbours are the same taken over from the graph that this
    /// one extends.
    ///
    /// - Complexity: a rotation for each entry of a list.
    func neighborBlocks(_ header: inout HNSWHeader, links: ChunkedRows, base: HNSWGraph?) throws(HNSWBuildError) -> any BuiltRows {
        let seed = base?.header.neighborCodes?.rotationSeed ?? header.seed
        let rotation = RaBitQRotation(seed: seed, dimension: header.dimension)
        let encoder = NeighborBlocks(header, rotation: rotation)
        let covered = base?.header.count ?? 0, old = base?.neighborBlocks.first(covered), vectors = source.vectors
        let stride = NeighborBlocks.stride(degree: header.degree, dimension: header.dimension)
        let blocks: any BuiltRows = if let old { try PatchedRows(old, count: header.count) } else { try MutableRows(stride: stride, count: header.count) }
        let scratches = UnsafeMutablePointer<NeighborBlocks.Scratch>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (scratches + worker).initialize(to: NeighborBlocks.Scratch(rotatedDimension: rotation.rotatedDimension, degree: encoder.degree))
        }
        defer {
            for worker in 0 ..< crew.threads { scratches[worker].deallocate() }
            scratches.deallocate()
        }
        try crew.forEach(.codes, count: header.count, batch: 256) { worker, slot in
            let list = links.row(slot).assumingMemoryBound(to: UInt32.self)
            let before = slot < covered ? old?.row(slot) : nil
            if let before, encoder.isBlock(before, of: list) { return }
            encoder.encode(list, of: slot, in: vectors, keeping: before, scratch: &scratches[worker], to: blocks.writableRow(slot))
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
