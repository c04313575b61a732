import CNeedletailKernels
import NeedletailStorage

/// The distances that a build compares: between rows of one table, stored vectors or their codes, any of which can be the query.
struct BuildSpace: @unchecked Sendable {
    let functions: nt_traversal
    /// What distances are computed of, by slot.
    let rows: nt_rows
    private let vectors: VectorBlocks
    private let dimension: Int
    private let metric: Metric
    private let element: Element
    private let distances: UnsafePointer<nt_distance>?
    private let quantizer: SQ8Quantizer?
    private let codes: ChunkedRows

    /// - Parameters:
    ///   - quantizer: nil where distances are those of the stored vectors.
    ///   - codes: a row for each slot, where there is a quantizer.
    init(_ source: HNSWSource, quantizer: SQ8Quantizer?, codes: ChunkedRows) {
        functions = nt_traversal_for(quantizer == nil ? NT_TRAVERSE_VECTORS : SQ8Quantizer.traversalKind(source.metric)).pointee
        rows = quantizer == nil ? source.vectors.rows : codes.rows
        vectors = source.vectors
        dimension = source.dimension
        metric = source.metric
        element = source.element
        distances = nt_distance_for(metric.kernelMetric, element.kernelElement)
        self.quantizer = quantizer
        self.codes = codes
    }

    /// Bytes that `query` may need to convert a row.
    var queryByteCount: Int { (dimension * MemoryLayout<Float>.stride + 63) / 64 * 64 }

    /// A row as the query. What must be converted goes to `buffer`, 64-byte aligned, and stays valid until the next one does.
    @inline(__always)
    func query(_ slot: UInt32, buffer: UnsafeMutableRawPointer) -> nt_traversal_query {
        if let quantizer { return quantizer.prepare(row: codes.row(Int(slot)), codes: buffer) }
        let vector = vectors.vector(Int(slot))
        var query = nt_traversal_query()
        query.functions = distances
        query.vector.dimension = dimension
        query.vector.inverse_norm = metric == .cosine ? vectors.norm(Int(slot)) : 0
        query.vector.vector = vector
        if element == .f16 {
            nt_widen_f16(vector.assumingMemoryBound(to: UInt16.self), buffer.assumingMemoryBound(to: Float.self), dimension)
            query.vector.vector = UnsafeRawPointer(buffer)
        }
        return query
    }
}

/// The vectors that a graph is built over.
package struct HNSWSource: @unchecked Sendable {
    package let vectors: VectorBlocks
    package let dimension: Int
    package let metric: Metric
    package let element: Element
    /// Bit set = slot left out; nil: none is. At least `vectors.count` bits in whole words, valid during the build.
    package let deleted: UnsafeBufferPointer<UInt64>?

    package init(vectors: VectorBlocks, dimension: Int, metric: Metric, element: Element, deleted: UnsafeBufferPointer<UInt64>? = nil) {
        precondition(dimension > 0 && vectors.stride >= dimension * element.byteCount, "a row holds a vector")
        precondition(deleted.map { $0.count >= (vectors.count + 63) / 64 } ?? true, "the deletion bitmap covers every slot")
        self.vectors = vectors
        self.dimension = dimension
        self.metric = metric
        self.element = element
        self.deleted = deleted
    }

    @inline(__always)
    func isDeleted(_ slot: Int) -> Bool {
        guard let deleted else { return false }
        return deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1
    }

    /// How many of the slots below `end` are left out.
    func deletedCount(below end: Int) -> Int {
        guard let deleted, end > 0 else { return 0 }
        let words = end / 64, rest = end % 64
        let whole = deleted[..<words].reduce(0) { $0 + $1.nonzeroBitCount }
        return rest == 0 ? whole : whole + (deleted[words] & (1 << UInt64(rest) - 1)).nonzeroBitCount
    }
}
