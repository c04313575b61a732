import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Distances")
struct DistanceTests {
    /// Every dimension up to 70, so that each tail occurs with no, one and several whole vectors, then some up to 1,100.
    static let dimensions = Array(1 ... 70) + [95, 96, 97, 127, 128, 129, 191, 255, 256, 300, 383, 384, 511, 512, 767, 768, 769, 1000, 1023, 1024, 1099, 1100]

    struct Case: CustomTestStringConvertible, Sendable {
        let tier: nt_cpu_tier
        let metric: nt_metric
        let element: nt_element
        var testDescription: String { "tier \(tier.rawValue), metric \(metric.rawValue), element \(element.rawValue)" }
    }

    static let cases: [Case] = availableTiers.flatMap { tier in
        allMetrics.flatMap { metric in allElements.map { Case(tier: tier, metric: metric, element: $0) } }
    }

    static func distance(_ test: Case) throws -> nt_distance {
        try withUnsafePointer(to: kernels(of: test.tier)) { nt_distance_of($0, test.metric, test.element).pointee }
    }

    @Test("every function agrees with double precision, at any alignment, and reads nothing past the end", arguments: cases)
    func agreesWithOracle(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("DistanceTests seed \(random.seed)")
        let functions = try Self.distance(test)
        let size = elementByteCount(test.element)
        for dimension in Self.dimensions {
            let rowCount = Int.random(in: 1 ... 11, using: &random)
            // Unaligned by any number of bytes, since what follows the last row is the guard page.
            let stride = dimension * size + Int.random(in: 0 ... 9, using: &random)
            let memory = GuardedMemory(byteCount: (rowCount - 1) * stride + dimension * size)
            let queryMemory = GuardedMemory(byteCount: dimension * (test.element == NT_ELEMENT_I8 ? 1 : 4))
            let query = TestVector(&random, dimension: dimension, element: test.element)
            if test.element == NT_ELEMENT_I8 {
                query.store(NT_ELEMENT_I8, to: queryMemory.start)
            } else {
                query.store(NT_ELEMENT_F32, to: queryMemory.start)
            }
            var rows: [TestVector] = []
            for i in 0 ..< rowCount {
                let row = TestVector(&random, dimension: dimension, element: test.element)
                row.store(test.element, to: memory.start + i * stride)
                rows.append(row)
            }
            let norms = rows.map(inverseNorm)
            var prepared = nt_query(vector: queryMemory.start, dimension: dimension, inverse_norm: inverseNorm(query))

            var many = [Float](repeating: .nan, count: rowCount)
            functions.many(&prepared, memory.start, stride, norms, rowCount, &many)
            for i in 0 ..< rowCount {
                let expected = oracle(test.metric, query, rows[i])
                #expect(abs(Double(many[i]) - expected.distance) <= expected.tolerance, "dimension \(dimension), row \(i)")
                let one = functions.one(&prepared, memory.start + i * stride, norms[i])
                #expect(one.bitPattern == many[i].bitPattern, "one row alone gives the same bits; dimension \(dimension)")
            }

            let order = (0 ..< rowCount).shuffled(using: &random)
            let pointers: [UnsafeRawPointer?] = order.map { UnsafeRawPointer(memory.start + $0 * stride) }
            var gathered = [Float](repeating: .nan, count: rowCount)
            functions.gathered(&prepared, pointers, order.map { norms[$0] }, rowCount, &gathered)
            #expect(gathered.map(\.bitPattern) == order.map { many[$0].bitPattern }, "gathered; dimension \(dimension)")
        }
    }

    @Test("int8 distances are the same bits in every tier")
    func integersAreExact() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("DistanceTests seed \(random.seed)")
        for dimension in Self.dimensions {
            let a = TestVector(&random, dimension: dimension, element: NT_ELEMENT_I8)
            let b = TestVector(&random, dimension: dimension, element: NT_ELEMENT_I8)
            var square = 0, dot = 0
            for (x, y) in zip(a.bytes, b.bytes) {
                square += (Int(x) - Int(y)) * (Int(x) - Int(y))
                dot += Int(x) * Int(y)
            }
            for tier in availableTiers {
                let table = try kernels(of: tier)
                #expect(table.l2sq_i8(a.bytes, b.bytes, dimension) == Float(square))
                #expect(table.dot_i8(a.bytes, b.bytes, dimension) == Float(dot))
            }
        }
    }

    @Test("int8 sums hold at the largest dimension and values")
    func integersDoNotOverflow() throws {
        let dimension = 65_536
        let low = [Int8](repeating: -128, count: dimension), high = [Int8](repeating: 127, count: dimension)
        for tier in availableTiers {
            let table = try kernels(of: tier)
            #expect(table.l2sq_i8(low, high, dimension) == Float(255 * 255 * dimension))
            #expect(table.dot_i8(low, low, dimension) == Float(128 * 128 * dimension))
            #expect(table.dot_i8(low, high, dimension) == Float(-128 * 127 * dimension))
        }
    }

    @Test("a NaN component makes the distance NaN, wherever it is", arguments: cases.filter { $0.element != NT_ELEMENT_I8 })
    func notANumber(test: Case) throws {
        let functions = try Self.distance(test)
        for dimension in [1, 3, 8, 16, 17, 33, 70] {
            for position in 0 ..< dimension {
                for inQuery in [true, false] {
                    var query = [Float](repeating: 1, count: dimension), row = query
                    if inQuery { query[position] = .nan } else { row[position] = .nan }
                    #expect(measure(functions, test, query, row).isNaN, "dimension \(dimension), position \(position)")
                }
            }
        }
    }

    @Test("infinities follow IEEE 754", arguments: availableTiers, [NT_ELEMENT_F32, NT_ELEMENT_F16])
    func infinities(tier: nt_cpu_tier, element: nt_element) throws {
        for dimension in [1, 7, 16, 33, 70] {
            for position in 0 ..< dimension {
                var infinite = [Float](repeating: 1, count: dimension)
                infinite[position] = .infinity
                let ones = [Float](repeating: 1, count: dimension), minus = infinite.map { -$0 }
                var zeros = ones
                zeros[position] = 0
                let l2 = Case(tier: tier, metric: NT_METRIC_L2, element: element)
                let dot = Case(tier: tier, metric: NT_METRIC_DOT, element: element)
                let l2Functions = try Self.distance(l2), dotFunctions = try Self.distance(dot)
                #expect(measure(l2Functions, l2, ones, infinite) == .infinity)
                #expect(measure(l2Functions, l2, minus, infinite) == .infinity)
                #expect(measure(l2Functions, l2, infinite, infinite).isNaN)
                #expect(measure(dotFunctions, dot, ones, infinite) == -.infinity)
                #expect(measure(dotFunctions, dot, ones, minus) == .infinity)
                #expect(measure(dotFunctions, dot, zeros, infinite).isNaN)
            }
        }
    }

    private func measure(_ functions: nt_distance, _ test: Case, _ query: [Float], _ row: [Float]) -> Float {
        query.withUnsafeBufferPointer { queryBuffer in
            var prepared = nt_query(vector: queryBuffer.baseAddress, dimension: query.count, inverse_norm: 1)
            if test.element == NT_ELEMENT_F32 { return functions.one(&prepared, row, 1) }
            var halves = [UInt16](repeating: 0, count: row.count)
            nt_narrow_f16(row, &halves, row.count)
            return functions.one(&prepared, halves, 1)
        }
    }

    @Test("the one-to-one functions are those of the tier in use")
    func publicFunctions() {
        var random = SeededGenerator(seed: 11)
        for dimension in [1, 7, 33, 128, 769] {
            let a = TestVector(&random, dimension: dimension, element: NT_ELEMENT_F32)
            let b = TestVector(&random, dimension: dimension, element: NT_ELEMENT_F32)
            let half = TestVector(&random, dimension: dimension, element: NT_ELEMENT_F16)
            let c = TestVector(&random, dimension: dimension, element: NT_ELEMENT_I8)
            let e = TestVector(&random, dimension: dimension, element: NT_ELEMENT_I8)
            func check(_ value: Float, _ metric: nt_metric, _ x: TestVector, _ y: TestVector, sign: Double = 1) {
                let expected = oracle(metric, x, y)
                #expect(abs(Double(value) - sign * expected.distance) <= expected.tolerance + 0x1p-23 * abs(expected.distance))
            }
            check(nt_l2sq_f32(a.values, b.values, dimension), NT_METRIC_L2, a, b)
            check(nt_dot_f32(a.values, b.values, dimension), NT_METRIC_DOT, a, b, sign: -1)
            check(nt_cosine_f32(a.values, b.values, dimension), NT_METRIC_COSINE, a, b)
            check(nt_l2sq_f16(a.values, half.halves, dimension), NT_METRIC_L2, a, half)
            check(nt_dot_f16(a.values, half.halves, dimension), NT_METRIC_DOT, a, half, sign: -1)
            check(nt_cosine_f16(a.values, half.halves, dimension), NT_METRIC_COSINE, a, half)
            check(nt_l2sq_i8(c.bytes, e.bytes, dimension), NT_METRIC_L2, c, e)
            check(nt_dot_i8(c.bytes, e.bytes, dimension), NT_METRIC_DOT, c, e, sign: -1)
            check(nt_cosine_i8(c.bytes, e.bytes, dimension), NT_METRIC_COSINE, c, e)
            #expect(abs(nt_sqnorm_f32(a.values, dimension) - a.squaredNorm) <= 1e-12 * a.squaredNorm)
            #expect(abs(nt_sqnorm_f16(half.halves, dimension) - half.squaredNorm) <= 1e-12 * half.squaredNorm)
            #expect(nt_sqnorm_i8(c.bytes, dimension) == c.squaredNorm)
        }
        let zeros = [Float](repeating: 0, count: 5)
        #expect(nt_cosine_f32(zeros, [1, 2, 3, 4, 5], 5) == 1)
        #expect(nt_cosine_f32(zeros, [1, 2, .nan, 4, 5], 5).isNaN)
    }
}
