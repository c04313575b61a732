import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

extension VectorTable {
    func source(deleted: Bitmap? = nil) -> IVFPQSource {
        // The words outlive the build: a bitmap's array is held by the caller.
        IVFPQSource(vectors: vectors, dimension: dimension, metric: metric, element: element, deleted: deleted?.held)
    }
}

extension Bitmap {
    /// The words in memory that is never freed: tests are short.
    var held: UnsafeBufferPointer<UInt64> {
        let copy = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: words.count)
        _ = copy.initialize(from: words)
        return UnsafeBufferPointer(copy)
    }
}

extension IVFPQIndex {
    func search(
        _ query: [Float], k: Int, nprobe: Int, refineFactor: Int = 8, allowed: Bitmap? = nil, deleted: Bitmap? = nil
    ) -> [Neighbor] {
        var statistics = IVFPQStatistics()
        return query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords {
                    search(
                        query, Parameters(k: k, nprobe: nprobe, refineFactor: refineFactor), allowed: allowed, deleted: $0,
                        statistics: &statistics)
                }
            }
        }
    }

    func search(within radius: Float, of query: [Float], nprobe: Int, limit: Int? = nil, allowed: Bitmap? = nil, deleted: Bitmap? = nil) -> [Neighbor] {
        var statistics = IVFPQStatistics()
        return query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords {
                    search(within: radius, of: query, nprobe: nprobe, limit: limit, allowed: allowed, deleted: $0, statistics: &statistics)
                }
            }
        }
    }

    func search(
        batch queries: [[Float]], k: Int, nprobe: Int, refineFactor: Int = 8, allowed: Bitmap? = nil, deleted: Bitmap? = nil, threads: Int = 1
    ) throws -> [[Neighbor]] {
        var statistics = IVFPQStatistics()
        return try queries.flatMap { $0 }.withUnsafeBufferPointer { buffer in
            try allowed.map { $0.held }.mapOrNil { allowed in
                try deleted.map { $0.held }.mapOrNil {
                    try search(
                        batch: buffer, count: queries.count, Parameters(k: k, nprobe: nprobe, refineFactor: refineFactor), allowed: allowed,
                        deleted: $0, crew: TrainingCrew(threads: threads), statistics: &statistics)
                }
            }
        }
    }

    /// Every slot in the lists, in order.
    var listedSlots: [UInt32] {
        let everything = Parameters(k: header.rowCount, nprobe: header.nlist, refineFactor: 0)
        var statistics = IVFPQStatistics()
        return [Float](repeating: 0, count: header.dimension).withUnsafeBufferPointer {
            search($0, everything, statistics: &statistics).map(\.slot).sorted()
        }
    }
}

extension Optional {
    func mapOrNil<Result>(_ body: (Wrapped?) throws -> Result) rethrows -> Result { try body(self) }
}

/// The share of the true k nearest that were found.
func recall(_ found: [[Neighbor]], _ truth: [[UInt32]], k: Int) -> Double {
    var hits = 0
    for (found, truth) in zip(found, truth) { hits += Set(found.prefix(k).map(\.slot)).intersection(truth.prefix(k)).count }
    return Double(hits) / Double(k * max(found.count, 1))
}
