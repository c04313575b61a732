import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// Networks are loaded strictly, and what their files leave open is settled by rule.
@Suite struct StrictLoadingTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func embedder(_ builder: SafetensorsBuilder, name: String = "small.safetensors", options: ModelOptions = ModelOptions()) throws -> ImageEmbedder {
        let path = folder.path(name)
        try builder.file().write(to: URL(fileURLWithPath: path))
        return try ImageEmbedder(modelAt: path, options: options)
    }

    private func refusal(_ builder: SafetensorsBuilder) -> VisionError? { #expect(throws: VisionError.self) { try embedder(builder) } }

    @Test("a missing tensor is named with the shape it should have")
    func missing() {
        var builder = SafetensorsBuilder.smallMobileNet()
        builder.remove("blocks.3.0.bn2.running_mean")
        let error = refusal(builder)
        #expect(error?.code == .missingTensor && error?.tensor == "blocks.3.0.bn2.running_mean" && error?.expectedShape == [24])
    }

    @Test("a misshaped tensor is named with both shapes")
    func misshaped() {
        var builder = SafetensorsBuilder.smallMobileNet()
        builder.reshape("blocks.2.0.conv_dw.weight", to: [24, 1, 5, 5])
        let error = refusal(builder)
        #expect(error?.code == .shapeMismatch && error?.tensor == "blocks.2.0.conv_dw.weight")
        #expect(error?.expectedShape == [24, 1, 3, 3] && error?.actualShape == [24, 1, 5, 5])
        builder = .smallMobileNet()
        builder.reshape("conv_head.weight", to: [16, 8])
        #expect(refusal(builder)?.code == .shapeMismatch)
    }

    @Test("a tensor too many is named; a classifier and batch norm's counters are none")
    func surplus() throws {
        var builder = SafetensorsBuilder.smallMobileNet()
        builder.add("classifier.weight", [2, 16], [Float](repeating: 0, count: 32))
        builder.add("bn1.num_batches_tracked", type: "I64", [], Data(count: 8))
        _ = try embedder(builder)
        builder.add("blocks.4.0.se.conv_reduce.weight", [1], [1])
        let error = refusal(builder)
        #expect(error?.code == .surplusTensor && error?.tensor == "blocks.4.0.se.conv_reduce.weight")
    }

    @Test("a network of another kind is refused")
    func unknown() {
        var builder = SafetensorsBuilder()
        builder.add("conv1.weight", [1], [1])
        #expect(refusal(builder)?.code == .unsupportedModel)
    }

    @Test("broken weights give an error, not a vector")
    func broken() throws {
        var builder = SafetensorsBuilder.smallMobileNet()
        builder.reshape("bn2.weight", to: [16])
        builder.reshape("bn2.bias", to: [16])   // zeros: every feature is 0
        let embedder = try embedder(builder)
        let error = #expect(throws: VisionError.self) { try embedder.embed(PixelImage(width: 300, height: 300, pixels: [UInt8](repeating: 9, count: 270_000))) }
        #expect(error?.code == .invalidModel)
    }

    @Test("padding follows options, settings and the model's name, in this order")
    func padding() throws {
        var same = SafetensorsBuilder.smallMobileNet()
        same.metadata["pad_type"] = "same"
        let plain = SafetensorsBuilder.smallMobileNet()
        let pixels = (0 ..< 224 * 224 * 3).map { (i: Int) -> Float in Float(i % 251) / 125 - 1 }
        let symmetricAnswer = try embedder(plain).pooled(pixels), sameAnswer = try embedder(same).pooled(pixels)
        #expect(symmetricAnswer != sameAnswer)
        #expect(try embedder(plain, name: "tf_small.safetensors").pooled(pixels) == sameAnswer)
        #expect(try embedder(plain, name: "small_tf.safetensors").pooled(pixels) == sameAnswer)
        #expect(try embedder(plain, options: ModelOptions(padding: .same)).pooled(pixels) == sameAnswer)
        #expect(try embedder(same, options: ModelOptions(padding: .symmetric)).pooled(pixels) == symmetricAnswer)
        try Data(#"{"architecture": "tf_mobilenetv2_100", "pad_type": ""}"#.utf8).write(to: URL(fileURLWithPath: folder.path("config.json")))
        #expect(try embedder(same).pooled(pixels) == symmetricAnswer)
        try Data(#"{"architecture": "tf_mobilenetv2_100"}"#.utf8).write(to: URL(fileURLWithPath: folder.path("config.json")))
        #expect(try embedder(plain).pooled(pixels) == sameAnswer)
    }

    @Test("settings come from config.json, else from the header, else from the architecture")
    func settings() throws {
        let builder = SafetensorsBuilder.smallMobileNet()
        var described = builder
        described.metadata = [
            "name": "described", "version": "3", "input_size": "3, 64,96", "resize_shorter_side": "70", "interpolation": "bilinear",
            "mean": "0.1,0.2,0.3", "std": "1,2,3",
        ]
        let byDefault = try embedder(builder)
        #expect(byDefault.preprocessing == Preprocessing(resizeShortSide: 256, cropWidth: 224, cropHeight: 224, interpolation: .bicubic))
        #expect(byDefault.information.name == "small" && byDefault.information.version == "" && byDefault.information.dimension == 16)
        let byHeader = try embedder(described)
        #expect(byHeader.preprocessing == Preprocessing(
            resizeShortSide: 70, cropWidth: 96, cropHeight: 64, interpolation: .bilinear, mean: [0.1, 0.2, 0.3], std: [1, 2, 3]))
        #expect(byHeader.information.name == "described" && byHeader.information.version == "3")
        try Data(#"{"architecture": "mobilenetv2_x", "version": 4, "pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": 0.8888888888888888}}"#.utf8)
            .write(to: URL(fileURLWithPath: folder.path("config.json")))
        let byConfig = try embedder(described)
        #expect(byConfig.preprocessing.cropWidth == 32 && byConfig.preprocessing.resizeShortSide == 36)
        #expect(byConfig.preprocessing.interpolation == .bilinear)
        #expect(byConfig.information.version == "4")
    }

    @Test("settings that cannot be followed are refused", arguments: [
        #"{"pretrained_cfg": {"input_size": [1, 32, 32]}}"#, #"{"pretrained_cfg": {"input_size": [3, 1, 99999999]}}"#,
        #"{"pretrained_cfg": {"crop_mode": "squash"}}"#, #"{"pretrained_cfg": {"interpolation": "lanczos"}}"#, #"{"pretrained_cfg": {"crop_pct": 0}}"#,
        #"{"pretrained_cfg": {"mean": [1]}}"#, #"{"pretrained_cfg": {"std": [1, 0, 1]}}"#, #"{"pad_type": "reflect"}"#, #"{"num_heads": 0}"#,
    ])
    func refusedSettings(_ config: String) throws {
        try Data(config.utf8).write(to: URL(fileURLWithPath: folder.path("config.json")))
        let error = #expect(throws: VisionError.self) { try embedder(.smallMobileNet()) }
        #expect(error?.code == .unsupportedModel && error?.path == folder.path("config.json"))
    }

    @Test("a transformer whose heads cannot be known is refused with the remedy", .enabled(if: SharedData.exists("models"), "\(SharedData.absent)"))
    func heads() throws {
        let path = try #require(SharedData.url("models/reference/vit_narrow_patch16_224_random.safetensors")).path
        let error = #expect(throws: VisionError.self) { try ImageEmbedder(modelAt: path) }
        #expect(error?.code == .unsupportedModel && error?.message.contains("num_heads") == true)
        #expect(#expect(throws: VisionError.self) { try ImageEmbedder(modelAt: path, options: ModelOptions(headCount: 7)) }?.code == .unsupportedModel)
        #expect(try ImageEmbedder(modelAt: path, options: ModelOptions(headCount: 6)).information.dimension == 96)
    }

    @Test("blocks of a transformer may differ in width; memory is for the widest")
    func widths() throws {
        let pixels = (0 ..< 16 * 16 * 3).map { Float($0 % 31) / 31 }
        // A perceptron whose further units are all zero answers as the narrow one does.
        let narrow = try embedder(.smallTransformer(hidden: [8, 8])).pooled(pixels)
        var wide = SafetensorsBuilder.smallTransformer(hidden: [8, 8])
        let hidden = 100_000
        for (key, shape) in [("fc1.weight", [hidden, 64]), ("fc1.bias", [hidden]), ("fc2.weight", [64, hidden])] {
            let name = "blocks.1.mlp.\(key)"
            guard let old = wide.tensors.first(where: { $0.key == name }) else { continue }
            let values = old.data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            var new = [Float](repeating: 0, count: shape.reduce(1, *))
            let (from, to) = key == "fc2.weight" ? (8, hidden) : (values.count, values.count)
            for row in 0 ..< values.count / from { for i in 0 ..< from { new[row * to + i] = values[row * from + i] } }
            wide.remove(name)
            wide.add(name, shape, new)
        }
        let answer = try embedder(wide).pooled(pixels)
        #expect(zip(narrow, answer).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("sides that only an empty tensor can have are refused", arguments: [
        ("patch_embed.proj.weight", [0, 3, Int.max, 1]), ("pos_embed", [0, Int.max, 1]), ("pos_embed", [1, 1 << 62, 0]),
    ])
    func emptyTensors(_ key: String, _ shape: [Int]) {
        var builder = SafetensorsBuilder.smallTransformer(hidden: [8])
        builder.remove(key)
        builder.add(key, shape, [])
        let error = refusal(builder)
        #expect(error?.code == .shapeMismatch && error?.tensor == key)
    }

    @Test("a picture in more patches than make sense is refused")
    func patches() {
        let preprocessing = Preprocessing(resizeShortSide: 4096, cropWidth: 4096, cropHeight: 4096, interpolation: .bicubic)
        let error = #expect(throws: VisionError.self) {
            try embedder(.smallTransformer(hidden: [8]), options: ModelOptions(preprocessing: preprocessing))
        }
        #expect(error?.code == .unsupportedModel && error?.message.contains("input_size") == true)
    }
}
