import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport

extension VectorTable {
    /// Vectors around some centres, as embeddings lie, of whole numbers where the element is i8.
    static func clustered(
        _ metric: Metric, _ element: Element, dimension: Int, count: Int, _ random: inout SeededGenerator
    ) -> VectorTable {
        let scale: Float = element == .i8 ? 20 : 1
        let centers = (0 ..< 20).map { _ in (0 ..< dimension).map { _ in random.normal() } }
        var component = 0
        return VectorTable(metric: metric, element: element, dimension: dimension, count: count, blockShift: 6) { slot in
            defer { component += 1 }
            return scale * (centers[slot * 7 % centers.count][component % dimension] + 0.5 * random.normal())
        }
    }

    func source(deleted: UnsafeBufferPointer<UInt64>?, first rows: Int? = nil) -> HNSWSource {
        HNSWSource(vectors: vectors(first: rows ?? count), dimension: dimension, metric: metric, element: element, deleted: deleted)
    }

    func build(_ options: HNSWOptions, deleted: Bitmap? = nil, first rows: Int? = nil) throws -> HNSWBuild {
        try deleted.withWords { words in
            Result { try HNSWBuilder(source(deleted: words, first: rows), options: options).build() }
        }.get()
    }

    /// The graph over the first rows, brought up to date with all of `rows`.
    func merge(
        _ base: HNSWGraph, rows: Int, deleted: Bitmap? = nil, threads: Int = 1
    ) throws -> HNSWBuild {
        try deleted.withWords { words in
            Result { try HNSWBuilder(source(deleted: words, first: rows), options: HNSWOptions(threads: threads)).merge(into: base) }
        }.get()
    }

    func search(_ graph: HNSWGraph, _ query: [Float], k: Int, ef: Int) -> [Neighbor] {
        var statistics = HNSWStatistics()
        return query.withUnsafeBufferPointer {
            graph.search($0, k: k, ef: ef, scratch: HNSWScratchPool(), statistics: &statistics)
        }
    }

    /// The share of the ten nearest that searches find, by their distances: of equal ones any will do.
    func recall(of graph: HNSWGraph, deleted: Bitmap?, ef: Int, _ random: inout SeededGenerator) -> Double {
        var found = 0, expected = 0
        for _ in 0 ..< 30 {
            var query = values[Int.random(in: 0 ..< count, using: &random)]
            for i in query.indices { query[i] += 0.1 * random.normal() }
            let nearest = FlatIndex(vectors: graph.vectors, dimension: dimension, metric: metric, element: element)
                .search(query, k: 10, deleted: deleted)
            guard let last = nearest.last else { continue }
            expected += nearest.count
            // Under cosine, rounding tells apart what lies in one direction.
            let limit = last.distance + 1e-5 * max(1, abs(last.distance))
            found += search(graph, query, k: 10, ef: ef).count { hit in
                hit.distance <= limit && !(deleted?.contains(Int(hit.slot)) ?? false)
            }
        }
        return expected == 0 ? 1 : Double(found) / Double(expected)
    }
}

extension HNSWGraph {
    func invariants(deleted: Bitmap?) -> [String] {
        deleted.withWords { HNSWInvariants(checking: self, deleted: $0, reversed: true).findings }
    }
}

extension HNSWBuild {
    /// The bytes of all arrays, row after row.
    var bytes: [[UInt8]] {
        rows.map { array in
            (0 ..< array.count).flatMap { Array(UnsafeRawBufferPointer(start: array.row($0), count: array.stride)) }
        }
    }
}
