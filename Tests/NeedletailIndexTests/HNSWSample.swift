import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport

#if DEBUG
/// Without optimisation the kernels take some twenty times as long: tests of recall run on less then, or not at all.
let isOptimized = false
#else
let isOptimized = true
#endif

/// A table of random vectors in clusters, and a graph over it.
final class HNSWSample {
    let table: VectorTable
    let build: HNSWBuild
    let graph: HNSWGraph
    let scratch = HNSWScratchPool()
    private var centers: [[Float]] = []
    private var random: SeededGenerator

    init(
        metric: Metric = .l2, element: Element = .f32, quantization: Quantization = .sq8, dimension: Int = 24, count: Int = 2000,
        m: Int = 16, deleted: Bitmap? = nil, random: inout SeededGenerator
    ) throws {
        let clusters = max(1, min(20, count / 20)), scale: Float = element == .i8 ? 30 : 1
        let centers = (0 ..< clusters).map { _ in (0 ..< dimension).map { _ in random.normal() * scale } }
        var generator = random, position = 0
        table = VectorTable(metric: metric, element: element, dimension: dimension, count: count, blockShift: 6) { slot in
            defer { position = (position + 1) % dimension }
            return centers[slot % clusters][position] + generator.normal() * scale * 0.7
        }
        random = generator
        self.centers = centers
        self.random = generator
        let vectors = table.vectors
        let options = HNSWOptions(m: m, efConstruction: max(100, m), quantization: quantization)
        build = try deleted.withThrowingWords { deleted throws(HNSWBuildError) in
            try HNSWBuilder(
                HNSWSource(vectors: vectors, dimension: dimension, metric: metric, element: element, deleted: deleted), options: options
            ).build()
        }
        graph = try build.graph(vectors: vectors)
    }

    /// A query near one of the clusters.
    func query() -> [Float] {
        let center = centers[Int.random(in: 0 ..< centers.count, using: &random)]
        return center.map { value in
            let query = value + random.normal() * (table.element == .i8 ? 20 : 0.7)
            return table.element == .i8 ? min(max(query.rounded(), -128), 127) : query
        }
    }

    func search(
        _ query: [Float], k: Int = 10, ef: Int = 100, allowed: Bitmap? = nil, deleted: Bitmap? = nil, strategy: HNSWFilterStrategy? = nil
    ) -> [Neighbor] {
        var statistics = HNSWStatistics()
        return search(query, k: k, ef: ef, allowed: allowed, deleted: deleted, strategy: strategy, &statistics)
    }

    func search(
        _ query: [Float], k: Int, ef: Int, allowed: Bitmap? = nil, deleted: Bitmap? = nil, strategy: HNSWFilterStrategy? = nil,
        _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords { deleted in
                    graph.search(
                        query, k: k, ef: ef, allowed: allowed, deleted: deleted, strategy: strategy, scratch: scratch,
                        statistics: &statistics)
                }
            }
        }
    }

    func exact(_ query: [Float], k: Int = 10, allowed: Bitmap? = nil, deleted: Bitmap? = nil) -> [Neighbor] {
        table.index.search(query, k: k, allowed: allowed, deleted: deleted)
    }
}

extension Optional where Wrapped == Bitmap {
    func withThrowingWords<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<UInt64>?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let self else { return try body(nil) }
        let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: self.words.count)
        _ = words.initialize(from: self.words)
        defer { words.deallocate() }
        return try body(UnsafeBufferPointer(words))
    }
}

/// How many of the exact neighbours were found, over all queries.
func recall(_ pairs: [(found: [Neighbor], exact: [Neighbor])]) -> Double {
    var hits = 0, total = 0
    for (found, exact) in pairs {
        hits += Set(found.map(\.slot)).intersection(exact.map(\.slot)).count
        total += exact.count
    }
    return total == 0 ? 1 : Double(hits) / Double(total)
}
