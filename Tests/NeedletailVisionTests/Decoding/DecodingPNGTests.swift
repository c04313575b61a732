import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("PNG decoding")
struct DecodingPNGTests {
    /// Decodes what `writer` writes and compares it with `expected`, red, green, blue of each pixel, to within `tolerance`.
    private func check(
        _ writer: PNGWriter, tolerance: Int = 0, expected: (_ x: Int, _ y: Int) -> [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let decoded = try ImageDecoder.decode(writer.file(), name: "made.png")
        #expect(decoded.format == .png, sourceLocation: sourceLocation)
        #expect(decoded.image.width == writer.width && decoded.image.height == writer.height, sourceLocation: sourceLocation)
        var worst = 0
        for y in 0 ..< writer.height {
            for x in 0 ..< writer.width {
                let start = (y * writer.width + x) * 3
                for (found, wanted) in zip(decoded.image.pixels[start ..< start + 3], expected(x, y)) { worst = max(worst, abs(Int(found) - wanted)) }
            }
        }
        #expect(worst <= tolerance, sourceLocation: sourceLocation)
    }

    /// A value that differs from pixel to pixel and channel to channel, below `limit`.
    private static func value(_ x: Int, _ y: Int, _ channel: Int, below limit: Int) -> Int { (x * 7919 + y * 104_729 + channel * 1299 + 77) % limit }

    static let sizes = [(1, 1), (3, 2), (9, 11), (17, 5), (64, 33)]

    @Test("gray of every depth, plain and interlaced", arguments: [1, 2, 4, 8, 16], [false, true])
    func gray(depth: Int, interlaced: Bool) throws {
        for (width, height) in Self.sizes {
            let top = 1 << depth
            let writer = PNGWriter(width: width, height: height, colorType: 0, bitDepth: depth, isInterlaced: interlaced) { x, y in
                [Self.value(x, y, 0, below: top)]
            }
            try check(writer) { x, y in
                let sample = Self.value(x, y, 0, below: top)
                return [Int](repeating: depth == 16 ? sample >> 8 : sample * 255 / (top - 1), count: 3)
            }
        }
    }

    @Test("RGB of 8 and 16 bits, plain and interlaced", arguments: [8, 16], [false, true])
    func rgb(depth: Int, interlaced: Bool) throws {
        for (width, height) in Self.sizes {
            func samples(_ x: Int, _ y: Int) -> [Int] { (0 ..< 3).map { Self.value(x, y, $0, below: 1 << depth) } }
            let writer = PNGWriter(width: width, height: height, bitDepth: depth, isInterlaced: interlaced, samples: samples)
            try check(writer) { x, y in samples(x, y).map { depth == 16 ? $0 >> 8 : $0 } }
        }
    }

    @Test("transparency is laid on white", arguments: [4, 6] as [UInt8], [8, 16])
    func alpha(colorType: UInt8, depth: Int) throws {
        for interlaced in [false, true] {
            for (width, height) in Self.sizes {
                let channels = colorType == 4 ? 2 : 4
                func samples(_ x: Int, _ y: Int) -> [Int] { (0 ..< channels).map { Self.value(x, y, $0, below: 1 << depth) } }
                let writer = PNGWriter(
                    width: width, height: height, colorType: colorType, bitDepth: depth, isInterlaced: interlaced, samples: samples)
                try check(writer) { x, y in
                    let bytes = samples(x, y).map { depth == 16 ? $0 >> 8 : $0 }
                    return (0 ..< 3).map { overWhite(bytes[channels == 2 ? 0 : $0], alpha: bytes[channels - 1]) }
                }
            }
        }
    }

    @Test("palettes of every depth, opaque and transparent", arguments: [1, 2, 4, 8], [false, true])
    func palette(depth: Int, transparent: Bool) throws {
        let entries = 1 << depth
        let palette = (0 ..< entries * 3).map { UInt8(($0 * 37 + 11) % 256) }
        let opacity = (0 ..< max(1, entries / 2)).map { UInt8($0 * 255 / entries) }
        for interlaced in [false, true] {
            let writer = PNGWriter(
                width: 21, height: 10, colorType: 3, bitDepth: depth, isInterlaced: interlaced, palette: palette,
                transparency: transparent ? opacity : nil
            ) { x, y in [Self.value(x, y, 0, below: entries)] }
            try check(writer) { x, y in
                let entry = Self.value(x, y, 0, below: entries)
                let alpha = transparent && entry < opacity.count ? Int(opacity[entry]) : 255
                return (0 ..< 3).map { overWhite(Int(palette[entry * 3 + $0]), alpha: alpha) }
            }
        }
    }

    @Test("one colour may stand for transparent, compared in all its bits")
    func transparentColour() throws {
        let rgb = PNGWriter(width: 4, height: 1, bitDepth: 16, transparency: [0x12, 0x34, 0, 1, 0, 2]) { x, _ in x == 0 ? [0x1234, 1, 2] : [0x1235, 1, 2] }
        try check(rgb) { x, _ in x == 0 ? [255, 255, 255] : [0x12, 0, 0] }
        let gray = PNGWriter(width: 4, height: 1, colorType: 0, bitDepth: 2, transparency: [0, 2]) { x, _ in [x] }
        try check(gray) { x, _ in [Int](repeating: x == 2 ? 255 : x * 85, count: 3) }
    }

    @Test("an eXIf chunk turns the picture")
    func orientation() throws {
        var writer = PNGWriter(width: 3, height: 2) { x, y in [x * 10, y * 10, 5] }
        writer.extraChunks = [("eXIf", EXIF.block(orientation: 6, bigEndian: true))]
        let decoded = try ImageDecoder.decode(writer.file(), name: "turned.png")
        #expect(decoded.originalWidth == 2 && decoded.originalHeight == 3)
        #expect(decoded.image.pixels.prefix(6) == [0, 10, 5, 0, 0, 5])
    }

    @Test("gamma, texts and unknown chunks change nothing")
    func ancillaryChunks() throws {
        var writer = PNGWriter(width: 5, height: 4) { x, y in [x, y, 200] }
        writer.extraChunks = [("gAMA", PNGWriter.bigEndian(220_000)), ("tEXt", Array("a\0b".utf8)), ("vpAg", [1, 2, 3]), ("iCCP", [1])]
        try check(writer) { x, y in [x, y, 200] }
    }

    @Test("a wrong checksum in any chunk is damage")
    func checksums() throws {
        var writer = PNGWriter(width: 6, height: 5, colorType: 3, palette: [UInt8](repeating: 9, count: 768)) { x, y in [x + y] }
        writer.extraChunks = [("tEXt", Array("a\0b".utf8))]
        let file = writer.file()
        for name in ["IHDR", "tEXt", "PLTE", "IDAT", "IEND"] {
            var damaged = file
            let at = try #require(damaged.range(of: Data(name.utf8)))
            let length = damaged[(at.lowerBound - 4) ..< at.lowerBound].reduce(0) { $0 << 8 | Int($1) }
            damaged[at.upperBound + length + 1] ^= 0x40
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(damaged, name: "bad.png") }
            #expect(error?.code == .corrupt, "\(name)")
            #expect(error?.message.contains("bad.png") == true)
        }
    }

    @Test("a file cut anywhere is truncated")
    func truncation() throws {
        let file = PNGWriter(width: 7, height: 6, colorType: 6) { x, y in [x, y, 3, 200] }.file()
        for length in 8 ..< file.count {
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file.prefix(length), name: "cut.png") }
            #expect(error?.code == .truncated, "\(length) of \(file.count) bytes")
        }
    }

    @Test("too little pixel data, and a header that lies about the size")
    func lyingHeader() throws {
        let honest = PNGWriter(width: 8, height: 8) { _, _ in [1, 2, 3] }
        var file = [UInt8](honest.file())
        for (width, height, code) in [
            (8, 9, VisionError.Code.corrupt), (100_000, 100_000, .tooLarge), (0, 8, .corrupt), (Int(Int32.max), 1, .tooLarge),
            (0xFFFF_FFFF, 1, .corrupt), (1_000_001, 1, .tooLarge),
        ] {
            let header = Array("IHDR".utf8) + PNGWriter.bigEndian(width) + PNGWriter.bigEndian(height) + [8, 2, 0, 0, 0]
            file.replaceSubrange(12 ..< 29, with: header)
            file.replaceSubrange(29 ..< 33, with: PNGWriter.bigEndian(Int(PNGWriter.crc32(header))))
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(Data(file), name: "lie.png") }
            #expect(error?.code == code, "\(width) × \(height)")
        }
    }
}
