#if canImport(Glibc)
@preconcurrency import Glibc // `stdout` is a variable there.
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What the streams are connected to.
package enum Terminal {
    package static var standardErrorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal behind `descriptor`; `nil` where there is none.
    package static func width(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard isatty(descriptor) == 1, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    package static func writeError(_ text: String) { write(text, to: STDERR_FILENO) }

    /// Prints a line on standard error the way all messages of the tool look. Names of files in it cannot steer the terminal.
    package static func warn(_ message: String) { writeError("needletail: \(TextWidth.printable(message, keepsLines: true))\n") }

    /// Sends what was printed on its way, and finds out whether all of it got there. Where nobody reads on (`… | head`),
    /// nothing is wrong.
    package static func finishOutput() throws(ToolFailure) {
        let isFlushed = fflush(stdout) == 0
        guard !isFlushed || ferror(stdout) != 0, errno != EPIPE else { return }
        throw ToolFailure(.io, "standard output could not be written\(isFlushed ? "" : ": " + String(cString: strerror(errno)))")
    }

    package static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let base = rest.baseAddress, !rest.isEmpty {
                #if canImport(Darwin)
                let written = Darwin.write(descriptor, base, rest.count)
                #elseif canImport(Musl)
                let written = Musl.write(descriptor, base, rest.count)
                #else
                let written = Glibc.write(descriptor, base, rest.count)
                #endif
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}
