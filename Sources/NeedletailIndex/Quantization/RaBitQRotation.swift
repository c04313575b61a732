import CNeedletailKernels

/// The random rotation that vectors undergo before their differences become signs (RaBitQ, arXiv 2405.12497): signs flipped,
/// Walsh-Hadamard transforms and rotations by 45°, four rounds, in n log n steps.
///
/// Rotated vectors have a multiple of 64 components.
package final class RaBitQRotation: @unchecked Sendable {
    package let dimension: Int
    package let rotatedDimension: Int
    private let signs: UnsafeMutablePointer<Float>

    package init(seed: UInt64, dimension: Int) {
        self.dimension = dimension
        rotatedDimension = nt_rabitq_dimension(dimension)
        let count = Int(NT_RABITQ_ROUNDS) * rotatedDimension
        signs = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(to: Float.self, capacity: count)
        nt_rabitq_signs(seed, count, signs)
    }

    deinit { signs.deallocate() }

    /// As the kernels take it; valid as long as this object.
    var kernel: nt_rabitq_rotation { nt_rabitq_rotation(dimension: dimension, rotated_dimension: rotatedDimension, signs: signs) }
}
