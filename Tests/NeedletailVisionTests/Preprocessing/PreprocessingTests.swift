import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("Preprocessing")
struct PreprocessingTests {
    /// The part of `image` whose corner is (x, y); black where it lies outside.
    private func part(of image: PixelImage, x: Int, y: Int, width: Int, height: Int) -> PixelImage {
        var pixels: [UInt8] = []
        for row in y ..< y + height {
            for column in x ..< x + width {
                let isInside = row >= 0 && row < image.height && column >= 0 && column < image.width
                let start = (row * image.width + column) * 3
                pixels += isInside ? Array(image.pixels[start ..< start + 3]) : [0, 0, 0]
            }
        }
        return PixelImage(width: width, height: height, pixels: pixels)
    }

    /// Original size; size after resizing the short side to 20; corner of the crop of 16 × 16. From torchvision's formulas:
    /// long side `int(20 * long / short)`, corner `int(round((size - 16) / 2.0))`, where Python rounds halves to even.
    @Test("crops where torchvision does", arguments: [
        ((40, 40), (20, 20), (2, 2)), ((50, 40), (25, 20), (4, 2)), ((42, 40), (21, 20), (2, 2)), ((47, 40), (23, 20), (4, 2)),
        ((40, 59), (20, 29), (2, 6)), ((20, 31), (20, 31), (2, 8)), ((33, 31), (21, 20), (2, 2)), ((3, 200), (20, 1333), (2, 658)),
        ((1, 1), (20, 20), (2, 2)), ((2000, 3), (13333, 20), (6658, 2)),
    ])
    func cropPosition(size: (Int, Int), resized: (Int, Int), corner: (Int, Int)) {
        let noise = PreprocessingResizeTests.noise(size.0, size.1)
        for interpolation in Resampling.allCases {
            let preprocessing = Preprocessing(resizeShortSide: 20, cropWidth: 16, cropHeight: 16, interpolation: interpolation)
            let whole = noise.resized(width: resized.0, height: resized.1, resampling: interpolation)
            #expect(preprocessing.crop(noise) == part(of: whole, x: corner.0, y: corner.1, width: 16, height: 16))
        }
    }

    @Test("pads with black where the crop is larger than the picture, the odd pixel right and below")
    func padding() {
        let noise = PreprocessingResizeTests.noise(10, 10)
        let preprocessing = Preprocessing(resizeShortSide: 10, cropWidth: 15, cropHeight: 6, interpolation: .bicubic)
        #expect(preprocessing.crop(noise) == part(of: noise, x: -2, y: 2, width: 15, height: 6))
        let larger = Preprocessing(resizeShortSide: 10, cropWidth: 12, cropHeight: 13, interpolation: .bicubic)
        #expect(larger.crop(noise) == part(of: noise, x: -1, y: -1, width: 12, height: 13))
    }

    @Test("normalises each channel as (x / 255 − mean) / std")
    func normalisation() {
        let noise = PreprocessingResizeTests.noise(8, 8)
        let preprocessing = Preprocessing(resizeShortSide: 8, cropWidth: 8, cropHeight: 8, interpolation: .bicubic)
        let numbers = preprocessing(noise)
        for (i, number) in numbers.enumerated() {
            #expect(number == (Float(noise.pixels[i]) / 255 - Preprocessing.imageNetMean[i % 3]) / Preprocessing.imageNetStd[i % 3])
        }
    }

    @Test("timm's crop fraction gives timm's short side", arguments: [(224, 0.875, 256), (224, 0.9, 248), (128, 0.8888888888888888, 144), (224, 1.0, 224)])
    func cropFraction(inputSize: Int, fraction: Double, shortSide: Int) throws {
        #expect(try Preprocessing(inputSize: inputSize, cropFraction: fraction, interpolation: .bicubic).resizeShortSide == shortSide)
    }

    @Test("senseless numbers are refused, also from JSON")
    func validation() throws {
        for fraction in [0, -1, Double.nan, 1e-9] {
            #expect(throws: VisionError.self) { try Preprocessing(inputSize: 224, cropFraction: fraction, interpolation: .bicubic) }
        }
        let good = Preprocessing(resizeShortSide: 144, cropWidth: 128, cropHeight: 96, interpolation: .bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.25, 1])
        let json = try JSONEncoder().encode(good)
        #expect(try JSONDecoder().decode(Preprocessing.self, from: json) == good)
        for change in [{ $0.cropWidth = 0 }, { $0.resizeShortSide = -3 }, { $0.cropHeight = 1 << 40 }, { $0.std.y = 0 }] as [(inout Preprocessing) -> Void] {
            var bad = good
            change(&bad)
            #expect(throws: VisionError.self) { try bad.validate() }
            let json = try JSONEncoder().encode(bad)
            #expect(throws: (any Error).self) { try JSONDecoder().decode(Preprocessing.self, from: json) }
        }
    }
}

/// Crops and inputs made by timm and Pillow 13 of three of the shared photographs.
@Suite("Preprocessing against timm", .enabled(if: SharedData.exists("models/reference"), Comment(rawValue: SharedData.absent)))
struct PreprocessingReferenceTests {
    static let recipes: [(String, Preprocessing)] = [
        ("imagenet_bicubic_256_224", Preprocessing(resizeShortSide: 256, cropWidth: 224, cropHeight: 224, interpolation: .bicubic)),
        ("half_bicubic_248_224", Preprocessing(resizeShortSide: 248, cropWidth: 224, cropHeight: 224, interpolation: .bicubic, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])),
        ("half_bilinear_256_224", Preprocessing(resizeShortSide: 256, cropWidth: 224, cropHeight: 224, interpolation: .bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])),
    ]
    static let photographs = ["n01440764_tench", "n02391049_zebra", "n03063689_coffeepot"]

    /// The numbers of a .npy file behind its header.
    private func content(_ name: String) throws -> Data {
        let file = try Data(contentsOf: try #require(SharedData.url("models/reference/" + name)))
        return file.dropFirst(10 + Int(file[8]) + Int(file[9]) << 8)
    }

    @Test("crops and inputs equal timm's", arguments: recipes)
    func equalsTimm(name: String, preprocessing: Preprocessing) throws {
        let crops = [UInt8](try content("crop_u8_\(name).npy")), side = 224, plane = side * side
        // Decoders differ by 1 here and there between versions of libjpeg; given the same pixels all else is exact.
        var worst = 0, differing = 0
        for (i, photograph) in Self.photographs.enumerated() {
            let image = try ImageDecoder.decode(contentsOf: try #require(SharedData.url("images/photos/\(photograph).jpg")).path, options: preprocessing.decodeOptions).image
            let crop = preprocessing.crop(image)
            for p in 0 ..< plane * 3 {
                let difference = abs(Int(crop.pixels[p]) - Int(crops[i * plane * 3 + p]))
                worst = max(worst, difference)
                if difference > 0 { differing += 1 }
            }
            guard i == 0 else { continue }
            let expected = try content("input_f32_first_\(name).npy").withUnsafeBytes { bytes in
                (0 ..< plane * 3).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
            }
            let numbers = preprocessing(image)
            let step = 2 / (255 * preprocessing.std.min())
            for p in 0 ..< plane { for c in 0 ..< 3 where abs(numbers[p * 3 + c] - expected[c * plane + p]) > step { Issue.record("pixel \(p), channel \(c)") } }
        }
        #expect(worst <= 2)
        print("\(name): \(differing) of \(crops.count) bytes differ from timm's, at most by \(worst)")
    }
}
