import Dispatch
import Synchronization

/// Why training or building an index ended without a result. It has then left nothing behind.
package enum TrainingError: Error, Sendable, Equatable {
    case cancelled
    /// A parameter is out of its range or does not fit another; the message says which, and what would do.
    case invalid(String)
    /// More clusters (lists) are wanted than there are vectors to make them of.
    case tooManyClusters(clusters: Int, vectors: Int)
    /// A vector holds a NaN or an infinity, with which no mean can be computed.
    case notFinite(slot: UInt32)
}

/// The threads that train and encode: they share out ranges of rows. Also knows whether the work is still wanted, and tells
/// how far it is.
package final class TrainingCrew: @unchecked Sendable {
    package let threads: Int
    private let progress: (@Sendable (_ phase: String, _ fraction: Double) -> Void)?
    private let isCancelled: (@Sendable () -> Bool)?

    /// - Parameters:
    ///   - threads: how many work at once, at least 1. Results do not depend on it.
    ///   - progress: called now and then, from any of the threads.
    ///   - isCancelled: asked before each piece of work, from any of the threads.
    package init(
        threads: Int = 1, progress: (@Sendable (_ phase: String, _ fraction: Double) -> Void)? = nil,
        isCancelled: (@Sendable () -> Bool)? = nil
    ) {
        self.threads = max(1, threads)
        self.progress = progress
        self.isCancelled = isCancelled
    }

    func check() throws(TrainingError) {
        if isCancelled?() == true { throw .cancelled }
    }

    func report(_ phase: String, _ fraction: Double) { progress?(phase, fraction) }

    /// Calls `body` for pieces of `0 ..< count`, `piece` numbers each but for the last, with the number of the worker. Each worker
    /// takes one piece after another, in no fixed order: what `body` writes must depend on its range alone.
    func forEach(
        _ count: Int, piece: Int, phase: String? = nil, _ body: (_ worker: Int, _ range: Range<Int>) -> Void
    ) throws(TrainingError) {
        let pieces = (count + piece - 1) / piece
        let workers = min(threads, pieces)
        let next = Atomic<Int>(0)
        let stopped = Atomic<Bool>(false)
        func work(_ worker: Int) {
            while !stopped.load(ordering: .relaxed) {
                let number = next.add(1, ordering: .relaxed).oldValue
                if number >= pieces { return }
                if isCancelled?() == true {
                    stopped.store(true, ordering: .relaxed)
                    return
                }
                body(worker, number * piece ..< min(count, (number + 1) * piece))
                if let phase { progress?(phase, Double(number + 1) / Double(pieces)) }
            }
        }
        if workers <= 1 {
            work(0)
        } else {
            withoutActuallyEscaping(work) { work in
                // Workers share the number of the next piece; what `body` shares is its own affair, as said above.
                nonisolated(unsafe) let work = work
                DispatchQueue.concurrentPerform(iterations: workers) { work($0) }
            }
        }
        if stopped.load(ordering: .relaxed) { throw .cancelled }
    }
}
