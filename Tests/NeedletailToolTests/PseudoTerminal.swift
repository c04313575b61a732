import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The tool at a terminal of its own, as a person has it: keys go in, and what the screen is sent comes out.
final class PseudoTerminal {
    private let descriptor: Int32
    private let process: pid_t
    private var hasEnded = false
    /// All that came so far, without escape sequences; and how much of it was looked at.
    private var text = ""
    private var raw: [UInt8] = []
    private var seen = 0

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// `POSIX_SPAWN_SETSID`, which glibc's headers show to GNU programs only.
    #if canImport(Darwin)
    private static let newSession: Int16 = 0x0400
    #else
    private static let newSession: Int16 = 0x0080
    #endif

    init(_ arguments: [String], in folder: URL, columns: UInt16 = 100, environment: [String: String] = [:]) throws {
        guard let program = ToolRun.program else { throw ToolRun.ProgramMissing() }
        var (master, slave) = (Int32(-1), Int32(-1))
        var nameBytes = [CChar](repeating: 0, count: 1024)
        var size = winsize(ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&master, &slave, &nameBytes, nil, &size) == 0 else { throw Failure(description: "no pseudo-terminal") }
        descriptor = master
        let name = nameBytes.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }

        // The first terminal that a session's leader opens becomes the one that its Ctrl-C comes from.
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #else
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        posix_spawn_file_actions_addclose(&actions, master)
        posix_spawn_file_actions_addclose(&actions, slave)
        posix_spawnattr_setflags(&attributes, Self.newSession)

        var variables = ["PATH": "/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": folder.path]
        variables.merge(environment) { $1 }
        // The folder is changed to by a shell, since not every system can do so between fork and exec.
        let line = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder.path, program.path] + arguments
        var child: pid_t = 0
        let status = Self.withStrings(line) { line in
            Self.withStrings(variables.map { "\($0)=\($1)" }) { variables in
                withoutBlockedSignals { posix_spawn(&child, "/bin/sh", &actions, &attributes, line, variables) }
            }
        }
        close(slave)
        guard status == 0 else { throw Failure(description: "the tool did not start: \(String(cString: strerror(status)))") }
        process = child
    }

    deinit {
        if !hasEnded {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        close(descriptor)
    }

    private static func withStrings<R>(_ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R) -> R {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        return body(&pointers)
    }

    /// Presses keys.
    func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Waits until `wanted` stands on the screen behind all that was waited for before. What came up to there is given back.
    @discardableResult
    func expect(_ wanted: String, seconds: Double = 60) throws -> String {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let rest = text.dropFirst(seen)
            if let found = rest.range(of: wanted) {
                let before = String(rest[..<found.upperBound])
                seen += before.count
                return before
            }
            guard ContinuousClock.now < deadline, read() else {
                throw Failure(description: "'\(wanted)' did not come; there was: \(rest.suffix(2000))")
            }
        }
    }

    /// Waits until the tool asks the terminal what it is.
    func expectQuestion() throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !rawText.hasSuffix("\u{1B}[c") {
            guard ContinuousClock.now < deadline, read() else { throw Failure(description: "no question came") }
        }
    }

    /// All that came, with escape sequences.
    var rawText: String { String(decoding: raw, as: UTF8.self) }

    /// The exit status, once the tool ends; 128 more than the signal that ended it.
    func end() throws -> Int32 {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline, read() {}
        var status: Int32 = 0
        // The terminal is closed a moment before the process has ended.
        while waitpid(process, &status, WNOHANG) == 0 {
            guard ContinuousClock.now < deadline else { throw Failure(description: "the tool does not end; there was: \(text.suffix(2000))") }
            usleep(5_000)
        }
        hasEnded = true
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }

    /// Takes in what has come, waiting for it a little; false at the end.
    private func read() -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard Self.wait(&poll) > 0 else { return true }
        var bytes = [UInt8](repeating: 0, count: 65536)
        #if canImport(Darwin)
        let count = Darwin.read(descriptor, &bytes, bytes.count)
        #elseif canImport(Musl)
        let count = Musl.read(descriptor, &bytes, bytes.count)
        #else
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        #endif
        if count < 0, errno == EINTR { return true }
        guard count > 0 else { return false }
        raw += bytes[..<count]
        text = Self.withoutEscapes(String(decoding: raw, as: UTF8.self))
        return true
    }

    private static func wait(_ descriptor: inout pollfd) -> Int32 { poll(&descriptor, 1, 100) }

    /// The text without `ESC [ … letter` and other sequences, carriage returns and bells.
    private static func withoutEscapes(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\u{1B}":
                guard let kind = rest.popFirst(), kind == "[" else { continue }
                while let parameter = rest.popFirst(), !("@" ... "~").contains(parameter) {}
            case "\r", "\u{7}": continue
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
