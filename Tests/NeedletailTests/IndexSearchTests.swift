import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// Searches through an index find what an exact scan finds, whatever has changed since it was built.
@Suite(.serialized) struct IndexSearchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: ElementType
        let quantization: Quantization
        var testDescription: String { "\(metric), \(element), \(quantization)" }
    }

    static let cases: [Case] =
        Metric.allCases.flatMap { metric in
            ElementType.allCases.map { Case(metric: metric, element: $0, quantization: .automatic) }
        } + Metric.allCases.map { Case(metric: $0, element: .f32, quantization: .none) }

    @Test("recall rises with efSearch, and all distances are exact", arguments: cases)
    func recall(test: Case) async throws {
        var sample = try await IndexSample(count: 5_000, metric: test.metric, element: test.element)
        try await sample.collection.createIndex(.hnsw(m: 12, efConstruction: 100, quantization: test.quantization))
        let queries = sample.queries(50)
        #expect(try sample.collection.search(near: queries[0], efSearch: 10).plan.isThroughIndex)
        let (low, high) = (try sample.recall(queries, efSearch: 10), try sample.recall(queries, efSearch: 200))
        // The nearest by inner product may be far from everything: a graph finds fewer of them.
        #expect(high > (test.metric == .dot ? 0.9 : 0.98) && high >= low, "\(low), \(high), seed \(sample.seed)")
        #expect(try sample.recall(queries, k: 100, efSearch: 200) > 0.9)
        for (query, results) in zip(queries, try sample.collection.search(nearEach: queries, efSearch: 64, threads: 3)) {
            #expect(results.hits == (try sample.collection.search(near: query, efSearch: 64).hits), "a batch gives what single searches give")
        }
        let like = try sample.collection.search(like: 17, k: 5, efSearch: 64)
        #expect(like.count == 5 && !like.contains { $0.id == 17 } && like.plan.isThroughIndex)
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("records deleted before an index was built stay away from searches that find more than the graph is good for")
    func deletedBefore() async throws {
        var sample = try await IndexSample(count: 4_600, dimension: 8)
        _ = try await sample.collection.delete((0 ..< 300).map { .int($0) })
        try await sample.collection.createIndex(.hnsw(m: 4, efConstruction: 16))
        let query = sample.queries(1)[0]
        for (k, expected) in [(10, 10), (4_200, 4_200), (4_600, 4_300)] {
            let hits = try sample.collection.search(near: query, k: k, select: .none, efSearch: 4_600)
            #expect(hits.count == expected && Set(hits.map(\.id)).count == expected)
            #expect(hits.map(\.id) == (try sample.collection.search(near: query, k: k, select: .none, exact: true)).map(\.id))
        }
    }

    @Test("the recall asked for is the recall given", arguments: [0.8, 0.9, 0.95, 0.99])
    func recallTarget(target: Double) async throws {
        var sample = try await IndexSample(count: 12_000, dimension: 32, seed: 77)
        try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 60, quantization: .none), threads: 1)
        let queries = sample.queries(600)
        let plan = try sample.collection.search(near: queries[0], recall: target).plan
        #expect(plan.isThroughIndex && plan.recall >= target && plan.recall <= 1)
        let given = try sample.recall(queries, recall: target)
        #expect(given >= target - 0.02, "\(given)")
        // Only a scan finds all for certain.
        #expect(try !sample.collection.search(near: queries[0], recall: 1).plan.isThroughIndex)
    }

    @Test(
        "on real vectors the recall asked for is the recall given, and a half that came later is found as well",
        .enabled(if: SharedData.exists("vectors/sift-200k"), "needs the shared test data"))
    func realVectors() async throws {
        func rows(_ name: String, _ range: Range<Int>) throws -> [[Float]] {
            let file = try #require(SharedData.url("vectors/sift-200k/" + name))
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            // Rows of .bvecs: the dimension as an i32, then as many bytes.
            try handle.seek(toOffset: UInt64(range.lowerBound * 132))
            let bytes = try #require(try handle.read(upToCount: range.count * 132))
            return range.indices.map { row in bytes.dropFirst((row - range.lowerBound) * 132 + 4).prefix(128).map { Float($0) } }
        }
        let fixture = try Fixture()
        let things = try await fixture.database.createCollection("sift", schema: Schema(dimension: 128))
        func insert(_ range: Range<Int>) async throws {
            for first in stride(from: range.lowerBound, to: range.upperBound, by: 5_000) {
                let batch = try rows("base.bvecs", first ..< first + 5_000)
                try await things.insert(
                    RecordBatch(ids: .range(Int64(first) ..< Int64(first + 5_000)), vectors: batch.flatMap { $0 }), durability: .relaxed)
            }
        }
        let queries = try rows("query.bvecs", 0 ..< 300)
        func recall(_ target: Double) throws -> Double {
            let exact = try things.search(nearEach: queries, select: .none, exact: true, threads: 2)
            var found = 0
            for (query, truth) in zip(queries, exact) {
                let hits = try things.search(near: query, select: .none, recall: target)
                #expect(hits.plan.isThroughIndex && hits.count == 10)
                found += Set(hits.map(\.id)).intersection(truth.map(\.id)).count
            }
            return Double(found) / Double(10 * queries.count)
        }
        try await insert(0 ..< 20_000)
        try await things.createIndex(.hnsw(efConstruction: 100))
        for target in [0.9, 0.95, 0.99] { #expect(try recall(target) > target - 0.01) }
        try await insert(20_000 ..< 30_000)
        #expect(try recall(0.95) > 0.95)
        #expect(try await things.optimize().mergedCount == 10_000)
        for target in [0.9, 0.95, 0.99] { #expect(try recall(target) > target - 0.01) }
        #expect(try fixture.database.check().isEmpty)
    }

    @Test("what is inserted, replaced and deleted after the index is seen at once, and after optimize too", arguments: [Quantization.automatic, .none])
    func livingData(quantization: Quantization) async throws {
        var sample = try await IndexSample(count: 4_000)
        let things = sample.collection
        try await things.createIndex(.hnsw(m: 12, efConstruction: 100, quantization: quantization))
        let queries = sample.queries(40)
        let old = try sample.fixture.database.snapshot().collection("vectors")
        let before = try queries.map { try old.search(near: $0, efSearch: 100).hits }

        try await sample.insert(4_000 ..< 4_600)
        try await sample.insert(100 ..< 400, onConflict: .replace)
        _ = try await things.delete((1_000 ..< 1_500).map { .int(Int64($0)) })
        let index = try #require(try things.index())
        #expect(index.coveredCount == 3_200 && index.tailCount == 900 && index.deletedCount == 800)
        let newest = try #require(try things.get(4_599)).vector
        let nearest = try #require(try things.search(near: newest, efSearch: 20).first)
        #expect(nearest.id == 4_599 && abs(nearest.distance) < 1e-6)
        #expect(try sample.recall(queries, efSearch: 100) > 0.97)
        for query in queries {
            let ids = try things.search(near: query, k: 50, efSearch: 100).map { $0.id.intValue ?? -1 }
            #expect(!ids.contains { (1_000 ..< 1_500).contains($0) })
        }

        let report = try await things.optimize(threads: 2)
        #expect(report.mergedCount == 900 && report.repairedCount == 800)
        #expect(report.index.coveredCount == 4_100 && report.index.tailCount == 0 && report.index.deletedCount == 0)
        #expect(try sample.recall(queries, efSearch: 100) > 0.97)
        #expect(try things.search(near: newest, efSearch: 20).first?.id == 4_599)
        #expect(try sample.fixture.database.check().isEmpty)
        let again = try await things.optimize()
        #expect(again.mergedCount == 0 && again.repairedCount == 0)

        // The old snapshot sees what it saw.
        #expect(try old.index()?.tailCount == 0)
        #expect(try queries.map { try old.search(near: $0, efSearch: 100).hits } == before)
    }

    @Test("k matching records come back whenever k exist, however few match")
    func filters() async throws {
        var sample = try await IndexSample(count: 8_000)
        let things = sample.collection
        try await things.createIndex(.hnsw(m: 12, efConstruction: 100))
        try await sample.insert(8_000 ..< 8_200)
        _ = try await things.delete((0 ..< 200).map { .int(Int64($0 * 7)) })
        let queries = sample.queries(20)
        for bound in [8_200, 6_000, 2_000, 500, 100, 40, 9, 1, 0] {
            let filter = Filter.field("number") < .int(Int64(bound))
            let matching = try things.count(where: filter)
            for query in queries.prefix(5) {
                // With and without a say in how: the second goes through the graph whatever the planner thinks.
                for hits in [try things.search(near: query, where: filter), try things.search(near: query, where: filter, efSearch: 50)] {
                    #expect(hits.count == min(10, matching), "\(bound), \(hits.plan), seed \(sample.seed)")
                    #expect(hits.allSatisfy { $0.fields["number"]?.intValue.map { $0 < bound } ?? false })
                }
            }
            let recall = try sample.recall(queries, where: filter, efSearch: 100)
            #expect(recall > 0.9, "\(bound), seed \(sample.seed)")
        }
        // A filter that the graph knows nothing of: each cluster lies in one place.
        for cluster in 0 ..< 10 {
            let filter = Filter.field("cluster") == .int(Int64(cluster))
            #expect(try sample.recall(queries, where: filter, efSearch: 100) > 0.85, "cluster \(cluster), seed \(sample.seed)")
        }
        #expect(try !things.search(near: queries[0], where: Filter(parsing: "number < 40")).plan.isThroughIndex)
    }

    @Test("a radius finds what lies within it, and nothing else", arguments: Metric.allCases)
    func radius(metric: Metric) async throws {
        var sample = try await IndexSample(count: 5_000, metric: metric)
        let things = sample.collection
        try await things.createIndex(.hnsw(m: 12, efConstruction: 100))
        try await sample.insert(5_000 ..< 5_100)
        var (found, wanted) = (0, 0)
        for query in sample.queries(30) {
            let far = try things.search(near: query, k: 60, exact: true)[59].distance
            let exact = try things.search(near: query, within: far, exact: true)
            let hits = try things.search(near: query, within: far, efSearch: 50)
            #expect(hits.allSatisfy { $0.distance <= far } && Set(hits.map(\.id)).isSubset(of: exact.map(\.id)))
            #expect(hits.map(\.distance) == hits.map(\.distance).sorted())
            found += hits.count
            wanted += exact.count
            let few = try things.search(near: query, within: far, limit: 7, efSearch: 50)
            #expect(few.count == 7)
        }
        #expect(Double(found) > (metric == .dot ? 0.8 : 0.9) * Double(wanted), "\(found) of \(wanted), seed \(sample.seed)")
    }

    @Test("pages go on where the last one ended, and come to all records in the end")
    func pages() async throws {
        var sample = try await IndexSample(count: 3_000)
        let things = sample.collection
        try await things.createIndex(.hnsw(m: 12, efConstruction: 100))
        try await sample.insert(3_000 ..< 3_050)
        _ = try await things.delete((0 ..< 50).map { .int(Int64($0)) })
        let query = sample.queries(1)[0]
        let exact = try things.search(near: query, k: 200, exact: true).map(\.id)
        for (efSearch, isExact) in [(40, false), (nil, true)] as [(Int?, Bool)] {
            let cursor = try things.pages(near: query, efSearch: efSearch, exact: isExact)
            #expect(cursor.plan.isThroughIndex != isExact)
            var ids: [RecordID] = []
            for size in [10, 30, 60, 100] { ids += try cursor.next(size).map(\.id) }
            #expect(Set(ids).count == 200)
            #expect(Set(ids).intersection(exact).count >= (isExact ? 199 : 180), "seed \(sample.seed)")
            // Deleted meanwhile; the cursor's snapshot has it all the same.
            _ = try await things.delete(exact[150])
            while case let page = try cursor.next(700), !page.isEmpty { ids += page.map(\.id) }
            #expect(ids.count == (isExact ? 2_999 : 3_000) && Set(ids).count == ids.count, "seed \(sample.seed)")
            #expect(try cursor.next().isEmpty)
        }
        let filter = Filter.field("number") < 300
        let cursor = try things.pages(near: query, where: filter, efSearch: 40)
        var count = 0
        while case let page = try cursor.next(33), !page.isEmpty { count += page.count }
        #expect(try count == things.count(where: filter))
    }
}
