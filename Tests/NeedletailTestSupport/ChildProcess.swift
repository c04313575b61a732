import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// `kill(2)`, which inside the class would mean its method.
private func sendKill(_ process: Int32) { _ = kill(process, SIGKILL) }

/// A program built with the tests, run as another process whose lines can be awaited.
public final class ChildProcess {
    private let process = Process()
    private let output = Pipe()
    private var buffer = Data()

    /// The folder with the built programs: the test runner stands beside them.
    private static var programs: URL {
        for bundle in Bundle.allBundles where bundle.bundlePath.hasSuffix(".xctest") { return bundle.bundleURL.deletingLastPathComponent() }
        return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    }

    /// Starts `program` with the arguments.
    public init(_ program: String, _ arguments: [String]) throws {
        process.executableURL = Self.programs.appendingPathComponent(program)
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
    }

    /// The next line, without its end; nil when the output has ended.
    public func readLine() -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                defer { buffer = Data(buffer[(end + 1)...]) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { return nil }
            buffer.append(more)
        }
    }

    /// Ends it as a power cut would, without a chance to tidy up.
    public func kill() {
        sendKill(process.processIdentifier)
    }

    /// Waits for the end; the exit status.
    @discardableResult
    public func wait() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }
}
