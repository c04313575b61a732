import CLMDB
import Foundation

/// A write transaction: valid only inside the body it is handed to, on the thread that runs it.
///
/// When a change fails half done (the map is full, the disk fails), the transaction can only be undone: it throws that
/// error again at the end even if the body has swallowed it.
package final class WriteTransaction {
    let core: EnvironmentCore
    /// LMDB's transaction: the root's, or while a nested request runs, its own.
    private(set) var transaction: Transaction
    private var writers: [String: TableWriter] = [:]
    /// About how many bytes the transaction has changed, without indexes.
    private var countedByteCount = 0
    /// What indexes have added.
    private var largeByteCount = 0
    /// About how many bytes the transaction has changed: the writer ends a group by it.
    var changedByteCount: Int { countedByteCount + largeByteCount }
    private var isActive = false

    /// What one transaction may change at most: its pages are in memory until the commit, and LMDB can keep only
    /// 131,071 changed pages without writing some early.
    static let maximumByteCount = 2 << 30

    /// Waits for other processes' writers, then begins.
    convenience init(_ core: EnvironmentCore) throws(StorageError) {
        try core.lockForWriting()
        try self.init(locked: core)
    }

    /// Begins on a file that the caller has locked for writing, and unlocks it where that fails.
    init(locked core: EnvironmentCore) throws(StorageError) {
        self.core = core
        do throws(StorageError) {
            transaction = try core.beginWrite(parent: nil)
        } catch {
            core.unlockForWriting()
            throw error
        }
        do throws(StorageError) {
            try core.room.begin(core)
            if core.formatVersion < FileFormat.version { try FileFormat.upgrade(transaction) }
        } catch {
            abort()
            throw error
        }
    }

    func run(_ body: (WriteTransaction) throws(StorageError) -> Void) throws(StorageError) {
        isActive = true
        defer {
            isActive = false
            writers.removeAll()
        }
        try body(self)
        if let failure = transaction.failure { throw failure }
        for writer in writers.values { try writer.flush() }
        if let failure = transaction.failure { throw failure }
    }

    /// Runs a body in a transaction nested in this one: if it throws, only what it did is undone.
    func runNested(_ body: (WriteTransaction) throws(StorageError) -> Void) throws(StorageError) {
        let root = transaction
        transaction = try core.beginWrite(parent: root.handle)
        defer { transaction = root }
        do throws(StorageError) {
            try run(body)
        } catch {
            core.calls.abort(transaction.handle)
            throw error
        }
        let code = core.calls.commit(transaction.handle)
        guard code == 0 else { throw .system(code, doing: "committing", path: core.path) }
    }

    func commit(durable: Bool) throws(StorageError) {
        defer { core.unlockForWriting() }
        // The flag belongs to the environment, but only one thread at a time commits.
        if !durable { core.calls.setNoSync(core.handle, true) }
        let code = core.calls.commit(transaction.handle)
        if !durable { core.calls.setNoSync(core.handle, false) }
        guard code == 0 else { throw .system(code, doing: "committing", path: core.path) }
        core.formatVersion = FileFormat.version
    }

    func abort() {
        core.calls.abort(transaction.handle)
        core.unlockForWriting()
    }

    /// Called before something is added: finds room for it, and keeps count.
    func demand(_ byteCount: Int) throws(StorageError) {
        countedByteCount += byteCount
        guard countedByteCount <= Self.maximumByteCount else {
            throw StorageError(
                .tooLarge, "\(core.path): a transaction may change 2 GiB at most; split it into several", path: core.path,
                expected: Self.maximumByteCount, actual: countedByteCount)
        }
        try core.room.demand(byteCount, core)
    }

    /// ``demand(_:)`` for something large that does not count towards the most a transaction may change, but ends its group.
    func demand(_ byteCount: Int, inRunsOf pageCount: Int) throws(StorageError) {
        try core.room.demand(byteCount, inRunsOf: pageCount, core)
        largeByteCount += byteCount
    }

    private func checkActive() { precondition(isActive, "a write transaction is valid only inside its body") }

    // MARK: Tables

    /// Makes a table; the result carries the numbers assigned to it.
    package func createTable(_ descriptor: TableDescriptor) throws(StorageError) -> TableDescriptor {
        checkActive()
        try descriptor.validate()
        // Also a name that differs only in how its letters are composed: writers and snapshots are kept by name.
        guard try !transaction.tableNames().contains(descriptor.name) else {
            throw StorageError(.tableExists, "a collection '\(descriptor.name)' exists already; choose another name, or drop it first", path: core.path)
        }
        try demand(16 * core.pageByteCount)
        var table = descriptor
        let listCount = table.columns.count { $0.type == .stringList }
        var next = try transaction.takeArrayNumbers(4 + table.columns.count + listCount)
        func take() -> UInt32 {
            defer { next += 1 }
            return next
        }
        table.id = take()
        table.vectorArray = take()
        table.keyArray = take()
        table.deletedArray = take()
        table.columnArrays = table.columns.map { _ in take() }
        table.listArrays = table.columns.map { $0.type == .stringList ? take() : 0 }
        table.blockRows = TableDescriptor.blockRows(vectorByteCount: table.vectorByteCount)
        try transaction.putTable(table)
        try transaction.putState(TableState(columnCount: table.columns.count), of: table)
        return table
    }

    /// Removes a table and everything in it.
    package func dropTable(_ name: String) throws(StorageError) {
        checkActive()
        writers[name] = nil
        let descriptor = try core.descriptors.descriptor(name, transaction)
        try transaction.removeTable(descriptor, core)
    }

    /// The table to write to; one object a transaction and name.
    package func table(_ name: String) throws(StorageError) -> TableWriter {
        checkActive()
        if let writer = writers[name] { return writer }
        let descriptor = try core.descriptors.descriptor(name, transaction)
        let writer = try TableWriter(self, descriptor)
        writers[name] = writer
        return writer
    }

    package func tableNames() throws(StorageError) -> [String] {
        checkActive()
        return try transaction.tableNames()
    }
}

extension EnvironmentCore {
    func beginWrite(parent: OpaquePointer?) throws(StorageError) -> Transaction {
        var transaction: OpaquePointer?
        var code = calls.begin(handle, parent: parent, readOnly: false, transaction: &transaction)
        if code == MDB_MAP_RESIZED, snapshots.withoutSnapshot({ FileRegistry.shared.adoptGrownMap(self, ownReads: 0) }) {
            code = calls.begin(handle, parent: parent, readOnly: false, transaction: &transaction)
        }
        guard code == 0, let transaction else { throw .system(code, doing: "starting to write", path: path) }
        return Transaction(transaction, calls: calls, databases: databases, path: path)
    }

    /// LMDB's own writer lock waits for ever and says nothing; `flock` on the data file comes first and can give up.
    func lockForWriting() throws(StorageError) {
        let deadline = monotonicMicroseconds() + busyTimeoutMicroseconds
        var pause = 50
        while true {
            let code = calls.tryLock(descriptor, exclusive: true)
            if code == 0 { return }
            guard code == EWOULDBLOCK || code == EINTR else { throw .system(code, doing: "locking", path: path) }
            let left = deadline - monotonicMicroseconds()
            guard left > 0 else {
                throw StorageError(
                    .busy, "\(path) is being written by another process, for longer than \(busyTimeoutMicroseconds / 1000) ms; try again, or raise the busy timeout",
                    systemCode: code, path: path)
            }
            calls.pause(microseconds: min(pause, left))
            pause = min(pause * 2, 5000)
        }
    }

    /// Locks the file for writing if no other process does.
    func tryLockForWriting() -> Bool { calls.tryLock(descriptor, exclusive: true) == 0 }

    func unlockForWriting() { calls.unlock(descriptor) }
}
