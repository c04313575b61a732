import Foundation
import Needletail

/// A graph that lives: what a merge costs beside a build, and what is left of its recall after much of it has been replaced.
struct IndexFigure {
    let base: [[Float]], queries: [[Float]]
    let metric: Metric
    let folder: String
    private let efSearches = [16, 32, 64, 128]

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard (4 ... 5).contains(arguments.count), let metric = Metric(rawValue: arguments[2]) else {
            throw Usage("Figures index BASE.fvecs QUERIES.fvecs l2|cosine|dot FOLDER [ROWS]")
        }
        let limit = arguments.count == 5 ? Int(arguments[4]) ?? .max : .max
        base = try VectorFile(path: arguments[0], count: limit).rows
        queries = try VectorFile(path: arguments[1], count: 1000).rows
        self.metric = metric
        folder = arguments[3]
        guard base.count >= 20_000 else { throw Usage("Figures index needs 20,000 rows of vectors") }
    }

    func run() async throws {
        for threads in Set([1, ProcessInfo.processInfo.activeProcessorCount]).sorted() { try await merge(threads: threads) }
        try await replace()
    }

    /// The last 10,000 rows merged into an index of all others.
    private func merge(threads: Int) async throws {
        let added = min(10_000, base.count / 100)
        let (database, records) = try await collection("merge", 0 ..< base.count - added)
        let build = try await Figures.seconds { _ = try await records.createIndex(threads: threads) }
        try await insert(base.count - added ..< base.count, into: records)
        let merge = try await Figures.seconds { try await records.optimize(threads: threads) }
        let by = "\(threads) thread\(threads == 1 ? "" : "s")"
        Measurement("index", "build of \(base.count - added) × \(base[0].count), \(by)", unit: "s", runs: [build]).print()
        Measurement("index", "merge of \(added), \(by)", unit: "s", runs: [merge]).print()
        Measurement("index", "build against merge, \(by)", unit: "", runs: [build / merge]).print()
        withExtendedLifetime(database) {}
    }

    /// 30 % of the records deleted at random and as many new ones inserted, merged; beside a fresh index of the same records.
    private func replace() async throws {
        let first = base.count * 10 / 13
        let (database, records) = try await collection("replace", 0 ..< first)
        _ = try await records.createIndex()
        var random = SplitMix(state: 7)
        let gone = Set((0 ..< first).shuffled(using: &random).prefix(base.count - first))
        try await records.delete(gone.map { .int(Int64($0)) })
        try await insert(first ..< base.count, into: records)
        try await records.optimize()

        var truth: [Set<RecordID>] = []
        for results in try records.search(nearEach: queries, k: 10, select: .none, exact: true) { truth.append(Set(results.map(\.id))) }
        let merged = try efSearches.map { try recall(of: records, $0, truth) }
        // The same collection: the fresh index takes the merged one's place.
        try await records.dropIndex()
        _ = try await records.createIndex()
        let fresh = try efSearches.map { try recall(of: records, $0, truth) }
        for (position, ef) in efSearches.enumerated() {
            Measurement("index", "recall@10 at efSearch \(ef), 30 % replaced and merged", unit: "", runs: [merged[position]]).print()
            Measurement("index", "recall@10 at efSearch \(ef), built afresh", unit: "", runs: [fresh[position]]).print()
        }
        Measurement("index", "largest loss of recall by merging", unit: "", runs: [zip(fresh, merged).map { $0 - $1 }.max() ?? .nan]).print()
        withExtendedLifetime(database) {}
    }

    private func recall(of records: Collection, _ efSearch: Int, _ truth: [Set<RecordID>]) throws -> Double {
        var found = 0
        for (query, truth) in zip(queries, truth) {
            found += try records.search(near: query, k: 10, select: .none, efSearch: efSearch).count { truth.contains($0.id) }
        }
        return Double(found) / Double(10 * queries.count)
    }

    private func collection(_ name: String, _ rows: Range<Int>) async throws -> (Database, Collection) {
        let path = "\(folder)/index-\(name).ntl"
        try? FileManager.default.removeItem(atPath: path)
        try? FileManager.default.removeItem(atPath: path + "-lock")
        let database = try Database(path: path)
        let records = try await database.createCollection("records", schema: Schema(dimension: base[0].count, metric: metric))
        try await insert(rows, into: records)
        return (database, records)
    }

    private func insert(_ rows: Range<Int>, into records: Collection) async throws {
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: 50_000) {
            let part = start ..< min(start + 50_000, rows.upperBound)
            try await records.insert(
                RecordBatch(ids: .range(Int64(part.lowerBound) ..< Int64(part.upperBound)), vectors: base[part].flatMap(\.self)), durability: .relaxed)
        }
    }
}

/// The first query on a file that this process has just opened; a process for every sample.
struct FirstQueryFigure {
    let path: String, collection: String, query: [Float]

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard arguments.count == 3 else { throw Usage("Figures first DATABASE COLLECTION QUERIES.fvecs") }
        (path, collection) = (arguments[0], arguments[1])
        query = try VectorFile(path: arguments[2], count: 1).rows[0]
    }

    func run() throws {
        let start = ContinuousClock.now
        let results = try Database(path: path, mode: .readOnly).collection(collection).search(near: query, k: 10)
        let answered = ContinuousClock.now
        guard case .hnsw = results.plan else { throw Usage("Figures first needs a collection with an index") }
        Measurement("index", "open + first query", unit: "ms", runs: [(answered - start) / .milliseconds(1)]).print()
    }
}

/// Numbers that are the same in every run (Steele, Lea and Flood 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
