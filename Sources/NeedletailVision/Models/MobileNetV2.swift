import CNeedletailKernels

/// MobileNetV2 (Sandler et al. 2018, table 2) at any width, from weights under timm's names.
///
/// Widths and the number of blocks of each stage are what the tensors' shapes say; strides are the paper's.
/// Batch norms are folded into the convolutions before them.
package struct MobileNetV2: Sendable {
    /// The stride of the first block of each stage.
    private static let stageStrides = [1, 2, 2, 2, 1, 2, 1]

    package let dimension: Int
    private let blocks: [InvertedResidual]
    private let head: Linear
    private let embedding: Linear?

    /// The embedding of a picture, not normalised: `dimension` values.
    ///
    /// - Parameter input: normalised pixels, H × W × 3.
    package func callAsFunction(_ input: FeatureMap, to output: UnsafeMutablePointer<Float>, scratch: Scratch) {
        let memory = workingMemory(for: input, in: scratch)                       // at 224 and width 1:
        var x = input                                                             // 224 × 224 × 3
        for (i, block) in blocks.enumerated() {                                   // 112 × 112 × 16 after the stem and stage 0,
            x = block(x, to: i % 2 == 0 ? memory.even : memory.odd, scratch: memory.block)
        }                                                                         // 56² × 24, 28² × 32, 14² × 64, 14² × 96, 7² × 160, 7² × 320
        let features = scratch.take(x.pixels * head.outputCount)
        head(x.pointer, rows: x.pixels, to: features)                             // 7 × 7 × 1280
        guard let embedding else {
            nt_mean_of_rows_f32(features, x.pixels, head.outputCount, output)     // 1280
            return
        }
        let pooled = scratch.take(head.outputCount)
        nt_mean_of_rows_f32(features, x.pixels, head.outputCount, pooled)         // 1280
        embedding(pooled, rows: 1, to: output)                                    // dimension
    }

    private func workingMemory(
        for input: FeatureMap, in scratch: Scratch
    ) -> (even: UnsafeMutablePointer<Float>, odd: UnsafeMutablePointer<Float>, block: InvertedResidualScratch) {
        var even = 0, odd = 0, expanded = 0, filtered = 0, patches = 0
        var (height, width) = (input.height, input.width)
        for (i, block) in blocks.enumerated() {
            let counts = block.scratchCounts(height: height, width: width)
            expanded = max(expanded, counts.expanded)
            filtered = max(filtered, counts.filtered)
            patches = max(patches, counts.patches)
            let shape = block.outputShape(height: height, width: width)
            let count = shape.height * shape.width * shape.channels
            if i % 2 == 0 { even = max(even, count) } else { odd = max(odd, count) }
            (height, width) = (shape.height, shape.width)
        }
        let block = InvertedResidualScratch(
            expanded: scratch.take(expanded), filtered: scratch.take(filtered), patches: scratch.take(patches))
        return (scratch.take(even), scratch.take(odd), block)
    }
}

// MARK: - Loading

extension MobileNetV2 {
    /// Whether the tensors are named as a MobileNetV2's.
    package static func recognises(_ file: SafetensorsFile) -> Bool {
        file.tensors["conv_stem.weight"] != nil && file.tensors["blocks.0.0.conv_dw.weight"] != nil
    }

    /// Loads the network from `file`.
    ///
    /// - Throws: ``VisionError`` naming the tensor that is missing, misshaped or one too many.
    package init(_ file: SafetensorsFile, padding: Padding) throws(VisionError) {
        var reader = TensorReader(file)
        let stemChannels = try reader.side(0, of: "conv_stem.weight", axes: 4)
        let norm = try BatchNorm("bn1", channels: stemChannels, from: &reader)
        let stem = PatchConvolution(
            weights: norm.folded(into: try reader.read("conv_stem.weight", [stemChannels, 3, 3, 3])), bias: norm.bias,
            inputChannels: 3, outputChannels: stemChannels, kernel: 3, stride: 2, activation: .relu6)

        var blocks: [InvertedResidual] = []
        var channels = stemChannels
        for (stage, stageStride) in Self.stageStrides.enumerated() {
            var index = 0
            while index == 0 || file.tensors["blocks.\(stage).\(index).conv_dw.weight"] != nil {
                let block = try Self.block(
                    "blocks.\(stage).\(index)", inputChannels: channels, stride: index == 0 ? stageStride : 1, padding: padding,
                    stem: blocks.isEmpty ? stem : nil, reader: &reader)
                channels = block.projection.outputCount
                blocks.append(block)
                index += 1
            }
        }
        self.blocks = blocks

        let headChannels = try reader.side(0, of: "conv_head.weight", axes: 4)
        head = try Self.pointwise("conv_head", norm: "bn2", from: channels, to: headChannels, activation: .relu6, reader: &reader)
        if file.tensors["embed.weight"] != nil {
            let dimension = try reader.side(0, of: "embed.weight", axes: 2)
            let bias = file.tensors["embed.bias"] == nil ? nil : try reader.read("embed.bias", [dimension])
            embedding = Linear(
                weights: try reader.read("embed.weight", [dimension, headChannels]), inputCount: headChannels, outputCount: dimension, bias: bias)
        } else {
            embedding = nil
        }
        dimension = embedding?.outputCount ?? headChannels
        try reader.finish(ignoring: ["classifier."])
    }

    /// One block. The first of the network has no expansion of its own (timm's depthwise-separable block, whose `conv_pw` is the
    /// projection) and takes the stem in its place.
    private static func block(
        _ name: String, inputChannels: Int, stride: Int, padding: Padding, stem: PatchConvolution?, reader: inout TensorReader
    ) throws(VisionError) -> InvertedResidual {
        let separable = stem != nil
        let channels = separable ? inputChannels : try reader.side(0, of: "\(name).conv_pw.weight", axes: 4)
        let norms = separable ? ["", "bn1", "bn2"] : ["bn1", "bn2", "bn3"]
        let expansion: InvertedResidual.Expansion
        if let stem {
            expansion = .stem(stem, padding)
        } else {
            expansion = .pointwise(
                try pointwise("\(name).conv_pw", norm: "\(name).\(norms[0])", from: inputChannels, to: channels, activation: .relu6, reader: &reader))
        }
        let norm = try BatchNorm("\(name).\(norms[1])", channels: channels, from: &reader)
        let depthwise = DepthwiseConvolution(
            weights: norm.folded(into: try reader.read("\(name).conv_dw.weight", [channels, 1, 3, 3])), bias: norm.bias, stride: stride)
        let projectionName = separable ? "\(name).conv_pw" : "\(name).conv_pwl"
        let outputChannels = try reader.side(0, of: "\(projectionName).weight", axes: 4)
        let projection = try pointwise(
            projectionName, norm: "\(name).\(norms[2])", from: channels, to: outputChannels, activation: .none, reader: &reader)
        return InvertedResidual(
            expansion: expansion, depthwise: depthwise, projection: projection, padding: padding,
            addsInput: stride == 1 && inputChannels == outputChannels)
    }

    private static func pointwise(
        _ name: String, norm normName: String, from inputChannels: Int, to outputChannels: Int, activation: Linear.Activation,
        reader: inout TensorReader
    ) throws(VisionError) -> Linear {
        let norm = try BatchNorm(normName, channels: outputChannels, from: &reader)
        let weights = norm.folded(into: try reader.read("\(name).weight", [outputChannels, inputChannels, 1, 1]))
        return Linear(weights: weights, inputCount: inputChannels, outputCount: outputChannels, bias: norm.bias, activation: activation)
    }
}
