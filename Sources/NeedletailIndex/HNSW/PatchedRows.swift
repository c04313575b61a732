import NeedletailStorage
import Synchronization

/// The rows of another array, some of them replaced by rows of its own, and more behind them. It takes memory for its own rows and
/// a pointer for each: a merge changes a few rows in nearly every chunk.
final class PatchedRows: BuiltRows, @unchecked Sendable {
    // `@unchecked`: threads write to different rows, and to their pointers.
    private let stride: Int
    private let count: Int
    private let table: UnsafeMutablePointer<UnsafeRawPointer>
    private let pages: AnonymousPages
    /// Rows of its own; the first one stands for those that have not been written.
    private let ownCount = Atomic<Int>(1)

    /// `count` rows, the first those of `base`.
    init(_ base: ChunkedRows, count: Int) throws(HNSWBuildError) {
        precondition(base.count <= count, "rows are not taken away")
        stride = base.stride
        self.count = count
        // What is not written takes no memory.
        pages = try AnonymousPages(byteCount: (count + 1) * base.stride)
        table = .allocate(capacity: max(count, 1))
        for i in 0 ..< count { (table + i).initialize(to: i < base.count ? base.row(i) : UnsafeRawPointer(pages.base)) }
    }

    deinit { table.deallocate() }

    private func isOwn(_ i: Int) -> Bool { table[i] > UnsafeRawPointer(pages.base) && table[i] < UnsafeRawPointer(pages.base) + pages.byteCount }

    func writableRow(_ i: Int) -> UnsafeMutableRawPointer {
        precondition(i < count, "there is a row")
        if !isOwn(i) { table[i] = UnsafeRawPointer(pages.base + ownCount.add(1, ordering: .relaxed).oldValue * stride) }
        return UnsafeMutableRawPointer(mutating: table[i])
    }

    var memoryByteCount: Int {
        AnonymousPages.rounded(ownCount.load(ordering: .relaxed) * stride) + count * MemoryLayout<UnsafeRawPointer>.stride
    }

    /// Each row is a chunk.
    var view: ChunkedRows {
        ChunkedRows(pointers: UnsafePointer(table), chunkCount: count, shift: 0, stride: stride, count: count)
    }

    func content(replacing old: ChunkedRows?) -> IndexArrayContent {
        let shift = ChunkedRows.shift(stride: stride)
        let chunks = (0 ..< ChunkedRows.chunkCount(rows: count, shift: shift)).map { chunk -> UnsafeRawPointer? in
            let rows = chunk << shift ..< min((chunk + 1) << shift, count)
            if let old, rows.upperBound <= old.count, !rows.contains(where: isOwn) { return nil }
            return UnsafeRawPointer(table + rows.lowerBound)
        }
        // The pointers live as long as what they point to.
        return IndexArrayContent(stride: stride, count: count, chunks: chunks, areScattered: true) { [self] _ in withExtendedLifetime(self) {} }
    }
}
