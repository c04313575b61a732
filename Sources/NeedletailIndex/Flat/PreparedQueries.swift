import CNeedletailKernels

/// Queries in the form that the kernels take: f32 as they came, or rounded to int8 for rows of i8, with inverse norms under cosine.
///
/// Borrows the memory of the queries; owns what it converts.
struct PreparedQueries: ~Copyable {
    let queries: UnsafeMutablePointer<nt_query>
    let count: Int
    private let converted: UnsafeMutablePointer<Int8>?

    /// - Parameter vectors: `count × dimension`, row-major.
    init(_ vectors: UnsafePointer<Float>, count: Int, dimension: Int, metric: Metric, element: Element) {
        self.count = count
        queries = .allocate(capacity: count)
        converted = element == .i8 ? .allocate(capacity: count * dimension) : nil
        for i in 0 ..< count {
            let source = vectors + i * dimension
            var query = nt_query(vector: source, dimension: dimension, inverse_norm: 0)
            if let converted {
                let target = converted + i * dimension
                nt_narrow_i8(source, target, dimension)
                query.vector = UnsafeRawPointer(target)
                if metric == .cosine {
                    query.inverse_norm = inverseNorm(squared: Element.i8.squaredNorm(of: target, dimension: dimension))
                }
            } else if metric == .cosine {
                query.inverse_norm = inverseNorm(squared: Element.f32.squaredNorm(of: source, dimension: dimension))
            }
            (queries + i).initialize(to: query)
        }
    }

    deinit {
        queries.deallocate()
        converted?.deallocate()
    }
}
