import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Ctrl-C while a statement runs or its rows are printed: the first asks it to stop, the second ends the shell. At the prompt the
/// line editor takes it as a key; between the statements of a script it ends the run.
final class InterruptWatch: Sendable {
    private struct State {
        var isIdle = true
        var cancel: (@Sendable () -> Void)?
        var count = 0
    }

    private let state = Mutex(State())
    private let endsWhenIdle: Bool
    // Kept alive, and never touched again.
    nonisolated(unsafe) private let source: any DispatchSourceSignal

    init(endsWhenIdle: Bool) {
        self.endsWhenIdle = endsWhenIdle
        // The default action must be off for a source to get the signal.
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler { [weak self] in self?.fire() }
        // The line editor puts back the signal's action that it finds: it must not find the one that is still to be replaced.
        let isInPlace = DispatchSemaphore(value: 0)
        source.setRegistrationHandler { isInPlace.signal() }
        source.resume()
        isInPlace.wait()
    }

    private func fire() {
        let (cancel, ends) = state.withLock { state in
            guard !state.isIdle else { return (nil as (@Sendable () -> Void)?, endsWhenIdle) }
            state.count += 1
            return (state.cancel, state.count > 1)
        }
        if ends {
            Terminal.writeError("\n")
            _exit(ExitStatus.interrupted.rawValue)
        }
        cancel?()
    }

    /// Whether Ctrl-C was pressed since `run` began.
    var isRequested: Bool { state.withLock { $0.count > 0 } }

    /// Runs `body` as a task that Ctrl-C cancels. It counts from here on, also behind the task, until `rest`.
    func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        state.withLock { $0 = State(isIdle: false, cancel: { task.cancel() }) }
        defer { state.withLock { $0.cancel = nil } }
        return try await task.value
    }

    /// All is done: a signal that comes late is nobody's.
    func rest() { state.withLock { $0 = State() } }
}
