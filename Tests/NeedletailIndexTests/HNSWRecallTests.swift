import Foundation
import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Recall on real vectors, against the exact neighbours of the same rows.
@Suite("HNSW recall on real data",
       .enabled(if: SharedData.exists("vectors/sift-200k") && SharedData.exists("vectors/minilm-20k"), "\(SharedData.absent)"),
       .enabled(if: isOptimized, "takes long without optimisation"))
struct HNSWRecallTests {
    @Test("SIFT, l2: 0.95 and 0.99 with small pools; filtered to half, a tenth and a hundredth", arguments: [Quantization.none, .sq8])
    func sift(quantization: Quantization) throws {
        let count = 20_000
        let base = try Self.bvecs("vectors/sift-200k/base.bvecs", limit: count), queries = try Self.bvecs("vectors/sift-200k/query.bvecs", limit: 200)
        let sample = try RealSample(base, metric: .l2, element: .f32, quantization: quantization)
        #expect(sample.recall(queries, ef: 32) > 0.95)
        #expect(sample.recall(queries, ef: 80) > 0.99)
        var random = SeededGenerator(seed: 7)
        for (share, ef) in [(0.5, 40), (0.1, 80), (0.01, 40)] {
            let allowed = Bitmap(count: count) { _ in Double.random(in: 0 ..< 1, using: &random) < share }
            #expect(sample.recall(queries, ef: ef, allowed: allowed) > 0.95, "\(share) allowed")
        }
        let tenth = Bitmap(count: count) { _ in Int.random(in: 0 ..< 10, using: &random) == 0 }
        #expect(sample.recall(queries, ef: 100, allowed: tenth, strategy: .twoHops) > 0.95)
    }

    @Test("sentence embeddings, cosine: f16 as stored", arguments: [Quantization.none, .sq8])
    func miniLM(quantization: Quantization) throws {
        let base = try Self.npy("vectors/minilm-20k/base.npy", limit: 10_000), queries = try Self.npy("vectors/minilm-20k/query.npy", limit: 200)
        let sample = try RealSample(base, metric: .cosine, element: .f16, quantization: quantization)
        #expect(sample.recall(queries, ef: 40) > 0.95)
        #expect(sample.recall(queries, ef: 120) > 0.985)
    }

    private static func bytes(_ path: String) throws -> Data {
        try Data(contentsOf: #require(SharedData.url(path)), options: .alwaysMapped)
    }

    private static func bvecs(_ path: String, limit: Int) throws -> [[Float]] {
        let data = try bytes(path)
        let dimension = Int(data[0]) | Int(data[1]) << 8
        return (0 ..< min(limit, data.count / (dimension + 4))).map { row in
            (0 ..< dimension).map { Float(data[row * (dimension + 4) + 4 + $0]) }
        }
    }

    /// Rows of 384 components, f16 or f32, of a file of version 1.
    private static func npy(_ path: String, limit: Int) throws -> [[Float]] {
        let data = try bytes(path)
        let start = 10 + Int(data[8]) + Int(data[9]) << 8, dimension = 384
        let header = String(decoding: data[10 ..< start], as: UTF8.self)
        let size = header.contains("<f2") ? 2 : 4
        return data.withUnsafeBytes { bytes in
            (0 ..< min(limit, (bytes.count - start) / (size * dimension))).map { row in
                (0 ..< dimension).map { column in
                    let offset = start + (row * dimension + column) * size
                    if size == 4 { return bytes.loadUnaligned(fromByteOffset: offset, as: Float.self) }
                    var value: Float = 0
                    let half = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
                    withUnsafePointer(to: half) { Element.f16.decode($0, count: 1, to: &value) }
                    return value
                }
            }
        }
    }
}

private final class RealSample {
    private let table: VectorTable
    private let build: HNSWBuild
    private let graph: HNSWGraph
    private let scratch = HNSWScratchPool()

    init(_ rows: [[Float]], metric: Metric, element: Element, quantization: Quantization) throws {
        let dimension = rows[0].count
        var position = 0
        table = VectorTable(metric: metric, element: element, dimension: dimension, count: rows.count, blockShift: 10) { slot in
            defer { position = (position + 1) % dimension }
            return rows[slot][position]
        }
        let source = HNSWSource(vectors: table.vectors, dimension: dimension, metric: metric, element: element)
        build = try HNSWBuilder(source, options: HNSWOptions(quantization: quantization)).build()
        graph = try build.graph(vectors: table.vectors)
    }

    func recall(_ queries: [[Float]], ef: Int, allowed: Bitmap? = nil, strategy: HNSWFilterStrategy? = nil) -> Double {
        var statistics = HNSWStatistics()
        let pairs = queries.map { query in
            let found = query.withUnsafeBufferPointer { query in
                allowed.withWords {
                    graph.search(query, k: 10, ef: ef, allowed: $0, strategy: strategy, scratch: scratch, statistics: &statistics)
                }
            }
            return (found: found, exact: table.index.search(query, k: 10, allowed: allowed))
        }
        if allowed == nil { #expect(statistics.hops > queries.count && statistics.exactFallbacks == 0) }
        return NeedletailIndexTests.recall(pairs)
    }
}
