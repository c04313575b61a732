import CLMDB
import Foundation

/// One open database file: LMDB's handle, the writer's queue, the snapshot that queries share.
///
/// Invariants:
/// 1. One core a file and process (``FileRegistry``); it lives as long as it has users: environments and snapshots.
/// 2. A write transaction begins, runs and ends on one thread, the writer thread or the caller's of a small write, one at
///    a time (``WriterQueue``), and only under the file's `flock`.
/// 3. A read transaction belongs to a ``SnapshotCore``, whose lock guards every LMDB call on it.
/// 4. The map is never moved while a snapshot lives, so resolved pointers hold as long as their snapshot. It moves only
///    when another process with a larger map has grown the file, and nobody reads here.
///
/// After `fork` a child must not touch an environment opened by its parent (LMDB's rule): it opens its own.
final class EnvironmentCore: @unchecked Sendable {
    let path: String
    let identity: FileIdentity
    let isReadOnly: Bool
    let pageByteCount: Int
    let busyTimeoutMicroseconds: Int
    let calls: LMDBCalls
    let handle: OpaquePointer
    let databases: DatabaseHandles
    let descriptor: Int32
    /// The folder's lock file cannot be used: snapshots hold a shared lock on the data file instead, and writers wait for them.
    let locksByFile: Bool

    /// Environments and snapshots; guarded by ``FileRegistry``.
    var users = 0
    /// Read transactions that run or are about to; guarded by ``FileRegistry``.
    var readCount = 0

    /// The version of the file when it was last looked at; after opening for the thread that writes only.
    var formatVersion: UInt32

    let snapshots = SnapshotCache()
    let writer = WriterQueue()
    let descriptors = DescriptorCache()
    let indexDescriptors = IndexDescriptorCache()
    let stringOrders = StringOrderCache()
    let room: RoomInReserve

    /// The file's identity, nil where it does not exist.
    static func identity(of path: String, calls: LMDBCalls) throws(StorageError) -> FileIdentity? {
        var status = stat()
        let code = calls.status(path: path, &status)
        if code == ENOENT { return nil }
        guard code == 0 else { throw .system(code, doing: "opening", path: path) }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    init(path: String, options: Environment.Options, calls: LMDBCalls) throws(StorageError) {
        let probe = try FileProbe(path: path, calls: calls)
        guard probe.exists || (options.create && !options.readOnly) else {
            throw StorageError(.notFound, "\(path) does not exist; create it first", path: path)
        }
        let lockPath = path + "-lock"
        let lockExisted = try Self.identity(of: lockPath, calls: calls) != nil
        var opened = try LMDBFile(path: path, options: options, fileByteCount: probe.byteCount, calls: calls)
        do throws(StorageError) {
            try FileProbe.checkLength(path: path, calls: calls, environment: opened.handle)
            databases = try opened.prepare(path: path, readOnly: options.readOnly, calls: calls)
            formatVersion = opened.formatVersion
            guard let identity = try Self.identity(of: path, calls: calls) else {
                throw StorageError(.notFound, "\(path) was removed while it was opened", path: path)
            }
            self.identity = identity
        } catch {
            calls.close(opened.handle)
            if !lockExisted, error.code == .notADatabase { calls.remove(path: lockPath) }
            throw error
        }
        if !probe.exists { _ = calls.syncFolder(of: path) }
        self.path = path
        self.calls = calls
        isReadOnly = options.readOnly
        // A day is as good as for ever, and leaves room to reckon with.
        busyTimeoutMicroseconds = Int(min(max(options.busyTimeout, .zero), .seconds(86_400)) / .microseconds(1))
        handle = opened.handle
        locksByFile = opened.locksByFile
        descriptor = calls.fileDescriptor(handle)
        pageByteCount = calls.pageByteCount(handle)
        room = RoomInReserve(pageByteCount: pageByteCount)
        if !locksByFile { _ = calls.clearStaleReaders(handle) }
    }

    /// Called by the registry when the last user has gone.
    func closeFile() {
        calls.close(handle)
    }

    var lastTransactionID: UInt64 { UInt64(calls.information(handle).me_last_txnid) }

    /// A read transaction on the newest commit; its ``SnapshotCore`` is already counted.
    func beginRead() throws(StorageError) -> Transaction {
        var transaction: OpaquePointer?
        var code = calls.begin(handle, parent: nil, readOnly: true, transaction: &transaction)
        if code == MDB_MAP_RESIZED, FileRegistry.shared.adoptGrownMap(self, ownReads: 1) {
            code = calls.begin(handle, parent: nil, readOnly: true, transaction: &transaction)
        }
        // Processes that died have left their places behind.
        if code == MDB_READERS_FULL, calls.clearStaleReaders(handle) > 0 {
            code = calls.begin(handle, parent: nil, readOnly: true, transaction: &transaction)
        }
        guard code == 0, let transaction else { throw .system(code, doing: "starting to read", path: path) }
        return Transaction(transaction, calls: calls, databases: databases, path: path)
    }

    /// Waits until all commits are on the disk.
    func sync() throws(StorageError) {
        let code = calls.sync(handle)
        guard code == 0 else { throw .system(code, doing: "syncing", path: path) }
    }

    func closedError() -> StorageError {
        StorageError(.closed, "\(path) was closed; open it again", path: path)
    }
}

/// LMDB's environment just opened, before it is known to be ours.
private struct LMDBFile {
    let handle: OpaquePointer
    let locksByFile: Bool
    private(set) var formatVersion = FileFormat.version

    init(path: String, options: Environment.Options, fileByteCount: Int, calls: LMDBCalls) throws(StorageError) {
        var flags = UInt32(MDB_NOSUBDIR | MDB_NOTLS)
        if options.readOnly { flags |= UInt32(MDB_RDONLY) }
        var handle: OpaquePointer?
        var size = max(options.mapByteCount, fileByteCount * 2)
        func attempt(_ flags: UInt32) -> Int32 {
            while true {
                let code = calls.open(
                    path: path, mapByteCount: size, maximumReaders: options.maximumReaders, flags: flags, environment: &handle)
                // Where the address space is limited (`ulimit -v`, small devices), a smaller map still serves.
                guard code == ENOMEM, size > 1 << 30, size / 4 > fileByteCount else { return code }
                size /= 4
            }
        }
        var code = attempt(flags)
        // The lock file was emptied while its lock was waited for: another process has compacted the file.
        for _ in 0 ..< 3 where code == EINVAL { code = attempt(flags) }
        var locksByFile = false
        if options.readOnly, code == EACCES || code == EROFS || code == EPERM {
            flags |= UInt32(MDB_NOLOCK)
            code = attempt(flags)
            locksByFile = true
        }
        guard code == 0, let handle else { throw .system(code, doing: "opening", path: path) }
        self.handle = handle
        self.locksByFile = locksByFile
    }

    /// Checks that the file is ours and of a version known here, or makes it so if it is new; opens the named databases.
    mutating func prepare(path: String, readOnly: Bool, calls: LMDBCalls) throws(StorageError) -> DatabaseHandles {
        if let databases = try openExisting(path: path, calls: calls) { return databases }
        guard !readOnly else {
            throw StorageError(.notADatabase, "\(path) is empty: not a Needletail database; open it for writing once to make it one", path: path)
        }
        return try create(path: path, calls: calls)
    }

    private func begin(readOnly: Bool, path: String, calls: LMDBCalls) throws(StorageError) -> OpaquePointer {
        var transaction: OpaquePointer?
        let code = calls.begin(handle, parent: nil, readOnly: readOnly, transaction: &transaction)
        guard code == 0, let transaction else { throw .system(code, doing: "opening", path: path) }
        return transaction
    }

    /// nil where the file is an LMDB environment with nothing in it.
    private mutating func openExisting(path: String, calls: LMDBCalls) throws(StorageError) -> DatabaseHandles? {
        let handle = try begin(readOnly: true, path: path, calls: calls)
        var databases = DatabaseHandles()
        let found: Bool
        do throws(StorageError) {
            found = try open(&databases, in: handle, path: path, calls: calls)
        } catch {
            calls.abort(handle)
            throw error
        }
        // Committing keeps the handles.
        let code = calls.commit(handle)
        guard code == 0 else { throw .system(code, doing: "opening", path: path) }
        return found ? databases : nil
    }

    /// False where the environment is empty.
    private mutating func open(
        _ databases: inout DatabaseHandles, in handle: OpaquePointer, path: String, calls: LMDBCalls
    ) throws(StorageError) -> Bool {
        let code = calls.openDatabase(handle, name: DatabaseName.meta.text, create: false, database: &databases.meta)
        let transaction = Transaction(handle, calls: calls, databases: databases, path: path)
        if code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE {
            let mainDatabase: MDB_dbi = 1
            guard code == MDB_NOTFOUND, try transaction.statistics(mainDatabase).ms_entries == 0 else {
                throw StorageError(.notADatabase, "\(path) is an LMDB file, but not a Needletail database", path: path)
            }
            return false
        }
        guard code == 0 else { throw .system(code, doing: "opening", path: path) }
        formatVersion = try FileFormat.check(transaction)
        for (name, keyPath) in DatabaseHandles.all {
            let code = calls.openDatabase(handle, name: name.text, create: false, database: &databases[keyPath: keyPath])
            guard code == 0 else {
                throw code == MDB_NOTFOUND
                    ? transaction.corrupt("the database '\(name.text)' is missing") : .system(code, doing: "opening", path: path)
            }
        }
        return true
    }

    private mutating func create(path: String, calls: LMDBCalls) throws(StorageError) -> DatabaseHandles {
        let handle = try begin(readOnly: false, path: path, calls: calls)
        var databases = DatabaseHandles()
        do throws(StorageError) {
            // Another process may have made it ours in between.
            if try !open(&databases, in: handle, path: path, calls: calls) {
                for (name, keyPath) in DatabaseHandles.all {
                    let code = calls.openDatabase(handle, name: name.text, create: true, database: &databases[keyPath: keyPath])
                    guard code == 0 else { throw StorageError.system(code, doing: "creating", path: path) }
                }
                try FileFormat.write(Transaction(handle, calls: calls, databases: databases, path: path))
            }
        } catch {
            calls.abort(handle)
            throw error
        }
        let code = calls.commit(handle)
        guard code == 0 else { throw .system(code, doing: "creating", path: path) }
        return databases
    }
}

extension DatabaseHandles {
    static var all: [(DatabaseName, WritableKeyPath<DatabaseHandles, MDB_dbi>)] {
        [(.meta, \.meta), (.catalog, \.catalog), (.chunks, \.chunks), (.tails, \.tails), (.ids, \.ids), (.records, \.records),
         (.dictionary, \.dictionary)]
    }
}
