import Needletail
import NeedletailTestSupport
import Testing

@Suite("Queries that are kept")
struct QuerySampleTests {
    @Test("nothing is kept unless it is allowed, and then the newest, without the one over")
    func keeping() async throws {
        var sample = try await IndexSample(count: 500)
        let queries = sample.queries(150)
        for query in queries { _ = try sample.collection.search(near: query, k: 1) }
        #expect(sample.collection.keptQueryCount == 0)
        try sample.collection.keepQueries(120)
        for query in queries.prefix(50) { _ = try sample.collection.search(near: query, k: 1) }
        #expect(sample.collection.keptQueryCount == 50)
        _ = try sample.collection.search(nearEach: queries, k: 1)
        #expect(sample.collection.keptQueryCount == 120)
        try sample.collection.keepQueries(100)
        #expect(sample.collection.keptQueryCount == 100)
        try sample.collection.keepQueries(0)
        _ = try sample.collection.search(near: queries[0], k: 1)
        #expect(sample.collection.keptQueryCount == 0)
        for count in [-1, 1, 99, 10_001] {
            #expect(throws: NeedletailError.self) { try sample.collection.keepQueries(count) }
        }
    }

    private static let descriptions = [IndexDescription.hnsw(m: 8, efConstruction: 60), .ivfpq(nlist: 60)]

    @Test("optimize measures an index with them, searches go by what that found, and the next process does too", arguments: descriptions)
    func calibration(description: IndexDescription) async throws {
        var sample = try await IndexSample(count: 4_000, dimension: 32)
        var index = try await sample.collection.createIndex(description)
        #expect(index.queryCalibration == nil)
        let (efSearch, nprobe) = index.kind == "hnsw" ? (12, nil) : (nil, 3)
        let queryOfBefore = sample.queries(1)[0]
        let plan = try sample.collection.explain(near: queryOfBefore, recall: 0.9).plan
        let toldBefore = try sample.collection.search(near: queryOfBefore, efSearch: efSearch, nprobe: nprobe).plan.recall
        // Queries from between the clusters, which are another kind of thing than the records.
        try sample.collection.keepQueries(200)
        let queries = zip(sample.queries(200), sample.queries(200)).map { a, b in zip(a, b).map { ($0 + $1) / 2 } }
        for query in queries { _ = try sample.collection.search(near: query) }
        // Too few tell nothing; and an index that is up to date is measured all the same.
        index = try await sample.collection.optimize().index
        let measured = try #require(index.queryCalibration)
        #expect(measured.contains { $0.k == 10 } && measured.allSatisfy { (0 ... 1).contains($0.recall) })
        #expect(index.calibration != measured)
        let taken = try sample.collection.explain(near: queries[0], recall: 0.9).plan
        #expect(taken.recall >= 0.89, "\(plan), then \(taken)")
        // What a setting is told to give is what it gives to such queries, and not to records.
        let told = try sample.collection.search(near: queries[0], efSearch: efSearch, nprobe: nprobe).plan.recall
        let found = try sample.recall(queries, efSearch: efSearch, nprobe: nprobe)
        #expect(abs(told - found) < 0.05 && told != toldBefore, "told \(toldBefore), then \(told), found \(found), seed \(sample.seed)")
        #expect(try sample.recall(queries, recall: 0.9) >= 0.88, "seed \(sample.seed)")
        #expect(try sample.collection.index() == index)
        let path = sample.fixture.database.path
        sample.fixture.database.close()
        let again = try Database(path: path), reopened = try again.collection(sample.collection.name)
        #expect(try reopened.index()?.queryCalibration == measured)
        #expect(try reopened.explain(near: queries[0], recall: 0.9).plan == taken)
        #expect(reopened.keptQueryCount == 0)
        #expect(try again.check().isEmpty)
        // Built anew, it knows of no queries.
        #expect(try await reopened.createIndex(description).queryCalibration == nil)
    }

    @Test("what they found stays through merges, until the index is measured anew", arguments: descriptions)
    func merging(description: IndexDescription) async throws {
        var sample = try await IndexSample(count: 2_000)
        let things = sample.collection
        try await things.createIndex(description)
        try things.keepQueries(100)
        _ = try things.search(nearEach: sample.queries(100))
        let measured = try #require(try await things.optimize().index.queryCalibration)
        try things.keepQueries(0)
        try await sample.insert(2_000 ..< 2_100)
        let merged = try await things.optimize()
        #expect(merged.mergedCount == 100 && merged.index.queryCalibration == measured)
        try await sample.insert(2_100 ..< 3_600)
        let grown = try await things.optimize().index
        #expect(grown.calibration != merged.index.calibration && grown.queryCalibration == nil)
    }

    @Test("queries of a direction, by angle, and with records deleted: lists are measured as they are searched", arguments: [Metric.cosine, .dot])
    func metrics(metric: Metric) async throws {
        var sample = try await IndexSample(count: 3_000, metric: metric)
        let things = sample.collection
        try await things.createIndex(.ivfpq(nlist: 40))
        _ = try await things.delete((0 ..< 400).map { .int($0) })
        try things.keepQueries(200)
        let queries = sample.queries(200).map { $0.map { 3 * $0 } }
        _ = try things.search(nearEach: queries)
        let index = try await things.optimize().index
        let all = try #require(index.queryCalibration?.last { $0.k == 10 && $0.nprobe == 40 })
        #expect(all.recall > 0.97, "\(all), seed \(sample.seed)")
        for nprobe in [2, 8] {
            let told = try things.search(near: queries[0], nprobe: nprobe).plan.recall, found = try sample.recall(queries, nprobe: nprobe)
            #expect(abs(told - found) < 0.05, "nprobe \(nprobe): told \(told), found \(found), seed \(sample.seed)")
        }
    }
}
