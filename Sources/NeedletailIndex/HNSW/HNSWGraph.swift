import CNeedletailKernels
import NeedletailStorage

/// An HNSW index where it lies: in the memory map, or in the memory of a build.
///
/// Making one checks the header against the arrays, so that no search, whatever the lists hold, reads outside them: a
/// number in a list is compared with the count before it is followed, and nothing else in the arrays is an address.
package struct HNSWGraph: @unchecked Sendable {
    package let header: HNSWHeader
    package let links: NodeRows
    package let upperNodes: ChunkedRows
    package let upperLinks: ChunkedRows
    package let codes: ChunkedRows
    package let neighborBlocks: NodeRows
    package let signs: ChunkedRows?
    let tableRows: ChunkedRows?
    /// The numbers in them.
    package let tables: [Float]
    /// The vectors as stored; may hold more rows than the graph covers.
    package let vectors: VectorBlocks
    /// Of vectors before they became neighbour codes.
    private(set) var rotation: RaBitQRotation?
    /// Of vectors before they became sign codes; nil where there are none.
    private(set) var signRotation: RaBitQRotation?

    /// - Parameters:
    ///   - arrays: by ``HNSWArray``; one that is not used has no rows.
    /// - Throws: where the header's values are out of range or do not fit the arrays.
    package init(header: HNSWHeader, arrays: [ChunkedRows], vectors: VectorBlocks) throws(HNSWError) {
        guard arrays.count > HNSWArray.neighborBlocks.rawValue else { throw HNSWError("an array of the index is missing") }
        self.header = header
        func changed(_ array: HNSWArray) -> ChunkedRows? {
            arrays.count > array.rawValue && arrays[array.rawValue].count > 0 ? arrays[array.rawValue] : nil
        }
        let changes = changed(.changes), changedLinks = changed(.changedLinks), changedBlocks = changed(.changedBlocks)
        links = NodeRows(arrays[HNSWArray.links.rawValue], changes: changes, changed: changedLinks)
        upperNodes = arrays[HNSWArray.upperNodes.rawValue]
        upperLinks = arrays[HNSWArray.upperLinks.rawValue]
        codes = arrays[HNSWArray.codes.rawValue]
        neighborBlocks = NodeRows(arrays[HNSWArray.neighborBlocks.rawValue], changes: changes, changed: changedBlocks)
        // An index without sign codes may lack the array.
        signs = header.signRotationSeed == nil || arrays.count <= HNSWArray.signs.rawValue ? nil : arrays[HNSWArray.signs.rawValue]
        tableRows = arrays.count > HNSWArray.tables.rawValue ? arrays[HNSWArray.tables.rawValue] : nil
        tables = tableRows.map { rows in
            (0 ..< rows.count).flatMap { row in
                UnsafeRawBufferPointer(start: rows.row(row), count: rows.stride / 4 * 4).bindMemory(to: Float.self)
            }
        } ?? []
        self.vectors = vectors
        try validate()
        if changes != nil || changedLinks != nil || changedBlocks != nil { try check(changes, changedLinks, changedBlocks) }
        if header.quantization == .rabitq {
            rotation = header.neighborCodes.map { RaBitQRotation(seed: $0.rotationSeed, dimension: header.dimension) }
        }
        if signs != nil, let seed = header.signRotationSeed {
            // Both kinds of codes have one rotation, unless a merge met an index without signs.
            let isShared = rotation != nil && header.neighborCodes?.rotationSeed == seed
            signRotation = isShared ? rotation : RaBitQRotation(seed: seed, dimension: header.dimension)
        }
    }

    private func validate() throws(HNSWError) {
        let header = header
        guard HNSWHeader.mLimits.contains(header.m) else { throw HNSWError("m is \(header.m)") }
        guard header.dimension > 0, vectors.stride >= header.dimension * header.element.byteCount else {
            throw HNSWError("the dimension \(header.dimension) does not fit the collection")
        }
        guard header.count >= 0, header.count <= min(vectors.count, HNSWHeader.countLimit) else {
            throw HNSWError("\(header.count) slots are covered of \(vectors.count)")
        }
        guard header.upperCount >= 0, header.upperCount <= header.count, header.upperListCount >= header.upperCount,
            header.upperListCount <= header.upperCount * HNSWHeader.maximumLevel, (0 ... HNSWHeader.maximumLevel).contains(header.maxLevel)
        else { throw HNSWError("\(header.upperCount) upper nodes with \(header.upperListCount) lists on \(header.maxLevel) levels") }
        if let entry = header.entrySlot {
            guard entry < header.count else { throw HNSWError("the entry point is slot \(entry) of \(header.count)") }
            if header.maxLevel > 0 {
                guard let upper = header.entryUpper, upper < header.upperCount else { throw HNSWError("the entry point is not an upper node") }
            }
        }
        if let reaches = header.reaches, reaches.count > 64 || !reaches.allSatisfy(\.isValid) {
            throw HNSWError("how far searches reach is out of range")
        }
        try check(links.stored, .links, count: header.count, stride: header.linkStride)
        try check(upperNodes, .upperNodes, count: header.upperCount, stride: HNSWHeader.upperNodeStride)
        try check(upperLinks, .upperLinks, count: header.upperListCount, stride: header.upperLinkStride)
        if header.quantization != .none {
            guard let sq8 = header.sq8, sq8.isValid, sq8.metric == header.metric, sq8.dimension == header.dimension else {
                throw HNSWError("the scale of the codes is missing or does not fit")
            }
            try check(codes, .codes, count: header.count, stride: sq8.rowByteCount)
        }
        if header.quantization == .rabitq {
            guard let neighborCodes = header.neighborCodes, neighborCodes.isValid else {
                throw HNSWError("what is known of the neighbour codes is missing or out of range")
            }
            let stride = NeighborBlocks.stride(degree: header.degree, dimension: header.dimension)
            try check(neighborBlocks.stored, .neighborBlocks, count: header.count, stride: stride)
        }
        try checkSigns()
    }

    /// Every node must be found in the changes, and what has changed must be there in every form.
    private func check(_ changes: ChunkedRows?, _ links: ChunkedRows?, _ blocks: ChunkedRows?) throws(HNSWError) {
        guard let changes, let links, (blocks != nil) == (header.quantization == .rabitq), blocks.map({ $0.count == links.count }) ?? true else {
            throw HNSWError("an array of the lists that have changed is missing")
        }
        try check(changes, .changes, count: (header.count + 63) / 64, stride: MemoryLayout<nt_changes>.stride)
        try check(links, .changedLinks, count: 0, stride: header.linkStride)
        if let blocks { try check(blocks, .changedBlocks, count: 0, stride: neighborBlocks.stored.stride) }
    }

    private func checkSigns() throws(HNSWError) {
        guard header.signRotationSeed != nil else { return }
        let rotatedDimension = nt_rabitq_dimension(header.dimension)
        guard let signs else { throw HNSWError("the array of sign codes is missing") }
        try check(signs, .signs, count: header.count, stride: nt_sign_row_bytes(rotatedDimension))
        guard header.quantization != .none, tables.count >= rotatedDimension, tables.allSatisfy(\.isFinite) else {
            throw HNSWError("the centre of the sign codes is missing or not finite")
        }
    }

    private func check(_ rows: ChunkedRows, _ array: HNSWArray, count: Int, stride: Int) throws(HNSWError) {
        guard rows.count >= count, rows.count == 0 || rows.stride == stride else {
            throw HNSWError("array \(array) holds \(rows.count) rows of \(rows.stride) bytes, not \(count) of \(stride)")
        }
    }
}

extension ChunkedRows {
    /// As the kernels take it.
    var rows: nt_rows {
        // A C array of non-null pointers imports as one of optional pointers, which have the same layout.
        let chunks = UnsafeRawPointer(pointers).assumingMemoryBound(to: UnsafeRawPointer?.self)
        return nt_rows(blocks: chunks, stride: stride, block_shift: UInt32(shift))
    }
}

extension HNSWGraph {
    /// What distances are computed of while the graph is traversed.
    var traversalRows: nt_rows { header.quantization == .none ? vectors.rows : codes.rows }

    var traversalKind: nt_traversal_kind {
        header.quantization == .none ? NT_TRAVERSE_VECTORS : SQ8Quantizer.traversalKind(header.metric)
    }

    /// A level as the kernels take it.
    func level(_ level: Int) -> nt_level {
        let upper = level > 0
        return nt_level(
            rows: traversalRows, links: upper ? NodeRows(upperLinks).kernel : links.kernel,
            degree: UInt32(upper ? header.upperDegree : header.degree), count: UInt32(upper ? header.upperCount : header.count),
            level: UInt32(level), nodes: upperNodes.rows, row_count: UInt32(header.count), list_count: UInt32(header.upperListCount))
    }
}
