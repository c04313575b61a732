import Foundation

/// Writes safetensors files for tests, right ones and wrong ones.
struct SafetensorsBuilder {
    private(set) var tensors: [(key: String, type: String, shape: [Int], data: Data)] = []
    var metadata: [String: String] = [:]

    mutating func add(_ key: String, _ shape: [Int], _ values: [Float]) {
        tensors.append((key, "F32", shape, values.withUnsafeBytes { Data($0) }))
    }

    mutating func add(_ key: String, type: String, _ shape: [Int], _ data: Data) { tensors.append((key, type, shape, data)) }

    mutating func remove(_ key: String) { tensors.removeAll { $0.key == key } }

    mutating func reshape(_ key: String, to shape: [Int]) {
        guard let i = tensors.firstIndex(where: { $0.key == key }) else { return }
        tensors[i] = (key, "F32", shape, Data(count: shape.reduce(4, *)))
    }

    func file() -> Data {
        var offset = 0
        var entries = tensors.map { tensor in
            defer { offset += tensor.data.count }
            return #""\#(tensor.key)":{"dtype":"\#(tensor.type)","shape":\#(tensor.shape),"data_offsets":[\#(offset),\#(offset + tensor.data.count)]}"#
        }
        if !metadata.isEmpty {
            entries.append(#""__metadata__":{\#(metadata.map { #""\#($0)":"\#($1)""# }.joined(separator: ","))}"#)
        }
        return Self.file(header: "{\(entries.joined(separator: ","))}", data: tensors.reduce(Data()) { $0 + $1.data })
    }

    /// A file with any header.
    static func file(header: String, length: UInt64? = nil, data: Data) -> Data {
        var count = (length ?? UInt64(header.utf8.count)).littleEndian
        return withUnsafeBytes(of: &count) { Data($0) } + Data(header.utf8) + data
    }

    /// A MobileNetV2 with one block a stage, all channels 8.
    static func smallMobileNet() -> SafetensorsBuilder {
        var builder = SafetensorsBuilder()
        func norm(_ name: String, _ channels: Int) {
            for part in ["weight", "running_var"] { builder.add("\(name).\(part)", [channels], [Float](repeating: 1, count: channels)) }
            for part in ["bias", "running_mean"] { builder.add("\(name).\(part)", [channels], [Float](repeating: 0.1, count: channels)) }
        }
        func convolution(_ name: String, _ shape: [Int]) {
            builder.add(name, shape, (0 ..< shape.reduce(1, *)).map { Float(($0 * 7919) % 13 - 6) / 10 })
        }
        convolution("conv_stem.weight", [8, 3, 3, 3])
        norm("bn1", 8)
        convolution("blocks.0.0.conv_dw.weight", [8, 1, 3, 3])
        norm("blocks.0.0.bn1", 8)
        convolution("blocks.0.0.conv_pw.weight", [8, 8, 1, 1])
        norm("blocks.0.0.bn2", 8)
        for stage in 1 ... 6 {
            convolution("blocks.\(stage).0.conv_pw.weight", [24, 8, 1, 1])
            norm("blocks.\(stage).0.bn1", 24)
            convolution("blocks.\(stage).0.conv_dw.weight", [24, 1, 3, 3])
            norm("blocks.\(stage).0.bn2", 24)
            convolution("blocks.\(stage).0.conv_pwl.weight", [8, 24, 1, 1])
            norm("blocks.\(stage).0.bn3", 8)
        }
        convolution("conv_head.weight", [16, 8, 1, 1])
        norm("bn2", 16)
        return builder
    }

    /// A vision transformer of width 64 on 2 × 2 patches of 8 pixels, with one block for each of `hidden`, which are the
    /// widths of their perceptrons.
    static func smallTransformer(hidden: [Int]) -> SafetensorsBuilder {
        var builder = SafetensorsBuilder()
        func tensor(_ name: String, _ shape: [Int]) {
            builder.add(name, shape, (0 ..< shape.reduce(1, *)).map { Float(($0 * 7919) % 13 - 6) / 100 })
        }
        func pair(_ name: String, _ shape: [Int]) {
            tensor("\(name).weight", shape)
            tensor("\(name).bias", [shape[0]])
        }
        pair("patch_embed.proj", [64, 3, 8, 8])
        tensor("cls_token", [1, 1, 64])
        tensor("pos_embed", [1, 5, 64])
        for (i, hidden) in hidden.enumerated() {
            pair("blocks.\(i).norm1", [64])
            pair("blocks.\(i).attn.qkv", [192, 64])
            pair("blocks.\(i).attn.proj", [64, 64])
            pair("blocks.\(i).norm2", [64])
            pair("blocks.\(i).mlp.fc1", [hidden, 64])
            pair("blocks.\(i).mlp.fc2", [64, hidden])
        }
        pair("norm", [64])
        return builder
    }
}
