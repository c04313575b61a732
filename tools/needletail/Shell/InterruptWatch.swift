import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Ctrl-C while a statement runs: the first asks it to stop, the second ends the shell. Between statements it does nothing by
/// itself; at the prompt the line editor takes it as a key.
final class InterruptWatch: Sendable {
    private struct State {
        var cancel: (@Sendable () -> Void)?
        var count = 0
    }

    private let state = Mutex(State())
    // Kept alive, and never touched again.
    nonisolated(unsafe) private let source: any DispatchSourceSignal

    init() {
        // The default action must be off for a source to get the signal.
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { [weak self] in self?.fire() }
        source.resume()
    }

    private func fire() {
        let (cancel, count) = state.withLock { state in
            state.count += 1
            return (state.cancel, state.count)
        }
        if count > 1 {
            Terminal.writeError("\n")
            _exit(ExitStatus.interrupted.rawValue)
        }
        cancel?()
    }

    /// Whether Ctrl-C was pressed since `run` began.
    var isRequested: Bool { state.withLock { $0.count > 0 } }

    /// Runs `body` as a task that Ctrl-C cancels.
    func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        state.withLock { $0 = State(cancel: { task.cancel() }) }
        // Outside of a statement a signal counts for nothing, also one that comes late.
        defer { state.withLock { $0 = State(cancel: nil, count: .min) } }
        return try await task.value
    }
}
