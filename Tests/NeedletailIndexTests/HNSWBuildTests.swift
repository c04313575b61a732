import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("HNSW build")
struct HNSWBuildTests {
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

    static let shapes: [(dimension: Int, count: Int)] = [(1, 200), (7, 300), (8, 64), (31, 400), (33, 500), (128, 400), (768, 100)]

    @Test("every graph keeps its invariants, whatever metric, element, dimension and threads", arguments: cases)
    func keepsInvariants(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWBuildTests seed \(random.seed)")
        for shape in Self.shapes {
            let table = VectorTable.clustered(test.metric, test.element, dimension: shape.dimension, count: shape.count, &random)
            let deleted = Bitmap(count: shape.count) { _ in Int.random(in: 0 ..< 10, using: &random) == 0 }
            for (threads, bitmap) in [(1, nil), (3, deleted)] as [(Int, Bitmap?)] {
                var options = HNSWOptions(m: 8, efConstruction: 40, quantization: test.quantization, threads: threads)
                options.seed = random.next()
                let build = try table.build(options, deleted: bitmap)
                defer { withExtendedLifetime(build) {} }
                let graph = try build.graph(vectors: table.vectors)
                #expect(graph.invariants(deleted: bitmap) == [], "dimension \(shape.dimension), \(threads) threads")
                // Under the dot product, long vectors are everybody's neighbours, and nobody finds the short ones well.
                let recall = table.recall(of: graph, deleted: bitmap, ef: 100, &random)
                #expect(recall > (test.metric == .dot || shape.dimension == 1 ? 0.8 : 0.93), "dimension \(shape.dimension)")
            }
        }
    }

    @Test("one thread and one seed make one graph; another seed another", arguments: [Quantization.none, .sq8])
    func isDeterministic(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWBuildTests seed \(random.seed)")
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: 3000, &random)
        let options = HNSWOptions(m: 8, efConstruction: 50, quantization: quantization, seed: 1)
        let first = try table.build(options).bytes
        #expect(try table.build(options).bytes == first)
        var other = options
        other.seed = 2
        #expect(try table.build(other).bytes != first)
    }

    @Test("graphs of no, one and two vectors", arguments: [Quantization.none, .sq8])
    func fewVectors(quantization: Quantization) throws {
        for count in 0 ... 5 {
            let table = VectorTable(metric: .l2, element: .f32, dimension: 3, count: count) { Float($0) }
            for seed in 0 ..< 40 as Range<UInt64> {
                let build = try table.build(HNSWOptions(m: 2, efConstruction: 2, quantization: quantization, seed: seed, threads: 2))
                defer { withExtendedLifetime(build) {} }
                let graph = try build.graph(vectors: table.vectors)
                #expect(graph.invariants(deleted: nil) == [])
                #expect(table.search(graph, [0, 0, 0], k: 5, ef: 5).map(\.slot) == (0 ..< UInt32(count)).map { $0 })
            }
        }
    }

    @Test("a thousand equal vectors are all found", arguments: Metric.allCases, [Quantization.none, .sq8])
    func equalVectors(metric: Metric, quantization: Quantization) throws {
        for threads in [1, 2] {
            let table = VectorTable(metric: metric, element: .f32, dimension: 5, count: 1000) { _ in 1 }
            let build = try table.build(HNSWOptions(m: 4, efConstruction: 20, quantization: quantization, threads: threads))
            defer { withExtendedLifetime(build) {} }
            let graph = try build.graph(vectors: table.vectors)
            #expect(graph.invariants(deleted: nil) == [])
            #expect(table.search(graph, [1, 1, 1, 1, 1], k: 1000, ef: 1000).count == 1000)
        }
    }

    @Test("equal vectors are no island among others")
    func equalVectorsAmongOthers() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWBuildTests seed \(random.seed)")
        // One graph in twenty-five finds 0.8 by chance: so the mean of several, which an island would cost half of.
        var recall = 0.0
        for _ in 0 ..< 5 {
            let table = VectorTable(metric: .l2, element: .f32, dimension: 8, count: 2000) { slot in
                slot % 2 == 0 ? 0.5 : random.normal()
            }
            let graph = try table.build(HNSWOptions(m: 8, efConstruction: 50))
            let view = try graph.graph(vectors: table.vectors)
            #expect(view.invariants(deleted: nil) == [])
            recall += table.recall(of: view, deleted: nil, ef: 100, &random) / 5
            withExtendedLifetime(graph) {}
        }
        #expect(recall > 0.9)
    }

    @Test("NaN and infinite components do no harm")
    func oddComponents() throws {
        var random = SeededGenerator(seed: 1)
        for metric in Metric.allCases {
            for quantization in [Quantization.none, .sq8] {
                let table = VectorTable(metric: metric, element: .f32, dimension: 4, count: 500) { slot in
                    slot % 7 == 0 ? .nan : slot % 11 == 0 ? .infinity : random.normal()
                }
                let build = try table.build(HNSWOptions(m: 4, efConstruction: 20, quantization: quantization, threads: 2))
                defer { withExtendedLifetime(build) {} }
                let graph = try build.graph(vectors: table.vectors)
                #expect(graph.invariants(deleted: nil) == [], "\(metric), \(quantization)")
            }
        }
    }

    @Test("all slots deleted: an empty graph")
    func allDeleted() throws {
        let table = VectorTable(metric: .cosine, element: .f32, dimension: 4, count: 100) { Float($0) }
        let deleted = Bitmap(count: 100) { _ in true }
        let build = try table.build(HNSWOptions(), deleted: deleted)
        defer { withExtendedLifetime(build) {} }
        let graph = try build.graph(vectors: table.vectors)
        #expect(graph.header.entrySlot == nil)
        #expect(graph.invariants(deleted: deleted) == [])
        #expect(table.search(graph, [1, 1, 1, 1], k: 3, ef: 10) == [])
    }

    @Test("m at its limits", arguments: [2, 3, 5, 64])
    func limitsOfM(m: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWBuildTests seed \(random.seed)")
        let table = VectorTable.clustered(.l2, .f32, dimension: 12, count: 700, &random)
        for efConstruction in [m, 2 * m, 200] {
            let build = try table.build(HNSWOptions(m: m, efConstruction: efConstruction, threads: 2))
            defer { withExtendedLifetime(build) {} }
            let graph = try build.graph(vectors: table.vectors)
            #expect(graph.invariants(deleted: nil) == [])
        }
    }

    @Test("parameters out of range are refused, and so is too little memory")
    func refusals() throws {
        let table = VectorTable(metric: .l2, element: .f32, dimension: 4, count: 50) { Float($0) }
        for options in [
            HNSWOptions(m: 1), HNSWOptions(m: 65), HNSWOptions(m: 16, efConstruction: 15), HNSWOptions(efConstruction: 2001),
            HNSWOptions(threads: 0),
        ] {
            #expect { try table.build(options) } throws: { error in
                if case HNSWBuildError.invalid = error { true } else { false }
            }
        }
        let needed = HNSWBuilder.memoryEstimate(count: 50, dimension: 4, options: HNSWOptions())
        #expect(throws: HNSWBuildError.memoryLimit(needed: needed, limit: 1000)) { try table.build(HNSWOptions(memoryLimit: 1000)) }
        let peak = try table.build(HNSWOptions(memoryLimit: needed)).peakByteCount
        #expect(peak <= needed && peak > needed / 2)
    }

    @Test("a build is cancelled in any of its phases, and leaves nothing", arguments: [1, 2])
    func cancellation(threads: Int) throws {
        var random = SeededGenerator(seed: 5)
        let table = VectorTable.clustered(.l2, .f32, dimension: 8, count: 2000, &random)
        var calls = 0
        // The nth question is answered with yes, until a build completes.
        for limit in 0 ..< 1000 {
            calls = 0
            do {
                let builder = HNSWBuilder(table.source(deleted: nil), options: HNSWOptions(m: 8, efConstruction: 40, threads: threads), isCancelled: {
                    calls += 1
                    return calls > limit
                })
                _ = try builder.build()
                #expect(limit > 3)
                return
            } catch {
                #expect(error == .cancelled)
            }
        }
        Issue.record("no build completed")
    }

    @Test("progress goes through the phases in order, each to its end")
    func progress() throws {
        var random = SeededGenerator(seed: 6)
        let table = VectorTable.clustered(.l2, .f32, dimension: 8, count: 2000, &random)
        var seen: [HNSWBuildProgress] = []
        _ = try HNSWBuilder(table.source(deleted: nil), options: HNSWOptions(m: 8, efConstruction: 40, threads: 2), progress: { seen.append($0) }).build()
        let phases = HNSWBuildProgress.Phase.allCases
        let numbers = seen.compactMap { phases.firstIndex(of: $0.phase) }
        #expect(numbers == numbers.sorted())
        #expect(Set(seen.map(\.phase)).isSuperset(of: [.encode, .upper, .order, .insert]))
        #expect(seen.allSatisfy { $0.done <= $0.total })
        #expect(seen.last { $0.phase == .insert }.map { $0.done == $0.total } == true)
    }
}
