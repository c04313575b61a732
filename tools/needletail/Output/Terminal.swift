#if canImport(Glibc)
import Glibc
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

    /// Prints a line on standard error the way all messages of the tool look.
    package static func warn(_ message: String) { writeError("needletail: \(message)\n") }

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
