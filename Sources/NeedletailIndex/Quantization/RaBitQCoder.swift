import CNeedletailKernels

/// Codes vectors as RaBitQ does (arXiv 2405.12497; 2409.09913 for several bits): a rotated vector's code is the point g of a grid
/// that is nearest to it by direction, and its scale ρ = ‖r‖² / ⟨g, r⟩ makes what is left at right angles to it. So ρ⟨g, q⟩ is
/// ⟨r, q⟩ but for an error that is 0 on average where q leaves r in a random direction.
///
/// For one thread at a time.
final class RaBitQCoder: @unchecked Sendable {
    let bits: Int
    let dimension: Int
    /// Codes of single components.
    private let components: UnsafeMutablePointer<UInt8>
    private let quantize: @convention(c) (UnsafePointer<Float>?, Int, UInt32, UnsafeMutablePointer<UInt8>?) -> Float

    /// - Parameters:
    ///   - bits: of a component: 1, 2 or 4.
    ///   - dimension: a multiple of 64.
    init(bits: Int, dimension: Int) {
        self.bits = bits
        self.dimension = dimension
        components = UnsafeMutableRawPointer.allocate(byteCount: dimension, alignment: 64).bindMemory(to: UInt8.self, capacity: dimension)
        quantize = nt_rabitq_current().pointee.quantize
    }

    deinit { components.deallocate() }

    /// Bytes of a code, in which two lookups of four bits share one.
    var codeByteCount: Int { dimension * bits / 8 }

    /// Writes a vector's code as a block has it. Returns its scale.
    ///
    /// - Parameter vector: 64-byte aligned.
    func encode(_ vector: UnsafePointer<Float>, to code: UnsafeMutablePointer<UInt8>) -> Float {
        let product = quantize(vector, dimension, UInt32(bits), components)
        let perByte = 8 / bits
        for byte in 0 ..< codeByteCount {
            var value: UInt8 = 0
            for i in 0 ..< perByte { value |= components[byte * perByte + i] << UInt8(i * bits) }
            code[byte] = value
        }
        return product > 0 ? Float(nt_sqnorm_f32(vector, dimension)) / product : 0
    }

    /// What the code written last stands for.
    func decode(scale: Float, to vector: UnsafeMutablePointer<Float>) {
        let center = Float((1 << bits) - 1) / 2
        for i in 0 ..< dimension { vector[i] = scale * (Float(components[i]) - center) }
    }
}
