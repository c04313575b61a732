import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// Searches through an IVF-PQ index find what an exact scan finds, whatever has changed since it was built.
@Suite(.serialized) struct ListIndexSearchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: ElementType
        let bits: Int
        var rotates = false
        var testDescription: String { "\(metric), \(element), \(bits) bits\(rotates ? ", rotated" : "")" }
    }

    static let cases: [Case] =
        Metric.allCases.flatMap { metric in
            ElementType.allCases.map { Case(metric: metric, element: $0, bits: 4) }
        } + Metric.allCases.map { Case(metric: $0, element: .f32, bits: 8) } + [Case(metric: .l2, element: .f32, bits: 4, rotates: true)]

    /// The share of the exact answers that searches find, each of whose distances is the exact one.
    private func recall(
        _ sample: IndexSample, _ queries: [[Float]], k: Int = 10, where filter: Filter? = nil, nprobe: Int? = nil, refineFactor: Int? = nil,
        recall: Double? = nil
    ) throws -> Double {
        var (found, wanted) = (0, 0)
        for query in queries {
            let exact = try sample.collection.search(near: query, k: k, where: filter, select: .none, exact: true)
            let hits = try sample.collection.search(
                near: query, k: k, where: filter, select: .none, recall: recall, nprobe: nprobe, refineFactor: refineFactor)
            #expect(hits.count == exact.count, "seed \(sample.seed)")
            #expect(Set(hits.map(\.id)).count == hits.count, "seed \(sample.seed)")
            #expect(hits.map(\.distance) == hits.map(\.distance).sorted(), "seed \(sample.seed)")
            let distances = Dictionary(uniqueKeysWithValues: exact.map { ($0.id, $0.distance) })
            for hit in hits {
                guard let distance = distances[hit.id] else { continue }
                #expect(abs(hit.distance - distance) <= 1e-5 * max(1, abs(distance)), "seed \(sample.seed)")
                found += 1
            }
            wanted += exact.count
        }
        return wanted == 0 ? 1 : Double(found) / Double(wanted)
    }

    @Test("recall rises with nprobe and refineFactor, and all distances are exact", arguments: cases)
    func recall(test: Case) async throws {
        var sample = try await IndexSample(count: 6_000, metric: test.metric, element: test.element)
        let things = sample.collection
        try await things.createIndex(.ivfpq(nlist: 64, subspaces: 12, bits: test.bits, rotation: test.rotates))
        let queries = sample.queries(40)
        let plan = try things.search(near: queries[0], nprobe: 16, refineFactor: 8).plan
        #expect(plan.description.hasPrefix("ivfpq with nprobe 16, refineFactor 8, recall about "), "\(plan)")
        let low = try recall(sample, queries, nprobe: 1, refineFactor: 1), high = try recall(sample, queries, nprobe: 64, refineFactor: 32)
        #expect(high > 0.98 && high >= low, "\(low), \(high), seed \(sample.seed)")
        #expect(try recall(sample, queries, k: 100, nprobe: 64, refineFactor: 16) > 0.95)
        let batch = try things.search(nearEach: queries, nprobe: 8, refineFactor: 8, threads: 3)
        for (query, results) in zip(queries, batch) {
            let single = try things.search(near: query, nprobe: 8, refineFactor: 8)
            #expect(results.map(\.id) == single.map(\.id), "a batch gives what single searches give, seed \(sample.seed)")
        }
        let like = try things.search(like: 17, k: 5, nprobe: 16)
        #expect(like.count == 5 && !like.contains { $0.id == 17 } && like.plan.isThroughIndex)
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("the recall asked for is the recall given", arguments: [0.8, 0.9, 0.95, 0.99])
    func recallTarget(target: Double) async throws {
        var sample = try await IndexSample(count: 20_000, dimension: 32, seed: 77)
        try await sample.collection.createIndex(.ivfpq(), threads: 1)
        let queries = sample.queries(200)
        for k in [1, 10, 50] {
            let plan = try sample.collection.search(near: queries[0], k: k, recall: target).plan
            #expect(plan.recall >= target - 1e-6 && plan.recall <= 1, "\(plan)")
            let given = try recall(sample, queries, k: k, recall: target)
            // 200 records measure it, which allows for what they err by, and 200 queries test it: for one neighbour they err by two points.
            #expect(given >= target - (k == 1 ? 0.05 : 0.02), "\(given) of the \(k) nearest: \(plan)")
        }
        #expect(try sample.collection.search(near: queries[0], k: 10, recall: target).plan.isThroughIndex)
        // Only a scan finds all for certain.
        #expect(try !sample.collection.search(near: queries[0], recall: 1).plan.isThroughIndex)
        // A batch and single queries follow the same plan.
        let batch = try sample.collection.search(nearEach: queries, recall: target)
        #expect(try batch[0].plan == sample.collection.search(near: queries[0], recall: target).plan)
        // A refineFactor leaves nprobe to be found.
        let refined = try sample.collection.search(near: queries[0], recall: 0.8, refineFactor: 20).plan
        #expect(refined.description.contains("refineFactor 20"), "\(refined)")
    }

    @Test("under a filter k records come back whenever k match, and as many of the nearest as are asked for")
    func filters() async throws {
        var sample = try await IndexSample(count: 20_000, dimension: 32)
        let things = sample.collection
        try await things.createIndex(.ivfpq())
        let queries = sample.queries(25)
        for share in [2, 5, 20, 100, 1_000] {
            let filter = FilterField("number") < Int64(20_000 / share)
            #expect(try recall(sample, queries, where: filter, recall: 0.9) > 0.87, "one in \(share), seed \(sample.seed)")
            #expect(try recall(sample, queries, where: filter, nprobe: 1) >= 0, "one in \(share)")
        }
        let plan = try things.search(near: queries[0], where: FilterField("number") < 10_000, nprobe: 4).plan
        #expect(plan.description.contains("among 10,000 matching records"), "\(plan)")
        // Five records match: all of them come back, by a scan.
        let few = try things.search(near: queries[0], k: 10, where: FilterField("number") < 5, nprobe: 1)
        #expect(few.count == 5)
    }

    @Test("what is inserted, replaced and deleted after the index is seen at once, and after optimize too")
    func livingData() async throws {
        var sample = try await IndexSample(count: 6_000)
        let things = sample.collection
        try await things.createIndex(.ivfpq(nlist: 50))
        let queries = sample.queries(30)
        let old = try sample.fixture.database.snapshot().collection("vectors")
        let before = try queries.map { try old.search(near: $0, nprobe: 20).hits }

        try await sample.insert(6_000 ..< 6_600)
        try await sample.insert(100 ..< 400, onConflict: .replace)
        _ = try await things.delete((1_000 ..< 1_500).map { .int(Int64($0)) })
        let index = try #require(try things.index())
        #expect(index.coveredCount == 5_200 && index.tailCount == 900 && index.deletedCount == 800)
        let newest = try #require(try things.get(6_599)).vector
        #expect(try things.search(near: newest, nprobe: 1).first?.id == 6_599)
        #expect(try recall(sample, queries, nprobe: 50, refineFactor: 16) > 0.97)

        let report = try await things.optimize(threads: 2)
        #expect(report.mergedCount == 900 && report.retraining == nil && report.index.tailCount == 0)
        #expect(report.index.coveredCount == 6_100 && report.repairedCount + report.index.deletedCount == 800)
        #expect(try recall(sample, queries, nprobe: 50, refineFactor: 16) > 0.97)
        for query in queries {
            let ids = try things.search(near: query, k: 50, nprobe: 50).map { $0.id.intValue ?? -1 }
            #expect(!ids.contains { (1_000 ..< 1_500).contains($0) })
        }
        #expect(try queries.map { try old.search(near: $0, nprobe: 20).hits } == before, "a snapshot stays as it was")
        #expect(try await things.optimize().mergedCount == 0)
        // Deleted records are taken out when they are a fifth.
        _ = try await things.delete((2_000 ..< 4_000).map { .int(Int64($0)) })
        let compacted = try await things.optimize()
        #expect(compacted.repairedCount >= 2_000 && compacted.index.deletedCount == 0 && compacted.index.coveredCount == 4_100)
        #expect(try recall(sample, queries, nprobe: 50, refineFactor: 16) > 0.97)
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("a radius search finds nearly all within the distance, and nothing beyond", arguments: Metric.allCases)
    func radius(metric: Metric) async throws {
        var sample = try await IndexSample(count: 8_000, metric: metric)
        let things = sample.collection
        try await things.createIndex(.ivfpq())
        try await sample.insert(8_000 ..< 8_200)
        var (found, wanted) = (0, 0)
        for query in sample.queries(20) {
            for rank in [3, 40, 400] {
                let nearest = try things.search(near: query, k: rank, select: .none, exact: true)
                let radius = try #require(nearest.hits.last).distance
                let exact = try things.search(near: query, within: radius, select: .none, exact: true)
                let hits = try things.search(near: query, within: radius, select: .none, recall: 0.95)
                #expect(hits.allSatisfy { $0.distance <= radius } && Set(hits.map(\.id)).count == hits.count)
                found += Set(hits.map(\.id)).intersection(exact.map(\.id)).count
                wanted += exact.count
                let limited = try things.search(near: query, within: radius, limit: 2, select: .none, recall: 0.95)
                #expect(limited.count == min(2, exact.count))
            }
        }
        #expect(Double(found) >= (metric == .dot ? 0.9 : 0.95) * Double(wanted), "\(found) of \(wanted), seed \(sample.seed)")
    }

    @Test("pages hand out every record once, nearest first")
    func pages() async throws {
        var sample = try await IndexSample(count: 5_000)
        let things = sample.collection
        try await things.createIndex(.ivfpq(nlist: 64))
        try await sample.insert(5_000 ..< 5_100)
        let query = sample.queries(1)[0]
        for nprobe in [nil, 4] {
            let pages = try things.pages(near: query, select: .none, nprobe: nprobe)
            #expect(pages.plan.isThroughIndex)
            var ids: [RecordID] = []
            var sizes = [1, 7, 20, 100, 900].makeIterator()
            while true {
                let size = sizes.next() ?? 1_500
                let page = try pages.next(size)
                ids += page.map(\.id)
                if page.count < size { break }
            }
            #expect(ids.count == 5_100 && Set(ids).count == 5_100)
            let exact = try things.search(near: query, k: 28, select: .none, exact: true)
            #expect(Set(ids.prefix(28)).intersection(exact.map(\.id)).count >= 22)
        }
        let few = try things.pages(near: query, where: FilterField("number") < 40, select: .none)
        #expect(try few.next(30).count == 30 && few.next(30).count == 10 && few.next(30).isEmpty)
    }

    @Test("settings that do not apply to the index, or are out of range, are refused by name")
    func settings() async throws {
        var sample = try await IndexSample(count: 3_000)
        let things = sample.collection
        let query = sample.queries(1)[0]
        func refusal(_ code: NeedletailError.Code, _ words: String, _ body: () throws -> Void) {
            do {
                try body()
                Issue.record("nothing was refused: \(words)")
            } catch {
                #expect((error as? NeedletailError)?.code == code && "\(error)".contains(words), "\(error)")
            }
        }
        refusal(.unknownIndex, "nprobe is for searches through an index") { _ = try things.search(near: query, nprobe: 4) }
        refusal(.unknownIndex, "refineFactor") { _ = try things.search(near: query, refineFactor: 4) }
        try await things.createIndex(.hnsw(m: 8, efConstruction: 40))
        refusal(.invalidArgument, "nprobe is for an ivfpq index") { _ = try things.search(near: query, nprobe: 4) }
        refusal(.invalidArgument, "refineFactor is for an ivfpq index") { _ = try things.search(near: query, recall: 0.9, refineFactor: 4) }
        try await things.createIndex(.ivfpq(nlist: 30))
        refusal(.invalidArgument, "efSearch is for an hnsw index") { _ = try things.search(near: query, efSearch: 40) }
        refusal(.invalidArgument, "efSearch is for an hnsw index") { _ = try things.pages(near: query, efSearch: 40) }
        refusal(.invalidArgument, "efSearch is for an hnsw index") { _ = try things.search(nearEach: [query], efSearch: 40) }
        refusal(.invalidArgument, "the index has 30 lists") { _ = try things.search(near: query, nprobe: 31) }
        refusal(.invalidArgument, "an nprobe of 0") { _ = try things.search(near: query, nprobe: 0) }
        refusal(.invalidArgument, "a refineFactor of 0") { _ = try things.search(near: query, nprobe: 3, refineFactor: 0) }
        refusal(.invalidArgument, "leave out one of the two") { _ = try things.search(near: query, recall: 0.9, nprobe: 3) }
        refusal(.invalidArgument, "leave out one of the two") { _ = try things.search(near: query, nprobe: 3, exact: true) }
        refusal(.invalidArgument, "leave out one of the two") { _ = try things.search(near: query, refineFactor: 3, exact: true) }
        refusal(.invalidArgument, "leave out one of the two") { _ = try things.search(near: query, efSearch: 30, nprobe: 3) }
        refusal(.invalidArgument, "is not reached with a refineFactor of 1") { _ = try things.search(near: query, recall: 0.9999, refineFactor: 1) }
        refusal(.invalidArgument, "nprobe") { _ = try things.search(near: query, within: 1, nprobe: 400) }
    }
}
