import NeedletailStorage

/// Rows that a build writes, in the chunks in which they are installed. The first chunks may be those of an installed
/// array, which are only read.
final class IVFPQRows: @unchecked Sendable {
    let stride: Int
    let count: Int
    let shift: Int
    let sharedChunkCount: Int
    private let table: UnsafeMutablePointer<UnsafeRawPointer>
    private let own: [UnsafeMutableRawPointer]

    /// - Parameter base: rows that the first rows are; its full chunks are shared, and must outlive this object; the rest is copied.
    init(stride: Int, count: Int, extending base: ChunkedRows? = nil) {
        self.stride = stride
        self.count = count
        let shift = ChunkedRows.shift(stride: stride)
        self.shift = shift
        let chunkCount = ChunkedRows.chunkCount(rows: count, shift: shift)
        // An array of as many rows is shared whole.
        let shared = base.map { $0.count == count ? chunkCount : min($0.count, count) >> shift } ?? 0
        sharedChunkCount = shared
        table = .allocate(capacity: max(chunkCount, 1))
        var own: [UnsafeMutableRawPointer] = []
        for chunk in 0 ..< chunkCount {
            if let base, chunk < shared {
                (table + chunk).initialize(to: base.pointers[chunk])
                continue
            }
            let byteCount = ChunkedRows.rowCount(chunk: chunk, rows: count, shift: shift) * stride
            let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            if let base, chunk < base.chunkCount {
                let rows = min(ChunkedRows.rowCount(chunk: chunk, rows: base.count, shift: shift), byteCount / stride)
                memory.copyMemory(from: base.pointers[chunk], byteCount: rows * stride)
            }
            own.append(memory)
            (table + chunk).initialize(to: UnsafeRawPointer(memory))
        }
        self.own = own
    }

    deinit {
        for memory in own { memory.deallocate() }
        table.deallocate()
    }

    /// A row of its own, to be written.
    @inline(__always)
    func row(_ i: Int) -> UnsafeMutableRawPointer {
        own[(i >> shift) - sharedChunkCount] + (i & ((1 << shift) - 1)) * stride
    }

    /// As those see it who only read; valid as long as this object.
    var view: ChunkedRows {
        ChunkedRows(
            pointers: UnsafePointer(table), chunkCount: ChunkedRows.chunkCount(rows: count, shift: shift), shift: shift, stride: stride,
            count: count)
    }

    /// What an install writes; shared chunks stay as they are stored.
    var content: IndexArrayContent {
        let view = view
        return IndexArrayContent(
            stride: stride, count: count, chunks: (0 ..< view.chunkCount).map { $0 < sharedChunkCount ? nil : view.pointers[$0] })
    }
}

extension IVFPQRows {
    /// The rows of a matrix.
    convenience init(_ matrix: FloatMatrix) {
        self.init(stride: matrix.columns * 4, count: matrix.rows)
        for i in 0 ..< matrix.rows { row(i).copyMemory(from: matrix[i], byteCount: stride) }
    }
}
