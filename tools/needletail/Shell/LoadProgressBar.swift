import Synchronization

/// The progress of an import; called from any thread.
final class LoadProgressBar: Sendable {
    private let bar = Mutex<ProgressBar?>(nil)

    func update(_ done: Int, _ total: Int, _ unit: String) {
        bar.withLock { bar in
            if bar == nil { bar = ProgressBar("loading", total: total, unit: unit) }
            bar?.update(done)
        }
    }

    func finish() { bar.withLock { $0?.finish() } }
}
