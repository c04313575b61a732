import CNeedletailKernels
import Foundation
import NeedletailTestSupport
import Testing

/// x · Φ(x) in double precision.
func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }

/// The loops of the networks in every tier that this CPU has, against double precision.
@Suite struct NetworkKernelTests {
    @Test("a depthwise row equals its definition", arguments: GemmTests.tiers)
    func depthwise(_ tier: nt_cpu_tier) throws {
        guard let functions = nt_nn_on_tier(tier)?.pointee else { return }
        var generator = SeededGenerator(seed: 21)
        for width in [1, 2, 3, 4, 7, 8, 15, 28] {
            for channels in [1, 3, 8, 16, 23, 48] {
                for stride in [1, 2] {
                    for padLeft in [0, 1] {
                        for missing in [[], [0], [2], [0, 2]] as [Set<Int>] {
                            checkDepthwise(functions, width, channels, stride, padLeft, missing, &generator)
                        }
                    }
                }
            }
        }
    }

    private func checkDepthwise(
        _ functions: nt_nn_functions, _ width: Int, _ channels: Int, _ stride: Int, _ padLeft: Int, _ missing: Set<Int>, _ generator: inout SeededGenerator
    ) {
        let outWidth = (width + stride - 1) / stride
        let input = (0 ..< 3 * width * channels).map { _ in generator.normal() * 2 }
        let weights = (0 ..< 9 * channels).map { _ in generator.normal() }
        let bias = (0 ..< channels).map { _ in generator.normal() + 2 }
        var output = [Float](repeating: -1, count: outWidth * channels + 1)
        input.withUnsafeBufferPointer { input in
            weights.withUnsafeBufferPointer { weights in
                bias.withUnsafeBufferPointer { bias in
                    output.withUnsafeMutableBufferPointer { output in
                        func row(_ y: Int) -> UnsafePointer<Float>? { missing.contains(y) ? nil : input.baseAddress.map { $0 + y * width * channels } }
                        var description = nt_depthwise_row(
                            rows: (row(0), row(1), row(2)), width: width, channels: channels, stride: stride, pad_left: padLeft,
                            out_width: outWidth, weights: weights.baseAddress, bias: bias.baseAddress, output: output.baseAddress)
                        functions.depthwise3x3_row(&description)
                    }
                }
            }
        }
        var worst = 0.0
        for x in 0 ..< outWidth {
            for c in 0 ..< channels {
                var sum = Double(bias[c])
                for y in 0 ..< 3 where !missing.contains(y) {
                    for i in 0 ..< 3 {
                        let column = x * stride + i - padLeft
                        if column < 0 || column >= width { continue }
                        sum += Double(input[(y * width + column) * channels + c]) * Double(weights[(y * 3 + i) * channels + c])
                    }
                }
                worst = max(worst, abs(Double(output[x * channels + c]) - min(max(sum, 0), 6)))
            }
        }
        #expect(worst < 1e-5, "width \(width) channels \(channels) stride \(stride) pad \(padLeft) missing \(missing)")
        #expect(output[outWidth * channels] == -1, "the row was written beyond its end")
    }

    @Test("layer norm, softmax, mean and GELU equal their definitions", arguments: GemmTests.tiers)
    func rows(_ tier: nt_cpu_tier) throws {
        guard let functions = nt_nn_on_tier(tier)?.pointee else { return }
        var generator = SeededGenerator(seed: 22)
        for width in [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 96, 192, 197] {
            let rows = 3
            let x = (0 ..< rows * width).map { _ in generator.normal() * 3 + 1 }
            let gamma = (0 ..< width).map { _ in generator.normal() }, beta = (0 ..< width).map { _ in generator.normal() }
            var normed = [Float](repeating: 0, count: x.count), mean = [Float](repeating: 0, count: width)
            functions.layer_norm(x, rows, width, gamma, beta, 1e-6, &normed)
            functions.mean_of_rows(x, rows, width, &mean)
            var soft = x, bent = x
            functions.softmax(&soft, width, rows, width, 0.5)
            functions.gelu(&bent, bent.count)
            for row in 0 ..< rows {
                let values = x[row * width ..< (row + 1) * width].map(Double.init)
                let average = values.reduce(0, +) / Double(width)
                let variance = values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(width)
                let greatest = values.max() ?? 0, sum = values.reduce(0) { $0 + exp(0.5 * ($1 - greatest)) }
                for i in 0 ..< width {
                    let expected = (values[i] - average) / (variance + 1e-6).squareRoot() * Double(gamma[i]) + Double(beta[i])
                    #expect(abs(Double(normed[row * width + i]) - expected) < 2e-5)
                    let share = exp(0.5 * (values[i] - greatest)) / sum
                    #expect(abs(Double(soft[row * width + i]) - share) < 1e-6 * share + 1e-30)
                    #expect(abs(Double(bent[row * width + i]) - gelu(values[i])) < 1e-6 * max(1, abs(values[i])))
                }
            }
            for i in 0 ..< width {
                #expect(abs(Double(mean[i]) - (0 ..< rows).reduce(0) { $0 + Double(x[$1 * width + i]) } / Double(rows)) < 1e-5)
            }
        }
    }

    @Test("GELU is exact over its whole range", arguments: GemmTests.tiers)
    func geluRange(_ tier: nt_cpu_tier) throws {
        guard let functions = nt_nn_on_tier(tier)?.pointee else { return }
        let x = (0 ... 40_000).map { Float($0 - 20_000) / 1_000 }
        var y = x
        functions.gelu(&y, y.count)
        let worst = zip(x, y).map { abs(Double($1) - gelu(Double($0))) / max(1, abs(Double($0))) }.max() ?? 1
        #expect(worst < 1e-6, "\(worst)")
    }

    @Test("softmax of large differences neither overflows nor divides by zero", arguments: GemmTests.tiers)
    func softmaxExtremes(_ tier: nt_cpu_tier) throws {
        guard let functions = nt_nn_on_tier(tier)?.pointee else { return }
        for width in [2, 5, 16, 21] {
            var x = [Float](repeating: -1e6, count: width)
            x[width - 1] = 3e6
            functions.softmax(&x, width, 1, width, 1)
            #expect(x[width - 1] == 1)
            #expect(x.dropLast().allSatisfy { $0 >= 0 && $0 < 1e-30 })
        }
    }

    @Test("patches are rows, columns and channels in order, zeros outside")
    func patches() {
        let (height, width, channels, kernel, stride, pad) = (5, 4, 2, 3, 2, 1)
        let input = (0 ..< height * width * channels).map { Float($0 + 1) }
        for y in 0 ..< 3 {
            var output = [Float](repeating: -1, count: 2 * kernel * kernel * channels)
            input.withUnsafeBufferPointer { input in
                var description = nt_patches(
                    input: input.baseAddress, height: height, width: width, channels: channels, kernel: kernel, stride: stride, pad_top: pad, pad_left: pad)
                nt_patches_row_f32(&description, y, 2, &output)
            }
            var expected: [Float] = []
            for x in 0 ..< 2 {
                for i in 0 ..< kernel {
                    for j in 0 ..< kernel {
                        for c in 0 ..< channels {
                            let (row, column) = (y * stride + i - pad, x * stride + j - pad)
                            let inside = row >= 0 && row < height && column >= 0 && column < width
                            expected.append(inside ? input[(row * width + column) * channels + c] : 0)
                        }
                    }
                }
            }
            #expect(output == expected)
        }
    }

    #if !(os(macOS) && arch(x86_64))
    @Test("every half-precision number is widened exactly")
    func halfPrecision() {
        let halves = (0 ... UInt16.max).map { $0 }
        var wide = [Float](repeating: 0, count: halves.count), brain = wide
        nt_unpack_f16(halves, halves.count, &wide)
        nt_unpack_bf16(halves, halves.count, &brain)
        for (i, half) in halves.enumerated() {
            let expected = Float(Float16(bitPattern: half))
            #expect(wide[i].bitPattern == expected.bitPattern || (wide[i].isNaN && expected.isNaN))
            #expect(brain[i].bitPattern == UInt32(half) << 16)
        }
    }
    #endif

    @Test("SHA-256 gives the digests of FIPS 180", arguments: [
        ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
    func sha256(_ text: String, _ times: Int, _ expected: String) {
        let bytes = [UInt8](String(repeating: text, count: times).utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        nt_sha256(bytes, bytes.count, &digest)
        #expect(digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == expected)
    }
}
