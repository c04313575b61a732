import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("FlatIndex")
struct FlatIndexTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: Element
        var testDescription: String { "\(metric), \(element)" }
    }

    static let cases: [Case] = Metric.allCases.flatMap { metric in Element.allCases.map { Case(metric: metric, element: $0) } }

    /// Dimension and counts: across the borders of bitmap words and of blocks.
    static let shapes: [(dimension: Int, count: Int, blockShift: Int)] = [
        (1, 1, 4), (1, 40, 4), (7, 15, 4), (7, 16, 4), (7, 17, 4), (8, 64, 4), (8, 65, 5), (31, 127, 6), (33, 129, 6),
        (33, 1000, 4), (128, 700, 7), (128, 513, 8), (768, 150, 5),
    ]

    static let densities: [Double?] = [nil, 0, 0.001, 0.5, 0.9, 1]

    /// Small whole numbers: every distance under L2 and dot is exact in f32, and ties abound.
    static func wholeNumber(_ random: inout SeededGenerator) -> Float { Float(Int.random(in: -4 ... 4, using: &random)) }

    @Test("the k nearest are those of the oracle, slot by slot, ties to the lower slot", arguments: cases)
    func matchesOracle(test: Case) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("FlatIndexTests seed \(random.seed)")
        for shape in Self.shapes {
            let table = VectorTable(
                metric: test.metric, element: test.element, dimension: shape.dimension, count: shape.count, blockShift: shape.blockShift
            ) { _ in Self.wholeNumber(&random) }
            let index = table.index
            for (round, density) in Self.densities.enumerated() {
                let query = (0 ..< shape.dimension).map { _ in Self.wholeNumber(&random) }
                let allowed = density.map { density in
                    Bitmap(count: shape.count) { _ in Double.random(in: 0 ..< 1, using: &random) < density }
                }
                let deleted = round % 2 == 0 ? nil : Bitmap(count: shape.count) { _ in Int.random(in: 0 ..< 5, using: &random) == 0 }
                let ranking = table.ranking(query, allowed: allowed, deleted: deleted)
                for k in [1, 10, shape.count, shape.count + 5] {
                    let found = index.search(query, k: k, allowed: allowed, deleted: deleted)
                    expect(found, equals: ranking, k: k, table: table, query: query)
                    let radius = index.search(within: found.last?.distance ?? 0, of: query, allowed: allowed, deleted: deleted)
                    #expect(Array(radius.prefix(found.count)) == found)
                    if let last = found.last { #expect(radius.allSatisfy { $0.distance <= last.distance }) }
                    // By a list of slots it is the same.
                    let slots = (0 ..< shape.count).filter { slot in
                        (allowed?.contains(slot) ?? true) && !(deleted?.contains(slot) ?? false)
                    }.map { UInt32($0) }
                    #expect(index.search(query, k: k, slots: slots) == found)
                }
            }
        }
    }

    /// Equal but for rounding: under cosine (and there alone), neighbours of all but equal distance may change places.
    private func expect(_ found: [Neighbor], equals ranking: [(distance: Double, slot: Int)], k: Int, table: VectorTable, query: [Float]) {
        let expected = ranking.prefix(k)
        guard found.count == expected.count else {
            Issue.record("\(found.count) found of \(expected.count)")
            return
        }
        #expect(Set(found.map(\.slot)).count == found.count)
        for (neighbor, expected) in zip(found, expected) {
            if table.metric == .cosine {
                #expect(abs(Double(neighbor.distance) - expected.distance) < 1e-5)
                #expect(abs(table.distance(query, Int(neighbor.slot)) - Double(neighbor.distance)) < 1e-5)
            } else {
                #expect(Int(neighbor.slot) == expected.slot && Double(neighbor.distance) == expected.distance)
            }
        }
    }

    @Test("a search that begins at a slot is one that leaves out those before it", arguments: cases)
    func beginsAtASlot(test: Case) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("FlatIndexTests seed \(random.seed)")
        for (dimension, count, blockShift) in [(7, 200, 4), (33, 1000, 6), (128, 700, 7)] {
            let table = VectorTable(
                metric: test.metric, element: test.element, dimension: dimension, count: count, blockShift: blockShift
            ) { _ in Self.wholeNumber(&random) }
            let index = table.index
            let queries = (0 ..< 20).map { _ in (0 ..< dimension).map { _ in Self.wholeNumber(&random) } }
            let deleted = Bitmap(count: count) { _ in Int.random(in: 0 ..< 5, using: &random) == 0 }
            for first in [0, 1, 63, 64, 65, count / 2, count - 1, count] {
                let behind = Bitmap(count: count) { $0 >= first }
                for (deleted, threads) in [(nil, 1), (deleted, 1), (deleted, 3)] {
                    let expected = queries.map { index.search($0, k: 10, allowed: behind, deleted: deleted) }
                    #expect(queries.map { index.search($0, k: 10, from: first, deleted: deleted, threads: threads) } == expected)
                    #expect(index.search(batch: queries, k: 10, from: first, deleted: deleted, threads: threads) == expected)
                    let radius = expected[0].last?.distance ?? 0
                    #expect(
                        index.search(within: radius, of: queries[0], from: first, deleted: deleted, threads: threads)
                            == index.search(within: radius, of: queries[0], allowed: behind, deleted: deleted))
                }
            }
        }
    }

    @Test("a batch and any number of threads give the same bits as one search", arguments: cases)
    func batchAndThreadsAgree(test: Case) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("FlatIndexTests seed \(random.seed)")
        for (dimension, count, blockShift) in [(1, 300, 4), (7, 1000, 5), (31, 1111, 4), (128, 2000, 6), (768, 300, 4)] {
            // Far from the origin on one run of slots, so that ‖x‖² − 2x·q + ‖q‖² cancels badly.
            let table = VectorTable(metric: test.metric, element: test.element, dimension: dimension, count: count, blockShift: blockShift) {
                let offset: Float = ($0 / 100) % 3 == 1 ? 60 : 0
                let value = Float.random(in: -1 ... 1, using: &random)
                return test.element == .i8 ? (value * 40).rounded() + offset : value + offset
            }
            let index = table.index
            for queryCount in [1, 5, 12, 33, 300] where dimension < 700 || queryCount < 40 {
                var queries = (0 ..< queryCount).map { i in
                    i % 2 == 0
                        ? table.values[Int.random(in: 0 ..< count, using: &random)]
                        : (0 ..< dimension).map { _ in Float.random(in: -2 ... 2, using: &random) }
                }
                if queryCount > 4 { queries[2] = [Float](repeating: 0, count: dimension) }
                let allowed = Int.random(in: 0 ... 1, using: &random) == 0 ? nil : Bitmap(count: count) { _ in
                    Int.random(in: 0 ..< 4, using: &random) > 0
                }
                let deleted = Int.random(in: 0 ... 1, using: &random) == 0 ? nil : Bitmap(count: count) { _ in
                    Int.random(in: 0 ..< 7, using: &random) == 0
                }
                let batch = index.search(batch: queries, k: 10, allowed: allowed, deleted: deleted)
                let single = queries.map { index.search($0, k: 10, allowed: allowed, deleted: deleted) }
                #expect(batch == single, "dimension \(dimension), \(queryCount) queries")
                let threaded = index.search(batch: queries, k: 10, allowed: allowed, deleted: deleted, threads: 3)
                #expect(threaded == single)
            }
        }
    }

    @Test("threads share a large table and find what one finds", arguments: [Case(metric: .l2, element: .f32), Case(metric: .cosine, element: .f16)])
    func threads(test: Case) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("FlatIndexTests seed \(random.seed)")
        // Several parts of 4 MiB.
        let table = VectorTable(metric: test.metric, element: test.element, dimension: 128, count: 60_000, blockShift: 11) { _ in
            Float(Int.random(in: -30 ... 30, using: &random))
        }
        let index = table.index
        let deleted = Bitmap(count: table.count) { _ in Int.random(in: 0 ..< 50, using: &random) == 0 }
        for sparse in [false, true] {
            let allowed = sparse ? Bitmap(count: table.count) { _ in Int.random(in: 0 ..< 300, using: &random) == 0 } : nil
            let queries = (0 ..< 13).map { _ in (0 ..< 128).map { _ in Float(Int.random(in: -30 ... 30, using: &random)) } }
            let single = queries.map { index.search($0, k: 25, allowed: allowed, deleted: deleted) }
            for threads in [2, 3, 16] {
                #expect(queries.map { index.search($0, k: 25, allowed: allowed, deleted: deleted, threads: threads) } == single)
                #expect(index.search(batch: queries, k: 25, allowed: allowed, deleted: deleted, threads: threads) == single)
            }
            let radius = single[0][20].distance
            let within = index.search(within: radius, of: queries[0], allowed: allowed, deleted: deleted)
            #expect(Array(single[0].prefix { $0.distance <= radius }) == Array(within.prefix(25)))
            #expect(index.search(within: radius, of: queries[0], allowed: allowed, deleted: deleted, threads: 2) == within)
            #expect(index.search(within: radius, of: queries[0], limit: 7, allowed: allowed, deleted: deleted) == Array(within.prefix(7)))
        }
    }

    @Test("rows with a NaN distance are never found, rows at infinity last", arguments: [Metric.l2, .dot])
    func notANumber(metric: Metric) {
        let table = VectorTable(metric: metric, element: .f32, dimension: 9, count: 200) { slot in
            slot % 5 == 0 ? .nan : slot % 7 == 0 ? 3e38 : Float(slot)
        }
        let query = [Float](repeating: metric == .dot ? -2 : 1, count: 9)
        let found = table.index.search(query, k: 200)
        #expect(found.count == 160)
        #expect(found.allSatisfy { $0.slot % 5 != 0 && !$0.distance.isNaN })
        #expect(found.suffix(22).allSatisfy { $0.slot % 7 == 0 && $0.distance == .infinity })
        #expect(table.index.search(batch: Array(repeating: query, count: 20), k: 200) == Array(repeating: found, count: 20))
        #expect(table.index.search([Float](repeating: .nan, count: 9), k: 5).isEmpty)
    }

    @Test("no vectors, no k or no radius find nothing")
    func nothing() {
        let empty = VectorTable(metric: .l2, element: .f32, dimension: 3, count: 0) { _ in 0 }
        #expect(empty.index.search([1, 2, 3], k: 10).isEmpty)
        #expect(empty.index.search(within: 10, of: [1, 2, 3]).isEmpty)
        #expect(empty.index.search(batch: [[1, 2, 3], [4, 5, 6]], k: 10) == [[], []])
        let table = VectorTable(metric: .l2, element: .f32, dimension: 3, count: 50) { _ in 1 }
        #expect(table.index.search([1, 2, 3], k: 0).isEmpty)
        #expect(table.index.search(within: -1, of: [1, 2, 3]).isEmpty)
        #expect(table.index.search(within: .nan, of: [1, 2, 3]).isEmpty)
        #expect(table.index.search(within: 10, of: [1, 2, 3], limit: 0).isEmpty)
        #expect(table.index.search(batch: [], k: 3).isEmpty)
        #expect(table.index.search([1, 1, 1], k: 3).map(\.slot) == [0, 1, 2])
    }

    @Test("norms: ‖x‖², 1/‖x‖ or 0, and those of tiny and huge vectors")
    func norms() {
        let vector: [Float] = [3, 4]
        vector.withUnsafeBufferPointer {
            #expect(norm(of: $0, metric: .l2) == 25)
            #expect(norm(of: $0, metric: .cosine) == 0.2)
            #expect(norm(of: $0, metric: .dot) == 0)
        }
        [Float](repeating: 0, count: 4).withUnsafeBufferPointer { #expect(norm(of: $0, metric: .cosine) == 0) }
        [Float](repeating: 1e-30, count: 4).withUnsafeBufferPointer { #expect(norm(of: $0, metric: .cosine) == 5e29) }
        [Float](repeating: 1e30, count: 4).withUnsafeBufferPointer { #expect(norm(of: $0, metric: .cosine) == 5e-31) }
    }
}
