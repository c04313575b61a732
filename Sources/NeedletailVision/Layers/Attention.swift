import CNeedletailKernels

/// Multi-head self-attention (Vaswani et al. 2017) with the three projections in one product, as timm keeps it.
package struct Attention: Sendable {
    package let width: Int
    package let headCount: Int
    private let qkv: Linear
    private let projection: Linear

    /// Queries taken at once: their scores against all keys stay in the second-level cache.
    private static let queryRows = 96

    package init(qkv: Linear, projection: Linear, headCount: Int) {
        width = projection.outputCount
        self.headCount = headCount
        self.qkv = qkv
        self.projection = projection
    }

    /// Adds the attention of `normed` (`tokens × width`) to `stream` (`tokens × width`).
    package func callAsFunction(
        _ normed: UnsafePointer<Float>, tokens: Int, addingTo stream: UnsafeMutablePointer<Float>, scratch: AttentionScratch
    ) {
        let headWidth = width / headCount, scale = 1 / Float(headWidth).squareRoot()
        qkv(normed, rows: tokens, to: scratch.qkv)                                              // tokens × 3 · width
        for head in 0 ..< headCount {
            let query = scratch.qkv + head * headWidth
            let key = query + width, value = key + width
            nt_sgemm_pack(key, 1, 3 * width, headWidth, tokens, scratch.keys)                   // headWidth × tokens
            nt_sgemm_pack(value, 3 * width, 1, tokens, headWidth, scratch.values)               // tokens × headWidth
            var first = 0
            while first < tokens {
                let rows = min(Self.queryRows, tokens - first)
                nt_sgemm(query + first * 3 * width, 3 * width, rows, scratch.keys, headWidth, tokens, scratch.scores, scratch.scoreStride)
                nt_softmax_f32(scratch.scores, scratch.scoreStride, rows, tokens, scale)        // rows × tokens
                nt_sgemm(
                    scratch.scores, scratch.scoreStride, rows, scratch.values, tokens, headWidth,
                    scratch.mixed + first * width + head * headWidth, width)                    // rows × headWidth
                first += rows
            }
        }
        projection(scratch.mixed, rows: tokens, to: stream, residual: UnsafePointer(stream))    // tokens × width
    }

    package func makeScratch(tokens: Int, in scratch: Scratch) -> AttentionScratch {
        let headWidth = width / headCount
        // Rows of scores an odd number of cache lines apart do not crowd into a few sets of the cache.
        let scoreStride = ((tokens + 15) / 16 | 1) * 16
        return AttentionScratch(
            qkv: scratch.take(tokens * 3 * width), keys: scratch.take(nt_sgemm_packed_count(headWidth, tokens)),
            values: scratch.take(nt_sgemm_packed_count(tokens, headWidth)),
            scores: scratch.take(min(Self.queryRows, tokens) * scoreStride), scoreStride: scoreStride, mixed: scratch.take(tokens * width))
    }
}

/// Working memory that the attention of all blocks uses in turn.
package struct AttentionScratch {
    let qkv: UnsafeMutablePointer<Float>
    let keys: UnsafeMutablePointer<Float>
    let values: UnsafeMutablePointer<Float>
    let scores: UnsafeMutablePointer<Float>
    let scoreStride: Int
    let mixed: UnsafeMutablePointer<Float>
}
