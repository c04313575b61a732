import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("Decoding: what comes in")
struct DecodingInputTests {
    private func code(of body: () throws -> some Any) -> VisionError.Code? {
        do {
            _ = try body()
            return nil
        } catch { return (error as? VisionError)?.code }
    }

    @Test("formats are told by content and refused by name")
    func unsupportedFormats() {
        let contents: [(String, [UInt8])] = [
            ("GIF", Array("GIF89a".utf8)), ("BMP", Array("BM6".utf8)), ("TIFF", [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0]),
            ("HEIC", [0, 0, 0, 24] + Array("ftypheic".utf8)), ("AVIF", [0, 0, 0, 24] + Array("ftypavif".utf8)),
            ("video", [0, 0, 0, 24] + Array("ftypisom".utf8)), ("JPEG XL", [0xFF, 0x0A, 1]), ("PDF", Array("%PDF-1.7".utf8)),
            ("not a picture", Array("hello, world".utf8)), ("not a picture", [0]), ("not a picture", [0xFF]), ("not a picture", Array("RIFF\0\0\0\0WAVE".utf8)),
        ]
        for (word, bytes) in contents {
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(Data(bytes + [UInt8](repeating: 0, count: 40)), name: "x.jpg") }
            #expect(error?.code == .unsupportedFormat)
            #expect(error?.message.contains("x.jpg") == true && error?.message.contains(word) == true && error?.message.contains("PNG") == true)
            #expect(throws: VisionError.self) { try ImageDecoder.decode(Data(bytes), name: "short") }
        }
        #expect(code { try ImageDecoder.decode(Data(), name: "empty") } == .truncated)
    }

    @Test("files that are missing, folders, empty or too large")
    func files() throws {
        let folder = try TemporaryFolder()
        #expect(code { try ImageDecoder.decode(contentsOf: folder.path("missing.png")) } == .notFound)
        #expect(code { try ImageDecoder.decode(contentsOf: folder.url.path) } == .io)
        #expect(code { try ImageDecoder.decode(contentsOf: "/dev/null") } == .io)
        try Data().write(to: folder.url.appendingPathComponent("empty.jpg"))
        #expect(code { try ImageDecoder.decode(contentsOf: folder.path("empty.jpg")) } == .truncated)
        #expect(code { try ImageDecoder.probe(contentsOf: folder.path("empty.jpg")) } == .truncated)

        let file = PNGWriter(width: 30, height: 20) { x, y in [x, y, 0] }.file()
        let path = folder.path("a \u{fc} 图.jpg")
        try file.write(to: URL(fileURLWithPath: path))
        #expect(code { try ImageDecoder.decode(contentsOf: path, options: DecodeOptions(maximumByteCount: 100)) } == .tooLarge)
        #expect(try ImageDecoder.decode(contentsOf: path) == ImageDecoder.decode(file, name: "memory"))
        #expect(try ImageDecoder.probe(contentsOf: path).width == 30)
    }

    @Test("the limit on pixels is exact and names the size")
    func pixelLimit() throws {
        let file = PNGWriter(width: 30, height: 20) { x, y in [x, y, 0] }.file()
        #expect(try ImageDecoder.decode(file, name: "a", options: DecodeOptions(maximumPixels: 600)).image.width == 30)
        let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file, name: "a", options: DecodeOptions(maximumPixels: 599)) }
        #expect(error?.code == .tooLarge && error?.width == 30 && error?.height == 20)
    }

    @Test("a JPEG that claims to be huge is refused by its header")
    func jpegBomb() throws {
        var file = [UInt8](try ImageEncoder.jpeg(DecodingJPEGTests.gradient(16, 16)))
        let frame = try #require((0 ..< file.count - 1).first { file[$0] == 0xFF && file[$0 + 1] == 0xC0 })
        file.replaceSubrange(frame + 5 ..< frame + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
        #expect(code { try ImageDecoder.decode(Data(file), name: "bomb.jpg") } == .tooLarge)
    }

    /// Damages files at random: the decoder may refuse them or not, but must neither crash nor read outside them. Run
    /// it with `--sanitize=address` to see the latter.
    @Test("random damage never crashes", arguments: [UInt64(1), 2, 3])
    func randomDamage(seed: UInt64) throws {
        print("random damage: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let jpeg = [UInt8](try ImageEncoder.jpeg(DecodingJPEGTests.gradient(40, 30), quality: 70))
        var png = PNGWriter(width: 19, height: 13, colorType: 3, isInterlaced: true, palette: [UInt8](repeating: 70, count: 768), transparency: [0, 9]) { x, y in [x + y] }
        png.extraChunks = [("eXIf", EXIF.block(orientation: 3, bigEndian: false)), ("gAMA", [0, 0, 1, 1])]
        let files: [[UInt8]] = [
            jpeg, EXIF.inserted(EXIF.block(orientation: 7, bigEndian: true), into: jpeg), [UInt8](png.file()),
            [UInt8](try #require(Data(base64Encoded: DecodingJPEGTests.progressiveGray))),
            [UInt8](try #require(Data(base64Encoded: DecodingJPEGTests.cmykRed))),
            [UInt8](try #require(Data(base64Encoded: DecodingWebPTests.transparent))),
            [UInt8](try #require(Data(base64Encoded: DecodingWebPTests.lossy))),
        ]
        var decodedCount = 0, refusedCount = 0
        for original in files {
            for round in 0 ..< 150 {
                var file = original
                for _ in 0 ... round % 4 { file[Int.random(in: 2 ..< file.count, using: &random)] = UInt8.random(in: 0 ... 255, using: &random) }
                if round % 5 == 0 { file.removeLast(Int.random(in: 0 ..< file.count / 2, using: &random)) }
                if round % 7 == 0 {
                    let at = Int.random(in: 2 ..< file.count, using: &random)
                    file.insert(contentsOf: file[max(0, at - 20) ..< at], at: at)
                }
                do {
                    let decoded = try ImageDecoder.decode(Data(file), name: "damaged", options: DecodeOptions(maximumPixels: 4_000_000))
                    #expect(decoded.image.pixels.count == decoded.image.width * decoded.image.height * 3)
                    decodedCount += 1
                } catch {
                    refusedCount += 1
                }
            }
        }
        #expect(decodedCount > 0 && refusedCount > 0)
    }

    @Test("many threads decode at once")
    func concurrency() async throws {
        let file = try ImageEncoder.jpeg(DecodingJPEGTests.gradient(120, 90))
        let cut = file.prefix(file.count / 2)
        let expected = try ImageDecoder.decode(file, name: "a")
        await withTaskGroup(of: Bool.self) { group in
            for task in 0 ..< 16 {
                group.addTask {
                    for _ in 0 ..< 20 {
                        if task % 3 == 0 {
                            if (try? ImageDecoder.decode(cut, name: "cut")) != nil { return false }
                        } else if (try? ImageDecoder.decode(file, name: "a")) != expected {
                            return false
                        }
                    }
                    return true
                }
            }
            for await succeeded in group { #expect(succeeded) }
        }
    }
}
