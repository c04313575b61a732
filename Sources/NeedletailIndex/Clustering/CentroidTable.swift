import CNeedletailKernels

/// Centroids packed for the matrix product that finds the nearest of each row: ‖c‖² − 2x·c, which orders as ‖x − c‖² does.
final class CentroidTable: @unchecked Sendable {
    let count: Int
    let dimension: Int
    private let packed: UnsafeMutablePointer<Float>
    private let norms: UnsafeMutablePointer<Float>

    /// Rows of a tile, and centroids whose products with it are in the second-level cache at once.
    static let tileRows = 48
    private static let tileColumns = 1024

    /// - Parameters:
    ///   - centroids: `count × dimension`, row-major; copied.
    ///   - scale: of the products: −2 for L2; −1, without norms, for the dot product.
    init(_ centroids: UnsafePointer<Float>, count: Int, dimension: Int, metric: Metric = .l2) {
        self.count = count
        self.dimension = dimension
        let packedCount = nt_sgemm_packed_count(dimension, count)
        packed = .allocate(capacity: max(packedCount, 1))
        norms = .allocate(capacity: count)
        nt_sgemm_pack(centroids, 1, dimension, dimension, count, packed)
        let scale: Float = metric == .dot ? -1 : -2
        for i in 0 ..< packedCount { packed[i] *= scale }
        for i in 0 ..< count { norms[i] = metric == .dot ? 0 : Float(nt_sqnorm_f32(centroids + i * dimension, dimension)) }
    }

    deinit {
        packed.deallocate()
        norms.deallocate()
    }

    /// Floats of scratch that a call of ``assign`` needs.
    var scratchCount: Int { Self.tileRows * min(count, Self.tileColumns) }

    /// The nearest centroid of each row, and its distance less ‖x‖²; ties go to the lower centroid. A row of NaN keeps label 0.
    ///
    /// - Parameters:
    ///   - rows: `rowCount` rows, `stride` floats apart.
    ///   - scratch: room for ``scratchCount`` floats.
    func assign(
        _ rows: UnsafePointer<Float>, stride: Int, rowCount: Int, labels: UnsafeMutablePointer<UInt32>,
        distances: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        labels.update(repeating: 0, count: rowCount)
        distances.update(repeating: .infinity, count: rowCount)
        for firstRow in Swift.stride(from: 0, to: rowCount, by: Self.tileRows) {
            let height = min(Self.tileRows, rowCount - firstRow)
            for firstColumn in Swift.stride(from: 0, to: count, by: Self.tileColumns) {
                let width = min(Self.tileColumns, count - firstColumn)
                products(rows + firstRow * stride, stride: stride, rowCount: height, columns: firstColumn ..< firstColumn + width, to: scratch)
                nt_argmin_rows(scratch, width, height, width, UInt32(firstColumn), distances + firstRow, labels + firstRow)
            }
        }
    }

    /// Distances less ‖x‖² of rows to a range of centroids that starts at a multiple of 32; `rowCount × columns.count`.
    func products(
        _ rows: UnsafePointer<Float>, stride: Int, rowCount: Int, columns: Range<Int>, to products: UnsafeMutablePointer<Float>
    ) {
        var epilogue = nt_sgemm_epilogue()
        epilogue.bias = UnsafePointer(norms + columns.lowerBound)
        nt_sgemm_fused(
            rows, stride, rowCount, packed + columns.lowerBound * dimension, dimension, columns.count, products, columns.count, &epilogue)
    }
}
