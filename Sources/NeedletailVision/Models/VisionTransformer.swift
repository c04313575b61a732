import CNeedletailKernels

/// The vision transformer (Dosovitskiy et al. 2021, figure 1) with a class token, from weights under timm's names: the ViT and DeiT
/// family of any width, depth and patch, and DINOv2 without registers, whose LayerScale is folded into the products before it.
package struct VisionTransformer: Sendable {
    package let dimension: Int
    /// Pixels of a patch's side.
    package let patch: Int
    /// The picture's sides in patches.
    package let grid: (height: Int, width: Int)

    private let embedding: PatchConvolution
    private let firstToken: AlignedBuffer      // class token + its position: dimension
    private let positions: AlignedBuffer       // of the patches: grid × dimension
    private let blocks: [Block]
    private let norm: LayerNorm

    /// One layer of the encoder.
    private struct Block: Sendable {
        let norm1: LayerNorm
        let attention: Attention
        let norm2: LayerNorm
        let expand: Linear
        let contract: Linear
    }

    /// The embedding of a picture, not normalised: `dimension` values.
    ///
    /// - Parameter input: normalised pixels, H × W × 3, of `grid` × `patch` rows and columns.
    package func callAsFunction(_ input: FeatureMap, to output: UnsafeMutablePointer<Float>, scratch: Scratch) {
        let tokens = 1 + grid.height * grid.width, width = dimension         // for the tiny model at 224:
        let x = scratch.take(tokens * width), normed = scratch.take(tokens * width)
        embed(input, to: x, scratch: scratch)                                // 197 × 192

        let hidden = scratch.take(tokens * blocks.reduce(0) { max($0, $1.expand.outputCount) })
        let memory = blocks.first?.attention.makeScratch(tokens: tokens, in: scratch)
        for block in blocks {
            guard let memory else { break }
            block.norm1(x, rows: tokens, to: normed)                         // 197 × 192
            block.attention(normed, tokens: tokens, addingTo: x, scratch: memory)
            block.norm2(x, rows: tokens, to: normed)                         // 197 × 192
            block.expand(normed, rows: tokens, to: hidden)                   // 197 × 768, GELU
            block.contract(hidden, rows: tokens, to: x, residual: x)         // 197 × 192
        }
        norm(x, rows: 1, to: output)                                         // 192: the class token
    }

    /// Class token and patches, each plus its position.
    private func embed(_ input: FeatureMap, to x: UnsafeMutablePointer<Float>, scratch: Scratch) {
        x.update(from: firstToken.pointer, count: dimension)
        let patches = scratch.take(embedding.patchRowCount(outputWidth: grid.width))
        for row in 0 ..< grid.height {
            let start = row * grid.width * dimension, output = x + dimension + start
            embedding.row(row, of: input, padTop: 0, padLeft: 0, outputWidth: grid.width, patches: patches, to: output)
            let position = positions.pointer + start
            for i in 0 ..< grid.width * dimension { output[i] += position[i] }
        }
    }
}

// MARK: - Loading

extension VisionTransformer {
    /// Whether the tensors are named as a vision transformer's.
    package static func recognises(_ file: SafetensorsFile) -> Bool {
        file.tensors["patch_embed.proj.weight"] != nil && file.tensors["blocks.0.attn.qkv.weight"] != nil
    }

    /// The width that each head of the common models has.
    package static let usualHeadWidth = 64

    /// Attention grows with the square of the patches: more of them are a mistake that would cost gigabytes.
    private static let mostPatches = 1 << 16

    /// Pixels of a patch's side, and the sides of the grid that the position embedding was trained for, where it is square.
    package static func shape(of file: SafetensorsFile) throws(VisionError) -> (patch: Int, trainedSide: Int) {
        let reader = TensorReader(file)
        let patch = try reader.side(2, of: "patch_embed.proj.weight", axes: 4)
        let positions = try reader.side(1, of: "pos_embed", axes: 3) - 1
        let side = Int(Double(positions).squareRoot().rounded())
        guard side >= 1, side * side == positions else {
            throw VisionError(
                .unsupportedModel, "tensor pos_embed of \(file.path) has \(positions + 1) positions: a class token and a square grid are expected",
                path: file.path, tensor: "pos_embed", actualShape: file.tensors["pos_embed"]?.shape)
        }
        return (patch, side)
    }

    /// Loads the network from `file` for pictures of `height × width` pixels.
    ///
    /// - Parameter headCount: attention heads; `nil` for the width over 64.
    /// - Throws: ``VisionError`` naming the tensor that is missing, misshaped or one too many.
    package init(_ file: SafetensorsFile, height: Int, width pixelWidth: Int, headCount: Int?) throws(VisionError) {
        let (patch, trainedSide) = try Self.shape(of: file)
        guard height >= patch, pixelWidth >= patch, height % patch == 0, pixelWidth % patch == 0 else {
            throw VisionError(
                .unsupportedModel, "\(file.path) takes patches of \(patch) × \(patch) pixels, into which a picture of \(pixelWidth) × \(height) cannot be cut: change input_size",
                path: file.path)
        }
        guard (height / patch) * (pixelWidth / patch) <= Self.mostPatches else {
            throw VisionError(
                .unsupportedModel, "\(file.path) would cut a picture of \(pixelWidth) × \(height) into more than \(Self.mostPatches) patches: change input_size",
                path: file.path)
        }
        var reader = TensorReader(file)
        let width = try reader.side(0, of: "patch_embed.proj.weight", axes: 4)
        let heads = headCount ?? (width % Self.usualHeadWidth == 0 ? width / Self.usualHeadWidth : 0)
        guard heads >= 1, width % heads == 0 else {
            throw VisionError(
                .unsupportedModel, "the tensors of \(file.path) do not tell the number of attention heads, and its width of \(width) is no multiple of \(headCount.map(String.init) ?? "64"): set num_heads in config.json",
                path: file.path)
        }
        dimension = width
        self.patch = patch
        grid = (height / patch, pixelWidth / patch)
        embedding = PatchConvolution(
            weights: try reader.read("patch_embed.proj.weight", [width, 3, patch, patch]), bias: try reader.read("patch_embed.proj.bias", [width]),
            inputChannels: 3, outputChannels: width, kernel: patch, stride: patch)

        let token = try reader.read("cls_token", [1, 1, width])
        let trained = try reader.read("pos_embed", [1, 1 + trainedSide * trainedSide, width])
        firstToken = AlignedBuffer((0 ..< width).map { token[$0] + trained[$0] })
        positions = AlignedBuffer(
            PositionEmbedding.resampled(
                Array(trained[width...]), side: trainedSide, width: width, toHeight: grid.height, width: grid.width))

        var blocks: [Block] = []
        while blocks.isEmpty || file.tensors["blocks.\(blocks.count).attn.qkv.weight"] != nil {
            blocks.append(try Self.block("blocks.\(blocks.count)", width: width, heads: heads, in: file, reader: &reader))
        }
        self.blocks = blocks
        norm = try LayerNorm("norm", width: width, from: &reader)
        try reader.finish(ignoring: ["head."])
    }

    private static func block(
        _ name: String, width: Int, heads: Int, in file: SafetensorsFile, reader: inout TensorReader
    ) throws(VisionError) -> Block {
        let hidden = try reader.side(0, of: "\(name).mlp.fc1.weight", axes: 2)
        let norm1 = try LayerNorm("\(name).norm1", width: width, from: &reader)
        let qkv = try linear("\(name).attn.qkv", from: width, to: 3 * width, reader: &reader)
        let projection = try linear("\(name).attn.proj", from: width, to: width, scale: "\(name).ls1.gamma", in: file, reader: &reader)
        let norm2 = try LayerNorm("\(name).norm2", width: width, from: &reader)
        return Block(
            norm1: norm1, attention: Attention(qkv: qkv, projection: projection, headCount: heads), norm2: norm2,
            expand: try linear("\(name).mlp.fc1", from: width, to: hidden, activation: .gelu, reader: &reader),
            contract: try linear("\(name).mlp.fc2", from: hidden, to: width, scale: "\(name).ls2.gamma", in: file, reader: &reader))
    }

    private static func linear(
        _ name: String, from inputCount: Int, to outputCount: Int, activation: Linear.Activation = .none, reader: inout TensorReader
    ) throws(VisionError) -> Linear {
        Linear(
            weights: try reader.read("\(name).weight", [outputCount, inputCount]), inputCount: inputCount, outputCount: outputCount,
            bias: try reader.read("\(name).bias", [outputCount]), activation: activation)
    }

    /// A product followed by LayerScale (Touvron et al. 2021) where the file has one: γ · (Wx + b) = (γW) x + γb.
    private static func linear(
        _ name: String, from inputCount: Int, to outputCount: Int, scale scaleName: String, in file: SafetensorsFile, reader: inout TensorReader
    ) throws(VisionError) -> Linear {
        guard file.tensors[scaleName] != nil else { return try linear(name, from: inputCount, to: outputCount, reader: &reader) }
        let scale = try reader.read(scaleName, [outputCount])
        var weights = try reader.read("\(name).weight", [outputCount, inputCount])
        var bias = try reader.read("\(name).bias", [outputCount])
        for output in 0 ..< outputCount {
            bias[output] *= scale[output]
            for i in output * inputCount ..< (output + 1) * inputCount { weights[i] *= scale[output] }
        }
        return Linear(weights: weights, inputCount: inputCount, outputCount: outputCount, bias: bias)
    }
}
