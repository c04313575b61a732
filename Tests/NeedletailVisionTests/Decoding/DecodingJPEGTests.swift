import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("JPEG decoding and encoding")
struct DecodingJPEGTests {
    /// A smooth picture, which JPEG keeps well: no two corners alike.
    static func gradient(_ width: Int, _ height: Int) -> PixelImage {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 3)
        for y in 0 ..< height {
            for x in 0 ..< width {
                pixels.append(UInt8(x * 255 / max(1, width - 1)))
                pixels.append(UInt8(y * 255 / max(1, height - 1)))
                pixels.append(UInt8(255 - (x + y) * 255 / max(1, width + height - 2)))
            }
        }
        return PixelImage(width: width, height: height, pixels: pixels)
    }

    static func largestDifference(_ a: PixelImage, _ b: PixelImage) -> Int {
        guard a.width == b.width, a.height == b.height else { return .max }
        return zip(a.pixels, b.pixels).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
    }

    @Test("what is encoded decodes to nearly the same", arguments: [(1, 1), (8, 8), (17, 33), (200, 150), (640, 3)])
    func roundTrip(width: Int, height: Int) throws {
        let picture = Self.gradient(width, height)
        let decoded = try ImageDecoder.decode(try ImageEncoder.jpeg(picture, quality: 95), name: "made.jpg")
        #expect(decoded.format == .jpeg)
        #expect(decoded.originalWidth == width && decoded.originalHeight == height)
        // A slope of a few pixels is steep, and colour is kept at half the resolution.
        #expect(Self.largestDifference(decoded.image, picture) <= (min(width, height) < 10 ? 48 : 24))
    }

    @Test("quality and size are checked, and quality matters")
    func encoderArguments() throws {
        let picture = Self.gradient(64, 64)
        for quality in [0, 101, -5] {
            #expect(throws: VisionError.self) { try ImageEncoder.jpeg(picture, quality: quality) }
        }
        let long = PixelImage(width: 70_000, height: 1, pixels: [UInt8](repeating: 0, count: 210_000))
        let error = #expect(throws: VisionError.self) { try ImageEncoder.jpeg(long) }
        #expect(error?.code == .tooLarge)
        #expect(try ImageEncoder.jpeg(picture, quality: 10).count < ImageEncoder.jpeg(picture, quality: 95).count)
    }

    @Test("noise, which hardly compresses, makes the encoder's block grow")
    func growingOutput() throws {
        var random = SeededGenerator(seed: 3)
        let noise = PixelImage(width: 300, height: 200, pixels: (0 ..< 180_000).map { _ in UInt8.random(in: 0 ... 255, using: &random) })
        let file = try ImageEncoder.jpeg(noise, quality: 100)
        #expect(file.count > 300 * 200 / 2 + 1024)
        #expect(try ImageDecoder.decode(file, name: "noise.jpg").image.width == 300)
    }

    @Test("all eight EXIF orientations are applied, in both byte orders", arguments: 1 ... 8, [false, true])
    func orientation(orientation: Int, bigEndian: Bool) throws {
        let stored = try ImageEncoder.jpeg(Self.gradient(70, 37), quality: 90)
        let plain = try ImageDecoder.decode(stored, name: "plain.jpg").image
        let turned = Data(EXIF.inserted(EXIF.block(orientation: orientation, bigEndian: bigEndian), into: [UInt8](stored)))
        let decoded = try ImageDecoder.decode(turned, name: "turned.jpg")
        let isSwapped = orientation >= 5
        #expect(decoded.image.width == (isSwapped ? 37 : 70) && decoded.originalHeight == (isSwapped ? 70 : 37))
        let information = try ImageDecoder.probe(turned, name: "turned.jpg")
        #expect(information.orientation == orientation && information.width == decoded.originalWidth && information.height == decoded.originalHeight)
        // Where the EXIF standard puts the stored row 0 and column 0: top/bottom, left/right, swapped for 5 ... 8.
        for y in 0 ..< plain.height {
            for x in 0 ..< plain.width {
                let (right, bottom) = (69 - x, 36 - y)
                let (tx, ty) = [(x, y), (right, y), (right, bottom), (x, bottom), (y, x), (bottom, x), (bottom, right), (y, right)][orientation - 1]
                let from = (y * plain.width + x) * 3, to = (ty * decoded.image.width + tx) * 3
                if plain.pixels[from ..< from + 3] != decoded.image.pixels[to ..< to + 3] {
                    Issue.record("pixel (\(x), \(y)) is not at (\(tx), \(ty))")
                    return
                }
            }
        }
    }

    @Test("a senseless EXIF block leaves the picture as it is stored")
    func senselessOrientation() throws {
        let stored = [UInt8](try ImageEncoder.jpeg(Self.gradient(20, 10)))
        var blocks: [[UInt8]] = [0, 9, 77, 65535].map { EXIF.block(orientation: $0, bigEndian: false) }
        blocks.append(EXIF.block(orientation: 6, bigEndian: true, type: 4))
        blocks.append(EXIF.block(orientation: 6, bigEndian: true, count: 2))
        let whole = EXIF.block(orientation: 6, bigEndian: false)
        blocks += (0 ..< whole.count - 8).map { Array(whole.prefix($0)) }
        // The directory beyond the block.
        for offset in [0xFFFF_FFFF, whole.count - 1, 1 << 31] {
            var block = EXIF.block(orientation: 6, bigEndian: true)
            block.replaceSubrange(4 ..< 8, with: PNGWriter.bigEndian(offset))
            blocks.append(block)
        }
        for block in blocks {
            #expect(try ImageDecoder.probe(Data(EXIF.inserted(block, into: stored)), name: "odd.jpg").orientation == 1)
        }
        // More entries claimed than there are: those that are there count.
        let claims = EXIF.block(orientation: 6, bigEndian: false, entries: 60_000)
        #expect(try ImageDecoder.probe(Data(EXIF.inserted(claims, into: stored)), name: "odd.jpg").orientation == 6)
    }

    @Test("large pictures are decoded at a fraction of their size, small ones never")
    func scaledDecoding() throws {
        let large = try ImageEncoder.jpeg(Self.gradient(1601, 1203), quality: 90)
        for (target, denominator) in [(nil, 1), (700, 1), (300, 2), (150, 4), (75, 8), (10, 8)] as [(Int?, Int)] {
            let decoded = try ImageDecoder.decode(large, name: "large.jpg", options: DecodeOptions(targetShortSide: target))
            #expect(decoded.image.width == (1601 + denominator - 1) / denominator, "\(target ?? 0)")
            #expect(decoded.image.height == (1203 + denominator - 1) / denominator, "\(target ?? 0)")
            #expect(decoded.originalWidth == 1601 && decoded.originalHeight == 1203)
        }
        let small = try ImageEncoder.jpeg(Self.gradient(1000, 1000), quality: 90)
        #expect(try ImageDecoder.decode(small, name: "small.jpg", options: DecodeOptions(targetShortSide: 10)).image.width == 1000)
    }

    @Test("scaled decoding shows the same picture")
    func scaledDecodingContent() throws {
        let file = try ImageEncoder.jpeg(Self.gradient(1600, 1200), quality: 95)
        let full = try ImageDecoder.decode(file, name: "large.jpg").image.thumbnail(maximumSide: 64)
        let quarter = try ImageDecoder.decode(file, name: "large.jpg", options: DecodeOptions(targetShortSide: 64)).image
        #expect(quarter.width == 200)
        #expect(Self.largestDifference(full, quarter.thumbnail(maximumSide: 64)) <= 6)
    }

    @Test("CMYK and progressive gray become RGB")
    func otherColourSpaces() throws {
        let red = try #require(Data(base64Encoded: Self.cmykRed))
        let decoded = try ImageDecoder.decode(red, name: "cmyk.jpg").image
        #expect(decoded.width == 8 && decoded.pixels[0] >= 250 && decoded.pixels[1] <= 5 && decoded.pixels[2] <= 5)
        let gray = try #require(Data(base64Encoded: Self.progressiveGray))
        #expect(try ImageDecoder.decode(gray, name: "gray.jpg").image.pixels.allSatisfy { abs(Int($0) - 90) <= 1 })
    }

    @Test("a file cut anywhere before its last pixels is truncated")
    func truncation() throws {
        var random = SeededGenerator(seed: 8)
        let noise = PixelImage(width: 40, height: 30, pixels: (0 ..< 3600).map { _ in UInt8.random(in: 0 ... 255, using: &random) })
        let file = try ImageEncoder.jpeg(noise, quality: 80)
        for length in 3 ..< file.count - 3 {
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file.prefix(length), name: "cut.jpg") }
            #expect(error?.code == .truncated, "\(length) of \(file.count) bytes: \(error?.message ?? "")")
        }
        // Without its end marker the picture is whole.
        #expect(try ImageDecoder.decode(file.prefix(file.count - 2), name: "cut.jpg") == ImageDecoder.decode(file, name: "cut.jpg"))
    }

    @Test("a progressive file cut anywhere is truncated, even between two scans")
    func progressiveTruncation() throws {
        let file = try #require(Data(base64Encoded: Self.progressiveGray))
        for length in 3 ..< file.count {
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file.prefix(length), name: "cut.jpg") }
            #expect(error?.code == .truncated, "\(length) of \(file.count) bytes: \(error?.message ?? "")")
        }
    }

    @Test("a file of very many scans is refused")
    func scanLimit() throws {
        let file = try #require(Data(base64Encoded: Self.progressiveGray))
        let first = try #require(file.range(of: Data([0xFF, 0xDA]))).lowerBound
        let next = try #require(file.range(of: Data([0xFF, 0xC4]), in: first ..< file.count)).lowerBound
        var many = file
        for _ in 0 ..< 600 { many.insert(contentsOf: file[first ..< next], at: next) }
        let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(many, name: "scans.jpg") }
        #expect(error?.code == .corrupt && error?.message.contains("scans") == true)
    }

    @Test("stray bytes between markers and after the end do no harm")
    func strayBytes() throws {
        let file = try ImageEncoder.jpeg(Self.gradient(32, 32), quality: 90)
        let picture = try ImageDecoder.decode(file, name: "a.jpg")
        #expect(try ImageDecoder.decode(file + Data("trailing".utf8), name: "a.jpg") == picture)
        let tables = try #require(file.range(of: Data([0xFF, 0xDB])))
        var stray = file
        stray.insert(contentsOf: [0, 1, 2, 3], at: tables.lowerBound)
        #expect(try ImageDecoder.decode(stray, name: "a.jpg") == picture)
    }

    /// 8 × 8 CMYK (0, 255, 255, 0), inverted, with an Adobe marker.
    static let cmykRed = """
        /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCgwJ\
        CgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAE\
        EQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6\
        g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkA\
        SwAAPwD9/K/n/r+f+v38r//Z
        """

    /// 8 × 8 gray 90 in several scans.
    static let progressiveGray = """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsK\
        DAkKCgr/wgALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAB//aAAgBAQAAAAEz/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABBQJ/\
        /8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQAGPwJ//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPyF//9oACAEBAAAAEH//xAAUEAEA\
        AAAAAAAAAAAAAAAAAAAA/9oACAEBAAE/EH//2Q==
        """
}
