/// Rows of floats in one piece of memory, row-major, 64-byte aligned.
///
/// Whoever writes does so before sharing it; rows that several threads write are different ones.
final class FloatMatrix: @unchecked Sendable {
    let rows: Int
    let columns: Int
    let base: UnsafeMutablePointer<Float>

    /// All zeros.
    init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        let count = max(rows * columns, 1)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
        base = memory.bindMemory(to: Float.self, capacity: count)
        base.initialize(repeating: 0, count: count)
    }

    deinit { base.deallocate() }

    var count: Int { rows * columns }

    @inline(__always)
    subscript(row: Int) -> UnsafeMutablePointer<Float> { base + row * columns }

    /// Sets a row to that of another matrix.
    func copyRow(_ row: Int, from source: UnsafePointer<Float>) { self[row].update(from: source, count: columns) }
}
