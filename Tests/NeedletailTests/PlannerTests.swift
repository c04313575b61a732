import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite("Planner")
struct PlannerTests {
    @Test("as fewer match, a walk gives way to a scan by codes and that to an exact scan; k come back and the recall is kept")
    func sweep() async throws {
        var sample = try await IndexSample(count: isOptimizedBuild ? 20_000 : 4_000, dimension: 64)
        _ = try await sample.collection.createIndex(.hnsw(m: 12, efConstruction: 80))
        let count = try sample.collection.count()
        let queries = sample.queries(300)
        var kinds: [String] = []
        for share in [0.9, 0.5, 0.2, 0.1, 0.03, 0.01, 0.003, 0.0002] {
            let filter = Filter.field("number") < Int(share * Double(count))
            let explanation = try sample.collection.explain(near: queries[0], where: filter, analyze: true)
            kinds.append(Self.kind(explanation.plan))
            #expect(try sample.recall(queries, where: filter) >= 0.93, "\(share) of the records, \(explanation.plan), seed \(sample.seed)")
        }
        // Which it is where two are as fast is the machine's affair, but not their order.
        let order = ["overfetch": 0, "walk": 0, "codes": 1, "exact": 2]
        let places = kinds.compactMap { order[$0] }
        #expect(places == places.sorted(), "\(kinds)")
        #expect(kinds.last == "exact" && Set(kinds).count > 1, "\(kinds)")
    }

    @Test("a filter that matches only what is far from the query keeps its recall, though a walk gives up")
    func farAway() async throws {
        var sample = try await IndexSample(count: isOptimizedBuild ? 20_000 : 3_000, dimension: 48)
        _ = try await sample.collection.createIndex(.hnsw(m: 12, efConstruction: 80))
        for share in [4, 12, 20] {
            let filter = Filter.field("cluster") < share, queries = sample.queries(40)
            let recall = try sample.recall(queries, where: filter)
            // A walk that begins where some of the records around it match is taken, and may still find too little: 0.90 was seen.
            withKnownIssue(isIntermittent: true) { #expect(recall >= 0.93, "\(recall), \(share) clusters of 40, seed \(sample.seed)") }
            #expect(recall > 0.8)
            // A walk that is asked for by its knob comes back with what a scan finds where what matches is elsewhere.
            let walked = try sample.recall(queries, where: filter, efSearch: 64)
            #expect(walked > 0.8, "\(walked), \(share) clusters of 40, seed \(sample.seed)")
        }
    }

    @Test("what looks for more and drops what does not match finds k, and goes on with the filter where too few match")
    func overfetch() async throws {
        var sample = try await IndexSample(count: isOptimizedBuild ? 20_000 : 3_000, dimension: 48)
        _ = try await sample.collection.createIndex(.hnsw(m: 12, efConstruction: 80))
        // Of single neighbours as many as tell 0.92 from the 0.95 that is asked for.
        let count = try sample.collection.count(), many = sample.queries(400)
        var queries = many
        func overfetch(_ filter: Filter, k: Int) throws -> SearchPlan? {
            let explanation = try sample.collection.explain(near: queries[0], k: k, where: filter)
            return ([explanation.plan] + explanation.rejected.map(\.plan)).first { Self.kind($0) == "overfetch" }
        }
        // By chance, and by clusters, of which a query lies in one.
        for (filter, isByChance) in [(Filter.field("number") >= count / 5, true), (Filter.field("cluster") >= 14, false)] {
            for k in [1, 10, 40] {
                queries = k == 1 ? many : Array(many.prefix(60))
                let plan = try #require(try overfetch(filter, k: k))
                var recall = 0.0, short = 0
                for query in queries {
                    let followed = try sample.collection.explain(near: query, k: k, where: filter, following: plan, verify: true)
                    let actual = try #require(followed.root.actual)
                    #expect(actual.rows == k)
                    short += actual.remark == nil ? 0 : 1
                    recall += try #require(followed.trueRecall) / Double(queries.count)
                }
                #expect(recall >= 0.92, "k \(k), \(filter), seed \(sample.seed)")
                #expect(isByChance ? short < queries.count / 3 : short > 0, "k \(k), \(filter): \(short) fell short, seed \(sample.seed)")
            }
        }
        // Where few match, nobody looks for so many more; without a filter there is nothing to drop.
        #expect(try overfetch(Filter.field("number") < count / 10, k: 10) == nil)
        let plan = try #require(try overfetch(Filter.field("number") >= 100, k: 10))
        #expect(throws: NeedletailError.self) { try sample.collection.explain(near: queries[0], following: plan) }
        let none = SearchPlan.overfetch(fetched: 0, efSearch: 10, tail: 0, matching: 10, recall: 1)
        #expect(throws: NeedletailError.self) { try sample.collection.explain(near: queries[0], where: .field("number") >= 1, following: none) }
    }

    @Test("a filter that was asked with is remembered, and forgotten with the next commit")
    func cache() async throws {
        var sample = try await IndexSample(count: 1_000)
        let query = sample.vector().vector
        let filter = Filter.field("number") >= 500
        func source() throws -> String {
            try #require(try sample.collection.explain(near: query, where: filter).root.children.first).detail
        }
        #expect(try source().contains("estimated"))
        #expect(try sample.collection.search(near: query, where: filter).count == 10)
        #expect(try source().contains("known from an earlier search"))
        try await sample.insert(1_000 ..< 1_001)
        #expect(try source().contains("estimated"))
        let found = try sample.collection.search(near: query, k: 1_000, where: filter)
        #expect(found.count == 501)
        // More filters than are kept, and one that equals nothing, itself included.
        for number in 0 ..< 200 { #expect(try sample.collection.search(near: query, where: Filter.field("number") == number).count == 1) }
        let nothing = Filter.comparison(field: "number", .equal, .double(.nan))
        for _ in 0 ..< 100 { #expect(try sample.collection.search(near: query, where: nothing).isEmpty) }
    }

    @Test("searches that come again with a filter, and scan signs that were packed for it, find what is near; in the tail too")
    func repetition() async throws {
        var sample = try await IndexSample(count: isOptimizedBuild ? 6_000 : 2_000, dimension: 64)
        _ = try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 60))
        let count = try sample.collection.count()
        try await sample.insert(count ..< count + 40)
        // All of the tail match, and more of the others than are compared without signs.
        let filter = Filter.field("number") >= count / 2, matching = count - count / 2 + 40
        let plan = SearchPlan.codes(compared: matching, tail: 40, recall: 0.97)
        var recalls: [Double] = []
        for query in sample.queries(10) {
            let found = try (0 ..< 3).map { _ in try sample.collection.explain(near: query, where: filter, following: plan, verify: true) }
            for explanation in found { #expect(explanation.root.children.first { $0.name == "tail scan" }?.actual?.distances == 40) }
            let recall = try found.map { try #require($0.trueRecall) }
            #expect(Set(recall).count == 1, "\(recall), seed \(sample.seed)")
            recalls.append(recall[0])
        }
        #expect(recalls.reduce(0, +) / 10 >= 0.93, "\(recalls), seed \(sample.seed)")
    }

    @Test("an explanation is a tree of text", arguments: [false, true])
    func text(analyze: Bool) async throws {
        var sample = try await IndexSample(count: 2_000, dimension: 32, seed: 5)
        let query = sample.vector().vector
        _ = try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 60))
        try await sample.insert(2_000 ..< 2_010)
        let filter = Filter.field("number") < 3
        if analyze { _ = try sample.collection.search(near: query, where: filter) }
        let explanation = try sample.collection.explain(near: query, k: 2, where: filter, analyze: analyze, verify: analyze)
        let lines = Self.withoutTimes(explanation.description).components(separatedBy: "\n")
        #expect(lines[0] == "search 'vectors': k 2, recall 0.95")
        #expect(lines[1] == "→ exact scan: 3 records in full precision")
        #expect(lines[2] == "    expected # µs, 2 rows, recall 1")
        if analyze {
            #expect(lines[3] == "    actual   # µs, 2 rows, 3 vectors, 1 KiB read")
            #expect(lines[4] == "  → filter: number < 3: 0.149 % of 2,010 records, known from an earlier search")
            #expect(lines[5] == "      expected 3 rows")
            #expect(lines[6] == "      actual   3 rows")
            #expect(lines[7] == "not taken:")
            #expect(lines.last == "planned in # µs; true recall 1")
        } else {
            #expect(lines[3].hasPrefix("  → filter: number < 3: 0."))
            #expect(lines.last == "planned in # µs")
        }
        #expect(lines.contains { $0.hasPrefix("  hnsw with efSearch ") }, "\(explanation)")
    }

    @Test("a tail is a node of its own beside the index, under a merge")
    func merge() async throws {
        var sample = try await IndexSample(count: isOptimizedBuild ? 8_000 : 3_000, dimension: 32)
        _ = try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 60))
        try await sample.insert(8_000 ..< 8_050)
        let query = sample.vector().vector
        let explanation = try sample.collection.explain(near: query, recall: 0.9, analyze: true)
        #expect(explanation.root.name == "merge")
        #expect(explanation.root.children.map(\.name) == ["walk of the graph", "tail scan"])
        #expect(explanation.root.children[1].actual?.distances == 50)
        #expect(explanation.root.children[0].actual.map { $0.hops > 0 } == true)
    }

    @Test("without an index, and where a setting is given, the explanation says so")
    func given() async throws {
        var sample = try await IndexSample(count: 2_000)
        let query = sample.vector().vector
        let plain = try sample.collection.explain(near: query, verify: true)
        #expect(plain.root.name == "exact scan" && plain.rejected.isEmpty && plain.trueRecall == 1)
        _ = try await sample.collection.createIndex()
        let set = try sample.collection.explain(near: query, efSearch: 50)
        #expect(set.question.hasSuffix("efSearch 50") && set.root.name == "walk of the graph")
        #expect(set.rejected.allSatisfy { $0.reason == "not asked for" })
        let all = try sample.collection.explain(near: query, exact: true)
        #expect(all.question.hasSuffix("exact") && all.root.name == "exact scan")
        #expect(throws: NeedletailError.self) { try sample.collection.explain(near: [1]) }
        #expect(throws: NeedletailError.self) { try sample.collection.explain(near: query, recall: 2) }
    }

    private static func kind(_ plan: SearchPlan) -> String {
        switch plan {
        case .exact: "exact"
        case .codes: "codes"
        case .hnsw: "walk"
        case .overfetch: "overfetch"
        case .ivfpq: "lists"
        }
    }

    /// Times are another in every run.
    private static func withoutTimes(_ text: String) -> String {
        text.replacing(/[0-9][0-9,.]* µs/, with: "# µs")
    }
}

#if DEBUG
private let isOptimizedBuild = false
#else
private let isOptimizedBuild = true
#endif
