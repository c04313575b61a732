#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The lines of a mapped file, one after the other, without their ends (`\n` or `\r\n`).
///
/// A byte order mark at the beginning is not part of the first line.
package struct LineReader {
    package let file: MappedFile
    /// The offset of the next line.
    package private(set) var offset: Int
    /// The number of the line handed out last, counted from 1.
    package private(set) var line = 0
    private var released = 0

    package init(_ file: MappedFile) {
        self.file = file
        offset = file.bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    package mutating func next() -> UnsafeRawBufferPointer? {
        let bytes = file.bytes
        guard offset < bytes.count, let base = bytes.baseAddress else { return nil }
        let start = offset
        let rest = bytes.count - start
        let end = memchr(base + start, 0x0A, rest).map { UnsafeRawPointer($0) - base } ?? bytes.count
        offset = min(bytes.count, end + 1)
        line += 1
        releaseBehind()
        let hasReturn = end > start && bytes[end - 1] == 0x0D
        return UnsafeRawBufferPointer(rebasing: bytes[start ..< (hasReturn ? end - 1 : end)])
    }

    /// Hands pages back in steps of 16 MiB. The current line may lie in a page released here; it is merely read again.
    private mutating func releaseBehind() {
        guard offset - released >= 16 << 20 else { return }
        file.release(released ..< offset)
        released = offset
    }
}
