#if canImport(Glibc)
@preconcurrency import Glibc // `stdout` is a variable there.
#elseif canImport(Musl)
@preconcurrency import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Where results go: standard output, or the file that `.output` names.
@MainActor
final class ShellOutput {
    private var file: UnsafeMutablePointer<FILE>?
    private(set) var path: String?

    /// Whether results are seen by a person now, on a terminal.
    var isTerminal: Bool { file == nil && isatty(STDOUT_FILENO) == 1 }

    /// Columns of the terminal; `nil` where the output is none.
    var width: Int? { isTerminal ? Terminal.width(of: STDOUT_FILENO) : nil }

    /// Sends what follows into a file, which is written anew, or without a path to standard output again.
    func redirect(to path: String?) throws(ToolFailure) {
        try finish()
        guard let path else { return }
        guard let opened = fopen(Path.expandingHome(path), "w") else {
            throw ToolFailure(.io, "\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
        file = opened
        self.path = path
    }

    func write(_ text: String) {
        guard !text.isEmpty else { return }
        fputs(text, file ?? stdout)
    }

    /// Writes a text that may be long: a piece at a time, as long as `goesOn`.
    func write(_ text: String, while goesOn: () -> Bool) throws(ToolFailure) {
        var rest = text[...]
        while !rest.isEmpty {
            guard goesOn() else { throw ToolFailure(.interrupted, "stopped before all rows were printed") }
            // Not through the middle of a line: a message that follows begins on its own.
            var end = rest.utf8.index(rest.startIndex, offsetBy: 1 << 16, limitedBy: rest.endIndex) ?? rest.endIndex
            if end != rest.endIndex { end = rest.utf8[..<end].lastIndex(of: UInt8(ascii: "\n")).map(rest.utf8.index(after:)) ?? rest.endIndex }
            fputs(String(rest[..<end]), file ?? stdout)
            rest = rest[end...]
        }
    }

    /// Shows what was written so far, before the next prompt or message.
    func flush() { fflush(file ?? stdout) }

    /// Closes the file, and finds out whether all of it got there.
    func finish() throws(ToolFailure) {
        guard let file else { return }
        let name = path ?? ""
        self.file = nil
        path = nil
        let failed = ferror(file) != 0
        guard fclose(file) == 0, !failed else {
            throw ToolFailure(.io, "\(name): cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}
