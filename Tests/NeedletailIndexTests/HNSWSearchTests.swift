import Dispatch
import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Synchronization
import Testing

@Suite("HNSW search")
struct HNSWSearchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: Element
        let quantization: Quantization
        var testDescription: String { "\(metric), \(element), \(quantization)" }
    }

    static let cases: [Case] = Metric.allCases.flatMap { metric in
        Element.allCases.flatMap { element in
            [Quantization.none, .sq8].map { Case(metric: metric, element: element, quantization: $0) }
        }
    }

    @Test("finds what an exact search finds, with its distances", arguments: cases)
    func matchesExactSearch(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        for dimension in isOptimized ? [3, 24, 65] : [24] {
            let sample = try HNSWSample(
                metric: test.metric, element: test.element, quantization: test.quantization, dimension: dimension, random: &random)
            var pairs: [(found: [Neighbor], exact: [Neighbor])] = []
            var statistics = HNSWStatistics()
            for _ in 0 ..< 50 {
                let query = sample.query()
                let found = sample.search(query, k: 10, ef: 120, &statistics)
                let all = sample.exact(query, k: sample.table.count)
                let distances = Dictionary(uniqueKeysWithValues: all.map { ($0.slot, $0.distance) })
                #expect(found.count == 10)
                #expect(found.allSatisfy { distances[$0.slot]?.bitPattern == $0.distance.bitPattern })
                #expect(zip(found, found.dropFirst()).allSatisfy { ($0.distance, $0.slot) < ($1.distance, $1.slot) })
                pairs.append((found, Array(all.prefix(10))))
            }
            #expect(recall(pairs) > 0.97, "dimension \(dimension)")
            #expect(statistics.exactFallbacks == 0 && statistics.hops > 50 && statistics.distances < 50 * sample.table.count)
        }
    }

    @Test("any k and ef: as many as there are, each once", arguments: [Quantization.none, .sq8])
    func anyK(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        for count in [0, 1, 2, 33, 700] {
            let sample = try HNSWSample(quantization: quantization, dimension: 8, count: count, m: 4, random: &random)
            let query = count == 0 ? [Float](repeating: 0, count: 8) : sample.query()
            for (k, ef) in [(0, 10), (1, 1), (10, 1), (10, 5000), (count, count), (count + 5, 1)] {
                let found = sample.search(query, k: k, ef: ef)
                #expect(found.count == min(k, count), "\(count) rows, k \(k), ef \(ef)")
                #expect(Set(found.map(\.slot)).count == found.count)
            }
        }
    }

    @Test("a build leads back to the entry point", arguments: [33, 81] as [UInt64])
    func entryIsLinked(seed: UInt64) throws {
        // Of some three hundred such graphs, those in which each list that held the entry point had dropped it.
        var random = SeededGenerator(seed: seed)
        let sample = try HNSWSample(dimension: 8, count: 150, m: 2, random: &random)
        let entry = try #require(sample.graph.header.entrySlot)
        let links = sample.graph.links
        #expect((0 ..< links.count).contains { slot in
            let list = links.row(slot).assumingMemoryBound(to: UInt32.self)
            return (0 ..< sample.graph.header.degree).contains { list[$0] == entry }
        })
        for _ in 0 ..< 20 { #expect(sample.search(sample.query(), k: 150, ef: 150).count == 150) }
    }

    @Test("an entry point that is in no list is found", arguments: [Quantization.none, .sq8])
    func entryWithoutLinks(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        let sample = try HNSWSample(quantization: quantization, dimension: 8, count: 700, m: 8, random: &random)
        let entry = try #require(sample.graph.header.entrySlot)
        // Nothing in the links is damaged but that the entry point's place is given to the list's first node once more.
        let copies = DamagedRows(copying: sample.build.rows)
        let links = copies.rows[HNSWArray.links.rawValue]
        for slot in 0 ..< links.count {
            let list = UnsafeMutableRawPointer(mutating: links.row(slot)).assumingMemoryBound(to: UInt32.self)
            for i in 0 ..< sample.graph.header.degree where list[i] == entry { list[i] = list[0] == entry ? list[1] : list[0] }
        }
        let graph = try HNSWGraph(header: sample.graph.header, arrays: copies.rows, vectors: sample.table.vectors)
        for _ in 0 ..< 20 {
            let query = sample.query()
            var statistics = HNSWStatistics()
            query.withUnsafeBufferPointer { query in
                let found = graph.search(query, k: 700, ef: 700, scratch: sample.scratch, statistics: &statistics)
                #expect(found.count == 700 && Set(found.map(\.slot)).count == 700)
                let all = graph.search(within: 1e30, of: query, ef: 64, scratch: sample.scratch, statistics: &statistics)
                #expect(all.count == 700)
            }
        }
        // The graph only points into them.
        withExtendedLifetime((copies, sample)) {}
    }

    @Test("queries of zeros, of huge and of tiny numbers are answered", arguments: Metric.allCases)
    func strangeQueries(metric: Metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        for quantization in [Quantization.none, .sq8] {
            let sample = try HNSWSample(metric: metric, quantization: quantization, random: &random)
            for value: Float in [0, 1e15, -1e15, 1e-30, -1e-30] {
                let found = sample.search([Float](repeating: value, count: 24))
                #expect(found.count == 10 && found.allSatisfy { $0.distance.isFinite })
            }
            let nan = sample.search([Float](repeating: .nan, count: 24))
            #expect(nan.allSatisfy { Int($0.slot) < sample.table.count })
        }
    }

    @Test("many threads at once get what one gets")
    func concurrency() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        let sample = try HNSWSample(random: &random)
        let queries = (0 ..< 64).map { _ in sample.query() }
        let expected = queries.map { sample.search($0) }
        let wrong = Atomic<Int>(0)
        nonisolated(unsafe) let shared = sample
        DispatchQueue.concurrentPerform(iterations: 16) { worker in
            for i in 0 ..< queries.count {
                let position = (i + worker * 4) % queries.count
                if shared.search(queries[position]) != expected[position] { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    @Test("a damaged graph gives wrong answers at worst", arguments: [Quantization.none, .sq8])
    func damagedGraph(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWSearchTests seed \(random.seed)")
        let sample = try HNSWSample(quantization: quantization, dimension: 8, count: 1500, m: 4, random: &random)
        let allowed = Bitmap(count: 1500) { _ in Bool.random(using: &random) }
        for round in 0 ..< 30 {
            let damaged = DamagedRows(copying: sample.build.rows)
            damaged.randomize(share: round % 3 == 0 ? 1 : 0.05, using: &random)
            var arrays = damaged.rows
            // Numbers that are not finite are refused when the index is opened.
            arrays[HNSWArray.tables.rawValue] = sample.build.rows[HNSWArray.tables.rawValue]
            let graph = try HNSWGraph(header: sample.graph.header, arrays: arrays, vectors: sample.table.vectors)
            let query = sample.query()
            var statistics = HNSWStatistics()
            query.withUnsafeBufferPointer { query in
                allowed.words.withUnsafeBufferPointer { allowed in
                    let plain = graph.search(query, k: 10, ef: 50, scratch: sample.scratch, statistics: &statistics)
                    #expect(plain.allSatisfy { $0.slot < 1500 })
                    let filtered = graph.search(query, k: 10, ef: 50, allowed: allowed, scratch: sample.scratch, statistics: &statistics)
                    #expect(filtered.count == 10)
                    let cursor = HNSWCursor(graph, query: query, ef: 20, scratch: sample.scratch)
                    #expect(cursor.next(1000).count == 1000)
                }
            }
            withExtendedLifetime(damaged) {}
        }
    }

    @Test("a header that does not fit the arrays is an error")
    func invalidHeaders() throws {
        var random = SeededGenerator(seed: 1)
        let sample = try HNSWSample(count: 300, m: 4, random: &random)
        let changes: [(inout HNSWHeader) -> Void] = [
            { $0.m = 1 }, { $0.m = 65 }, { $0.m = 40 }, { $0.dimension = 0 }, { $0.dimension = 25 }, { $0.count = -1 }, { $0.count = 301 },
            { $0.count = 1 << 40 }, { $0.maxLevel = 16 }, { $0.maxLevel = -1 }, { $0.entrySlot = 300 }, { $0.entryUpper = nil },
            { $0.entryUpper = UInt32($0.upperCount) }, { $0.upperCount += 1 }, { $0.upperListCount = -1 }, { $0.upperListCount += 100 },
            { $0.sq8 = nil }, { $0.element = .f16; $0.dimension = 49 },
            { $0.sq8 = SQ8Quantizer(metric: .l2, dimension: 24, minimum: .nan, step: 1) },
            { $0.sq8 = SQ8Quantizer(metric: .l2, dimension: 24, minimum: 0, step: 0) },
            { $0.sq8 = SQ8Quantizer(metric: .dot, dimension: 24, minimum: 0, step: 1) },
        ]
        for (i, change) in changes.enumerated() {
            var header = sample.graph.header
            change(&header)
            #expect(throws: HNSWError.self, "change \(i)") {
                try HNSWGraph(header: header, arrays: sample.build.rows, vectors: sample.table.vectors)
            }
        }
    }
}
