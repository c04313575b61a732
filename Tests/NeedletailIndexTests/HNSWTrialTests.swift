import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("HNSW: records held out of a build to measure it")
struct HNSWTrialTests {
    @Test("none of them is found while it is measured, all of them afterwards", arguments: Quantization.allCases)
    func heldOut(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWTrialTests seed \(random.seed)")
        for count in [0, 5, 25, 600] {
            let table = VectorTable.clustered(.l2, .f32, dimension: 32, count: count, &random)
            let dead = Bitmap(count: count) { $0 % 9 == 3 }
            let options = HNSWOptions(m: 6, efConstruction: 40, quantization: quantization, threads: 2)
            var trials = 0
            let built = try Optional(dead).withThrowingWords { words throws(HNSWBuildError) in
                try HNSWBuilder(table.source(deleted: words), options: options).build { graph, heldOut in
                    trials += 1
                    #expect(heldOut.count <= count / 10 && (count < 600 || heldOut.count > 20), "\(heldOut.count) of \(count)")
                    #expect(heldOut == heldOut.sorted() && heldOut.allSatisfy { !dead.contains($0) })
                    for slot in heldOut {
                        let found = table.search(graph, table.values[slot], k: 10, ef: 100).map { Int($0.slot) }
                        #expect(found.allSatisfy { !heldOut.contains($0) && !dead.contains($0) }, "\(slot)")
                        #expect(!found.isEmpty)
                    }
                    return [HNSWHeader.CalibrationPoint(k: 10, efSearch: 10, recall: 0.5)]
                }
            }
            #expect(trials == 1 && built.isMeasured && built.header.calibration.map(\.recall) == [0.5])
            let graph = try built.graph(vectors: table.vectors)
            #expect(graph.invariants(deleted: dead).isEmpty)
            for slot in 0 ..< count where !dead.contains(slot) {
                #expect(table.search(graph, table.values[slot], k: 1, ef: 60).first?.distance ?? 1 < 0.01, "\(slot) of \(count)")
            }
        }
    }

    @Test("a merge is measured with what is new, where that is enough; else the old calibration stands", arguments: [100, 2_000])
    func merges(added: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWTrialTests seed \(random.seed)")
        let first = 3_000, count = first + added
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: count, &random)
        let options = HNSWOptions(m: 6, efConstruction: 40, quantization: .sq8)
        let base = try HNSWBuilder(table.source(deleted: nil, first: first), options: options).build { _, _ in
            [HNSWHeader.CalibrationPoint(k: 10, efSearch: 10, recall: 0.5)]
        }
        let graph = try base.graph(vectors: table.vectors(first: first))
        let merged = try HNSWBuilder(table.source(deleted: nil), options: options).merge(into: graph) { _, heldOut in
            #expect(heldOut.allSatisfy { (first ..< count).contains($0) })
            return [HNSWHeader.CalibrationPoint(k: 10, efSearch: 10, recall: 0.75)]
        }
        #expect(merged.isMeasured == (added == 2_000))
        #expect(merged.header.calibration.map(\.recall) == [merged.isMeasured ? 0.75 : 0.5])
        #expect(try merged.graph(vectors: table.vectors).invariants(deleted: nil).isEmpty)
    }

    @Test("a graph of which nobody measured how far searches reach is not searched by neighbour codes")
    func withoutReaches() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWTrialTests seed \(random.seed)")
        let table = VectorTable.clustered(.l2, .f32, dimension: 64, count: 3_000, &random)
        let built = try table.build(HNSWOptions(m: 8, efConstruction: 60, quantization: .rabitq))
        var header = built.header
        #expect(header.reaches?.isEmpty == false)
        header.reaches = nil
        let graph = try HNSWGraph(header: header, arrays: built.rows, vectors: table.vectors)
        #expect(table.recall(of: graph, deleted: nil, ef: 300, &random) > 0.97)
    }

    @Test("efSearch is what a search expands on average, in a new graph and in one of which much was replaced", arguments: [24, 60])
    func expansions(efSearch: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWTrialTests seed \(random.seed)")
        // The last rows are asked with.
        let first = 4_500, count = 6_000, asked = 600
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: count + asked, &random)
        let dead = Bitmap(count: count) { slot in slot < first && slot % 3 == 0 }
        let options = HNSWOptions(m: 8, efConstruction: 60, quantization: .sq8)
        let trial: HNSWTrial = { _, _ in [HNSWHeader.CalibrationPoint(k: 10, efSearch: 10, recall: 0.5)] }
        let base = try HNSWBuilder(table.source(deleted: nil, first: first), options: options).build(measuring: trial)
        let graph = try base.graph(vectors: table.vectors(first: first))
        let (fresh, merged) = try Optional(dead).withThrowingWords { words throws(HNSWBuildError) in
            let builder = HNSWBuilder(table.source(deleted: words, first: count), options: options)
            return (try builder.build(measuring: trial), try builder.merge(into: graph, measuring: trial))
        }
        for (name, built) in [("fresh", fresh), ("merged", merged)] {
            #expect(built.isMeasured)
            let graph = try built.graph(vectors: table.vectors(first: count))
            var statistics = HNSWStatistics()
            for slot in count ..< count + asked {
                table.values[slot].withUnsafeBufferPointer { query in
                    _ = graph.search(query, k: 10, ef: efSearch, scratch: HNSWScratchPool(), statistics: &statistics)
                }
            }
            let mean = Double(statistics.hops) / Double(asked)
            print("efSearch \(efSearch), \(name): \(mean) nodes")
            #expect(abs(mean / Double(efSearch) - 1) < 0.15, "\(name)")
        }
    }
}
