import CNeedletailKernels

/// The rotation of optimized product quantization (Ge, He, Ke and Sun, 2013, the non-parametric form): codebooks and rotation in
/// turn are made the best for each other.
///
/// The rotation that is best for given codes is the orthogonal factor of Σ ŷ xᵀ, for vectors x and what their codes stand for, ŷ.
/// It is found by the Newton–Schulz iteration, which consists of matrix products, instead of a singular value decomposition.
enum OptimizedRotation {
    private static let rounds = 16
    /// Vectors that it is trained on.
    private static let sampleLimit = 32_768
    /// The share of the rotation before in the next one: it decides where the vectors do not, as they all lie in one plane.
    private static let inertia: Float = 1e-3

    /// - Parameter sample: vectors less their mean, in random order.
    /// - Returns: `columns × columns`; row i makes component i.
    static func train(
        _ sample: FloatMatrix, subspaces: Int, bits: Int, seed: UInt64, crew: TrainingCrew
    ) throws(TrainingError) -> FloatMatrix {
        let dimension = sample.columns
        let count = min(sample.rows, sampleLimit)
        let vectors = FloatMatrix(rows: count, columns: dimension)
        vectors.base.update(from: sample.base, count: vectors.count)
        var rotation = randomRotation(dimension, seed: seed)
        var codewords: FloatMatrix?
        for round in 0 ..< rounds {
            try crew.check()
            let rotated = try product(vectors, transposed: rotation, crew)
            let quantizer = try ProductQuantizer.train(
                rotated, subspaces: subspaces, bits: bits, crew: crew, iterations: codewords == nil ? 8 : 2, from: codewords)
            codewords = quantizer.codewords
            // What the codes stand for takes the place of the rotated vectors.
            try crew.forEach(count, piece: 1024) { _, range in
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: subspaces) { codes in
                    guard let codes = codes.baseAddress else { return }
                    for row in range {
                        quantizer.encode(rotated[row], stride: dimension, count: 1, to: codes)
                        quantizer.decode(codes, to: rotated[row])
                    }
                }
            }
            let correlation = try product(transpose(rotated), transposed: transpose(vectors), crew)
            let pull = inertia * norm(correlation) / Float(dimension).squareRoot()
            for i in 0 ..< correlation.count { correlation.base[i] += pull * rotation.base[i] }
            rotation = try orthogonalFactor(correlation, crew)
            crew.report("rotation", Double(round + 1) / Double(rounds))
        }
        return rotation
    }

    /// A · Bᵀ.
    private static func product(_ a: FloatMatrix, transposed b: FloatMatrix, _ crew: TrainingCrew) throws(TrainingError) -> FloatMatrix {
        let inner = a.columns
        let result = FloatMatrix(rows: a.rows, columns: b.rows)
        let packed = UnsafeMutablePointer<Float>.allocate(capacity: max(1, nt_sgemm_packed_count(inner, b.rows)))
        defer { packed.deallocate() }
        nt_sgemm_pack(b.base, 1, inner, inner, b.rows, packed)
        try crew.forEach(a.rows, piece: 96) { _, range in
            nt_sgemm(a[range.lowerBound], inner, range.count, packed, inner, b.rows, result[range.lowerBound], b.rows)
        }
        return result
    }

    private static func transpose(_ matrix: FloatMatrix) -> FloatMatrix {
        let result = FloatMatrix(rows: matrix.columns, columns: matrix.rows)
        for first in stride(from: 0, to: matrix.rows, by: 16) {
            for column in 0 ..< matrix.columns {
                for row in first ..< min(first + 16, matrix.rows) { result[column][row] = matrix[row][column] }
            }
        }
        return result
    }

    private static func norm(_ matrix: FloatMatrix) -> Float { Float(nt_sqnorm_f32(matrix.base, matrix.count).squareRoot()) }

    /// The nearest matrix with orthonormal columns, but for columns of zeros: X ← 1.5·X − 0.5·X·Xᵀ·X until nothing changes.
    private static func orthogonalFactor(_ matrix: FloatMatrix, _ crew: TrainingCrew) throws(TrainingError) -> FloatMatrix {
        let size = norm(matrix)
        guard size > 0 else { return matrix }
        var x = FloatMatrix(rows: matrix.rows, columns: matrix.columns)
        for i in 0 ..< x.count { x.base[i] = matrix.base[i] / size }
        for _ in 0 ..< 60 {
            let square = try product(x, transposed: x, crew)
            let cube = try product(square, transposed: transpose(x), crew)
            var change: Float = 0
            for i in 0 ..< x.count {
                let next = 1.5 * x.base[i] - 0.5 * cube.base[i]
                change = max(change, abs(next - x.base[i]))
                cube.base[i] = next
            }
            x = cube
            if change < 1e-6 { break }
        }
        return x
    }

    /// Random directions made orthonormal, each by those before it (Gram and Schmidt, twice, which is enough).
    private static func randomRotation(_ dimension: Int, seed: UInt64) -> FloatMatrix {
        var random = SplitMix64(seed: seed)
        let matrix = FloatMatrix(rows: dimension, columns: dimension)
        for row in 0 ..< dimension {
            for i in 0 ..< dimension { matrix[row][i] = (0 ..< 4).reduce(Float(-2)) { sum, _ in sum + Float(random.fraction()) } }
            for _ in 0 ..< 2 {
                for other in 0 ..< row {
                    let share = nt_dot_f32(matrix[row], matrix[other], dimension)
                    for i in 0 ..< dimension { matrix[row][i] -= share * matrix[other][i] }
                }
                let scale = Float(1 / nt_sqnorm_f32(matrix[row], dimension).squareRoot())
                for i in 0 ..< dimension { matrix[row][i] *= scale }
            }
        }
        return matrix
    }
}
