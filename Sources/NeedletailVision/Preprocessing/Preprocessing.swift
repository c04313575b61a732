/// What a model wants done to a picture before it sees it: shrink, cut out the centre, normalise.
///
/// The steps and their roundings are timm's (torchvision's `Resize(int)`, `CenterCrop`, `ToTensor`, `Normalize` on Pillow pictures).
public struct Preprocessing: Sendable, Hashable, Codable {
    /// The short side after resizing, in pixels; the long side is in proportion, rounded down.
    public var resizeShortSide: Int
    /// The width of the centre crop. Where it is wider than the resized picture, black is added on both sides.
    public var cropWidth: Int
    /// The height of the centre crop.
    public var cropHeight: Int
    /// The filter for resizing.
    public var interpolation: Resampling
    /// Subtracted from each channel (red, green, blue) scaled to 0 ... 1.
    public var mean: SIMD3<Float>
    /// What each channel is divided by after that.
    public var std: SIMD3<Float>

    /// The mean of ImageNet's training pictures.
    public static let imageNetMean: SIMD3<Float> = [0.485, 0.456, 0.406]
    /// The standard deviation of ImageNet's training pictures.
    public static let imageNetStd: SIMD3<Float> = [0.229, 0.224, 0.225]

    /// Makes a recipe from its numbers.
    public init(
        resizeShortSide: Int, cropWidth: Int, cropHeight: Int, interpolation: Resampling,
        mean: SIMD3<Float> = imageNetMean, std: SIMD3<Float> = imageNetStd
    ) {
        self.resizeShortSide = resizeShortSide
        self.cropWidth = cropWidth
        self.cropHeight = cropHeight
        self.interpolation = interpolation
        self.mean = mean
        self.std = std
    }

    /// Makes a recipe from timm's `input_size`, `crop_pct`, `interpolation`, `mean` and `std`.
    public init(
        inputSize: Int, cropFraction: Double, interpolation: Resampling,
        mean: SIMD3<Float> = imageNetMean, std: SIMD3<Float> = imageNetStd
    ) {
        self.init(
            resizeShortSide: Int((Double(inputSize) / cropFraction).rounded(.down)), cropWidth: inputSize, cropHeight: inputSize,
            interpolation: interpolation, mean: mean, std: std)
    }

    /// How many numbers the result has: `cropHeight × cropWidth × 3`.
    public var outputCount: Int { cropHeight * cropWidth * 3 }

    /// Options that decode no more pixels than this recipe needs.
    public var decodeOptions: DecodeOptions { DecodeOptions(targetShortSide: resizeShortSide) }

    /// Resizes and crops, without normalising: a picture of `cropWidth × cropHeight`.
    public func crop(_ image: PixelImage) -> PixelImage { image }

    /// Resizes, crops and normalises: `cropHeight × cropWidth × 3` numbers (NHWC with N = 1: rows, columns, channels).
    public func callAsFunction(_ image: PixelImage) -> [Float] { [Float](repeating: 0, count: outputCount) }

    /// Resizes, crops and normalises into `output`, which holds ``outputCount`` numbers: rows, columns, channels.
    package func write(_ image: PixelImage, to output: UnsafeMutableBufferPointer<Float>) {}
}
