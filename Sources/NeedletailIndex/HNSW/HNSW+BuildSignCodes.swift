import CNeedletailKernels
import NeedletailStorage

extension HNSWBuilder {
    /// Rows that the centre of sign codes is the mean of, at most.
    private static let centreSampleCount = 4096

    /// The arrays of sign codes: their centre, rotated, and a row for each slot. Taken over, but for new slots, from the graph
    /// that this one extends.
    ///
    /// - Complexity: a rotation for each slot that is encoded.
    func signCodes(_ header: inout HNSWHeader, base: HNSWGraph?) throws(HNSWBuildError) -> [MutableRows] {
        guard header.quantization != .none else {
            return [try MutableRows(stride: 64, count: 0), try MutableRows(stride: 64, count: 0)]
        }
        let seed = base?.header.signRotationSeed ?? header.neighborCodes?.rotationSeed ?? header.seed
        header.signRotationSeed = seed
        let rotation = RaBitQRotation(seed: seed, dimension: header.dimension)
        let encoder = SignEncoder(source, rotation: rotation)
        let centre = try MutableRows(stride: 4, count: rotation.rotatedDimension)
        let values = centre.row(0).bindMemory(to: Float.self, capacity: rotation.rotatedDimension)
        let old = base?.signs
        if let base, old != nil {
            for i in 0 ..< rotation.rotatedDimension { values[i] = base.tables[i] }
        } else {
            encoder.centre(sampling: Self.centreSampleCount, to: values)
        }
        let stride = nt_sign_row_bytes(rotation.rotatedDimension), covered = old.map { _ in base?.header.count ?? 0 } ?? 0
        let rows = try MutableRows(stride: stride, count: header.count, extending: old?.first(covered))
        let scratch = SignEncoder.Scratch(threads: crew.threads, rotatedDimension: rotation.rotatedDimension)
        defer { scratch.deallocate() }
        try crew.forEach(.codes, count: header.count - covered, batch: 256) { worker, number in
            encoder.encode(covered + number, centre: values, scratch: scratch, worker: worker, to: rows.row(covered + number))
        }
        return [centre, rows]
    }
}

/// Encodes vectors as signs of their rotated difference from a centre.
struct SignEncoder {
    private let source: HNSWSource
    private let rotation: RaBitQRotation
    private let functions: nt_rabitq

    init(_ source: HNSWSource, rotation: RaBitQRotation) {
        self.source = source
        self.rotation = rotation
        functions = nt_rabitq_current().pointee
    }

    /// Memory of all threads: two vectors for each.
    struct Scratch {
        fileprivate let floats: UnsafeMutablePointer<Float>
        fileprivate let rotatedDimension: Int

        init(threads: Int, rotatedDimension: Int) {
            self.rotatedDimension = rotatedDimension
            floats = UnsafeMutableRawPointer.allocate(byteCount: 8 * rotatedDimension * threads, alignment: 64)
                .bindMemory(to: Float.self, capacity: 2 * rotatedDimension * threads)
        }

        func deallocate() { floats.deallocate() }
    }

    /// The mean of an even sample of live rows, rotated.
    func centre(sampling limit: Int, to centre: UnsafeMutablePointer<Float>) {
        let scratch = Scratch(threads: 1, rotatedDimension: rotation.rotatedDimension)
        defer { scratch.deallocate() }
        let dimension = source.dimension, count = source.vectors.count
        var sum = [Double](repeating: 0, count: dimension)
        var sampled = 0
        for number in 0 ..< min(limit, count) {
            let slot = number * count / min(limit, count)
            if source.isDeleted(slot) { continue }
            read(slot, to: scratch.floats)
            for i in 0 ..< dimension { sum[i] += Double(scratch.floats[i]) }
            sampled += 1
        }
        for i in 0 ..< dimension { scratch.floats[i] = sampled == 0 ? 0 : Float(sum[i] / Double(sampled)) }
        var kernel = rotation.kernel
        functions.rotate(&kernel, scratch.floats, centre)
        // Values beyond the range of f32 have no mean in it.
        if !(0 ..< rotation.rotatedDimension).allSatisfy({ centre[$0].isFinite }) {
            for i in 0 ..< rotation.rotatedDimension { centre[i] = 0 }
        }
    }

    func encode(
        _ slot: Int, centre: UnsafePointer<Float>, scratch: Scratch, worker: Int, to row: UnsafeMutableRawPointer
    ) {
        let vector = scratch.floats + 2 * scratch.rotatedDimension * worker, rotated = vector + scratch.rotatedDimension
        read(slot, to: vector)
        var kernel = rotation.kernel
        functions.rotate(&kernel, vector, rotated)
        var product: Float = 0
        for i in 0 ..< scratch.rotatedDimension {
            product += centre[i] * rotated[i]
            rotated[i] -= centre[i]
        }
        nt_sign_encode(rotated, scratch.rotatedDimension, source.metric.kernelMetric, product, row)
    }

    /// A stored vector as floats, of length 1 under `cosine`.
    private func read(_ slot: Int, to vector: UnsafeMutablePointer<Float>) {
        source.element.decode(source.vectors.vector(slot), count: source.dimension, to: vector)
        guard source.metric == .cosine else { return }
        let norm = source.vectors.norm(slot)
        for i in 0 ..< source.dimension { vector[i] *= norm }
    }
}
