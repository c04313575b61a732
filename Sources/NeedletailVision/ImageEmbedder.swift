import Foundation

/// Turns pictures into vectors whose cosine tells how much alike the pictures are.
///
/// ```swift
/// let embedder = try ImageEmbedder.builtIn()
/// let vector = try embedder.embed(contentsOf: "cat.jpg")   // 192 numbers, of length 1
/// ```
///
/// One embedder serves any number of threads at once, each with a picture of its own; it starts no threads itself.
/// Working memory is kept for as many pictures as were ever in work at once.
public final class ImageEmbedder: Sendable {
    /// The model's name, version, checksum and dimension.
    public let information: ModelInformation
    /// How pictures are prepared for the network.
    public let preprocessing: Preprocessing

    private let network: Network
    private let scratches = ScratchPool()

    /// Loads a model: a `.safetensors` file, or a folder with a `model.safetensors`. A `config.json` beside it, as timm writes it, is read.
    ///
    /// The names of the tensors tell the architecture, MobileNetV2 or a vision transformer with timm's names, and their shapes its
    /// width and depth. What they do not tell comes from `options`, else from `config.json` (`input_size`, `crop_pct`, `interpolation`,
    /// `mean`, `std`, `pad_type`, `num_heads`), else from the same keys in the safetensors header, else from these defaults:
    /// - Padding is symmetric; TensorFlow's SAME if the name of the model, its architecture, its file or its folder begins with `tf_` or ends in `_tf`.
    /// - Attention heads are 64 wide.
    /// - A MobileNetV2 takes 224 × 224 pixels, cropped from 256, bicubic, ImageNet's mean and deviation (TensorFlow's: bilinear, 0.5 and 0.5).
    /// - A vision transformer takes what its position embedding was trained for, cropped from 1/0.9 of that, bicubic, 0.5 and 0.5
    ///   (one with LayerScale, as DINOv2: uncropped, ImageNet's mean and deviation).
    ///
    /// - Throws: ``VisionError`` naming the file, and the tensor with both shapes where one is missing, misshaped or one too many.
    public convenience init(modelAt path: String, options: ModelOptions = ModelOptions()) throws(VisionError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw VisionError(.notFound, "there is no model at \(path): name a .safetensors file or a folder with model.safetensors", path: path)
        }
        let url = URL(fileURLWithPath: path)
        let weights = isFolder.boolValue ? url.appendingPathComponent("model.safetensors") : url
        try self.init(weights: weights, options: options)
    }

    private init(weights: URL, options: ModelOptions) throws(VisionError) {
        let file = try SafetensorsFile(weights.path)
        var settings = try ModelSettings(metadata: file.metadata, path: weights.path)
        let config = weights.deletingLastPathComponent().appendingPathComponent("config.json")
        if FileManager.default.fileExists(atPath: config.path) {
            let data: Data
            do {
                data = try Data(contentsOf: config)
            } catch {
                throw VisionError(.io, "\(config.path) cannot be read: \(error.localizedDescription)", path: config.path)
            }
            settings = try ModelSettings(config: data, path: config.path).filled(from: settings)
        }
        let fileName = Self.name(of: weights)
        let name = settings.name ?? settings.architecture ?? fileName
        network = try Network(file, settings: settings, fileName: fileName, options: options)
        preprocessing = network.preprocessing
        information = ModelInformation(name: name, version: settings.version ?? "", checksum: file.sha256(), dimension: network.dimension)
    }

    /// The name of the folder for `folder/model.safetensors`, else that of the file.
    private static func name(of weights: URL) -> String {
        let stem = weights.deletingPathExtension().lastPathComponent
        return stem == "model" ? weights.standardizedFileURL.deletingLastPathComponent().lastPathComponent : stem
    }

    /// The embedding of a picture: `information.dimension` numbers, of length 1.
    ///
    /// - Throws: ``VisionError`` if the network's answer is no direction, which only broken weights cause.
    public func embed(_ image: PixelImage) throws(VisionError) -> [Float] {
        try scratches.with { (scratch) throws(VisionError) in
            let input = scratch.take(preprocessing.outputCount)
            preprocessing.write(image, to: UnsafeMutableBufferPointer(start: input, count: preprocessing.outputCount))
            return try normalised(pooled(input, scratch: scratch))
        }
    }

    /// The embedding of a picture file, decoded at no more than the size that the network needs.
    ///
    /// - Throws: ``VisionError`` if the file cannot be decoded.
    public func embed(contentsOf path: String) throws(VisionError) -> [Float] {
        try embed(ImageDecoder.decode(contentsOf: path, options: preprocessing.decodeOptions).image)
    }

    /// The network's answer, not normalised, to pixels that are prepared already (H × W × 3).
    package func pooled(_ pixels: [Float]) -> [Float] {
        precondition(pixels.count == preprocessing.outputCount, "as many pixels as the network takes")
        return scratches.with { scratch in
            let input = scratch.take(pixels.count)
            pixels.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { input.update(from: base, count: pixels.count) }
            }
            return pooled(input, scratch: scratch)
        }
    }

    private func pooled(_ input: UnsafeMutablePointer<Float>, scratch: Scratch) -> [Float] {
        [Float](unsafeUninitializedCapacity: network.dimension) { buffer, initialized in
            guard let output = buffer.baseAddress else { return }
            network(input, to: output, scratch: scratch)
            initialized = network.dimension
        }
    }

    private func normalised(_ vector: [Float]) throws(VisionError) -> [Float] {
        let squares = vector.reduce(0.0) { $0 + Double($1) * Double($1) }
        guard squares.isFinite, squares > 0 else {
            throw VisionError(.invalidModel, "the model \(information.name) answered with a vector of length \(squares.squareRoot()): its weights are broken")
        }
        let factor = 1 / squares.squareRoot()
        return vector.map { Float(Double($0) * factor) }
    }
}
