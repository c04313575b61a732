import CNeedletailKernels
import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("SQ8 codes")
struct SQ8QuantizerTests {
    private static func quantizer(_ table: VectorTable) -> SQ8Quantizer {
        SQ8Quantizer(training: table.vectors, dimension: table.dimension, metric: table.metric, element: table.element)
    }

    /// Distances by codes of every row from a query.
    private static func distances(_ table: VectorTable, _ quantizer: SQ8Quantizer, query: [Float]) -> [Float] {
        let stride = quantizer.rowByteCount
        let codes = UnsafeMutableRawPointer.allocate(byteCount: table.count * stride, alignment: 64)
        let queryCodes = UnsafeMutableRawPointer.allocate(byteCount: stride, alignment: 64)
        defer {
            codes.deallocate()
            queryCodes.deallocate()
        }
        var chunks = [codes]
        quantizer.encode(table.vectors, element: table.element, slots: 0 ..< table.count, to: &chunks, shift: 20)
        var pointer: UnsafeRawPointer? = UnsafeRawPointer(codes)
        var prepared = quantizer.prepare(query, codes: queryCodes)
        var result = [Float](repeating: .nan, count: table.count)
        withUnsafePointer(to: &pointer) { pointer in
            var rows = nt_rows(blocks: pointer, stride: stride, block_shift: 20)
            let functions = nt_traversal_for(SQ8Quantizer.traversalKind(table.metric)).pointee
            functions.distances(&prepared, &rows, (0 ..< UInt32(table.count)).map { $0 }, table.count, &result)
        }
        return result
    }

    @Test("distances by codes are near those of the vectors", arguments: Metric.allCases, Element.allCases)
    func distancesAreNear(metric: Metric, element: Element) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("SQ8QuantizerTests seed \(random.seed)")
        for dimension in [1, 31, 64, 384] {
            let scale: Float = element == .i8 ? 30 : 0.1
            let table = VectorTable(metric: metric, element: element, dimension: dimension, count: 300) { _ in random.normal() * scale }
            let quantizer = Self.quantizer(table)
            #expect(quantizer.isValid)
            // Not beyond the range of the rows, where codes end: a query out there is cut off, and rightly far from the truth.
            let query = (0 ..< dimension).map { _ in min(max(random.normal(), -1.5), 1.5) * scale }
                .map { element == .i8 ? $0.rounded() : $0 }
            let exact = (0 ..< table.count).map { table.distance(query, $0) }
            let spread = (exact.max() ?? 0) - (exact.min() ?? 0)
            let errors = zip(Self.distances(table, quantizer, query: query), exact).map { abs(Double($0) - $1) }
            // A few components lie beyond the range of the codes, which is not stretched for them.
            #expect(errors.filter { $0 > 0.05 * spread }.count <= table.count / 50, "dimension \(dimension)")
            #expect((errors.max() ?? 0) <= 0.4 * spread, "dimension \(dimension)")
        }
    }

    @Test("whole numbers within the range of a byte lose nothing under l2")
    func wholeNumbers() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("SQ8QuantizerTests seed \(random.seed)")
        let table = VectorTable(metric: .l2, element: .f32, dimension: 100, count: 200) { _ in Float(Int.random(in: 0 ... 218, using: &random)) }
        let quantizer = Self.quantizer(table)
        #expect(quantizer.step == 1)
        let query = (0 ..< 100).map { _ in Float(Int.random(in: Int(quantizer.minimum) ... 218, using: &random)) }
        for (slot, distance) in Self.distances(table, quantizer, query: query).enumerated() {
            #expect(Double(distance) == table.distance(query, slot))
        }
    }

    @Test("few components far out do not coarsen the scale of all others")
    func outliers() {
        var random = SeededGenerator(seed: 3)
        let table = VectorTable(metric: .l2, element: .f32, dimension: 64, count: 2000) { _ in
            Int.random(in: 0 ..< 20_000, using: &random) == 0 ? 100 : random.normal()
        }
        #expect(Self.quantizer(table).step < 0.1)
    }

    @Test("tables of nothing, of zeros and of one value have a scale", arguments: Metric.allCases)
    func degenerate(metric: Metric) {
        for (count, value) in [(0, 0), (5, 0), (5, 0.3), (5, 1e20), (5, -1e-20)] as [(Int, Float)] {
            let table = VectorTable(metric: metric, element: .f32, dimension: 3, count: count) { _ in value }
            let quantizer = Self.quantizer(table)
            #expect(quantizer.isValid)
            #expect(Self.distances(table, quantizer, query: [0, 0, 0]).allSatisfy { $0.isFinite })
        }
    }
}
