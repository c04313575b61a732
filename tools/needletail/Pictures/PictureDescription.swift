#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What a text file beside a picture says about it: the first line of `parrot.txt` describes `parrot.png`.
package enum PictureDescription {
    /// Longer descriptions are cut here, in bytes.
    private static let byteLimit = 2000

    /// The description of the picture at `path`; `nil` where there is none, or none that is text.
    package static func of(pictureAt path: String) -> String? {
        guard let dot = path.lastIndex(of: "."), let line = firstLine(of: path[..<dot] + ".txt") else { return nil }
        let trimmed = line.drop { $0.isWhitespace }
        guard let last = trimmed.lastIndex(where: { !$0.isWhitespace }) else { return nil }
        return String(trimmed[...last])
    }

    private static func firstLine(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteLimit)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        var line = bytes.prefix(count).prefix { $0 != 0x0A && $0 != 0x0D }
        if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        // Cut off in the middle of a character: leave out what there is of it.
        if line.count == byteLimit {
            while let last = line.last, last & 0xC0 == 0x80 { line.removeLast() }
            if let last = line.last, last >= 0x80 { line.removeLast() }
        }
        return String(validating: line, as: UTF8.self)
    }
}
