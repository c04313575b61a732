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

    /// `count` rows, the first `covered` those of `base`.
    init(_ base: NodeRows, first covered: Int, count: Int) throws(HNSWBuildError) {
        precondition(covered <= min(count, base.count), "rows are not taken away")
        stride = base.stored.stride
        self.count = count
        // What is not written takes no memory.
        pages = try AnonymousPages(byteCount: (count + 1) * stride)
        table = .allocate(capacity: max(count, 1))
        for i in 0 ..< count { (table + i).initialize(to: i < covered ? base.row(i) : UnsafeRawPointer(pages.base)) }
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

    func content(replacing old: ChunkedRows?, keeping kept: Int) -> IndexArrayContent {
        IndexArrayContent(stride: stride, count: count, rows: table, owner: self) { rows in
            if rows.upperBound <= kept { return true }
            guard let old, rows.upperBound <= old.count else { return false }
            return rows.allSatisfy { table[$0] == old.row($0) }
        }
    }
}
