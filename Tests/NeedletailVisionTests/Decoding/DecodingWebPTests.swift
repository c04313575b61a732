import Foundation
import NeedletailVision
import Testing

@Suite("WebP decoding")
struct DecodingWebPTests {
    /// 4 × 3, lossless, opacities 255, 128, 0, 64 by column, EXIF orientation 6.
    static let transparent = """
        UklGRngAAABXRUJQVlA4WAoAAAAYAAAAAwAAAgAAVlA4TDcAAAAvA4AAEF8gEEgCG3/IQREIJPmTzTEJgSBE00xjuaCH4BvDG4JnDBAEkDhlkMF4G2ww\
        a0T/I3cUAEVYSUYaAAAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA=
        """
    /// 20 × 10, lossy, all (200, 30, 60).
    static let lossy = """
        UklGRkYAAABXRUJQVlA4IDoAAADQAgCdASoUAAoAPjEUiEKiISEYBAAgAwSgB2AAEDYAAP71iR//Qp9qKdh//+hQ//Qof/oUP/oJAAAA
        """
    static let animation = """
        UklGRsoAAABXRUJQVlA4WAoAAAACAAAAAgAAAgAAQU5JTQYAAAAAAAAAAABBTk1GSgAAAAAAAAAAAAIAAAIAAAoAAAJWUDggMgAAADABAJ0BKgMAAwABQCYl\
        oAADcAD+8ut///mwP/bz/wR6Af//0uD//pcH//S4P/SkAAAAQU5NRkwAAAAAAAAAAAACAAACAAAKAAAAVlA4IDQAAAA0AQCdASoDAAMAAAAmJaAAA3AA/uki\
        H//3nz//ufP/+58/6M///yn7//I4//8jj/5QIAAA
        """

    @Test("transparency is laid on white and the orientation applied")
    func lossless() throws {
        let decoded = try ImageDecoder.decode(try #require(Data(base64Encoded: Self.transparent)), name: "a.webp")
        #expect(decoded.format == .webp && decoded.image.width == 3 && decoded.image.height == 4)
        var expected: [Int] = []
        for y in 0 ..< 4 {
            for x in 0 ..< 3 {
                let (column, row) = (y, 2 - x), alpha = [255, 128, 0, 64][column]
                expected += [40 * column, 60 * row, 200 - 30 * column].map { overWhite($0, alpha: alpha) }
            }
        }
        #expect(decoded.image.pixels.map(Int.init) == expected)
    }

    @Test("lossy pictures decode")
    func lossyPicture() throws {
        let decoded = try ImageDecoder.decode(try #require(Data(base64Encoded: Self.lossy)), name: "b.webp").image
        #expect(decoded.width == 20 && decoded.height == 10)
        for (i, value) in decoded.pixels.enumerated() { #expect(abs(Int(value) - [200, 30, 60][i % 3]) <= 4) }
    }

    @Test("an animation is refused, with the remedy")
    func animated() throws {
        let file = try #require(Data(base64Encoded: Self.animation))
        let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file, name: "moving.webp") }
        #expect(error?.code == .unsupportedFormat)
        #expect(error?.message.contains("moving.webp") == true && error?.message.contains("convert") == true)
    }

    @Test("a file cut anywhere is an error", arguments: [transparent, lossy])
    func truncation(text: String) throws {
        let file = try #require(Data(base64Encoded: text))
        for length in 12 ..< file.count {
            let error = #expect(throws: VisionError.self) { try ImageDecoder.decode(file.prefix(length), name: "cut.webp") }
            #expect(error?.code == .truncated || error?.code == .corrupt, "\(length) bytes")
        }
    }
}
