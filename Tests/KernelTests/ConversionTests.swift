import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Conversions")
struct ConversionTests {
    @Test("every half widens exactly and comes back", arguments: availableTiers)
    func allHalves(tier: nt_cpu_tier) throws {
        let table = try kernels(of: tier)
        let halves = (0 ... UInt16.max).map { $0 }
        var wide = [Float](repeating: 0, count: halves.count)
        table.widen_f16(halves, &wide, halves.count)
        // Compared in bulk: an expectation for each of 65,536 values takes seconds.
        let wrong = halves.filter { half in
            let exponent = Int(half >> 10) & 31, mantissa = Float(half & 1023)
            let sign: Float = half & 0x8000 == 0 ? 1 : -1
            let value = wide[Int(half)]
            switch exponent {
            case 0: return value != sign * mantissa * 0x1p-24
            case 31: return mantissa == 0 ? value != sign * .infinity : !value.isNaN
            default: return value != sign * (1 + mantissa / 1024) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
            }
        }
        #expect(wrong.isEmpty)
        var back = [UInt16](repeating: 0, count: halves.count)
        table.narrow_f16(wide, &back, wide.count)
        let lost = halves.filter { half in
            let again = back[Int(half)]
            return wide[Int(half)].isNaN ? again & 0x7C00 != 0x7C00 || again & 0x3FF == 0 : again != half
        }
        #expect(lost.isEmpty)
    }

    @Test("narrowing rounds to nearest even in every tier", arguments: availableTiers)
    func rounding(tier: nt_cpu_tier) throws {
        let table = try kernels(of: tier)
        let values: [Float] = [
            1 + 0x1p-11, 1 + 3 * 0x1p-11, 1 + 0x1p-11 + 0x1p-23, 65_504, 65_519.996, 65_520, 1e30, -1e30, .infinity,
            0x1p-24, 0x1p-25, 0x1p-25 + 0x1p-40, 3 * 0x1p-25, 0x1p-14 - 0x1p-25, 0x1p-140, -0.0,
        ]
        let expected: [UInt16] = [
            0x3C00, 0x3C02, 0x3C01, 0x7BFF, 0x7BFF, 0x7C00, 0x7C00, 0xFC00, 0x7C00,
            1, 0, 1, 2, 0x0400, 0, 0x8000,
        ]
        var halves = [UInt16](repeating: 0, count: values.count)
        table.narrow_f16(values, &halves, values.count)
        #expect(halves == expected)

        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ConversionTests seed \(random.seed)")
        let many = (0 ..< 10_000).map { _ in Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random)) }.filter { !$0.isNaN }
        var portable = [UInt16](repeating: 0, count: many.count), own = portable
        try kernels(of: NT_CPU_PORTABLE).narrow_f16(many, &portable, many.count)
        table.narrow_f16(many, &own, many.count)
        #expect(own == portable)
    }

    @Test("int8 conversions round, clamp and take any count", arguments: availableTiers)
    func bytes(tier: nt_cpu_tier) throws {
        let table = try kernels(of: tier)
        let values: [Float] = [0, 0.5, 1.5, 2.5, -0.5, -1.5, 127, 127.4, 128, 1e9, .infinity, -128, -128.5, -129, -.infinity, .nan, 3, -3]
        let expected: [Int8] = [0, 0, 2, 2, 0, -2, 127, 127, 127, 127, 127, -128, -128, -128, -128, 0, 3, -3]
        for count in 0 ... values.count {
            let source = GuardedMemory(byteCount: count * 4)
            values[..<count].withUnsafeBytes { if let base = $0.baseAddress { source.start.copyMemory(from: base, byteCount: $0.count) } }
            let target = GuardedMemory(byteCount: count)
            table.narrow_i8(source.start.assumingMemoryBound(to: Float.self), target.start.assumingMemoryBound(to: Int8.self), count)
            let result = UnsafeRawBufferPointer(start: target.start, count: count).map { Int8(bitPattern: $0) }
            #expect(result == Array(expected[..<count]))
            let wide = GuardedMemory(byteCount: count * 4)
            table.widen_i8(target.start.assumingMemoryBound(to: Int8.self), wide.start.assumingMemoryBound(to: Float.self), count)
            let back = (0 ..< count).map { (wide.start + $0 * 4).loadUnaligned(as: Float.self) }
            #expect(back == expected[..<count].map(Float.init))
        }
    }

    @Test("the largest of absolute values is found wherever it stands, in however many")
    func largest() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ConversionTests seed \(random.seed)")
        for count in 0 ..< 70 {
            var values = (0 ..< count).map { _ in random.normal() }
            #expect(nt_largest_f32(values, count) == values.map(abs).max() ?? 0)
            for place in 0 ..< count {
                values[place] = place % 2 == 0 ? -9 : 9
                #expect(nt_largest_f32(values, count) == 9, "at \(place) of \(count)")
                values[place] = -0.0
            }
        }
    }
}
