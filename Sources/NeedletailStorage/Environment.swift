import Foundation

/// An open database file. Handles on the same file share everything below; each is closed by itself.
package final class Environment: Sendable {
    /// How to open a file.
    package struct Options: Sendable {
        /// Never write; works while another process writes.
        package var readOnly: Bool
        /// Make the file if it does not exist.
        package var create: Bool
        /// Address space to reserve: the most that the file can grow to while it is open.
        package var mapByteCount: Int
        /// Read transactions at once, over all processes.
        package var maximumReaders: Int
        /// How long a write waits for another process's.
        package var busyTimeout: Duration
        /// Makes calls fail, for tests.
        package var faults: FaultPlan?

        package init(
            readOnly: Bool = false, create: Bool = true, mapByteCount: Int = 1 << 40, maximumReaders: Int = 512,
            busyTimeout: Duration = .seconds(60), faults: FaultPlan? = nil
        ) {
            self.readOnly = readOnly
            self.create = create
            self.mapByteCount = mapByteCount
            self.maximumReaders = maximumReaders
            self.busyTimeout = busyTimeout
            self.faults = faults
        }
    }

    let core: EnvironmentCore
    package let path: String
    package let isReadOnly: Bool
    private let state = State()

    private final class State: @unchecked Sendable {
        let lock = Lock()
        var isOpen = true
        /// Calls under way that need the file open.
        var callCount = 0
    }

    package init(path: String, options: Options = Options()) throws(StorageError) {
        core = try FileRegistry.shared.open(path: path, options: options)
        self.path = path
        isReadOnly = options.readOnly || core.isReadOnly
        core.writer.addHandle(core)
    }

    deinit { close(isExplicit: false) }

    /// Waits for the calls under way and for queued writes, then lets go of the file. Snapshots stay valid: the last one closes it.
    package func close() { close(isExplicit: true) }

    private func close(isExplicit: Bool) {
        if isExplicit { core.writer.requireOutsideOfWrites() }
        let wasOpen = state.lock.withLock {
            let wasOpen = state.isOpen
            state.isOpen = false
            while state.callCount > 0 { state.lock.wait() }
            return wasOpen
        }
        guard wasOpen else { return }
        core.writer.removeHandle()
        FileRegistry.shared.release(core)
    }

    /// Runs what must not see the file closed under it: closing waits for it.
    func whileOpen<R>(_ body: () throws(StorageError) -> R) throws(StorageError) -> R {
        try state.lock.withLock { () throws(StorageError) in
            guard state.isOpen else { throw core.closedError() }
            state.callCount += 1
        }
        defer {
            state.lock.withLock {
                state.callCount -= 1
                state.lock.signal()
            }
        }
        return try body()
    }

    private func checkWritable() throws(StorageError) {
        guard !isReadOnly else {
            throw StorageError(.readOnly, "\(path) was opened for reading only; open it for writing", path: path)
        }
    }

    /// The newest commit, also another process's. One read transaction serves all callers until a newer commit is seen;
    /// it is let go when nobody has asked for a second.
    package func snapshot() throws(StorageError) -> Snapshot {
        try whileOpen { () throws(StorageError) in try core.snapshots.current(core) }
    }

    /// Runs `body` in a write transaction; returns when the commit is durable.
    ///
    /// Transactions run on the environment's writer thread, but one that `isSmall` and finds nobody writing runs where it is called.
    /// Calls at the same time share one commit, each in a nested transaction, so that one that throws undoes only itself.
    /// If the commit itself fails, all of them throw and nothing is changed. Keep a transaction below a few hundred
    /// megabytes: its changes are in memory until the commit.
    package func write<R: Sendable>(
        durability: Durability = .full, isSmall: Bool = false, _ body: @escaping @Sendable (WriteTransaction) throws(StorageError) -> R
    ) async throws(StorageError) -> R {
        try checkWritable()
        let box = ResultBox<R>()
        if isSmall, try runAtOnce(durability, body, box) { return try box.result(box.error) }
        let error = await withCheckedContinuation { (continuation: CheckedContinuation<StorageError?, Never>) in
            enqueue(WriteRequest(durability: durability, run: { transaction throws(StorageError) in
                box.value = try body(transaction)
            }, finish: { continuation.resume(returning: $0) }))
        }
        return try box.result(error)
    }

    /// ``write(durability:_:)`` for callers that may block. Not from within a write's body.
    package func writeBlocking<R: Sendable>(
        durability: Durability = .full, _ body: @escaping @Sendable (WriteTransaction) throws(StorageError) -> R
    ) throws(StorageError) -> R {
        try checkWritable()
        let box = ResultBox<R>()
        let done = DispatchSemaphore(value: 0)
        enqueue(WriteRequest(durability: durability, run: { transaction throws(StorageError) in
            box.value = try body(transaction)
        }, finish: {
            box.error = $0
            done.signal()
        }))
        done.wait()
        return try box.result(box.error)
    }

    private func runAtOnce<R: Sendable>(
        _ durability: Durability, _ body: @escaping @Sendable (WriteTransaction) throws(StorageError) -> R, _ box: ResultBox<R>
    ) throws(StorageError) -> Bool {
        try whileOpen { () throws(StorageError) in
            core.writer.runAtOnce(WriteRequest(durability: durability, run: { transaction throws(StorageError) in
                box.value = try body(transaction)
            }, finish: { box.error = $0 }), core)
        }
    }

    /// Hands a request to the writer thread, unless the environment has been closed: nobody would answer it then.
    private func enqueue(_ request: WriteRequest) {
        do throws(StorageError) {
            try whileOpen { core.writer.enqueue(request) }
        } catch {
            request.finish(error)
        }
    }

    /// Makes relaxed commits durable.
    package func sync() throws(StorageError) {
        try checkWritable()
        try whileOpen { () throws(StorageError) in try core.sync() }
    }
}

/// Whether a commit waits for the disk.
package enum Durability: Sendable {
    /// The commit is on disk when the call returns.
    case full
    /// The commit survives the process's death at once, but a power failure only after ``Environment/sync()`` or a later
    /// full commit; a power failure before that may damage the file. For bulk loads that can be repeated.
    case relaxed
}

/// Carries a result from where the write ran; written before the waiting side is woken, read after.
private final class ResultBox<R: Sendable>: @unchecked Sendable {
    var value: R?
    var error: StorageError?

    func result(_ error: StorageError?) throws(StorageError) -> R {
        if let error { throw error }
        guard let value else { preconditionFailure("a write that did not fail has a result") }
        return value
    }
}
