import CNeedletailKernels

/// The queries of one pass: as the exact kernels take them, packed for the matrix product, and the terms of their bounds.
struct QueryBatch: ~Copyable {
    /// Queries that are multiplied at once: their products with a tile of rows fit the second-level cache.
    static let groupQueries = 256

    let queries: PreparedQueries
    let count: Int
    let bounds: DistanceBounds
    let terms: UnsafeMutablePointer<DistanceBounds.QueryTerms>
    private let packed: UnsafeMutablePointer<Float>
    private let groupStride: Int

    var groupCount: Int { (count + Self.groupQueries - 1) / Self.groupQueries }

    /// - Parameter vectors: `count × index.dimension`, row-major.
    init(_ vectors: UnsafePointer<Float>, count: Int, index: FlatIndex) {
        let dimension = index.dimension
        self.count = count
        queries = PreparedQueries(vectors, count: count, dimension: dimension, metric: index.metric, element: index.element)
        bounds = DistanceBounds(metric: index.metric, dimension: dimension)
        terms = .allocate(capacity: count)
        groupStride = nt_sgemm_packed_count(dimension, min(count, Self.groupQueries))
        packed = .allocate(capacity: groupStride * ((count + Self.groupQueries - 1) / Self.groupQueries))

        // What is multiplied: the queries as the kernels see them (rounded, for rows of i8), of unit length but for L2.
        let scaled = UnsafeMutablePointer<Float>.allocate(capacity: count * dimension)
        defer { scaled.deallocate() }
        for i in 0 ..< count {
            let target = scaled + i * dimension
            let stored: Element = index.element == .i8 ? .i8 : .f32
            if let vector = queries.queries[i].vector { stored.decode(vector, count: dimension, to: target) }
            let squared = Element.f32.squaredNorm(of: target, dimension: dimension)
            (terms + i).initialize(to: bounds.queryTerms(squaredNorm: squared))
            if index.metric != .l2, squared > 0 {
                let factor = 1 / squared.squareRoot()
                for j in 0 ..< dimension { target[j] = Float(Double(target[j]) * factor) }
            }
        }
        for (group, first) in stride(from: 0, to: count, by: Self.groupQueries).enumerated() {
            let width = min(Self.groupQueries, count - first)
            nt_sgemm_pack(
                scaled + first * dimension, 1, dimension, dimension, width, packed + group * groupStride)
        }
    }

    func packedGroup(_ group: Int) -> UnsafePointer<Float> { UnsafePointer(packed + group * groupStride) }

    deinit {
        terms.deallocate()
        packed.deallocate()
    }
}

/// Lower bounds of distances out of matrix products.
///
/// With u = 2⁻²⁴ the unit roundoff, a sum of d products in any order differs from the exact one by at most about d·u·‖x‖‖q‖
/// (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.1), be it in the matrix product or in the kernel whose
/// result counts. The bounds below charge both, with something on top for the roundings of norms, factors and limits.
/// A row is excluded where bias(row) + scale(row) · product > limit(query); a NaN anywhere, as overflow makes it, excludes
/// nothing.
///
/// - L2: ‖x‖² − 2x·q + ‖q‖² − ε(‖x‖² + ‖q‖²), with ‖x‖‖q‖ ≤ (‖x‖² + ‖q‖²)/2 and distance ≤ 2(‖x‖² + ‖q‖²).
/// - Cosine: 1 − (x·q/‖q‖)/‖x‖ − ε. Below a length of 2⁻⁵⁰ the kernel's products may underflow, after which ε bounds nothing:
///   such a row, and any row for such a query, is not excluded.
/// - Dot, divided by ‖q‖: −x·q/‖q‖ − ε‖x‖.
struct DistanceBounds {
    /// What a query contributes to its limit.
    struct QueryTerms {
        /// L2: (1 − ε)‖q‖². Otherwise ‖q‖.
        var size: Double
    }

    private let metric: Metric
    private let relativeError: Float
    /// Room for products that underflow.
    private let absoluteError: Double
    /// Shorter vectors have cosines that no bound holds for.
    private static let leastLength = 0x1p-50

    init(metric: Metric, dimension: Int) {
        self.metric = metric
        let sums: Double = metric == .l2 ? 4 : 2.5
        relativeError = Float((sums * Double(dimension) + 64) * 0x1p-24)
        absoluteError = Double(dimension) * 0x1p-145
    }

    func queryTerms(squaredNorm: Double) -> QueryTerms {
        QueryTerms(size: metric == .l2 ? squaredNorm * (1 - Double(relativeError)) : squaredNorm.squareRoot())
    }

    /// - Parameters:
    ///   - norm: as stored beside the row.
    ///   - squaredNorm: ‖x‖² in f32; read under dot alone, which stores no norm.
    @inline(__always)
    func rowTerms(norm: Float, squaredNorm: Float, bias: inout Float, scale: inout Float) {
        switch metric {
        case .l2:
            bias = norm * (1 - relativeError)
            scale = -2
        case .cosine:
            bias = norm > Float(1 / Self.leastLength) ? -.infinity : 0
            scale = -norm
        case .dot:
            // Squares that underflow are charged as if ‖x‖ were 2⁻⁵⁰.
            bias = -relativeError * (squaredNorm < 0x1p-100 ? 0x1p-50 : squaredNorm.squareRoot())
            scale = -1
        }
    }

    @inline(__always)
    func limit(threshold: Float, terms: QueryTerms) -> Float {
        if threshold == .infinity { return .infinity }
        let threshold = Double(threshold)
        switch metric {
        case .l2: return Float(threshold - terms.size + absoluteError)
        case .cosine: return terms.size < Self.leastLength ? .infinity : Float(threshold - 1 + Double(relativeError))
        case .dot:
            // Against a zero query all distances are 0.
            if terms.size == 0 { return .infinity }
            let limit = threshold / terms.size + absoluteError / terms.size
            return max(Float(limit), -.greatestFiniteMagnitude)
        }
    }
}
