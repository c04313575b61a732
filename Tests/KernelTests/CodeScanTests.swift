import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Scans by signs")
struct CodeScanTests {
    private static let metrics: [nt_metric] = [NT_METRIC_L2, NT_METRIC_COSINE, NT_METRIC_DOT]

    @Test("every tier finds the same rows within the same threshold, whatever their number", arguments: availableTiers)
    func tiers(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CodeScanTests seed \(random.seed)")
        let functions = try #require(nt_codescan_of(tier) as UnsafePointer<nt_codescan>?).pointee
        let portable = try #require(nt_codescan_of(NT_CPU_PORTABLE) as UnsafePointer<nt_codescan>?).pointee
        for dimension in [64, 128, 192, 384, 768, 1088, 2048] {
            let sample = SignSample(rowCount: 200, dimension: dimension, metric: NT_METRIC_L2, &random)
            let query = SignQuery((0 ..< dimension).map { _ in random.normal() }, deviations: 1.5)
            let distances = (0 ..< 200).map { sample.least($0, query) }.sorted()
            for count in [0, 1, 2, 3, 4, 5, 23, 24, 25, 32, 33, 64, 131, 200] {
                let slots = (0 ..< UInt32(count)).map { _ in UInt32.random(in: 0 ..< 200, using: &random) }
                for threshold in [-Float.infinity, distances[20], distances[100], .infinity] {
                    let found = sample.within(functions, query, slots, threshold)
                    #expect(found == sample.within(portable, query, slots, threshold), "\(count) rows of dimension \(dimension)")
                    #expect(found == slots.filter { sample.least(Int($0), query) <= threshold })
                    #expect(found == sample.withinPacked(functions, query, slots, threshold), "\(count) packed rows of dimension \(dimension)")
                }
            }
        }
    }

    @Test("no more rows are overlooked than their deviations allow", arguments: metrics)
    func bounds(metric: nt_metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CodeScanTests seed \(random.seed)")
        let dimension = 256, count = 2000
        for deviations in [Float(1), 2, 3] {
            var overlooked = 0
            // Signs of normal components are as those of a random rotation.
            let sample = SignSample(rowCount: count, dimension: dimension, metric: metric, &random)
            let query = SignQuery((0 ..< dimension).map { _ in random.normal() }, deviations: deviations)
            for row in 0 ..< count where sample.least(row, query) > sample.distance(row, query) { overlooked += 1 }
            // One side of a normal distribution: 16, 2.3 and 0.14 %.
            let expected = deviations == 1 ? 0.159 : deviations == 2 ? 0.0228 : 0.00135
            #expect(abs(Double(overlooked) / Double(count) - expected) < 0.5 * expected + 0.01, "at \(deviations): \(overlooked)")
        }
    }

    @Test("rows and queries without a length have finite numbers")
    func zeros() {
        let row = UnsafeMutableRawPointer.allocate(byteCount: nt_sign_row_bytes(64), alignment: 64)
        defer { row.deallocate() }
        for metric in Self.metrics {
            nt_sign_encode([Float](repeating: 0, count: 64), 64, metric, 0, row)
            for i in 0 ..< 3 { #expect(row.load(fromByteOffset: 8 + 4 * i, as: Float.self).isFinite) }
        }
        let query = SignQuery([Float](repeating: 0, count: 64), deviations: 2)
        #expect(query.prepared.step.isFinite && query.prepared.bias == 0 && query.prepared.slack == 0)
    }
}

/// Rows of signs of random differences from a centre.
private final class SignSample {
    let dimension: Int
    private let metric: nt_metric
    private let differences: [[Float]]
    private let centre: [Float]
    private let stride: Int
    private let bytes: UnsafeMutableRawPointer

    init(rowCount: Int, dimension: Int, metric: nt_metric, _ random: inout SeededGenerator) {
        self.dimension = dimension
        self.metric = metric
        var generator = random
        centre = (0 ..< dimension).map { _ in generator.normal() }
        differences = (0 ..< rowCount).map { _ in (0 ..< dimension).map { _ in generator.normal() } }
        random = generator
        stride = nt_sign_row_bytes(dimension)
        bytes = .allocate(byteCount: stride * rowCount, alignment: 64)
        for (number, difference) in differences.enumerated() {
            let product = zip(centre, difference).reduce(Float(0)) { $0 + $1.0 * ($1.0 + $1.1) }
            nt_sign_encode(difference, dimension, metric, product, bytes + number * stride)
        }
    }

    deinit { bytes.deallocate() }

    func within(_ functions: nt_codescan, _ query: SignQuery, _ slots: [UInt32], _ threshold: Float) -> [UInt32] {
        var found = [UInt32](repeating: 0, count: slots.count + 4)
        var chunk: UnsafeRawPointer? = UnsafeRawPointer(bytes)
        var prepared = query.prepared
        let count = withUnsafePointer(to: &chunk) { chunks in
            var rows = nt_rows(blocks: chunks, stride: stride, block_shift: 31)
            return functions.within(&prepared, &rows, slots, slots.count, threshold, &found)
        }
        withExtendedLifetime((self, query)) {}
        return Array(found.prefix(count))
    }

    /// The same with the rows of the slots packed in memory of just that size.
    func withinPacked(_ functions: nt_codescan, _ query: SignQuery, _ slots: [UInt32], _ threshold: Float) -> [UInt32] {
        let byteCount = nt_sign_packed_bytes(dimension, slots.count)
        let blocks = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        defer { blocks.deallocate() }
        // What is to spare must not depend on what was there.
        blocks.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
        var found = [UInt32](repeating: 0, count: slots.count)
        var chunk: UnsafeRawPointer? = UnsafeRawPointer(bytes)
        var prepared = query.prepared
        withUnsafePointer(to: &chunk) { chunks in
            var rows = nt_rows(blocks: chunks, stride: stride, block_shift: 31)
            nt_sign_pack(&rows, dimension, slots, slots.count, blocks)
        }
        let count = functions.within_packed(&prepared, blocks, slots, slots.count, threshold, &found)
        withExtendedLifetime((self, query)) {}
        return Array(found.prefix(count))
    }

    /// The bound by the formula, from the row as stored and the query as rounded.
    func least(_ row: Int, _ query: SignQuery) -> Float {
        let start = bytes + row * stride
        var sum: Int32 = 0
        for i in 0 ..< dimension where start.load(fromByteOffset: i / 8, as: UInt8.self) >> (i % 8) & 1 == 1 { sum += Int32(query.codes[i]) }
        func number(_ i: Int) -> Float { start.load(fromByteOffset: dimension / 8 + 4 * i, as: Float.self) }
        let product = query.prepared.bias + query.prepared.step * Float(sum)
        return (number(0) + number(1) * product) - query.prepared.slack * number(2)
    }

    /// The true distance, less what all rows share.
    func distance(_ row: Int, _ query: SignQuery) -> Float {
        let r = differences[row], v = query.difference
        let product = zip(r, v).reduce(Float(0)) { $0 + $1.0 * $1.1 }
        let square = r.reduce(0) { $0 + $1 * $1 }
        switch metric {
        case NT_METRIC_L2: return square - 2 * product
        case NT_METRIC_COSINE: return (square - 2 * product) / 2
        default: return -zip(centre, r).reduce(Float(0)) { $0 + $1.0 * ($1.0 + $1.1) } - product
        }
    }
}

private final class SignQuery {
    let difference: [Float]
    let prepared: nt_sign_query
    let codes: UnsafeMutablePointer<Int8>

    init(_ difference: [Float], deviations: Float) {
        self.difference = difference
        let byteCount = nt_sign_query_bytes(difference.count)
        codes = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64).bindMemory(to: Int8.self, capacity: byteCount)
        prepared = nt_sign_prepare(difference, difference.count, deviations, codes)
    }

    deinit { codes.deallocate() }
}
