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

    @Test("optimize measures a graph with them, searches go by what that found, and the next process does too")
    func calibration() async throws {
        var sample = try await IndexSample(count: 4_000, dimension: 32)
        var index = try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 60))
        #expect(index.queryCalibration == nil)
        let plan = try sample.collection.explain(near: sample.queries(1)[0], recall: 0.9).plan
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
        if case .hnsw(let before, _, _, _) = plan, case .hnsw(let after, _, _, let expected) = taken {
            #expect(expected >= 0.89, "efSearch \(before), then \(after)")
        }
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
        #expect(try await reopened.createIndex(.hnsw(m: 8, efConstruction: 60)).queryCalibration == nil)
    }
}
