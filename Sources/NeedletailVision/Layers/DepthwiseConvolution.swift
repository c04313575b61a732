import CNeedletailKernels

/// A depthwise 3 × 3 convolution with bias and ReLU6: each channel has a kernel of its own.
package struct DepthwiseConvolution: Sendable {
    package let channels: Int
    package let stride: Int
    private let weights: AlignedBuffer   // 3 × 3 × channels
    private let bias: AlignedBuffer      // channels

    /// - Parameter weights: `channels × 1 × 3 × 3`, as PyTorch keeps them.
    package init(weights: [Float], bias: [Float], stride: Int) {
        channels = bias.count
        self.stride = stride
        let reordered = AlignedBuffer(count: weights.count)
        for channel in 0 ..< channels {
            for tap in 0 ..< 9 { reordered.pointer[tap * channels + channel] = weights[channel * 9 + tap] }
        }
        self.weights = reordered
        self.bias = AlignedBuffer(bias)
    }

    /// Computes one row of output (`outputWidth × channels`) from the three rows of input under the kernel, `nil` for padding.
    package func row(
        _ above: UnsafePointer<Float>?, _ middle: UnsafePointer<Float>?, _ below: UnsafePointer<Float>?,
        width: Int, padLeft: Int, outputWidth: Int, to output: UnsafeMutablePointer<Float>
    ) {
        var description = nt_depthwise_row(
            rows: (above, middle, below), width: width, channels: channels, stride: stride, pad_left: padLeft,
            out_width: outputWidth, weights: weights.pointer, bias: bias.pointer, output: output)
        nt_depthwise3x3_row_f32(&description)
    }
}
