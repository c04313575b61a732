import Foundation
import Testing
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Starts a process with no signal blocked. Tests run on threads that block most, which a child would inherit: Ctrl-C would not
/// reach it, nor the end of its own children.
func withoutBlockedSignals<Result>(_ start: () throws -> Result) rethrows -> Result {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try start()
}

/// One run of the built tool: what it printed, and how it ended.
struct ToolRun {
    let status: Int32
    let output: String
    let errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// The program, which SwiftPM puts beside the tests.
    static let program: URL? = findProgram()

    private static func findProgram() -> URL? {
        var folders: [URL] = []
        if let executable = Bundle.main.executableURL { folders.append(executable.deletingLastPathComponent()) }
        for bundle in Bundle.allBundles { folders.append(bundle.bundleURL.deletingLastPathComponent()) }
        return folders.map { $0.appendingPathComponent("needletail") }.first {
            FileManager.default.isExecutableFile(atPath: $0.path)
        }
    }

    /// Runs the tool in `folder` to its end.
    init(_ arguments: [String], in folder: URL) throws {
        self = try Running(arguments, in: folder).end()
    }

    fileprivate init(status: Int32, output: String, errors: String) {
        self.status = status
        self.output = output
        self.errors = errors
    }

    /// The tool does not stand beside the tests.
    struct ProgramMissing: Error {}

    /// A run that has not ended.
    struct Running {
        let process = Process()
        private let output: URL
        private let errors: URL

        init(_ arguments: [String], in folder: URL, input: FileHandle = .nullDevice) throws {
            guard let program = ToolRun.program else { throw ProgramMissing() }
            process.executableURL = program
            process.arguments = arguments
            process.currentDirectoryURL = folder
            // Files rather than pipes: nobody has to empty them while the tool runs.
            let name = UUID().uuidString
            output = FileManager.default.temporaryDirectory.appendingPathComponent("needletail-\(name).out")
            errors = FileManager.default.temporaryDirectory.appendingPathComponent("needletail-\(name).err")
            for file in [output, errors] { try Data().write(to: file) }
            process.standardOutput = try FileHandle(forWritingTo: output)
            process.standardError = try FileHandle(forWritingTo: errors)
            process.standardInput = input
            try withoutBlockedSignals { try process.run() }
        }

        /// What it has printed by now.
        func outputSoFar() throws -> String { try String(contentsOf: output, encoding: .utf8) }

        func end() throws -> ToolRun {
            process.waitUntilExit()
            defer { for file in [output, errors] { try? FileManager.default.removeItem(at: file) } }
            return ToolRun(
                status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
                errors: try String(contentsOf: errors, encoding: .utf8))
        }
    }
}
