import Foundation

/// A network with the picture size and preparation it is run with: everything of a model but its name.
package struct Network: Sendable {
    private enum Architecture: Sendable {
        case mobileNetV2(MobileNetV2)
        case visionTransformer(VisionTransformer)
    }

    package let preprocessing: Preprocessing
    package let dimension: Int
    private let architecture: Architecture

    /// Computes the embedding, not normalised, of pixels that preprocessing has prepared (H × W × 3).
    package func callAsFunction(_ input: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>, scratch: Scratch) {
        let pixels = FeatureMap(input, height: preprocessing.cropHeight, width: preprocessing.cropWidth, channels: 3)
        switch architecture {
        case .mobileNetV2(let network): network(pixels, to: output, scratch: scratch)
        case .visionTransformer(let network): network(pixels, to: output, scratch: scratch)
        }
    }

    /// Loads the network that the names of the tensors in `file` tell of; `fileName` is the file's or folder's, by which, too,
    /// TensorFlow's weights are known.
    package init(_ file: SafetensorsFile, settings: ModelSettings, fileName: String, options: ModelOptions) throws(VisionError) {
        if MobileNetV2.recognises(file) {
            let fromTensorFlow = [fileName, settings.name, settings.architecture].contains { Self.isFromTensorFlow($0 ?? "") }
            let padding = options.padding ?? settings.padding ?? (fromTensorFlow ? .same : .symmetric)
            preprocessing = options.preprocessing ?? Self.preprocessing(
                settings, side: 224, cropFraction: 0.875, interpolation: fromTensorFlow ? .bilinear : .bicubic, imageNet: !fromTensorFlow)
            try Self.check(preprocessing, file)
            let network = try MobileNetV2(file, padding: padding)
            dimension = network.dimension
            architecture = .mobileNetV2(network)
        } else if VisionTransformer.recognises(file) {
            let (patch, trainedSide) = try VisionTransformer.shape(of: file)
            let isDINO = file.tensors["blocks.0.ls1.gamma"] != nil
            preprocessing = options.preprocessing ?? Self.preprocessing(
                settings, side: patch * trainedSide, cropFraction: isDINO ? 1 : 0.9, interpolation: .bicubic, imageNet: isDINO)
            try Self.check(preprocessing, file)
            let network = try VisionTransformer(
                file, height: preprocessing.cropHeight, width: preprocessing.cropWidth, headCount: options.headCount ?? settings.headCount)
            dimension = network.dimension
            architecture = .visionTransformer(network)
        } else {
            throw VisionError(
                .unsupportedModel, "the tensors of \(file.path) are not named as those of a network that can be run here: MobileNetV2 and vision transformers with timm's names are supported",
                path: file.path)
        }
    }

    /// timm marks networks whose weights come from TensorFlow with `tf_`; we also take `_tf` at the end.
    private static func isFromTensorFlow(_ name: String) -> Bool { name.hasPrefix("tf_") || name.hasSuffix("_tf") }

    /// Sizes are bounded here, where they may come from options: beyond this they are a mistake that would cost gigabytes.
    private static func check(_ preprocessing: Preprocessing, _ file: SafetensorsFile) throws(VisionError) {
        let sides = [preprocessing.resizeShortSide, preprocessing.cropWidth, preprocessing.cropHeight]
        guard sides.allSatisfy({ (1 ... 8192).contains($0) }) else {
            throw VisionError(
                .invalidArgument, "pictures for \(file.path) would be resized to \(sides[0]) and cropped to \(sides[1]) × \(sides[2]) pixels: each must be 1 to 8192",
                path: file.path)
        }
    }

    private static func preprocessing(
        _ settings: ModelSettings, side: Int, cropFraction: Double, interpolation: Resampling, imageNet: Bool
    ) -> Preprocessing {
        let height = settings.inputHeight ?? side, width = settings.inputWidth ?? side
        // As timm computes it: rounded down.
        let resize = settings.resizeShortSide ?? Int(Double(min(height, width)) / (settings.cropFraction ?? cropFraction))
        return Preprocessing(
            resizeShortSide: resize, cropWidth: width, cropHeight: height, interpolation: settings.interpolation ?? interpolation,
            mean: settings.mean ?? (imageNet ? Preprocessing.imageNetMean : SIMD3(repeating: 0.5)),
            std: settings.std ?? (imageNet ? Preprocessing.imageNetStd : SIMD3(repeating: 0.5)))
    }
}
