import Foundation

/// Writes PNG files of every kind for the decoder's tests: any colour type and depth, interlaced or not, with stored
/// (uncompressed) data, so that nothing but arithmetic is needed.
struct PNGWriter {
    var width: Int
    var height: Int
    /// 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.
    var colorType: UInt8 = 2
    var bitDepth = 8
    var isInterlaced = false
    var palette: [UInt8] = []
    var transparency: [UInt8]?
    /// Chunks between the header and the pixels.
    var extraChunks: [(name: String, content: [UInt8])] = []
    /// The samples of the pixel at column x, row y, each below 2^bitDepth.
    var samples: (_ x: Int, _ y: Int) -> [Int]

    func file() -> Data {
        var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        bytes += Self.chunk("IHDR", Self.bigEndian(width) + Self.bigEndian(height) + [UInt8(bitDepth), colorType, 0, 0, isInterlaced ? 1 : 0])
        for extra in extraChunks { bytes += Self.chunk(extra.name, extra.content) }
        if !palette.isEmpty { bytes += Self.chunk("PLTE", palette) }
        if let transparency { bytes += Self.chunk("tRNS", transparency) }
        bytes += Self.chunk("IDAT", Self.stored(filteredRows()))
        bytes += Self.chunk("IEND", [])
        return Data(bytes)
    }

    private func filteredRows() -> [UInt8] {
        // Adam7: first column and row, steps across and down.
        let passes = isInterlaced
            ? [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] : [(0, 0, 1, 1)]
        var bytes: [UInt8] = []
        for (x0, y0, dx, dy) in passes where x0 < width && y0 < height {
            for y in stride(from: y0, to: height, by: dy) {
                bytes.append(0)
                bytes += packed(stride(from: x0, to: width, by: dx).flatMap { samples($0, y) })
            }
        }
        return bytes
    }

    private func packed(_ samples: [Int]) -> [UInt8] {
        if bitDepth == 16 { return samples.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } }
        let perByte = 8 / bitDepth
        return stride(from: 0, to: samples.count, by: perByte).map { start in
            (0 ..< perByte).reduce(UInt8(0)) { byte, i in
                byte << UInt8(bitDepth) | (start + i < samples.count ? UInt8(samples[start + i]) : 0)
            }
        }
    }

    static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + content
        return bigEndian(content.count) + body + bigEndian(Int(crc32(body)))
    }

    static func bigEndian(_ value: Int) -> [UInt8] { (0 ..< 4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    /// A zlib stream of stored blocks.
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var start = 0
        repeat {
            let end = min(start + 65535, bytes.count), length = end - start
            stream += [end == bytes.count ? 1 : 0, UInt8(length & 255), UInt8(length >> 8), UInt8(~length & 255), UInt8((~length >> 8) & 255)]
            stream += bytes[start ..< end]
            start = end
        } while start < bytes.count
        var a = 1, b = 0
        for byte in bytes {
            a = (a + Int(byte)) % 65521
            b = (b + a) % 65521
        }
        return stream + bigEndian(b << 16 | a)
    }

    private static let crcTable: [UInt32] = (0 ..< 256).map { value in
        (0 ..< 8).reduce(UInt32(value)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ crc >> 1 : crc >> 1 }
    }

    /// The CRC-32 of PNG and zlib.
    static func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in crcTable[Int((crc ^ UInt32(byte)) & 255)] ^ crc >> 8 }
    }
}

/// A colour laid on white, rounded to nearest.
func overWhite(_ colour: Int, alpha: Int) -> Int { (colour * alpha + 255 * (255 - alpha) + 127) / 255 }
