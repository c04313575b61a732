import CNeedletailKernels

/// A matrix product with bias and activation: a linear layer, or a 1 × 1 convolution over NHWC pixels.
package struct Linear: Sendable {
    package enum Activation: Sendable { case none, relu6, gelu }

    package let inputCount: Int
    package let outputCount: Int
    private let weights: AlignedBuffer   // as nt_sgemm_pack lays them out
    private let bias: AlignedBuffer?
    private let activation: nt_activation

    /// - Parameters:
    ///   - weights: `outputCount × inputCount`, row-major, as PyTorch keeps them.
    ///   - bias: `outputCount` values, or `nil`.
    package init(weights: [Float], inputCount: Int, outputCount: Int, bias: [Float]?, activation: Activation = .none) {
        precondition(weights.count == inputCount * outputCount, "a linear layer has inputCount × outputCount weights")
        precondition(bias == nil || bias?.count == outputCount, "a linear layer has one bias an output")
        self.inputCount = inputCount
        self.outputCount = outputCount
        let packed = AlignedBuffer(count: nt_sgemm_packed_count(inputCount, outputCount))
        nt_sgemm_pack(weights, 1, inputCount, inputCount, outputCount, packed.pointer)
        self.weights = packed
        self.bias = bias.map { AlignedBuffer($0) }
        switch activation {
        case .none: self.activation = NT_ACTIVATION_NONE
        case .relu6: self.activation = NT_ACTIVATION_RELU6
        case .gelu: self.activation = NT_ACTIVATION_GELU
        }
    }

    /// Computes `output` (`rows × outputCount`) from `input` (`rows × inputCount`), adding `residual` (as `output`) where given;
    /// `residual` may be `output` itself.
    package func callAsFunction(
        _ input: UnsafePointer<Float>, rows: Int, to output: UnsafeMutablePointer<Float>, residual: UnsafePointer<Float>? = nil
    ) {
        var epilogue = nt_sgemm_epilogue(
            bias: bias.map { UnsafePointer($0.pointer) }, residual: residual, residual_stride: outputCount, activation: activation)
        nt_sgemm_fused(input, inputCount, rows, weights.pointer, inputCount, outputCount, output, outputCount, &epilogue)
    }
}
