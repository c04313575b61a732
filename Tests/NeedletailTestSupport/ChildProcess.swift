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

    /// Starts `program`, one built with the tests or else one of the system's, with the arguments.
    public init(_ program: String, _ arguments: [String], isQuiet: Bool = false) throws {
        let built = Self.programs.appendingPathComponent(program)
        if FileManager.default.isExecutableFile(atPath: built.path) {
            process.executableURL = built
        } else {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        }
        if isQuiet { process.standardError = FileHandle.nullDevice }
        process.arguments = process.executableURL == built ? arguments : [program] + arguments
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
            // Not through FileHandle, which ends the process when a signal interrupts the read.
            var bytes = [UInt8](repeating: 0, count: 65536)
            let count = read(output.fileHandleForReading.fileDescriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            buffer.append(contentsOf: bytes[..<count])
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
