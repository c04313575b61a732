/// Rows of one length by number, in equal chunks: row `i` stands at `pointers[i >> shift] + (i & mask) * stride`.
///
/// A plain view: valid as long as what it came from, an ``IndexSnapshot`` or the memory of a build. Chunks are 64-byte
/// aligned, so rows are where the stride is a multiple of 64.
package struct ChunkedRows: @unchecked Sendable {
    /// The payload of each chunk; `chunkCount` of them.
    package let pointers: UnsafePointer<UnsafeRawPointer>
    package let chunkCount: Int
    /// A chunk has room for `1 << shift` rows; the last one may hold fewer.
    package let shift: Int
    /// Bytes from one row to the next.
    package let stride: Int
    /// Rows.
    package let count: Int

    package init(pointers: UnsafePointer<UnsafeRawPointer>, chunkCount: Int, shift: Int, stride: Int, count: Int) {
        self.pointers = pointers
        self.chunkCount = chunkCount
        self.shift = shift
        self.stride = stride
        self.count = count
    }

    /// The address of a row; the caller has checked `i < count`.
    @inline(__always)
    package func row(_ i: Int) -> UnsafeRawPointer {
        pointers[i >> shift] + (i & ((1 << shift) - 1)) * stride
    }

    /// The most bytes that a chunk's rows take, unless one row alone takes more.
    package static let chunkByteCount = 1 << 20

    /// log2 of the rows of a chunk: the largest power of two that fits 1 MiB, at least one row.
    package static func shift(stride: Int) -> Int {
        precondition(stride > 0, "a row has at least one byte")
        let fitting = max(1, chunkByteCount / stride)
        return Int.bitWidth - 1 - fitting.leadingZeroBitCount
    }

    /// Chunks that so many rows take.
    package static func chunkCount(rows: Int, shift: Int) -> Int { (rows + (1 << shift) - 1) >> shift }

    /// Rows that a chunk of an array of `rows` holds: all of its room, but for the last chunk.
    package static func rowCount(chunk: Int, rows: Int, shift: Int) -> Int { min(1 << shift, rows - (chunk << shift)) }
}
