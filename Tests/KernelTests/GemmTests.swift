import CNeedletailKernels
import NeedletailTestSupport
import Testing

/// The matrix product of every tier that this CPU has, against sums in double precision.
@Suite struct GemmTests {
    static let tiers = [NT_CPU_PORTABLE, NT_CPU_NEON, NT_CPU_AVX2, NT_CPU_AVX512]

    /// A product to be computed, and what it should be.
    private struct Problem {
        let m: Int, n: Int, k: Int, lda: Int, ldc: Int
        var a: [Float], b: [Float], bias: [Float], residual: [Float]

        init(m: Int, n: Int, k: Int, lda: Int, generator: inout SeededGenerator) {
            (self.m, self.n, self.k, self.lda, ldc) = (m, n, k, lda, n + 3)
            a = (0 ..< max(m * lda, 1)).map { _ in generator.normal() }
            b = (0 ..< max(k * n, 1)).map { _ in generator.normal() }
            bias = (0 ..< n).map { _ in generator.normal() }
            residual = (0 ..< max(m * ldc, 1)).map { _ in generator.normal() }
        }

        func packed(transposed: Bool) -> [Float] {
            var packed = [Float](repeating: .nan, count: nt_sgemm_packed_count(k, n) + 1)
            if transposed {
                let columns = (0 ..< n).flatMap { j in (0 ..< k).map { b[$0 * n + j] } }
                nt_sgemm_pack(columns + [0], 1, k, k, n, &packed)
            } else {
                nt_sgemm_pack(b, n, 1, k, n, &packed)
            }
            return packed
        }

        /// The product, and at each place the sum of magnitudes, by which an error is measured.
        func expected() -> (values: [Double], magnitudes: [Double]) {
            var values = [Double](repeating: 0, count: m * n), magnitudes = values
            for i in 0 ..< m {
                for p in 0 ..< k {
                    let x = Double(a[i * lda + p])
                    for j in 0 ..< n {
                        values[i * n + j] += x * Double(b[p * n + j])
                        magnitudes[i * n + j] += abs(x * Double(b[p * n + j]))
                    }
                }
            }
            return (values, magnitudes)
        }
    }

    @Test("the product equals the sum of products", arguments: tiers)
    func product(_ tier: nt_cpu_tier) throws {
        guard isAvailable(tier) else { return }
        var generator = SeededGenerator(seed: 11)
        let shapes = [
            (1, 1, 1), (1, 100, 128), (2, 7, 3), (3, 8, 5), (5, 9, 16), (6, 16, 31), (7, 17, 33), (11, 24, 20), (12, 31, 27), (13, 32, 64),
            (25, 33, 10), (29, 40, 7), (37, 48, 19), (48, 56, 2), (49, 63, 160), (50, 65, 21), (197, 70, 64), (600, 20, 130), (4, 4, 0),
        ]
        for (m, n, k) in shapes {
            for transposed in [false, true] {
                try check(Problem(m: m, n: n, k: k, lda: k + 2, generator: &generator), tier, transposed: transposed)
            }
        }
        // Rows a multiple of 2 KiB apart are copied in blocks of k.
        for (m, n, k, lda) in [(25, 33, 512, 512), (13, 40, 767, 1024), (13, 40, 769, 1024), (5, 70, 1700, 2048)] {
            try check(Problem(m: m, n: n, k: k, lda: lda, generator: &generator), tier, transposed: false)
        }
    }

    private func check(_ problem: Problem, _ tier: nt_cpu_tier, transposed: Bool) throws {
        let (m, n, ldc) = (problem.m, problem.n, problem.ldc)
        let packed = problem.packed(transposed: transposed)
        #expect(packed[packed.count - 1].isNaN, "packing wrote beyond its end")
        let (values, magnitudes) = problem.expected()
        for activation in [NT_ACTIVATION_NONE, NT_ACTIVATION_RELU6, NT_ACTIVATION_GELU] {
            for (biased, residual) in [(false, false), (true, false), (true, true)] {
                var c = [Float](repeating: 77, count: m * ldc)
                problem.bias.withUnsafeBufferPointer { bias in
                    problem.residual.withUnsafeBufferPointer { extra in
                        var epilogue = nt_sgemm_epilogue(
                            bias: biased ? bias.baseAddress : nil, residual: residual ? extra.baseAddress : nil, residual_stride: ldc, activation: activation)
                        _ = nt_sgemm_on_tier(tier, problem.a, problem.lda, m, packed, problem.k, n, &c, ldc, &epilogue)
                    }
                }
                var worst = 0.0
                for i in 0 ..< m {
                    for j in 0 ..< n {
                        var value = values[i * n + j] + (biased ? Double(problem.bias[j]) : 0)
                        if activation == NT_ACTIVATION_RELU6 { value = min(max(value, 0), 6) }
                        if activation == NT_ACTIVATION_GELU { value = gelu(value) }
                        if residual { value += Double(problem.residual[i * ldc + j]) }
                        worst = max(worst, abs(Double(c[i * ldc + j]) - value) / (magnitudes[i * n + j] + 8))
                    }
                    #expect(c[i * ldc + n ..< (i + 1) * ldc].allSatisfy { $0 == 77 }, "the row was written beyond its end")
                }
                #expect(worst < 1e-6, "m \(m) n \(n) k \(problem.k) activation \(activation.rawValue) bias \(biased) residual \(residual)")
            }
        }
    }

    @Test("A may lie at any byte, and C may be its own residual", arguments: tiers)
    func unaligned(_ tier: nt_cpu_tier) throws {
        guard isAvailable(tier) else { return }
        var generator = SeededGenerator(seed: 12)
        let problem = Problem(m: 30, n: 41, k: 33, lda: 33, generator: &generator)
        let packed = problem.packed(transposed: false)
        var plain = [Float](repeating: 1, count: 30 * 41), shifted = plain
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: problem.a.count * 4 + 64, alignment: 64)
        defer { bytes.deallocate() }
        (bytes + 1).copyMemory(from: problem.a, byteCount: problem.a.count * 4)
        for (a, isPlain) in [(UnsafeRawPointer(bytes + 1), false), (nil, true)] {
            var c = [Float](repeating: 1, count: 30 * 41)
            c.withUnsafeMutableBufferPointer { c in
                var epilogue = nt_sgemm_epilogue(bias: nil, residual: UnsafePointer(c.baseAddress), residual_stride: 41, activation: NT_ACTIVATION_NONE)
                problem.a.withUnsafeBufferPointer { values in
                    let pointer = a.map { UnsafePointer<Float>(OpaquePointer($0)) } ?? values.baseAddress
                    _ = nt_sgemm_on_tier(tier, pointer, 33, 30, packed, 33, 41, c.baseAddress, 41, &epilogue)
                }
            }
            if isPlain { plain = c } else { shifted = c }
        }
        #expect(plain == shifted)
        let (values, _) = problem.expected()
        for i in 0 ..< 30 * 41 { #expect(abs(Double(plain[i]) - 1 - values[i]) < 1e-4) }
    }

    @Test("C may be its own residual where a long k is summed in blocks, and under a clamp", arguments: tiers)
    func longInPlace(_ tier: nt_cpu_tier) throws {
        guard isAvailable(tier) else { return }
        var generator = SeededGenerator(seed: 15)
        let (m, n, k) = (14, 40, 1536)
        let problem = Problem(m: m, n: n, k: k, lda: k, generator: &generator)
        let packed = problem.packed(transposed: false)
        let (values, _) = problem.expected()
        for activation in [NT_ACTIVATION_NONE, NT_ACTIVATION_RELU6] {
            var c = [Float](repeating: 3, count: m * n)
            c.withUnsafeMutableBufferPointer { c in
                var epilogue = nt_sgemm_epilogue(bias: nil, residual: UnsafePointer(c.baseAddress), residual_stride: n, activation: activation)
                _ = nt_sgemm_on_tier(tier, problem.a, k, m, packed, k, n, c.baseAddress, n, &epilogue)
            }
            for i in 0 ..< m * n {
                var value = values[i]
                if activation == NT_ACTIVATION_RELU6 { value = min(max(value, 0), 6) }
                #expect(abs(Double(c[i]) - 3 - value) < 1e-3)
            }
        }
    }

    @Test("a row of C is the same bits whatever rows stand beside it", arguments: tiers)
    func rowsAreIndependent(_ tier: nt_cpu_tier) throws {
        guard isAvailable(tier) else { return }
        var generator = SeededGenerator(seed: 13)
        for k in [128, 1536] {
            let problem = Problem(m: 26, n: 100, k: k, lda: k, generator: &generator)
            let packed = problem.packed(transposed: true)
            problem.bias.withUnsafeBufferPointer { bias in
                var epilogue = nt_sgemm_epilogue(bias: bias.baseAddress, residual: bias.baseAddress, residual_stride: 0, activation: NT_ACTIVATION_NONE)
                var together = [Float](repeating: 0, count: 26 * 100)
                _ = nt_sgemm_on_tier(tier, problem.a, k, 26, packed, k, 100, &together, 100, &epilogue)
                for row in 0 ..< 26 {
                    var alone = [Float](repeating: 0, count: 100)
                    _ = nt_sgemm_on_tier(tier, Array(problem.a[row * k ..< (row + 1) * k]), k, 1, packed, k, 100, &alone, 100, &epilogue)
                    #expect(alone == Array(together[row * 100 ..< (row + 1) * 100]))
                }
            }
        }
    }

    @Test("NaN and infinity reach their own row and no other", arguments: tiers)
    func notFinite(_ tier: nt_cpu_tier) throws {
        guard isAvailable(tier) else { return }
        var generator = SeededGenerator(seed: 14)
        var problem = Problem(m: 14, n: 37, k: 20, lda: 20, generator: &generator)
        problem.a[3 * 20 + 5] = .nan
        problem.a[9 * 20 + 2] = .infinity
        let packed = problem.packed(transposed: false)
        var c = [Float](repeating: 0, count: 14 * 37)
        var epilogue = nt_sgemm_epilogue()
        _ = nt_sgemm_on_tier(tier, problem.a, 20, 14, packed, 20, 37, &c, 37, &epilogue)
        for i in 0 ..< 14 {
            let row = c[i * 37 ..< (i + 1) * 37]
            switch i {
            case 3: #expect(row.allSatisfy { $0.isNaN })
            case 9: #expect(row.allSatisfy { $0.isInfinite })
            default: #expect(row.allSatisfy { $0.isFinite })
            }
        }
        epilogue.activation = NT_ACTIVATION_RELU6
        _ = nt_sgemm_on_tier(tier, problem.a, 20, 14, packed, 20, 37, &c, 37, &epilogue)
        #expect(c[3 * 37 ..< 4 * 37].allSatisfy { $0 == 0 })
    }
}

/// Whether this CPU and this build have `tier`.
func isAvailable(_ tier: nt_cpu_tier) -> Bool { nt_nn_on_tier(tier) != nil }
