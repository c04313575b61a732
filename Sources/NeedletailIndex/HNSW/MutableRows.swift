import NeedletailStorage
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// An array that a build has made, in memory.
protocol BuiltRows: AnyObject, Sendable {
    /// Bytes of memory that it takes.
    var memoryByteCount: Int { get }
    /// As those see it who only read; valid as long as this object, and the array it shares rows with.
    var view: ChunkedRows { get }
    /// A row to be written, one thread each; what it holds before is not defined.
    func writableRow(_ i: Int) -> UnsafeMutableRawPointer
    /// What an install writes, valid as long as this object, which it leaves without its rows; of an array that is replaced, chunks with
    /// the same bytes are left as they are stored, and so are those of rows below `kept`, whatever they hold.
    func content(replacing old: ChunkedRows?, keeping kept: Int) -> IndexArrayContent
}

/// Rows that a build writes, in the layout that ``ChunkedRows`` has: what is built is installed, and searched before, as it is.
///
/// All chunks of its own lie in one piece of memory, in huge pages where the system has them: a build reads rows at random,
/// and every read of a page that the CPU does not know costs it a walk. The first chunks may be those of another array,
/// which are only read.
final class MutableRows: BuiltRows, @unchecked Sendable {
    let stride: Int
    let shift: Int
    let count: Int
    /// How many chunks, the first ones, belong to the array that this one extends.
    let sharedChunkCount: Int
    private let table: UnsafeMutablePointer<UnsafeRawPointer>
    private let pages: AnonymousPages
    private var memory: UnsafeMutableRawPointer { pages.base }
    /// Bytes that its own chunks take.
    var memoryByteCount: Int { pages.byteCount }

    /// Bytes of memory that so many rows of its own take.
    static func byteCount(stride: Int, count: Int) -> Int {
        let shift = ChunkedRows.shift(stride: stride)
        let bytes = ChunkedRows.chunkCount(rows: count, shift: shift) * (stride << shift)
        return AnonymousPages.rounded(bytes)
    }

    /// `count` rows, of which the first are those of `base`: its full chunks are shared, and the rows of its last, partial chunk are
    /// copied. Other bytes are whatever the memory holds, zero at first.
    init(stride: Int, count: Int, extending base: ChunkedRows? = nil) throws(HNSWBuildError) {
        precondition(base.map { $0.stride == stride && $0.count <= count } ?? true, "rows are extended by rows of their length")
        self.stride = stride
        self.count = count
        shift = ChunkedRows.shift(stride: stride)
        let chunkCount = ChunkedRows.chunkCount(rows: count, shift: shift)
        let chunkByteCount = stride << shift
        let shared = (base?.count ?? 0) >> shift
        sharedChunkCount = shared
        pages = try AnonymousPages(byteCount: (chunkCount - shared) * chunkByteCount)
        let memory = pages.base
        table = .allocate(capacity: max(chunkCount, 1))
        for chunk in 0 ..< chunkCount {
            if let base, chunk < shared { (table + chunk).initialize(to: base.pointers[chunk]) }
            else { (table + chunk).initialize(to: memory + (chunk - shared) * chunkByteCount) }
        }
        guard let base else { return }
        for chunk in shared ..< base.chunkCount {
            let rows = ChunkedRows.rowCount(chunk: chunk, rows: base.count, shift: shift)
            (memory + (chunk - shared) * chunkByteCount).copyMemory(from: base.pointers[chunk], byteCount: rows * stride)
        }
    }

    deinit { table.deallocate() }

    /// A row of its own, to be written.
    @inline(__always)
    func row(_ i: Int) -> UnsafeMutableRawPointer {
        assert(i < count && i >= sharedChunkCount << shift, "a row of memory of its own")
        return memory + (i - sharedChunkCount << shift) * stride
    }

    func writableRow(_ i: Int) -> UnsafeMutableRawPointer { row(i) }

    func content(replacing old: ChunkedRows?, keeping kept: Int) -> IndexArrayContent {
        let view = view
        let chunks = (0 ..< view.chunkCount).map { chunk -> UnsafeRawPointer? in
            if (chunk + 1) << shift <= kept { return nil }
            if let old, isSame(chunk, as: old) { return nil }
            return view.pointers[chunk]
        }
        return IndexArrayContent(stride: stride, count: count, chunks: chunks) { self.release(chunk: $0) }
    }

    /// Gives the memory of a chunk back to the system, where it is the array's own; its rows are lost.
    private func release(chunk: Int) {
        guard chunk >= sharedChunkCount else { return }
        pages.release((chunk - sharedChunkCount) * (stride << shift), byteCount: stride << shift)
    }

    var view: ChunkedRows {
        ChunkedRows(
            pointers: UnsafePointer(table), chunkCount: ChunkedRows.chunkCount(rows: count, shift: shift), shift: shift,
            stride: stride, count: count)
    }

    /// Whether a chunk has the rows, and their bytes, that it has in another array of the same kind.
    private func isSame(_ chunk: Int, as other: ChunkedRows) -> Bool {
        guard other.stride == stride, chunk < other.chunkCount else { return false }
        let rows = ChunkedRows.rowCount(chunk: chunk, rows: count, shift: shift)
        guard rows == ChunkedRows.rowCount(chunk: chunk, rows: other.count, shift: shift) else { return false }
        let own = table[chunk], others = other.pointers[chunk]
        return own == others || memcmp(own, others, rows * stride) == 0
    }
}
