import CLMDB
import Foundation

/// Keeps room for deletes where the map or the disk is full.
///
/// LMDB writes a changed page to a new place, so even a delete needs free pages. What adds data therefore stops early:
/// before it writes, it must find its estimate *and* a reserve free in the map, and blocks for both behind the file's
/// end, which are allocated ahead (`fallocate`) in steps. A delete may use the reserve.
/// Used by the writer thread only.
final class RoomInReserve: @unchecked Sendable {
    private let pageByteCount: Int
    private var reserveByteCount = 0
    /// The offset up to which the file has blocks.
    private var allocatedEnd = 0
    /// Bytes that the running transaction may still add to the map, or nil where they have not been counted.
    private var remaining = Int.max
    private var start = 0
    private var spent = 0
    /// Bytes of free pages that large values can take, or nil where they have not been counted; and what is to go there.
    private var reusable: Int?
    private var reused = 0

    init(pageByteCount: Int) { self.pageByteCount = pageByteCount }

    /// At the start of a write transaction.
    func begin(_ core: EnvironmentCore) throws(StorageError) {
        spent = 0
        reusable = nil
        reused = 0
        let information = core.calls.information(core.handle)
        let mapByteCount = Int(information.me_mapsize)
        reserveByteCount = min(1 << 20, mapByteCount / 8)
        start = (Int(information.me_last_pgno) + 1) * pageByteCount
        remaining = mapByteCount - start
        // Free pages inside the file matter only when the map is nearly used up; counting them reads the free list.
        if remaining < 64 * reserveByteCount {
            // LMDB shows them to read transactions only.
            let reader = try SnapshotCore(core)
            let count = try withExtendedLifetime(reader) { () throws(StorageError) in try FreeList.pageCount(reader.transaction) }
            remaining += count * pageByteCount
        }
    }

    /// Called before something is added; the estimate includes the tree pages it will touch.
    func demand(_ byteCount: Int, _ core: EnvironmentCore) throws(StorageError) {
        spent += byteCount
        guard spent + reserveByteCount <= remaining else {
            throw StorageError.system(MDB_MAP_FULL, doing: "adding records", path: core.path)
        }
        let needed = start + spent - reused + reserveByteCount
        guard needed > allocatedEnd else { return }
        // Steps grow with the file, so that a load asks seldom and a small file stays small.
        let step = min(64 << 20, max(1 << 20, needed / 16))
        let end = (needed + step) / step * step
        var code = core.calls.allocate(core.descriptor, offset: start, count: end - start)
        var reached = end
        if code != 0 {
            reached = needed
            code = core.calls.allocate(core.descriptor, offset: start, count: needed - start)
        }
        guard code == 0 else { throw .system(code, doing: "adding records", path: core.path) }
        allocatedEnd = reached
    }

    /// ``demand(_:_:)`` for values of up to so many pages. What an index has left free takes its successor: else each new
    /// version would have blocks allocated behind the file's end that nothing ever comes to fill.
    func demand(_ byteCount: Int, inRunsOf pageCount: Int, _ core: EnvironmentCore) throws(StorageError) {
        let known: Int
        if let reusable { known = reusable } else {
            known = try countReusable(inRunsOf: pageCount, core)
            reusable = known
        }
        reused += min(byteCount, known - reused)
        try demand(byteCount, core)
    }

    private func countReusable(inRunsOf pageCount: Int, _ core: EnvironmentCore) throws(StorageError) -> Int {
        let reader: SnapshotCore
        do throws(StorageError) {
            reader = try SnapshotCore(core)
        } catch {
            // A write must not fail because there are many readers: then all of it is allocated.
            guard error.code == .busy else { throw error }
            return 0
        }
        return try withExtendedLifetime(reader) { () throws(StorageError) in
            let last = core.lastTransactionID
            // LMDB spares what the oldest reader may still see, and the last commit's own list.
            let oldest = core.readers(last).compactMap(\.transactionID).min() ?? last
            return try FreeList.pageCount(reader.transaction, inRunsOf: pageCount, freedBefore: min(oldest, last)) * pageByteCount
        }
    }
}

/// LMDB's list of free pages: database 0, transaction id → count and page numbers.
enum FreeList {
    static func pageCount(_ transaction: Transaction) throws(StorageError) -> Int {
        var cursor = try Cursor(transaction, 0)
        var count = 0
        var found = try cursor.first()
        while found {
            if cursor.value.count >= 8 { count += Int(cursor.value.littleEndian64(0)) }
            found = try cursor.next()
        }
        return count
    }

    /// Pages that values of `run` pages can take: those that stand side by side, freed by transactions before `oldest`.
    static func pageCount(_ transaction: Transaction, inRunsOf run: Int, freedBefore oldest: UInt64) throws(StorageError) -> Int {
        var cursor = try Cursor(transaction, 0)
        var count = 0
        var found = try cursor.first()
        while found, cursor.key.count == 8, cursor.key.littleEndian64(0) < oldest {
            let list = cursor.value
            // The numbers go down, so a run ends where the next is not one less.
            var length = 0, previous: UInt64 = 0
            for position in 0 ..< (list.count >= 8 ? min(Int(list.littleEndian64(0)), list.count / 8 - 1) : 0) {
                let page = list.littleEndian64(8 + 8 * position)
                if length > 0, page + 1 == previous { length += 1 } else {
                    count += length / run * run
                    length = 1
                }
                previous = page
            }
            count += length / run * run
            found = try cursor.next()
        }
        return count
    }
}
