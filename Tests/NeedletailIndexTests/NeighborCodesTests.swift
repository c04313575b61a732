import Foundation
import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("HNSW with neighbour codes")
struct NeighborCodesTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: Element
        var testDescription: String { "\(metric), \(element)" }
    }

    static let cases: [Case] = Metric.allCases.flatMap { metric in Element.allCases.map { Case(metric: metric, element: $0) } }
    static let shapes: [(dimension: Int, count: Int, m: Int)] = [
        (1, 200, 8), (7, 500, 4), (33, 600, 16), (100, 500, 20), (384, 400, 16), (768, 200, 32),
    ]

    @Test("searches find what they should, whatever metric, element, dimension and m", arguments: cases)
    func finds(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodesTests seed \(random.seed)")
        for shape in Self.shapes {
            let table = VectorTable.clustered(test.metric, test.element, dimension: shape.dimension, count: shape.count, &random)
            let deleted = Bitmap(count: shape.count) { _ in Int.random(in: 0 ..< 10, using: &random) == 0 }
            for (threads, bitmap) in [(1, nil), (3, deleted)] as [(Int, Bitmap?)] {
                let options = HNSWOptions(m: shape.m, efConstruction: 60, quantization: .rabitq, threads: threads)
                let build = try table.build(options, deleted: bitmap)
                defer { withExtendedLifetime(build) {} }
                let graph = try build.graph(vectors: table.vectors)
                #expect(graph.invariants(deleted: bitmap) == [])
                let recall = table.recall(of: graph, allowed: nil, deleted: bitmap, &random)
                #expect(recall > (test.metric == .dot || shape.dimension == 1 ? 0.8 : 0.93), "dimension \(shape.dimension)")
            }
        }
    }

    @Test("k come back whenever k exist, under a filter and deletions, in order and with exact distances", arguments: cases)
    func filtered(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodesTests seed \(random.seed)")
        let table = VectorTable.clustered(test.metric, test.element, dimension: 48, count: 3000, &random)
        let build = try table.build(HNSWOptions(m: 8, efConstruction: 60, quantization: .rabitq))
        defer { withExtendedLifetime(build) {} }
        let graph = try build.graph(vectors: table.vectors)
        let deleted = Bitmap(count: 3000) { _ in Int.random(in: 0 ..< 8, using: &random) == 0 }
        for share in [0.9, 0.5, 0.1, 0.001] {
            let allowed = Bitmap(count: 3000) { _ in Double.random(in: 0 ..< 1, using: &random) < share }
            let passing = (0 ..< 3000).count { allowed.contains($0) && !deleted.contains($0) }
            for k in [1, 10, 100, 4000] {
                let query = table.values[Int.random(in: 0 ..< 3000, using: &random)]
                let hits = table.search(graph, query, k: k, ef: 80, allowed: allowed, deleted: deleted)
                #expect(hits.count == min(k, passing))
                #expect(hits.allSatisfy { allowed.contains(Int($0.slot)) && !deleted.contains(Int($0.slot)) })
                #expect(Set(hits.map(\.slot)).count == hits.count)
                for (hit, next) in zip(hits, hits.dropFirst()) { #expect(hit.distance <= next.distance) }
                for hit in hits.prefix(20) {
                    let exact = table.distance(query, Int(hit.slot))
                    #expect(abs(Double(hit.distance) - exact) < 1e-3 * max(1, abs(exact)))
                }
            }
            #expect(table.recall(of: graph, allowed: allowed, deleted: deleted, &random) > (test.metric == .dot ? 0.7 : 0.9), "share \(share)")
        }
    }

    // 12 links are less than a group, 40 more than one.
    @Test("after a merge, blocks are those that would be encoded afresh", arguments: Metric.allCases, [6, 20])
    func merged(metric: Metric, m: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodesTests seed \(random.seed)")
        let table = VectorTable.clustered(metric, .f32, dimension: 40, count: 1200, &random)
        let options = HNSWOptions(m: m, efConstruction: 50, quantization: .rabitq)
        let first = try table.build(options, first: 800)
        defer { withExtendedLifetime(first) {} }
        let deleted = Bitmap(count: 1200) { $0 % 11 == 3 }
        let base = try first.graph(vectors: table.vectors(first: 800))
        let build = try table.merge(base, rows: 1200, deleted: deleted)
        defer { withExtendedLifetime(build) {} }
        let graph = try build.graph(vectors: table.vectors)
        #expect(graph.invariants(deleted: deleted) == [])
        #expect(build.header.neighborCodes?.rotationSeed == first.header.neighborCodes?.rotationSeed)
        #expect(table.recall(of: graph, allowed: nil, deleted: deleted, &random) > (metric == .dot ? 0.8 : 0.93))
        // A merge of nothing into it takes all blocks over.
        let again = try table.merge(graph, rows: 1200, deleted: deleted)
        let blocks = HNSWArray.neighborBlocks.rawValue
        #expect(again.bytes[blocks] == build.bytes[blocks])
        let rotation = RaBitQRotation(seed: try #require(graph.header.neighborCodes).rotationSeed, dimension: 40)
        let encoder = NeighborBlocks(graph.header, rotation: rotation)
        let stride = NeighborBlocks.stride(degree: 2 * m, dimension: 40)
        let block = UnsafeMutableRawPointer.allocate(byteCount: stride, alignment: 64)
        var scratch = NeighborBlocks.Scratch(rotatedDimension: rotation.rotatedDimension, degree: 2 * m)
        defer {
            block.deallocate()
            scratch.deallocate()
        }
        for slot in 0 ..< 1200 {
            encoder.encode(graph.links.row(slot).assumingMemoryBound(to: UInt32.self), of: slot, in: table.vectors, scratch: &scratch, to: block)
            #expect(memcmp(block, graph.neighborBlocks.row(slot), stride) == 0, "slot \(slot)")
        }
    }

    @Test("a thousand equal vectors are all found, and none is NaN", arguments: Metric.allCases)
    func equalVectors(metric: Metric) throws {
        for value in [Float(1), 0] {
            let table = VectorTable(metric: metric, element: .f32, dimension: 5, count: 1000) { _ in value }
            let build = try table.build(HNSWOptions(m: 4, efConstruction: 20, quantization: .rabitq, threads: 2))
            defer { withExtendedLifetime(build) {} }
            let graph = try build.graph(vectors: table.vectors)
            for k in [1, 10, 1000] {
                let hits = table.search(graph, [value, value, value, value, value], k: k, ef: 1000)
                #expect(hits.count == k)
                #expect(hits.allSatisfy { !$0.distance.isNaN })
            }
        }
    }

    @Test("graphs of no, one and two vectors")
    func fewVectors() throws {
        for count in 0 ... 5 {
            let table = VectorTable(metric: .l2, element: .f32, dimension: 3, count: count) { Float($0) }
            let build = try table.build(HNSWOptions(m: 2, efConstruction: 2, quantization: .rabitq, threads: 2))
            defer { withExtendedLifetime(build) {} }
            let graph = try build.graph(vectors: table.vectors)
            #expect(table.search(graph, [0, 0, 0], k: 5, ef: 5).map(\.slot) == (0 ..< UInt32(count)).map { $0 })
        }
    }

    @Test(
        "recall of sentence embeddings rises with efSearch, which is about what a search expands",
        .enabled(if: SharedData.exists("vectors/minilm-20k/base.npy"), "\(SharedData.absent)"))
    func sentences() throws {
        let sentences = try Sentences()
        let build = try HNSWBuilder(
            HNSWSource(vectors: sentences.vectors, dimension: 384, metric: .cosine, element: .f16),
            options: HNSWOptions(quantization: .rabitq, threads: 2)
        ).build()
        defer { withExtendedLifetime(build) {} }
        let graph = try build.graph(vectors: sentences.vectors)
        var last = 0.0
        for (ef, least) in [(32, 0.85), (56, 0.94), (160, 0.985), (512, 0.995)] {
            var statistics = HNSWStatistics()
            let recall = sentences.recall { query in
                graph.search(query, k: 10, ef: ef, scratch: sentences.scratch, statistics: &statistics)
            }
            print("minilm-20k, ef \(ef): recall \(recall), \(statistics.hops / sentences.queryCount) nodes")
            #expect(recall > least && recall > last)
            last = recall
        }
    }
}

extension VectorTable {
    fileprivate func search(
        _ graph: HNSWGraph, _ query: [Float], k: Int, ef: Int, allowed: Bitmap?, deleted: Bitmap?
    ) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords { deleted in
                    var statistics = HNSWStatistics()
                    return graph.search(
                        query, k: k, ef: ef, allowed: allowed, deleted: deleted, scratch: HNSWScratchPool(), statistics: &statistics)
                }
            }
        }
    }

    /// The share of the ten nearest that searches find, by their distances.
    fileprivate func recall(of graph: HNSWGraph, allowed: Bitmap?, deleted: Bitmap?, _ random: inout SeededGenerator) -> Double {
        var found = 0, expected = 0
        for _ in 0 ..< 30 {
            var query = values[Int.random(in: 0 ..< count, using: &random)]
            for i in query.indices { query[i] += 0.1 * random.normal() }
            let nearest = index.search(query, k: 10, allowed: allowed, deleted: deleted)
            guard let last = nearest.last else { continue }
            expected += nearest.count
            let limit = last.distance + 1e-5 * max(1, abs(last.distance))
            found += search(graph, query, k: 10, ef: 100, allowed: allowed, deleted: deleted).count { $0.distance <= limit }
        }
        return expected == 0 ? 1 : Double(found) / Double(expected)
    }
}

/// The 20,000 sentence embeddings of the shared data, in f16 as they come, with queries and exact answers.
private final class Sentences {
    static let count = 20000, dimension = 384, shift = 10
    let queryCount: Int
    let scratch = HNSWScratchPool()
    private let blocks: [UnsafeMutableRawPointer]
    private let pointers: UnsafeMutablePointer<UnsafeRawPointer>
    private let queries: [Float]
    private let truth: [Int32]

    init() throws {
        let folder = try #require(SharedData.url("vectors/minilm-20k"))
        let base = try Data(contentsOf: folder.appendingPathComponent("base.npy"))
        let stride = 2 * Self.dimension, rows = 1 << Self.shift
        let start = base.count - Self.count * stride
        blocks = (0 ..< (Self.count + rows - 1) / rows).map { block in
            let memory = UnsafeMutableRawPointer.allocate(byteCount: rows * (stride + 4), alignment: 64)
            let first = block * rows, count = min(rows, Self.count - first)
            base.withUnsafeBytes { bytes in
                memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[(start + first * stride)...]).baseAddress ?? UnsafeRawPointer(memory), byteCount: count * stride)
            }
            for row in 0 ..< count {
                let norm = norm(of: memory + row * stride, dimension: Self.dimension, element: .f16, metric: .cosine)
                (memory + rows * stride + 4 * row).storeBytes(of: norm, as: Float.self)
            }
            return memory
        }
        pointers = .allocate(capacity: blocks.count)
        for (i, block) in blocks.enumerated() { (pointers + i).initialize(to: UnsafeRawPointer(block)) }
        truth = try Data(contentsOf: folder.appendingPathComponent("truth.ivecs")).withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
        queryCount = truth.count / 101
        let needed = 4 * queryCount * Self.dimension
        queries = try Data(contentsOf: folder.appendingPathComponent("query.npy")).suffix(needed).withUnsafeBytes { bytes in
            (0 ..< needed / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    deinit {
        for block in blocks { block.deallocate() }
        pointers.deallocate()
    }

    var vectors: VectorBlocks {
        VectorBlocks(
            pointers: UnsafePointer(pointers), blockCount: blocks.count, blockShift: Self.shift, stride: 2 * Self.dimension, count: Self.count)
    }

    func recall(_ search: (UnsafeBufferPointer<Float>) -> [Neighbor]) -> Double {
        var found = 0
        queries.withUnsafeBufferPointer { queries in
            for i in 0 ..< queryCount {
                let query = UnsafeBufferPointer(rebasing: queries[i * Self.dimension ..< (i + 1) * Self.dimension])
                let exact = Set(truth[i * 101 + 1 ... i * 101 + 10].map { UInt32($0) })
                found += search(query).count { exact.contains($0.slot) }
            }
        }
        return Double(found) / Double(10 * queryCount)
    }
}
