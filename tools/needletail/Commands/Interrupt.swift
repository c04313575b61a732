import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Ctrl-C (and a polite kill) during a long command: the first asks it to finish what it has begun, the second ends it at once.
package struct Interrupt {
    // Signals come to the process as a whole, so their count is the process's too.
    private static let count = Atomic<Int>(0)
    private static let signals = [SIGINT, SIGTERM]
    private let sources: [any DispatchSourceSignal]

    /// - Parameters:
    ///   - note: what becomes of the work begun, for the message.
    ///   - action: called once, at the first signal.
    package init(note: String = "what is finished will be kept", action: @escaping @Sendable () -> Void = {}) {
        // The default action must be off for a source to get the signal.
        for number in Self.signals { signal(number, SIG_IGN) }
        sources = Self.signals.map { DispatchSource.makeSignalSource(signal: $0, queue: .global()) }
        for source in sources {
            source.setEventHandler {
                if Self.count.add(1, ordering: .relaxed).oldValue > 0 { _exit(ExitStatus.interrupted.rawValue) }
                Terminal.writeError("\nneedletail: stopping; \(note) (again to stop at once)\n")
                action()
            }
            source.resume()
        }
    }

    /// Whether the command is to come to an end.
    package var isRequested: Bool { Self.count.load(ordering: .relaxed) > 0 }
}
