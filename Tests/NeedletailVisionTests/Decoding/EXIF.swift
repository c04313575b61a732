/// Writes EXIF blocks for tests.
enum EXIF {
    /// A TIFF block whose first directory holds a few entries, the orientation among them.
    static func block(orientation: Int, bigEndian: Bool, type: Int = 3, count: Int = 1, entries: Int = 2) -> [UInt8] {
        func number(_ value: Int, _ size: Int) -> [UInt8] {
            let bytes = (0 ..< size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            return bigEndian ? bytes.reversed() : bytes
        }
        var bytes: [UInt8] = bigEndian ? [0x4D, 0x4D] : [0x49, 0x49]
        bytes += number(42, 2) + number(8, 4) + number(entries, 2)
        bytes += number(0x0100, 2) + number(4, 2) + number(1, 4) + number(640, 4)
        bytes += number(0x0112, 2) + number(type, 2) + number(count, 4) + number(orientation, 2) + [0, 0]
        return bytes + number(0, 4)
    }

    /// `jpeg` with an APP1 segment of `block` behind its first marker.
    static func inserted(_ block: [UInt8], into jpeg: [UInt8]) -> [UInt8] {
        let content = Array("Exif".utf8) + [0, 0] + block, length = content.count + 2
        return [0xFF, 0xD8, 0xFF, 0xE1, UInt8(length >> 8), UInt8(length & 255)] + content + jpeg.dropFirst(2)
    }
}
