import CLMDB
import Foundation

/// One consistent state of the file, for as long as somebody holds it. Never blocks a writer, but keeps LMDB from
/// reusing the pages it shows: hold it for a query, not for a day.
package final class Snapshot: Sendable {
    let inner: SnapshotCore
    private let tables = TableCache()

    private final class TableCache: @unchecked Sendable {
        let lock = Lock()
        var entries: [String: TableSnapshot] = [:]
    }

    package let transactionID: UInt64

    init(_ core: EnvironmentCore) throws(StorageError) {
        inner = try SnapshotCore(core)
        transactionID = inner.transaction.id
    }

    /// The tables, in byte order of their names.
    package func tableNames() throws(StorageError) -> [String] {
        try inner.lock.withLock { () throws(StorageError) in try inner.transaction.tableNames() }
    }

    /// The table as it was at this commit, nil where there was none; resolved at the first call, then the same object.
    package func table(_ name: String) throws(StorageError) -> TableSnapshot? {
        tables.lock.lock()
        defer { tables.lock.unlock() }
        if let table = tables.entries[name] { return table }
        guard let table = try TableSnapshot(name, inner) else { return nil }
        tables.entries[name] = table
        return table
    }
}

/// The read transaction that a ``Snapshot`` and its tables share; ends with the last of them.
final class SnapshotCore: @unchecked Sendable {
    let core: EnvironmentCore
    /// Guards every call on `transaction`: LMDB's read transactions are for one thread at a time.
    let lock = Lock()
    let transaction: Transaction

    init(_ core: EnvironmentCore) throws(StorageError) {
        FileRegistry.shared.beginReading(core)
        do throws(StorageError) {
            if core.locksByFile { try core.lockForReading() }
        } catch {
            FileRegistry.shared.endReading(core)
            throw error
        }
        do throws(StorageError) {
            transaction = try core.beginRead()
        } catch {
            core.unlockAfterReading()
            FileRegistry.shared.endReading(core)
            throw error
        }
        self.core = core
    }

    deinit {
        core.calls.abort(transaction.handle)
        core.unlockAfterReading()
        FileRegistry.shared.endReading(core)
    }
}

/// The snapshot that queries share until there is a newer commit.
final class SnapshotCache: @unchecked Sendable {
    private let lock = Lock()
    private var snapshot: Snapshot?
    private var lastUse = 0
    private var tails: [UInt32: TailBuffer] = [:]
    /// Snapshots that hold the shared file lock, where the lock file cannot be used. Has a lock of its own, because
    /// snapshots begin under the other one.
    private var fileLockCount = 0
    private let fileLockLock = Lock()

    private static let idleMicroseconds = 1_000_000

    var isHolding: Bool { lock.withLock { snapshot != nil } }

    func current(_ core: EnvironmentCore) throws(StorageError) -> Snapshot {
        lock.lock()
        lastUse = monotonicMicroseconds()
        if let snapshot, snapshot.transactionID == core.lastTransactionID {
            lock.unlock()
            return snapshot
        }
        // The old one may be the last reference: its end must come after the lock is free.
        var old = snapshot
        let wakesWriter = old == nil
        snapshot = nil
        let new: Snapshot
        do throws(StorageError) {
            do throws(StorageError) { new = try Snapshot(core) } catch {
                // The map can grow only when nobody reads: perhaps nobody does but the old snapshot kept here.
                guard error.systemCode == MDB_MAP_RESIZED else { throw error }
                old = nil
                new = try Snapshot(core)
            }
        } catch {
            lock.unlock()
            throw error
        }
        snapshot = new
        lock.unlock()
        withExtendedLifetime(old) {}
        if wakesWriter { core.writer.wake() }
        return new
    }

    /// Lets go after a commit, so that the old state does not pin pages until the next query comes.
    func forget() {
        let old = lock.withLock {
            defer { snapshot = nil }
            return snapshot
        }
        withExtendedLifetime(old) {}
    }

    /// Lets go, and runs `body` while nobody can look at the map to find out whether there is a newer commit.
    func withoutSnapshot<R>(_ body: () -> R) -> R {
        lock.withLock {
            snapshot = nil
            return body()
        }
    }

    func releaseIdle() {
        let isIdle = lock.withLock { monotonicMicroseconds() - lastUse >= Self.idleMicroseconds }
        if isIdle { clear() }
    }

    /// Lets go of the snapshot and of the tails kept for the next.
    func clear() {
        let old = lock.withLock {
            defer {
                snapshot = nil
                tails.removeAll()
            }
            return (snapshot, tails)
        }
        withExtendedLifetime(old) {}
    }

    /// The buffer for a table's tail: the last one, if the tail has only grown since.
    func tail(_ table: TableDescriptor, _ state: TableState) -> TailBuffer {
        lock.withLock {
            if let tail = tails[table.id], tail.sealedCount == state.sealedCount, tail.generation == state.tailGeneration { return tail }
            let tail = TailBuffer(table, state)
            tails[table.id] = tail
            return tail
        }
    }

    /// Counts the holders of the shared file lock; true for the first and the last.
    func changeFileLock(by change: Int, _ action: () throws(StorageError) -> Void) throws(StorageError) {
        fileLockLock.lock()
        defer { fileLockLock.unlock() }
        if (change > 0 && fileLockCount == 0) || (change < 0 && fileLockCount == 1) { try action() }
        fileLockCount += change
    }
}

extension EnvironmentCore {
    /// Where the lock file cannot be used, writers cannot see this reader: a shared lock on the data makes them wait instead.
    func lockForReading() throws(StorageError) {
        let deadline = monotonicMicroseconds() + busyTimeoutMicroseconds
        try snapshots.changeFileLock(by: 1) { () throws(StorageError) in
            while true {
                let code = calls.tryLock(descriptor, exclusive: false)
                if code == 0 { return }
                guard code == EWOULDBLOCK || code == EINTR else { throw .system(code, doing: "locking", path: path) }
                guard monotonicMicroseconds() < deadline else {
                    throw StorageError(.busy, "\(path) is being written by another process; try again", systemCode: code, path: path)
                }
                calls.pause(microseconds: 500)
            }
        }
    }

    func unlockAfterReading() {
        guard locksByFile else { return }
        do throws(StorageError) {
            try snapshots.changeFileLock(by: -1) { calls.unlock(descriptor) }
        } catch {
            preconditionFailure("unlocking does not fail")
        }
    }
}
