import CNeedletailKernels
import NeedletailStorage

/// Scalar quantization: a component becomes one byte, on one scale for all dimensions.
///
/// Under `l2` a code is `round((x − minimum) / step)`, so that a difference of codes is a difference of values but for the
/// step. Under `cosine` and `dot` it is `128 + round(x / step)`, of the normalised vector under `cosine`. One scale serves all
/// dimensions, since then two rows of codes compare like two vectors: a graph is built from codes alone.
///
/// The range is the one that loses least over a sample: where few components lie far out they are cut off, since a wider
/// step would cost all others more.
package struct SQ8Quantizer: Codable, Sendable, Equatable {
    package let metric: Metric
    package let dimension: Int
    /// The value of code 0 under `l2`; 0 otherwise.
    package let minimum: Float
    /// What one code differs from the next.
    package let step: Float

    package init(metric: Metric, dimension: Int, minimum: Float, step: Float) {
        self.metric = metric
        self.dimension = dimension
        self.minimum = minimum
        self.step = step
    }

    /// Whether distances made of these numbers are finite: they come out of a file.
    package var isValid: Bool { dimension > 0 && minimum.isFinite && step.isFinite && step > 0 && (1 / step).isFinite }

    /// Bytes of a row of codes: the dimension rounded up to whole cache lines.
    package static func rowByteCount(dimension: Int) -> Int { (dimension + 63) / 64 * 64 }
    package var rowByteCount: Int { Self.rowByteCount(dimension: dimension) }

    package static func traversalKind(_ metric: Metric) -> nt_traversal_kind {
        metric == .l2 ? NT_TRAVERSE_SQ8_L2 : NT_TRAVERSE_SQ8_DOT
    }

    // MARK: Rows

    /// The codes of one stored vector.
    ///
    /// - Parameters:
    ///   - norm: as stored beside the vector (read under `cosine` alone).
    ///   - scratch: room for `dimension` floats.
    ///   - codes: room for `rowByteCount` bytes.
    package func encode(
        _ vector: UnsafeRawPointer, element: Element, norm: Float, scratch: UnsafeMutablePointer<Float>, to codes: UnsafeMutableRawPointer
    ) {
        let target = codes.assumingMemoryBound(to: UInt8.self)
        var values = UnsafePointer(scratch)
        if element == .f32 {
            values = UnsafePointer(vector.assumingMemoryBound(to: Float.self))
        } else {
            element.decode(vector, count: dimension, to: scratch)
        }
        switch metric {
        case .l2: nt_sq8_encode_l2(values, dimension, minimum, 1 / step, target, rowByteCount)
        case .dot: nt_sq8_encode_dot(values, dimension, 1 / step, target, rowByteCount)
        case .cosine: nt_sq8_encode_dot(values, dimension, norm / step, target, rowByteCount)
        }
    }

    /// The codes of the vectors of `slots`, each to row `slot` of rows in equal chunks, as in ``ChunkedRows``.
    package func encode(
        _ vectors: VectorBlocks, element: Element, slots: Range<Int>, to chunks: UnsafePointer<UnsafeMutableRawPointer>, shift: Int
    ) {
        let scratch = UnsafeMutablePointer<Float>.allocate(capacity: dimension)
        defer { scratch.deallocate() }
        let mask = (1 << shift) - 1, stride = rowByteCount
        for slot in slots {
            let norm = metric == .cosine ? vectors.norm(slot) : 0
            encode(vectors.vector(slot), element: element, norm: norm, scratch: scratch, to: chunks[slot >> shift] + (slot & mask) * stride)
        }
    }

    // MARK: Queries

    /// A query of floats, on a scale of its own under `cosine` and `dot`.
    ///
    /// - Parameters:
    ///   - query: `dimension` components, finite.
    ///   - inverseNorm: under cosine, one over its length, where that is known.
    ///   - codes: room for `rowByteCount` bytes, 64-byte aligned, which must outlive the result.
    package func prepare(
        _ query: UnsafePointer<Float>, inverseNorm: Float? = nil, codes: UnsafeMutableRawPointer
    ) -> nt_traversal_query {
        let bytes = codes.assumingMemoryBound(to: UInt8.self)
        if metric == .l2 {
            nt_sq8_encode_l2(query, dimension, minimum, 1 / step, bytes, rowByteCount)
            return traversalQuery(codes, scale: step * step, offset: 0, correction: 0)
        }
        // Tiny and zero queries keep a scale whose inverse is finite; their codes are 0.
        let queryStep = max(nt_largest_f32(query, dimension) / 127, 1e-36)
        nt_sq8_encode_dot(query, dimension, 1 / queryStep, bytes, rowByteCount)
        let correction = nt_sq8_query_dot(bytes, dimension, codes.assumingMemoryBound(to: Int8.self), rowByteCount)
        let norm = metric == .cosine ? inverseNorm ?? NeedletailIndex.inverseNorm(squared: nt_sqnorm_f32(query, dimension)) : 1
        return traversalQuery(codes, scale: -(queryStep * norm) * step, offset: metric == .cosine ? 1 : 0, correction: correction)
    }

    /// A row of codes as a query, as a build compares rows.
    ///
    /// - Parameter codes: as above; not written under `l2`, where the result refers to `row` itself.
    package func prepare(row: UnsafeRawPointer, codes: UnsafeMutableRawPointer) -> nt_traversal_query {
        if metric == .l2 { return traversalQuery(row, scale: step * step, offset: 0, correction: 0) }
        let correction = nt_sq8_query_dot(
            row.assumingMemoryBound(to: UInt8.self), dimension, codes.assumingMemoryBound(to: Int8.self), rowByteCount)
        return traversalQuery(codes, scale: -step * step, offset: metric == .cosine ? 1 : 0, correction: correction)
    }

    private func traversalQuery(_ codes: UnsafeRawPointer, scale: Float, offset: Float, correction: Int32) -> nt_traversal_query {
        nt_traversal_query(
            codes: codes, byte_count: rowByteCount, scale: scale, offset: offset, correction: correction, functions: nil,
            vector: nt_query(vector: nil, dimension: dimension, inverse_norm: 0))
    }
}
