import CNeedletailKernels

/// Layer norm over the last axis (Ba et al. 2016).
package struct LayerNorm: Sendable {
    /// What timm's vision transformers use.
    package static let epsilon: Float = 1e-6

    private let gamma: AlignedBuffer
    private let beta: AlignedBuffer

    /// Reads `name.weight` and `name.bias`.
    package init(_ name: String, width: Int, from reader: inout TensorReader) throws(VisionError) {
        gamma = AlignedBuffer(try reader.read("\(name).weight", [width]))
        beta = AlignedBuffer(try reader.read("\(name).bias", [width]))
    }

    /// Normalises each of `rows` rows; `output` may be `input`.
    package func callAsFunction(_ input: UnsafePointer<Float>, rows: Int, to output: UnsafeMutablePointer<Float>) {
        nt_layer_norm_f32(input, rows, gamma.count, gamma.pointer, beta.pointer, Self.epsilon, output)
    }
}
