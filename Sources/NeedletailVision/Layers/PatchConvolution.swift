import CNeedletailKernels

/// A convolution with a square kernel as a matrix product over patches (im2col): the stem of a MobileNet, and the patch
/// embedding of a vision transformer, whose patches do not overlap.
package struct PatchConvolution: Sendable {
    package let kernel: Int
    package let stride: Int
    package let inputChannels: Int
    package let outputChannels: Int
    private let product: Linear

    /// - Parameter weights: `outputChannels × inputChannels × kernel × kernel` (OIHW), as PyTorch keeps them.
    package init(
        weights: [Float], bias: [Float]?, inputChannels: Int, outputChannels: Int, kernel: Int, stride: Int, activation: Linear.Activation = .none
    ) {
        // Patches come with their channels innermost: OIHW becomes OHWI.
        var reordered = [Float](repeating: 0, count: weights.count)
        let area = kernel * kernel
        for output in 0 ..< outputChannels {
            for channel in 0 ..< inputChannels {
                for tap in 0 ..< area {
                    reordered[(output * area + tap) * inputChannels + channel] = weights[(output * inputChannels + channel) * area + tap]
                }
            }
        }
        self.kernel = kernel
        self.stride = stride
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        product = Linear(
            weights: reordered, inputCount: area * inputChannels, outputCount: outputChannels, bias: bias, activation: activation)
    }

    /// Floats that one row of patches takes.
    package func patchRowCount(outputWidth: Int) -> Int { outputWidth * product.inputCount }

    /// Computes row `y` of the output (`outputWidth × outputChannels`); `patches` is room for ``patchRowCount(outputWidth:)`` floats.
    package func row(
        _ y: Int, of input: FeatureMap, padTop: Int, padLeft: Int, outputWidth: Int,
        patches: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>
    ) {
        var description = nt_patches(
            input: input.pointer, height: input.height, width: input.width, channels: input.channels,
            kernel: kernel, stride: stride, pad_top: padTop, pad_left: padLeft)
        nt_patches_row_f32(&description, y, outputWidth, patches)
        product(patches, rows: outputWidth, to: output)
    }
}
