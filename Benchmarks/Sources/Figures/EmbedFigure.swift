import Foundation
import NeedletailVision

/// Embedding pictures with one thread: decoding, preprocessing and the network, each apart, in milliseconds a picture.
struct EmbedFigure {
    let photos: String, models: String
    private let pictureCount = 64
    private let rounds = 7

    /// The models measured, by the name of their folder.
    private static let known = [("MobileNetV2 1.0", "mobilenetv2_100_tf"), ("ViT-Tiny", "vit_tiny_patch16_224")]

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard arguments.count == 2 else { throw Usage("Figures embed PHOTOS MODELS (MODELS may be empty: the built-in model only)") }
        (photos, models) = (arguments[0], arguments[1])
    }

    func run() throws {
        let paths = try picturePaths()
        try measure("needletail-mini", try ImageEmbedder.builtIn(), paths)
        for (name, folder) in EmbedFigure.known where !models.isEmpty {
            try measure(name, try ImageEmbedder(modelAt: models + "/" + folder), paths)
        }
    }

    private func measure(_ name: String, _ embedder: ImageEmbedder, _ paths: [String]) throws {
        let options = embedder.preprocessing.decodeOptions
        var decode: [Double] = [], preprocess: [Double] = [], network: [Double] = []
        let milliseconds = 1_000 / Double(paths.count)
        for round in 0 ... rounds {
            var pictures: [PixelImage] = []
            let decoding = try Figures.seconds {
                pictures = try paths.map { try ImageDecoder.decode(contentsOf: $0, options: options).image }
            }
            var values: Float = 0
            let preprocessing = Figures.seconds {
                for picture in pictures { values += embedder.preprocessing(picture)[0] }
            }
            let embedding = try Figures.seconds {
                for picture in pictures { values += try embedder.embed(picture)[0] }
            }
            guard round > 0, values.isFinite else { continue }  // the first round warms up
            decode.append(decoding * milliseconds)
            preprocess.append(preprocessing * milliseconds)
            network.append((embedding - preprocessing) * milliseconds)
        }
        let note = "\(paths.count) pictures"
        Measurement("embed", "\(name): decode", unit: "ms/picture", runs: decode, note: note).print()
        Measurement("embed", "\(name): preprocess", unit: "ms/picture", runs: preprocess, note: note).print()
        Measurement("embed", "\(name): network", unit: "ms/picture", runs: network, note: note).print()
    }

    /// Pictures spread evenly over the folder and those below it.
    private func picturePaths() throws -> [String] {
        let all = (FileManager.default.enumerator(atPath: photos)?.compactMap { $0 as? String } ?? [])
            .filter { ["jpg", "jpeg", "png", "webp"].contains(($0 as NSString).pathExtension.lowercased()) }.sorted()
        guard !all.isEmpty else { throw Usage("\(photos) must hold pictures") }
        let step = max(1, all.count / pictureCount)
        return stride(from: 0, to: all.count, by: step).prefix(pictureCount).map { photos + "/" + all[$0] }
    }
}
