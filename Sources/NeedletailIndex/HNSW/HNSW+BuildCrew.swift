import Foundation
import Synchronization

/// How far a build has come.
package struct HNSWBuildProgress: Sendable {
    /// The parts of a build, in their order.
    package enum Phase: String, Sendable, CaseIterable {
        /// Vectors are brought into the form that is traversed.
        case encode
        /// Lists that lead to deleted records are mended.
        case repair
        /// The nodes of the upper levels are inserted.
        case upper
        /// All others are sorted, so that neighbours are inserted one after the other.
        case order
        /// They are inserted.
        case insert
        /// Nodes that no path leads to are linked.
        case connect
        /// What lists and vectors lead to is brought into codes beside them.
        case codes
    }

    package let phase: Phase
    package let done: Int
    package let total: Int
}

/// Why a build ended without a result. It has then left nothing behind.
package enum HNSWBuildError: Error, Sendable, Equatable {
    case cancelled
    /// The build would take more memory than it may.
    case memoryLimit(needed: Int, limit: Int)
    /// The system gave no memory.
    case outOfMemory(byteCount: Int)
    /// A parameter is out of its range, or does not fit what is to be extended; the message says which.
    case invalid(String)
}

/// The threads of a build. They share out a range among themselves, batch by batch; the thread that asked for it waits,
/// reports progress and looks for cancellation.
///
/// Threads of its own, since work of minutes would keep Swift's cooperative ones from everything else.
final class BuildCrew {
    let threads: Int
    private let progress: ((HNSWBuildProgress) -> Void)?
    private let isCancelled: (() -> Bool)?

    private static let reportInterval = 0.2
    /// A thread that has not begun by then never will.
    private static let startLimit = Duration.seconds(5)

    init(threads: Int, progress: ((HNSWBuildProgress) -> Void)?, isCancelled: (() -> Bool)?) {
        self.threads = threads
        self.progress = progress
        self.isCancelled = isCancelled
    }

    /// What the threads of one phase share.
    private final class Shared: Sendable {
        let next = Atomic<Int>(0)
        let stopped = Atomic<Bool>(false)
        let running: Atomic<Int>
        let finished = NSCondition()
        /// By worker: whether somebody does its work.
        private let isTaken: Mutex<[Bool]>

        init(threads: Int) {
            running = Atomic(threads)
            isTaken = Mutex(Array(repeating: false, count: threads))
        }

        /// Whether the worker's work is the caller's from now on.
        func take(_ worker: Int) -> Bool {
            isTaken.withLock { isTaken in
                defer { isTaken[worker] = true }
                return !isTaken[worker]
            }
        }
    }

    /// Calls `body` for each number in `0 ..< count`, with the number of the thread; each thread takes `batch` neighbouring
    /// numbers at a time. One thread takes them in order.
    ///
    /// - Throws: `cancelled`; some numbers have not been visited then.
    func forEach(
        _ phase: HNSWBuildProgress.Phase, count: Int, batch: Int, threads limit: Int = .max,
        _ body: @escaping (_ worker: Int, _ number: Int) -> Void
    ) throws(HNSWBuildError) {
        if isCancelled?() == true { throw .cancelled }
        guard count > 0 else { return }
        let workers = max(1, min(threads, limit, (count + batch - 1) / batch))
        let shared = Shared(threads: workers)
        // Threads share what `body` says they share; they have ended when this scope does.
        nonisolated(unsafe) let body = body
        @Sendable func work(_ worker: Int) {
            while true {
                let first = shared.next.add(batch, ordering: .relaxed).oldValue
                if first >= count { break }
                for number in first ..< min(first + batch, count) {
                    if shared.stopped.load(ordering: .relaxed) { break }
                    body(worker, number)
                }
            }
        }
        for worker in 0 ..< workers {
            let thread = Thread {
                guard shared.take(worker) else { return }
                work(worker)
                shared.finished.lock()
                if shared.running.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { shared.finished.signal() }
                shared.finished.unlock()
            }
            thread.name = "needletail-build"
            thread.stackSize = 1 << 20
            thread.start()
        }
        shared.finished.lock()
        let start = ContinuousClock.now
        var hasLookedAfter = false
        while shared.running.load(ordering: .acquiring) > 0 {
            if !hasLookedAfter, ContinuousClock.now - start > Self.startLimit {
                hasLookedAfter = true
                // The system may refuse a thread, and does not say so: the work of those that have not begun is not waited for.
                let missing = (0 ..< workers).filter(shared.take)
                shared.running.subtract(missing.count, ordering: .acquiringAndReleasing)
                if missing.count == workers {
                    shared.finished.unlock()
                    work(0)
                    shared.finished.lock()
                }
                continue
            }
            _ = shared.finished.wait(until: Date(timeIntervalSinceNow: Self.reportInterval))
            shared.finished.unlock()
            let done = shared.next.load(ordering: .relaxed) - workers * batch
            progress?(HNSWBuildProgress(phase: phase, done: min(max(done, 0), count), total: count))
            if isCancelled?() == true { shared.stopped.store(true, ordering: .relaxed) }
            shared.finished.lock()
        }
        shared.finished.unlock()
        if shared.stopped.load(ordering: .relaxed) { throw .cancelled }
        progress?(HNSWBuildProgress(phase: phase, done: count, total: count))
    }
}
