import CLMDB
import Foundation

/// One call of ``Environment/write(durability:_:)``.
struct WriteRequest: Sendable {
    let durability: Durability
    let run: @Sendable (WriteTransaction) throws(StorageError) -> Void
    let finish: @Sendable (StorageError?) -> Void
}

/// The writer thread of a file and what waits for it.
///
/// Group commit: what has queued up while one commit was on its way to the disk shares the next one. The first request
/// of a group runs in the root transaction itself; each further one in a nested transaction, whose abort undoes it alone.
/// If the first one throws, the root is aborted (nothing else is in it yet) and the next starts a new one: so a request
/// that comes alone, a bulk load's too, never pays for nesting.
///
/// A small request that finds nobody writing runs on its caller's thread instead: two changes of threads cost it 40 µs,
/// a quarter of what a bare put takes on a fast disk. So at most one of the caller's threads waits for the disk at any time.
final class WriterQueue: @unchecked Sendable {
    private let lock = Lock()
    private var queue: [WriteRequest] = []
    private var handles = 0
    private var isRunning = false
    private var isBusy = false
    /// Handles that wait for the work to end.
    private var closingCount = 0
    /// The writer thread, once it runs.
    private var thread: pthread_t?
    /// Who runs a request on its own thread at the moment.
    private var guest: pthread_t?

    /// How many requests the last group had: as many are likely to come back, and are worth waiting for a moment.
    private var lastGroupCount = 1
    private var lastCommitMicroseconds = 0

    /// Whether a relaxed commit may not be on the disk yet.
    private var hasRelaxedCommits = false

    private static let maximumGroupCount = 256
    /// A group that has changed this much is committed before more joins it.
    private static let maximumGroupByteCount = 64 << 20

    func addHandle(_ core: EnvironmentCore) {
        lock.withLock {
            handles += 1
            guard !isRunning else { return }
            isRunning = true
            let thread = Thread { [self] in loop(core) }
            thread.name = "needletail-writer"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Waits until the queue is empty; the last handle also ends the thread. A handle may also lose its last reference on
    /// the writer thread itself, when a finished request lets go of what its body held: then there is nothing to wait for.
    func removeHandle() {
        lock.lock()
        let isWriter = isOnWriterThread
        if !isWriter {
            closingCount += 1
            while !queue.isEmpty || isBusy { lock.wait() }
            closingCount -= 1
        }
        handles -= 1
        lock.signal()
        if !isWriter {
            while isRunning, handles == 0 { lock.wait() }
        }
        lock.unlock()
    }

    /// Called before a handle is closed, which waits for the calls under way: from within one of them, for ever.
    func requireOutsideOfWrites() {
        lock.withLock { precondition(!isOnWriterThread, "a database cannot be closed from within its own write") }
    }

    private var isOnWriterThread: Bool { isCurrent(thread) || isCurrent(guest) }

    private func isCurrent(_ thread: pthread_t?) -> Bool { thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }

    /// Runs a request on the caller's thread, and answers it, if no other is at work or waits, here or in another process.
    /// Not where the last commit was shared: its tasks come back within moments, and share the next one through the queue.
    func runAtOnce(_ request: WriteRequest, _ core: EnvironmentCore) -> Bool {
        lock.lock()
        precondition(!isOnWriterThread, "a write cannot wait for another from within its own body")
        guard queue.isEmpty, !isBusy, lastGroupCount <= 1, core.tryLockForWriting() else {
            lock.unlock()
            return false
        }
        isBusy = true
        guest = pthread_self()
        lock.unlock()
        runGroup(core, alone: request)
        lock.lock()
        guest = nil
        isBusy = false
        // The thread sleeps on unless there is something for it, or the write let go of the last handle: waking it costs each small
        // write some microseconds.
        if !queue.isEmpty || closingCount > 0 || handles == 0 { lock.signal() }
        lock.unlock()
        return true
    }

    func enqueue(_ request: WriteRequest) {
        lock.lock()
        precondition(!isOnWriterThread, "a write cannot wait for another from within its own body")
        queue.append(request)
        lock.signal()
        lock.unlock()
    }

    /// Wakes the thread, so that it starts to look after an idle snapshot.
    func wake() {
        lock.lock()
        lock.signal()
        lock.unlock()
    }

    private func loop(_ core: EnvironmentCore) {
        lock.lock()
        thread = pthread_self()
        while true {
            while isBusy || (queue.isEmpty && handles > 0) {
                if core.snapshots.isHolding {
                    lock.wait(microseconds: 500_000)
                    core.snapshots.releaseIdle()
                } else {
                    lock.wait()
                }
            }
            if queue.isEmpty { break }
            isBusy = true
            lock.unlock()
            runGroup(core)
            lock.lock()
            isBusy = false
            lock.signal()
        }
        core.snapshots.clear()
        thread = nil
        isRunning = false
        lock.signal()
        lock.unlock()
    }

    private func next(in group: Int) -> WriteRequest? {
        lock.lock()
        defer { lock.unlock() }
        if queue.isEmpty, group < lastGroupCount, lastGroupCount > 1 {
            // Those whose commit has just ended are about to come back; a wait far shorter than a sync lets them share the next.
            let patience = min(200, lastCommitMicroseconds / 4)
            let deadline = monotonicMicroseconds() + patience
            while queue.isEmpty {
                let left = deadline - monotonicMicroseconds()
                guard left > 0 else { break }
                lock.wait(microseconds: left)
            }
        }
        return queue.isEmpty ? nil : queue.removeFirst()
    }

    /// Takes requests until the queue is empty or the group is full, commits, and answers them all.
    ///
    /// - Parameter guest: The one request of the group, for which the file has been locked already.
    private func runGroup(_ core: EnvironmentCore, alone guest: WriteRequest? = nil) {
        var done: [WriteRequest] = []
        var root: WriteTransaction?
        var isFull = false
        while done.count < (guest == nil ? Self.maximumGroupCount : 1), (root?.changedByteCount ?? 0) < Self.maximumGroupByteCount {
            guard let request = guest ?? next(in: done.count) else { break }
            do throws(StorageError) {
                if let root {
                    try root.runNested(request.run)
                } else {
                    let transaction = guest == nil ? try WriteTransaction(core) : try WriteTransaction(locked: core)
                    do throws(StorageError) {
                        try transaction.run(request.run)
                    } catch {
                        transaction.abort()
                        throw error
                    }
                    root = transaction
                }
                done.append(request)
                if request.durability == .full { isFull = true }
            } catch {
                request.finish(error)
                if guest != nil { return }
            }
        }
        guard let root else { return }
        let start = monotonicMicroseconds()
        var failure: StorageError?
        let id = root.transaction.id
        do throws(StorageError) {
            try root.commit(durable: isFull)
            // LMDB syncs only what it has written: a commit without changes leaves relaxed ones before it as they are.
            if isFull, hasRelaxedCommits, core.lastTransactionID < id { try core.sync() }
            hasRelaxedCommits = !isFull
        } catch {
            failure = error
        }
        lastCommitMicroseconds = monotonicMicroseconds() - start
        lastGroupCount = done.count
        if failure == nil { core.snapshots.forget() }
        for request in done { request.finish(failure) }
    }
}
