import CNeedletailCodecs

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
    ///
    /// - Throws: ``VisionError`` if a number is out of the range that ``validate()`` names.
    public init(
        inputSize: Int, cropFraction: Double, interpolation: Resampling,
        mean: SIMD3<Float> = imageNetMean, std: SIMD3<Float> = imageNetStd
    ) throws(VisionError) {
        let shortSide = (Double(inputSize) / cropFraction).rounded(.down)
        guard shortSide >= 1, shortSide <= Double(Self.longestSide) else {
            throw VisionError(.invalidArgument, "an input of \(inputSize) pixels that is \(cropFraction) of the picture cannot be cut out")
        }
        self.init(
            resizeShortSide: Int(shortSide), cropWidth: inputSize, cropHeight: inputSize, interpolation: interpolation, mean: mean, std: std)
        try validate()
    }

    /// The longest side that resizing and cropping are asked for.
    static let longestSide = 16_384

    /// Checks numbers that come from a file: sides within 1 ... 16,384, means finite, deviations finite and positive.
    public func validate() throws(VisionError) {
        for side in [resizeShortSide, cropWidth, cropHeight] where !(1 ... Self.longestSide).contains(side) {
            throw VisionError(.invalidArgument, "a side of \(side) pixels in the preprocessing is not in 1 ... \(Self.longestSide)")
        }
        for channel in 0 ..< 3 where !(mean[channel].isFinite && std[channel].isFinite && std[channel] > 0) {
            throw VisionError(
                .invalidArgument, "mean \(mean[channel]) and std \(std[channel]) in the preprocessing must be finite, std above 0")
        }
    }

    /// Reads settings and judges them as ``validate()`` does.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            resizeShortSide: try container.decode(Int.self, forKey: .resizeShortSide),
            cropWidth: try container.decode(Int.self, forKey: .cropWidth), cropHeight: try container.decode(Int.self, forKey: .cropHeight),
            interpolation: try container.decode(Resampling.self, forKey: .interpolation),
            mean: try container.decode(SIMD3<Float>.self, forKey: .mean), std: try container.decode(SIMD3<Float>.self, forKey: .std))
        try validate()
    }

    /// How many numbers the result has: `cropHeight × cropWidth × 3`.
    public var outputCount: Int { cropHeight * cropWidth * 3 }

    /// Options that decode no more pixels than this recipe needs.
    public var decodeOptions: DecodeOptions { DecodeOptions(targetShortSide: resizeShortSide) }

    /// Resizes and crops, without normalising: a picture of `cropWidth × cropHeight`.
    ///
    /// Only the part of the resized picture that the crop shows is computed.
    public func crop(_ image: PixelImage) -> PixelImage {
        let (width, height) = resizedSize(of: image)
        let columns = Self.placement(of: cropWidth, on: width), rows = Self.placement(of: cropHeight, on: height)
        let region = PixelImage.Region(x: columns.source, y: rows.source, width: columns.count, height: rows.count)
        let isPadded = columns.count < cropWidth || rows.count < cropHeight
        let pixels = [UInt8](unsafeUninitializedCapacity: outputCount) { target, filled in
            if isPadded { target.initialize(repeating: 0) }
            let shown = UnsafeMutableBufferPointer(rebasing: target[((rows.target * cropWidth + columns.target) * 3)...])
            image.resample(toWidth: width, height: height, interpolation, region: region, into: shown, stride: cropWidth * 3)
            filled = outputCount
        }
        return PixelImage(width: cropWidth, height: cropHeight, pixels: pixels)
    }

    /// Resizes, crops and normalises: `cropHeight × cropWidth × 3` numbers (NHWC with N = 1: rows, columns, channels).
    public func callAsFunction(_ image: PixelImage) -> [Float] {
        [Float](unsafeUninitializedCapacity: outputCount) { output, filled in
            write(image, to: output)
            filled = outputCount
        }
    }

    /// Resizes, crops and normalises into `output`, which holds ``outputCount`` numbers: rows, columns, channels.
    package func write(_ image: PixelImage, to output: UnsafeMutableBufferPointer<Float>) {
        precondition(output.count >= outputCount, "\(outputCount) numbers do not fit \(output.count)")
        let cropped = crop(image)
        let means = [mean.x, mean.y, mean.z], deviations = [std.x, std.y, std.z]
        nt_normalize_rgb8(cropped.pixels, cropWidth * cropHeight, means, deviations, output.baseAddress)
    }

    /// The size of the whole picture after resizing, with torchvision's rounding.
    func resizedSize(of image: PixelImage) -> (width: Int, height: Int) {
        func longSide(_ long: Int, _ short: Int) -> Int { Int(Double(resizeShortSide * long) / Double(short)) }
        return image.width <= image.height
            ? (resizeShortSide, longSide(image.height, image.width)) : (longSide(image.width, image.height), resizeShortSide)
    }

    /// Where a centre crop of `crop` samples lies along an axis of `size` samples: its first sample in the source and in the
    /// target, and how many there are of both. Halves round to even where the crop is inside, and down where it is padded.
    static func placement(of crop: Int, on size: Int) -> (source: Int, target: Int, count: Int) {
        if crop > size { return (0, (crop - size) / 2, size) }
        return (Int((Double(size - crop) / 2).rounded(.toNearestOrEven)), 0, crop)
    }
}
