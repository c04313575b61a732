import CNeedletailKernels
import NeedletailTestSupport
import Testing

/// Codes of several bits a component.
@Suite("RaBitQ codes")
struct RaBitQCodeTests {
    @Test("codes point where the vector does, the nearer the more bits, and tiers agree", arguments: availableTiers)
    func directions(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("RaBitQCodeTests seed \(random.seed)")
        let functions = try NeighborCodeTests.functions(tier), portable = try NeighborCodeTests.functions(NT_CPU_PORTABLE)
        for dimension in [64, 128, 192, 384, 1088] {
            for scale in [Float(1), 1e-6, 1e6] {
                let values = (0 ..< dimension).map { _ in scale * random.normal() }
                let vector = AlignedBytes(floats: values)
                // In few dimensions, chance has more room: 0.888 was seen.
                for (bits, least) in [(1, 0.7), (2, dimension < 128 ? 0.86 : 0.9), (4, 0.985)] {
                    let codes = AlignedBytes(dimension) { _ in 77 }, other = AlignedBytes(dimension) { _ in 77 }
                    let product = withExtendedLifetime((vector, codes)) {
                        functions.quantize(vector.floatPointer, dimension, UInt32(bits), codes.bytes)
                    }
                    let expected = withExtendedLifetime((vector, other)) {
                        portable.quantize(vector.floatPointer, dimension, UInt32(bits), other.bytes)
                    }
                    let levels = (0 ..< dimension).map { codes.bytes[$0] }
                    #expect(levels.allSatisfy { $0 < 1 << bits })
                    let grid = levels.map { Double($0) - Double((1 << bits) - 1) / 2 }
                    let exact = zip(grid, values).reduce(0.0) { $0 + $1.0 * Double($1.1) }
                    let norms = (grid.reduce(0) { $0 + $1 * $1 } * values.reduce(0) { $0 + Double($1) * Double($1) }).squareRoot()
                    #expect(abs(exact - Double(product)) <= 1e-3 * norms, "\(dimension) dimensions, \(bits) bits")
                    #expect(exact / norms > least, "\(dimension) dimensions, \(bits) bits: \(exact / norms)")
                    // Sums are rounded differently, so that another unit may win by a hair.
                    #expect(abs(product - expected) <= 0.2 * abs(expected))
                    if bits == 1 { for (level, value) in zip(levels, values) { #expect(level == (value < 0 ? 0 : 1)) } }
                }
            }
            let zero = AlignedBytes(floats: [Float](repeating: 0, count: dimension)), codes = AlignedBytes(dimension) { _ in 77 }
            let product = withExtendedLifetime((zero, codes)) { functions.quantize(zero.floatPointer, dimension, 4, codes.bytes) }
            #expect(product == 0 && (0 ..< dimension).allSatisfy { codes.bytes[$0] == 0 })
        }
    }
}
