import NeedletailStorage
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Rows that a build writes, in the layout that ``ChunkedRows`` has: what is built is installed, and searched before, as it is.
///
/// All chunks of its own lie in one piece of memory, in huge pages where the system has them: a build reads rows at random,
/// and every read of a page that the CPU does not know costs it a walk. The first chunks may be those of another array,
/// which are only read.
final class MutableRows: @unchecked Sendable {
    let stride: Int
    let shift: Int
    let count: Int
    /// How many chunks, the first ones, belong to the array that this one extends.
    let sharedChunkCount: Int
    private let table: UnsafeMutablePointer<UnsafeRawPointer>
    private let memory: UnsafeMutableRawPointer
    /// Bytes that its own chunks take.
    let memoryByteCount: Int

    private static let hugePage = 2 << 20

    /// Bytes of memory that so many rows of its own take.
    static func byteCount(stride: Int, count: Int) -> Int {
        let shift = ChunkedRows.shift(stride: stride)
        let bytes = ChunkedRows.chunkCount(rows: count, shift: shift) * (stride << shift)
        return (bytes + hugePage - 1) / hugePage * hugePage
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
        let bytes = max((chunkCount - shared) * chunkByteCount, 1)
        memoryByteCount = (bytes + Self.hugePage - 1) / Self.hugePage * Self.hugePage
        // Anonymous pages: zero, taken when first written, given back at once when freed.
        let mapped = mmap(nil, memoryByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { throw .outOfMemory(byteCount: memoryByteCount) }
        memory = mapped
        #if os(Linux)
        madvise(memory, memoryByteCount, MADV_HUGEPAGE)
        #endif
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

    deinit {
        munmap(memory, memoryByteCount)
        table.deallocate()
    }

    /// A row of its own, to be written.
    @inline(__always)
    func row(_ i: Int) -> UnsafeMutableRawPointer {
        assert(i < count && i >= sharedChunkCount << shift, "a row of memory of its own")
        return memory + (i - sharedChunkCount << shift) * stride
    }

    /// Gives the memory of a chunk back to the system, where it is the array's own; its rows are lost.
    func release(chunk: Int) {
        guard chunk >= sharedChunkCount else { return }
        let byteCount = stride << shift
        madvise(memory + (chunk - sharedChunkCount) * byteCount, byteCount, MADV_DONTNEED)
    }

    /// As those see it who only read; valid as long as this object, and the array it shares chunks with.
    var view: ChunkedRows {
        ChunkedRows(
            pointers: UnsafePointer(table), chunkCount: ChunkedRows.chunkCount(rows: count, shift: shift), shift: shift,
            stride: stride, count: count)
    }

    /// Whether a chunk has the rows, and their bytes, that it has in another array of the same kind.
    func isSame(_ chunk: Int, as other: ChunkedRows) -> Bool {
        guard other.stride == stride, chunk < other.chunkCount else { return false }
        let rows = ChunkedRows.rowCount(chunk: chunk, rows: count, shift: shift)
        guard rows == ChunkedRows.rowCount(chunk: chunk, rows: other.count, shift: shift) else { return false }
        let own = table[chunk], others = other.pointers[chunk]
        return own == others || memcmp(own, others, rows * stride) == 0
    }
}
