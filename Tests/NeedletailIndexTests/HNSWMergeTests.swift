import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("HNSW merge")
struct HNSWMergeTests {
    @Test("inserts and deletions, merged again and again, keep invariants and recall", arguments: Metric.allCases, [Quantization.none, .sq8])
    func randomSequence(metric: Metric, quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWMergeTests seed \(random.seed)")
        let count = 2000
        for element in Element.allCases {
            let table = VectorTable.clustered(metric, element, dimension: 24, count: count, &random)
            var rows = Int.random(in: 0 ... 700, using: &random), dead = Bitmap(count: count) { _ in false }
            var build = try table.build(HNSWOptions(m: 8, efConstruction: 40, quantization: quantization, seed: random.next()), deleted: dead, first: rows)
            while rows < count {
                let base = try build.graph(vectors: table.vectors(first: rows))
                let before = build.bytes
                let shares: [Double] = [0, 0.01, 0.1, 0.3, 0.6], share = shares[Int.random(in: 0 ..< 5, using: &random)]
                for slot in 0 ..< rows where Double.random(in: 0 ..< 1, using: &random) < share { dead.words[slot / 64] |= 1 << UInt64(slot % 64) }
                let more = [0, 1, 50, 400][Int.random(in: 0 ..< 4, using: &random)]
                // A slot can be deleted before any merge has seen it.
                let next = min(count, rows + more + Int.random(in: 0 ... 100, using: &random))
                for slot in rows ..< next where Int.random(in: 0 ..< 10, using: &random) == 0 { dead.words[slot / 64] |= 1 << UInt64(slot % 64) }
                let merged = try table.merge(base, rows: next, deleted: dead, threads: Int.random(in: 1 ... 3, using: &random))
                defer { withExtendedLifetime(merged) {} }
                #expect(build.bytes == before, "the old graph stays as it is")
                rows = next
                build = merged
                let graph = try build.graph(vectors: table.vectors(first: rows))
                #expect(graph.header.count == rows)
                #expect(graph.invariants(deleted: dead) == [], "\(element), \(rows) rows, share \(share)")
                let recall = table.recall(of: graph, deleted: dead, ef: 100, &random)
                #expect(recall > (metric == .dot ? 0.8 : 0.93), "\(element), \(rows) rows")
            }
        }
    }

    @Test("a merge of nothing leaves the lists as they are")
    func nothingToDo() throws {
        var random = SeededGenerator(seed: 3)
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: 2000, &random)
        let build = try table.build(HNSWOptions(m: 8, efConstruction: 60))
        defer { withExtendedLifetime(build) {} }
        let merged = try table.merge(try build.graph(vectors: table.vectors), rows: 2000)
        #expect(merged.bytes == build.bytes)
        #expect(build.contents.allSatisfy { $0.chunks.allSatisfy { $0 != nil } })
        #expect(merged.contents.allSatisfy { $0.chunks.allSatisfy { $0 == nil } })
    }

    @Test("slots that were left out before are not counted among the dead again", arguments: [0, 100])
    func leftOutBefore(more: Int) throws {
        var random = SeededGenerator(seed: 7)
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: 3000, &random)
        let dead = Bitmap(count: 3000) { $0 < 2900 && $0 % 4 != 0 }
        let build = try table.build(HNSWOptions(m: 8, efConstruction: 60), deleted: dead, first: 2900)
        defer { withExtendedLifetime(build) {} }
        let merged = try table.merge(try build.graph(vectors: table.vectors(first: 2900)), rows: 2900 + more, deleted: dead)
        #expect(!merged.isFresh)
        #expect(try merged.graph(vectors: table.vectors(first: 2900 + more)).invariants(deleted: dead) == [])
        if more == 0 { #expect(merged.contents.allSatisfy { $0.chunks.allSatisfy { $0 == nil } }) }
    }

    @Test("one thread makes the same graph of the same merge")
    func isDeterministic() throws {
        var random = SeededGenerator(seed: 4)
        let table = VectorTable.clustered(.cosine, .f32, dimension: 16, count: 3000, &random)
        let dead = Bitmap(count: 3000) { $0 < 2000 && $0 % 5 == 0 }
        let build = try table.build(HNSWOptions(m: 8, efConstruction: 60), first: 2000)
        defer { withExtendedLifetime(build) {} }
        let base = try build.graph(vectors: table.vectors(first: 2000))
        let first = try table.merge(base, rows: 3000, deleted: dead).bytes
        #expect(try table.merge(base, rows: 3000, deleted: dead).bytes == first)
    }

    @Test("where most or all is deleted, a graph of the rest remains", arguments: [0, 1, 2, 100])
    func mostDeleted(remaining: Int) throws {
        var random = SeededGenerator(seed: 7)
        let table = VectorTable.clustered(.l2, .f32, dimension: 8, count: 1000, &random)
        let build = try table.build(HNSWOptions(m: 4, efConstruction: 30))
        defer { withExtendedLifetime(build) {} }
        let dead = Bitmap(count: 1000) { $0 % 10 != 3 || $0 / 10 >= remaining }
        let merged = try table.merge(try build.graph(vectors: table.vectors), rows: 1000, deleted: dead)
        defer { withExtendedLifetime(merged) {} }
        let graph = try merged.graph(vectors: table.vectors)
        #expect(graph.invariants(deleted: dead) == [])
        #expect(table.search(graph, [Float](repeating: 0, count: 8), k: 1000, ef: 1000).count == remaining)
    }

    @Test("after 30 % were deleted and replaced, recall is that of a fresh build, but for 0.01", arguments: [16, 32, 64])
    func recallAfterRepair(ef: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWMergeTests seed \(random.seed)")
        let count = 2600, covered = 2000
        let table = VectorTable.clustered(.l2, .f32, dimension: 20, count: count, &random)
        let dead = Bitmap(count: count) { slot in slot < covered && Double.random(in: 0 ..< 1, using: &random) < 0.3 }
        let options = HNSWOptions(m: 12, efConstruction: 100)
        let first = try table.build(options, first: covered)
        let merged = try table.merge(try first.graph(vectors: table.vectors(first: covered)), rows: count, deleted: dead)
        defer { withExtendedLifetime(merged) {} }
        let fresh = try table.build(options, deleted: dead)
        var mergedRecall = 0.0, freshRecall = 0.0
        for _ in 0 ..< 20 {
            var same = random
            mergedRecall += table.recall(of: try merged.graph(vectors: table.vectors), deleted: dead, ef: ef, &random) / 20
            freshRecall += table.recall(of: try fresh.graph(vectors: table.vectors), deleted: dead, ef: ef, &same) / 20
        }
        print("efSearch \(ef): \(mergedRecall) merged, \(freshRecall) fresh")
        #expect(mergedRecall > freshRecall - 0.01)
    }

    @Test("a graph of other vectors is refused")
    func refusals() throws {
        let table = VectorTable(metric: .l2, element: .f32, dimension: 4, count: 50) { Float($0) }
        let other = VectorTable(metric: .cosine, element: .f32, dimension: 4, count: 50) { Float($0) }
        let build = try table.build(HNSWOptions())
        defer { withExtendedLifetime(build) {} }
        let graph = try build.graph(vectors: table.vectors)
        #expect(throws: HNSWBuildError.self) { try other.merge(graph, rows: 50) }
        #expect(throws: HNSWBuildError.self) { try table.merge(graph, rows: 49) }
    }
}
