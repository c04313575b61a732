import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("Resizing")
struct PreprocessingResizeTests {
    /// Noise of `width` × `height` pixels from a seed made of both.
    static func noise(_ width: Int, _ height: Int) -> PixelImage {
        var random = SeededGenerator(seed: UInt64(width * 1000 + height))
        return PixelImage(width: width, height: height, pixels: (0 ..< width * height * 3).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }

    /// CRC-32 of the pixels that Pillow 13.0.0 makes of that noise by `Image.resize`.
    struct Golden: Sendable, CustomTestStringConvertible {
        var from: (Int, Int), to: (Int, Int), bilinear: UInt32, bicubic: UInt32

        init(_ width: Int, _ height: Int, _ newWidth: Int, _ newHeight: Int, bilinear: UInt32, bicubic: UInt32) {
            (from, to, self.bilinear, self.bicubic) = ((width, height), (newWidth, newHeight), bilinear, bicubic)
        }

        var testDescription: String { "\(from) → \(to)" }
    }

    static let golden = [
        Golden(37, 29, 16, 12, bilinear: 0xCEDFF729, bicubic: 0x2CD43FDB),
        Golden(37, 29, 80, 61, bilinear: 0x3DFBAD58, bicubic: 0xA7A6B2EE),
        Golden(50, 10, 50, 23, bilinear: 0xFB6D2288, bicubic: 0x3DAAB1CD),
        Golden(10, 50, 23, 50, bilinear: 0x86AA5CD0, bicubic: 0x2502FD53),
        Golden(64, 48, 7, 48, bilinear: 0x6B890B56, bicubic: 0x9DC3DAD0),
        Golden(48, 64, 48, 7, bilinear: 0xAEE68380, bicubic: 0xAA1855C6),
        Golden(31, 97, 20, 30, bilinear: 0x92C1D465, bicubic: 0x7C21A335),
        Golden(97, 31, 30, 20, bilinear: 0x16FD4E90, bicubic: 0x877813F2),
        Golden(1, 1, 5, 4, bilinear: 0xD4F9D34E, bicubic: 0xD4F9D34E),
        Golden(1, 40, 3, 9, bilinear: 0x47EA4589, bicubic: 0x5A453EF7),
        Golden(40, 1, 9, 3, bilinear: 0x171280DE, bicubic: 0x554ECAA5),
        Golden(130, 90, 1, 1, bilinear: 0x7669CB06, bicubic: 0x7669CB06),
        Golden(61, 67, 60, 66, bilinear: 0x3E355F1D, bicubic: 0xA48B45C3),
    ]

    @Test("equals Pillow to the bit", arguments: golden)
    func equalsPillow(golden: Golden) {
        let noise = Self.noise(golden.from.0, golden.from.1)
        for (resampling, crc) in [(Resampling.bilinear, golden.bilinear), (.bicubic, golden.bicubic)] {
            let resized = noise.resized(width: golden.to.0, height: golden.to.1, resampling: resampling)
            #expect(resized.width == golden.to.0 && resized.height == golden.to.1)
            #expect(PNGWriter.crc32(resized.pixels) == crc, "\(resampling)")
        }
    }

    @Test("an even colour stays as it is", arguments: [0, 1, 127, 254, 255] as [UInt8])
    func evenColour(value: UInt8) {
        let even = PixelImage(width: 23, height: 41, pixels: [UInt8](repeating: value, count: 23 * 41 * 3))
        for (width, height) in [(7, 5), (100, 3), (24, 90), (1, 1)] {
            #expect(even.resized(width: width, height: height, resampling: .bicubic).pixels.allSatisfy { $0 == value })
            #expect(even.resized(width: width, height: height, resampling: .bilinear).pixels.allSatisfy { $0 == value })
        }
    }

    @Test("the same size gives the same picture")
    func sameSize() {
        let noise = Self.noise(19, 7)
        #expect(noise.resized(width: 19, height: 7) == noise)
    }

    @Test("a thumbnail keeps the proportions, never grows, and has at least one pixel", arguments: [
        ((400, 300), (100, 75)), ((300, 400), (75, 100)), ((100, 40), (100, 40)), ((5, 3), (5, 3)), ((2000, 3), (100, 1)), ((101, 100), (100, 99)),
    ])
    func thumbnails(size: (Int, Int), expected: (Int, Int)) {
        let thumbnail = Self.noise(size.0, size.1).thumbnail(maximumSide: 100)
        #expect(thumbnail.width == expected.0 && thumbnail.height == expected.1)
    }
}
