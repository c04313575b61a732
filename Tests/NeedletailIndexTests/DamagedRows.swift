import NeedletailStorage
import NeedletailTestSupport

/// Copies of an index's arrays that a test can damage.
final class DamagedRows {
    private var memory: [UnsafeMutableRawPointer] = []
    private var tables: [UnsafeMutablePointer<UnsafeRawPointer>] = []
    private(set) var rows: [ChunkedRows] = []

    init(copying arrays: [ChunkedRows]) {
        for array in arrays {
            let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(array.count * array.stride, 64), alignment: 64)
            for i in 0 ..< array.count { (bytes + i * array.stride).copyMemory(from: array.row(i), byteCount: array.stride) }
            let table = UnsafeMutablePointer<UnsafeRawPointer>.allocate(capacity: max(array.chunkCount, 1))
            for chunk in 0 ..< array.chunkCount { (table + chunk).initialize(to: UnsafeRawPointer(bytes + (chunk << array.shift) * array.stride)) }
            memory.append(bytes)
            tables.append(table)
            rows.append(ChunkedRows(pointers: UnsafePointer(table), chunkCount: array.chunkCount, shift: array.shift, stride: array.stride, count: array.count))
        }
    }

    deinit {
        for bytes in memory { bytes.deallocate() }
        for table in tables { table.deallocate() }
    }

    func row(_ array: Int, _ row: Int) -> UnsafeMutableRawPointer { memory[array] + row * rows[array].stride }

    /// Makes some 32-bit words random.
    func randomize(share: Double, using random: inout SeededGenerator) {
        for (array, rows) in rows.enumerated() {
            for i in 0 ..< rows.count {
                for offset in stride(from: 0, to: rows.stride, by: 4) where Double.random(in: 0 ..< 1, using: &random) < share {
                    let small = Bool.random(using: &random)
                    row(array, i).storeBytes(of: UInt32.random(in: 0 ... (small ? 3000 : .max), using: &random), toByteOffset: offset, as: UInt32.self)
                }
            }
        }
    }
}
