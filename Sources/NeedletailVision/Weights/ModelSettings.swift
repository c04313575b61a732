import Foundation

/// What a model's files say about it beside the weights: timm's `config.json`, or strings in the header of the safetensors file.
/// Where both speak, `config.json` counts, since it is the one that a person can change.
package struct ModelSettings: Sendable, Hashable {
    package var name: String?
    package var version: String?
    package var architecture: String?
    package var padding: Padding?
    package var headCount: Int?
    package var inputHeight: Int?
    package var inputWidth: Int?
    package var resizeShortSide: Int?
    package var cropFraction: Double?
    package var interpolation: Resampling?
    package var mean: SIMD3<Float>?
    package var std: SIMD3<Float>?

    package init() {}

    /// Sides of a picture that make sense; beyond them a setting is a mistake.
    private static let sides = 8 ... 4096

    /// The settings in the header of a safetensors file. Keys are those of `config.json`, and `crop`, `resize_shorter_side`.
    package init(metadata: [String: String], path: String) throws(VisionError) {
        name = metadata["name"]
        version = metadata["version"]
        architecture = metadata["architecture"]
        padding = try Self.padding(metadata["pad_type"], path)
        headCount = try metadata["num_heads"].map { (text) throws(VisionError) in try Self.integer(text, "num_heads", 1 ... 1024, path) }
        if let text = metadata["input_size"] { try setInputSize(text.split(separator: ",").map { Int($0.trimmed) ?? 0 }, path) }
        resizeShortSide = try metadata["resize_shorter_side"].map { (text) throws(VisionError) in
            try Self.integer(text, "resize_shorter_side", Self.sides, path)
        }
        cropFraction = try Self.cropFraction(metadata["crop_pct"].map { Double($0) ?? 0 }, path)
        interpolation = try Self.interpolation(metadata["interpolation"], path)
        mean = try Self.channels(metadata["mean"]?.split(separator: ",").map { Float($0.trimmed) ?? .nan }, "mean", path)
        std = try Self.channels(metadata["std"]?.split(separator: ",").map { Float($0.trimmed) ?? .nan }, "std", path)
        try Self.checkCropMode(metadata["crop_mode"], path)
    }

    /// The settings in a `config.json`, of the form that timm writes; `pad_type` and `num_heads` may be added.
    package init(config: Data, path: String) throws(VisionError) {
        let file: ConfigFile
        do {
            file = try JSONDecoder().decode(ConfigFile.self, from: config)
        } catch {
            throw VisionError(.invalidModel, "\(path) is not a model configuration as timm writes it: correct or remove it (\(error))", path: path)
        }
        let input = file.pretrained_cfg ?? file.input
        name = file.name
        version = file.version?.text
        architecture = file.architecture
        padding = try Self.padding(file.pad_type, path)
        headCount = file.num_heads
        if let heads = headCount, !(1 ... 1024).contains(heads) { throw Self.wrong("num_heads", "\(heads)", "1 to 1024", path) }
        if let size = input.input_size { try setInputSize(size, path) }
        cropFraction = try Self.cropFraction(input.crop_pct, path)
        interpolation = try Self.interpolation(input.interpolation, path)
        mean = try Self.channels(input.mean, "mean", path)
        std = try Self.channels(input.std, "std", path)
        try Self.checkCropMode(input.crop_mode, path)
    }

    /// These settings, and `other`'s where these are silent.
    package func filled(from other: ModelSettings) -> ModelSettings {
        var result = self
        result.name = name ?? other.name
        result.version = version ?? other.version
        result.architecture = architecture ?? other.architecture
        result.padding = padding ?? other.padding
        result.headCount = headCount ?? other.headCount
        result.inputHeight = inputHeight ?? other.inputHeight
        result.inputWidth = inputWidth ?? other.inputWidth
        // A crop fraction and a side say the same thing: whoever speaks first is heard.
        if resizeShortSide == nil && cropFraction == nil {
            result.resizeShortSide = other.resizeShortSide
            result.cropFraction = other.cropFraction
        }
        result.interpolation = interpolation ?? other.interpolation
        result.mean = mean ?? other.mean
        result.std = std ?? other.std
        return result
    }

    private mutating func setInputSize(_ size: [Int], _ path: String) throws(VisionError) {
        guard size.count == 3, size[0] == 3, Self.sides.contains(size[1]), Self.sides.contains(size[2]) else {
            throw Self.wrong("input_size", "\(size)", "3, height, width, each side \(Self.sides.lowerBound) to \(Self.sides.upperBound)", path)
        }
        (inputHeight, inputWidth) = (size[1], size[2])
    }

    private static func padding(_ text: String?, _ path: String) throws(VisionError) -> Padding? {
        switch text {
        case nil: return nil
        case "", "symmetric": return .symmetric
        case "same": return .same
        case let other?: throw wrong("pad_type", other, "same or symmetric", path)
        }
    }

    private static func interpolation(_ text: String?, _ path: String) throws(VisionError) -> Resampling? {
        guard let text else { return nil }
        guard let filter = Resampling(rawValue: text) else { throw wrong("interpolation", text, "bicubic or bilinear", path) }
        return filter
    }

    private static func cropFraction(_ value: Double?, _ path: String) throws(VisionError) -> Double? {
        guard let value else { return nil }
        guard value > 0.1, value <= 1 else { throw wrong("crop_pct", "\(value)", "above 0.1, at most 1", path) }
        return value
    }

    private static func channels(_ values: [Float]?, _ name: String, _ path: String) throws(VisionError) -> SIMD3<Float>? {
        guard let values else { return nil }
        guard values.count == 3, values.allSatisfy(\.isFinite), name == "mean" || values.allSatisfy({ $0 > 0 }) else {
            throw wrong(name, "\(values)", "three numbers, red, green, blue", path)
        }
        return SIMD3(values[0], values[1], values[2])
    }

    private static func integer(_ text: String, _ name: String, _ range: ClosedRange<Int>, _ path: String) throws(VisionError) -> Int {
        guard let value = Int(text.trimmed), range.contains(value) else {
            throw wrong(name, text, "\(range.lowerBound) to \(range.upperBound)", path)
        }
        return value
    }

    private static func checkCropMode(_ text: String?, _ path: String) throws(VisionError) {
        guard text == nil || text == "center" else { throw wrong("crop_mode", text ?? "", "center", path) }
    }

    private static func wrong(_ key: String, _ value: String, _ expected: String, _ path: String) -> VisionError {
        VisionError(.unsupportedModel, "\(path) sets \(key) to \(value); supported: \(expected)", path: path)
    }
}

private extension StringProtocol {
    var trimmed: String { trimmingCharacters(in: .whitespaces) }
}

/// timm's `config.json`; keys as there. Older ones have the input's settings at the top level.
private struct ConfigFile: Decodable {
    var architecture: String?
    var name: String?
    var version: Text?
    var pad_type: String?
    var num_heads: Int?
    var pretrained_cfg: Input?
    let input: Input

    struct Input: Decodable {
        var input_size: [Int]?
        var crop_pct: Double?
        var crop_mode: String?
        var interpolation: String?
        var mean: [Float]?
        var std: [Float]?
    }

    /// A string, or a number that means one.
    struct Text: Decodable {
        let text: String
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) { text = String(number) } else { text = try container.decode(String.self) }
        }
    }

    enum CodingKeys: String, CodingKey { case architecture, name, version, pad_type, num_heads, pretrained_cfg }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        architecture = try container.decodeIfPresent(String.self, forKey: .architecture)
        name = try container.decodeIfPresent(String.self, forKey: .name)
        version = try container.decodeIfPresent(Text.self, forKey: .version)
        pad_type = try container.decodeIfPresent(String.self, forKey: .pad_type)
        num_heads = try container.decodeIfPresent(Int.self, forKey: .num_heads)
        pretrained_cfg = try container.decodeIfPresent(Input.self, forKey: .pretrained_cfg)
        input = try Input(from: decoder)
    }
}
