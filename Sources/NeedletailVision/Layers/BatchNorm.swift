/// The statistics of a trained batch norm, only ever folded into the convolution before it:
/// γ · (Wx − μ) / √(σ² + ε) + β = (γ/√(σ² + ε) · W) x + (β − γμ/√(σ² + ε)).
package struct BatchNorm {
    /// PyTorch's default, which timm's MobileNets keep.
    package static let epsilon: Float = 1e-5

    /// What each output channel's weights are multiplied by.
    package let scale: [Float]
    /// The bias of each output channel.
    package let bias: [Float]

    /// Reads `name.weight`, `.bias`, `.running_mean` and `.running_var`.
    package init(_ name: String, channels: Int, from reader: inout TensorReader) throws(VisionError) {
        let gamma = try reader.read("\(name).weight", [channels])
        let beta = try reader.read("\(name).bias", [channels])
        let mean = try reader.read("\(name).running_mean", [channels])
        let variance = try reader.read("\(name).running_var", [channels])
        var scale: [Float] = [], bias: [Float] = []
        for c in 0 ..< channels {
            // In double precision: this runs once, and its rounding would stay in every picture.
            let factor = Double(gamma[c]) / (Double(variance[c]) + Double(Self.epsilon)).squareRoot()
            scale.append(Float(factor))
            bias.append(Float(Double(beta[c]) - factor * Double(mean[c])))
        }
        self.scale = scale
        self.bias = bias
    }

    /// `weights`, in which each output channel is one run of equal length, times the scales.
    package func folded(into weights: [Float]) -> [Float] {
        let run = weights.count / scale.count
        var result = weights
        for channel in scale.indices {
            for i in channel * run ..< (channel + 1) * run { result[i] *= scale[channel] }
        }
        return result
    }
}
