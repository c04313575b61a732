import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Scans")
struct ScanTests {
    @Test("a scan returns exactly the rows within the threshold, with the one-to-one distances", arguments: DistanceTests.cases)
    func findsRowsWithinThreshold(test: DistanceTests.Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ScanTests seed \(random.seed)")
        let functions = try DistanceTests.distance(test)
        let size = elementByteCount(test.element)
        for dimension in [1, 7, 16, 33, 128, 200] {
            let shift = 4, blockRows = 16, blockCount = 3
            let stride = dimension * size
            let blocks = (0 ..< blockCount).map { _ in GuardedMemory(byteCount: blockRows * (stride + 4)) }
            let query = TestVector(&random, dimension: dimension, element: test.element)
            var distances: [Float] = []
            let pointers: [UnsafeRawPointer?] = blocks.map { UnsafeRawPointer($0.start) }
            query.values.withUnsafeBytes { values in
                query.bytes.withUnsafeBytes { bytes in
                    let vector = test.element == NT_ELEMENT_I8 ? bytes.baseAddress : values.baseAddress
                    var prepared = nt_query(vector: vector, dimension: dimension, inverse_norm: inverseNorm(query))
                    for i in 0 ..< blockCount * blockRows {
                        var row = TestVector(&random, dimension: dimension, element: test.element)
                        if test.element == NT_ELEMENT_F32, i % 13 == 5 { row.values[i % dimension] = .nan }
                        let target = blocks[i / blockRows].start + (i % blockRows) * stride
                        row.store(test.element, to: target)
                        let norm = inverseNorm(row)
                        (blocks[i / blockRows].start + blockRows * stride + (i % blockRows) * 4).storeBytes(of: norm, as: Float.self)
                        distances.append(functions.one(&prepared, target, norm))
                    }
                    pointers.withUnsafeBufferPointer { pointers in
                        var rows = nt_rows(blocks: pointers.baseAddress, stride: stride, block_shift: UInt32(shift))
                        let sorted = distances.filter { !$0.isNaN }.sorted()
                        for threshold in [-Float.infinity, sorted[3], sorted[sorted.count / 2], .infinity, .nan] {
                            var keys = [UInt64](repeating: 0, count: distances.count)
                            for block in 0 ..< blockCount {
                                let from = Int.random(in: 0 ..< blockRows, using: &random)
                                let count = Int.random(in: 0 ... blockRows - from, using: &random)
                                let first = block * blockRows + from
                                let found = functions.scan_run(&prepared, &rows, UInt32(first), count, threshold, &keys)
                                let expected = (first ..< first + count).filter { distances[$0] <= threshold }
                                #expect(Array(keys[..<found]) == expected.map { nt_key(distances[$0], UInt32($0)) })
                            }
                            let slots = (0 ..< UInt32(distances.count)).shuffled(using: &random).prefix(Int.random(in: 0 ... 40, using: &random))
                            let found = functions.scan_slots(&prepared, &rows, Array(slots), slots.count, threshold, &keys)
                            let expected = slots.filter { distances[Int($0)] <= threshold }
                            #expect(Array(keys[..<found]) == expected.map { nt_key(distances[Int($0)], $0) })
                        }
                    }
                }
            }
        }
    }

    @Test("survivors are the products not above their limits, NaN among them", arguments: availableTiers)
    func survivors(tier: nt_cpu_tier) throws {
        let table = try kernels(of: tier)
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ScanTests seed \(random.seed)")
        for columns in [1, 7, 8, 15, 16, 17, 63, 64, 65, 100, 130] {
            let rows = 9, ldc = columns + 3
            // Small integers, so that a fused and a separate multiplication agree.
            var products = (0 ..< rows * ldc).map { _ in Float(Int.random(in: -100 ... 100, using: &random)) }
            products[5] = .nan
            let bias = (0 ..< rows).map { _ in Float(Int.random(in: 0 ... 20, using: &random)) }
            let scale = (0 ..< rows).map { _ in Float(Int.random(in: -2 ... 2, using: &random)) }
            var limits = (0 ..< columns).map { _ in Float(Int.random(in: -150 ... 0, using: &random)) }
            limits[columns - 1] = .infinity
            if columns > 2 { limits[1] = .nan }
            var out = [UInt32](repeating: 0, count: rows * columns)
            let found = table.survivors(products, ldc, rows, columns, bias, scale, limits, &out)
            var expected: [UInt32] = []
            for row in 0 ..< rows {
                for column in 0 ..< columns where !(bias[row] + scale[row] * products[row * ldc + column] > limits[column]) {
                    expected.append(UInt32(row << 16 | column))
                }
            }
            #expect(Array(out[..<found]) == expected)
        }
    }
}
