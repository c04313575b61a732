import CNeedletailKernels
import NeedletailStorage

/// From a vector as stored to the space in which it is clustered and coded: to unit length under cosine, less the mean of all
/// vectors, rotated where the index is, and filled up with zeros. Distances stay as they are.
///
/// The mean is taken away because tables hold −2q·r for parts r of a residual: the shorter q is, the finer their bytes.
/// A query under dot keeps the mean, which then only adds the same to all distances.
final class IVFPQTransform: @unchecked Sendable {
    let metric: Metric
    let dimension: Int
    let paddedDimension: Int
    let mean: FloatMatrix
    /// `paddedDimension × paddedDimension`, row i makes component i; nil: none.
    let rotation: FloatMatrix?
    /// A rotation that a seed makes; nil: none.
    let randomRotation: RaBitQRotation?
    private let packed: UnsafeMutablePointer<Float>?

    init(metric: Metric, dimension: Int, mean: FloatMatrix, rotation: FloatMatrix?, randomRotation: RaBitQRotation? = nil) {
        self.metric = metric
        self.dimension = dimension
        paddedDimension = mean.columns
        self.mean = mean
        self.rotation = rotation
        self.randomRotation = randomRotation
        if let rotation {
            let packed = UnsafeMutablePointer<Float>.allocate(capacity: nt_sgemm_packed_count(paddedDimension, paddedDimension))
            nt_sgemm_pack(rotation.base, 1, paddedDimension, paddedDimension, paddedDimension, packed)
            self.packed = packed
        } else {
            packed = nil
        }
    }

    var rotates: Bool { packed != nil || randomRotation != nil }

    deinit { packed?.deallocate() }

    /// Rows that ``place`` has put at `rows`, `count × paddedDimension`: rotated, in place. `scratch` has room for as many.
    func rotate(_ rows: UnsafeMutablePointer<Float>, count: Int, scratch: UnsafeMutablePointer<Float>) {
        if let randomRotation {
            var kernel = randomRotation.kernel
            let rotate = nt_rabitq_current().pointee.rotate
            for row in 0 ..< count { rotate?(&kernel, rows + row * paddedDimension, scratch + row * paddedDimension) }
            rows.update(from: scratch, count: count * paddedDimension)
            return
        }
        guard let packed else { return }
        nt_sgemm(rows, paddedDimension, count, packed, paddedDimension, paddedDimension, scratch, paddedDimension)
        rows.update(from: scratch, count: count * paddedDimension)
    }

    /// A stored vector, all but rotated. Returns whether it is finite.
    @discardableResult
    func place(_ vector: UnsafeRawPointer, _ element: Element, inverseNorm: Float, to row: UnsafeMutablePointer<Float>) -> Bool {
        element.decode(vector, count: dimension, to: row)
        return finish(row, inverseNorm: inverseNorm, keepsMean: false)
    }

    /// A query, all but rotated.
    func place(query: UnsafePointer<Float>, to row: UnsafeMutablePointer<Float>) {
        row.update(from: query, count: dimension)
        var scale: Float = 1
        if metric == .cosine { scale = NeedletailIndex.inverseNorm(squared: nt_sqnorm_f32(query, dimension)) }
        finish(row, inverseNorm: scale, keepsMean: metric == .dot)
    }

    @discardableResult
    private func finish(_ row: UnsafeMutablePointer<Float>, inverseNorm: Float, keepsMean: Bool) -> Bool {
        let mean = mean.base
        let scale: Float = metric == .cosine ? inverseNorm : 1
        var check: Float = 0
        if keepsMean {
            for i in 0 ..< dimension { check += row[i] * 0 }
        } else {
            for i in 0 ..< dimension {
                row[i] = row[i] * scale - mean[i]
                check += row[i] * 0
            }
        }
        for i in dimension ..< paddedDimension { row[i] = 0 }
        return check == 0
    }
}

/// Where an index's vectors come from.
package struct IVFPQSource: Sendable {
    package let vectors: VectorBlocks
    package let dimension: Int
    package let metric: Metric
    package let element: Element
    /// Bit by slot; the words outlive the build.
    nonisolated(unsafe) let deleted: UnsafePointer<UInt64>?

    package init(vectors: VectorBlocks, dimension: Int, metric: Metric, element: Element, deleted: UnsafeBufferPointer<UInt64>? = nil) {
        self.vectors = vectors
        self.dimension = dimension
        self.metric = metric
        self.element = element
        self.deleted = deleted?.baseAddress
    }

    @inline(__always)
    func isDeleted(_ slot: Int) -> Bool {
        guard let deleted else { return false }
        return deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1
    }

    /// Puts a slot's vector where a transform wants it. Returns whether it is finite.
    @inline(__always)
    func place(_ slot: Int, _ transform: IVFPQTransform, to row: UnsafeMutablePointer<Float>) -> Bool {
        transform.place(vectors.vector(slot), element, inverseNorm: metric == .cosine ? vectors.norm(slot) : 1, to: row)
    }

    /// `wanted` slots that are not deleted out of a range, or all where there are no more, in random order.
    func sample(_ wanted: Int, from slots: Range<Int>, random: inout SplitMix64) -> [UInt32] {
        var live = slots.count
        if deleted != nil { live = slots.reduce(0) { $0 + (isDeleted($1) ? 0 : 1) } }
        var chosen: [UInt32] = []
        var needed = min(wanted, live)
        chosen.reserveCapacity(needed)
        // Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S.
        for slot in slots where needed > 0 && !isDeleted(slot) {
            if random.fraction() * Double(live) < Double(needed) {
                chosen.append(UInt32(slot))
                needed -= 1
            }
            live -= 1
        }
        chosen.shuffle(using: &random)
        return chosen
    }
}
