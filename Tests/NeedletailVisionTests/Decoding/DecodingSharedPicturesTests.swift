import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// The shared pictures: photographs, odd files, broken files. `index.jsonl` says what must become of each.
@Suite("Decoding of the shared pictures", .enabled(if: SharedData.exists("images"), Comment(rawValue: SharedData.absent)))
struct DecodingSharedPicturesTests {
    private struct Entry: Decodable {
        enum Verdict: Decodable {
            case decodes, fails, either

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let flag = try? container.decode(Bool.self) { self = flag ? .decodes : .fails } else { self = .either }
            }
        }

        var path: String
        var ok: Verdict?
        var width: Int?
        var height: Int?
    }

    private func entries() throws -> [Entry] {
        let index = try #require(SharedData.url("images/index.jsonl"))
        return try Data(contentsOf: index).split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Entry.self, from: Data($0)) }
    }

    private func path(_ name: String) throws -> String { try #require(SharedData.url("images/" + name)).path }

    @Test("every file meets its verdict")
    func verdicts() throws {
        let preprocessing = Preprocessing(resizeShortSide: 144, cropWidth: 128, cropHeight: 128, interpolation: .bicubic)
        for entry in try entries() {
            do {
                let decoded = try ImageDecoder.decode(contentsOf: try path(entry.path), options: preprocessing.decodeOptions)
                #expect(entry.ok != .fails, "\(entry.path) decoded")
                if let width = entry.width { #expect(decoded.originalWidth == width && decoded.originalHeight == entry.height) }
                let information = try ImageDecoder.probe(contentsOf: try path(entry.path))
                #expect(information.width == decoded.originalWidth && information.height == decoded.originalHeight)
                let numbers = preprocessing(decoded.image)
                #expect(numbers.count == 128 * 128 * 3 && numbers.allSatisfy { $0.isFinite })
            } catch let error as VisionError {
                #expect(entry.ok != .decodes && entry.ok != nil, "\(error)")
                #expect(error.message.contains(entry.path) && error.path != nil)
            }
        }
    }

    @Test("the broken files fail for the right reason", arguments: [
        ("truncated.jpg", VisionError.Code.truncated), ("zero.jpg", .truncated), ("header_only.jpg", .truncated), ("not_an_image.jpg", .unsupportedFormat),
        ("photo.gif", .unsupportedFormat), ("bomb.png", .tooLarge), ("bomb_header.jpg", .tooLarge), ("badcrc.png", .corrupt),
    ])
    func reasons(name: String, code: VisionError.Code) throws {
        let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(contentsOf: try path("tricky/" + name)) }
        #expect(error?.code == code)
    }

    @Test("turned photographs equal the upright one, up to JPEG's loss", arguments: [3, 6, 8])
    func orientations(orientation: Int) throws {
        let upright = try ImageDecoder.decode(contentsOf: try path("tricky/upright.jpg")).image
        let turned = try ImageDecoder.decode(contentsOf: try path("tricky/exif\(orientation).jpg")).image
        try #require(turned.width == upright.width && turned.height == upright.height)
        let total = zip(turned.pixels, upright.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        #expect(Double(total) / Double(upright.pixels.count) < 4)
    }

    @Test("gray files have three equal channels, and 16 bits give the picture of 8")
    func variants() throws {
        for name in ["gray.jpg", "gray16.png", "bilevel.png"] {
            let image = try ImageDecoder.decode(contentsOf: try path("tricky/" + name)).image
            for start in stride(from: 0, to: image.pixels.count, by: 3) where Set(image.pixels[start ..< start + 3]).count > 1 {
                Issue.record("\(name) has colour at byte \(start)")
                break
            }
        }
        #expect(try ImageDecoder.probe(contentsOf: try path("tricky/jpeg_named.png")).format == .jpeg)
        let misnamed = try ImageDecoder.decode(contentsOf: try path("tricky/jpeg_named.png")).image
        let upright = try ImageDecoder.decode(contentsOf: try path("tricky/upright.jpg")).image
        #expect(misnamed == upright)
    }
}
