import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite struct CollectionSearchTests {
    /// Distances in double precision, the plain way.
    static func distance(_ a: [Float], _ b: [Float], _ metric: Metric) -> Double {
        var (squares, product, aa, bb) = (0.0, 0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            let (x, y) = (Double(x), Double(y))
            squares += (x - y) * (x - y)
            product += x * y
            aa += x * x
            bb += y * y
        }
        switch metric {
        case .l2: return squares.squareRoot()
        case .cosine: return 1 - product / (aa * bb).squareRoot()
        case .dot: return -product
        }
    }

    static func matrix() -> [(Metric, ElementType, Int)] {
        var cases: [(Metric, ElementType, Int)] = []
        for metric in Metric.allCases {
            for element in ElementType.allCases {
                for dimension in [1, 7, 33, 128] { cases.append((metric, element, dimension)) }
            }
        }
        return cases
    }

    @Test(arguments: matrix())
    func searchEqualsAnExactOracle(metric: Metric, element: ElementType, dimension: Int) async throws {
        let seed = UInt64(dimension * 31 + metric.rawValue.count)
        var random = SeededGenerator(seed: seed)
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: dimension, metric: metric, element: element)
        func vector() -> [Float] {
            (0 ..< dimension).map { _ in
                switch element {
                case .f32: return random.normal()
                case .f16: return Float(Int.random(in: -1_000 ... 1_000, using: &random)) / 256
                case .i8: return Float(Int.random(in: 1 ... 120, using: &random) * (Bool.random(using: &random) ? 1 : -1))
                }
            }
        }
        var records: [Record] = []
        for i in 0 ..< 700 {
            var v = vector()
            if v.allSatisfy({ $0 == 0 }) { v[0] = 1 }
            records.append(Record(id: .int(Int64(i)), vector: v, fields: ["count": .int(Int64(i % 10)), "label": .string("l\(i % 3)")]))
        }
        try await things.insert(Array(records[..<500]))
        for record in records[500...].prefix(20) { try await things.insert(record) }
        try await things.insert(Array(records[520...]))
        let deleted = Set((0 ..< 700).filter { $0 % 11 == 0 }.map { RecordID.int(Int64($0)) })
        _ = try await things.delete(Array(deleted))

        func check(_ hits: some Swift.Collection<SearchHit>, _ query: [Float], _ allowed: [Record], _ k: Int, _ note: String) {
            let truth = allowed.map { Self.distance($0.vector, query, metric) }.sorted()
            #expect(hits.count == min(k, truth.count), "seed \(seed), \(note)")
            for (hit, expected) in zip(hits, truth) {
                #expect(abs(hit.distance - expected) <= 1e-4 * max(1, abs(expected)), "seed \(seed), \(note)")
            }
            let ids = Set(allowed.map(\.id))
            #expect(hits.allSatisfy { ids.contains($0.id) }, "seed \(seed), \(note)")
            #expect(Set(hits.map(\.id)).count == hits.count)
        }
        let live = records.filter { !deleted.contains($0.id) }
        let filtered = live.filter { $0.fields["count"] == 3 || $0.fields["label"] == "l1" }
        let filter = try Filter(parsing: "count = 3 OR label = 'l1'")
        var queries: [[Float]] = []
        for _ in 0 ..< 8 {
            var v = vector()
            if v.allSatisfy({ $0 == 0 }) { v[0] = 1 }
            queries.append(v)
        }
        for query in queries {
            check(try things.search(near: query, k: 10), query, live, 10, "plain")
            check(try things.search(near: query, k: 10_000, threads: 2), query, live, 10_000, "all, two threads")
            check(try things.search(near: query, k: 25, where: filter), query, filtered, 25, "filtered")
            let tenth = try things.search(near: query, k: 10)
            let radius = tenth[9].distance
            if radius >= 0 || metric == .dot {
                let within = try things.search(near: query, within: radius)
                #expect(within.count >= 10 && within.allSatisfy { $0.distance <= radius })
                #expect(within.prefix(10).map(\.distance) == tenth.map(\.distance))
            }
        }
        for (query, results) in zip(queries, try things.search(nearEach: queries, k: 12, where: filter)) {
            check(results, query, filtered, 12, "batch")
        }
        for (query, results) in zip(queries, try things.search(nearEach: queries, k: 5)) {
            #expect(results.hits == (try things.search(near: query, k: 5).hits), "a batch gives what single searches give")
        }
    }

    @Test func distancesAndScoresAreWhatTheirUsersExpect() async throws {
        for (metric, distance, score) in [(Metric.l2, 5.0, -5.0), (.cosine, 1.0, 0.0), (.dot, 0.0, 0.0)] {
            let fixture = try Fixture()
            let things = try await fixture.collection(dimension: 2, metric: metric)
            try await things.insert(Record(id: "a", vector: [3, 0]))
            let hit = try #require(try things.search(near: [0, 4]).first)
            #expect(abs(hit.distance - distance) < 1e-6 && abs(hit.score - score) < 1e-6, "\(metric)")
        }
    }

    @Test("a cosine distance is 0 to 2, whatever rounding does", arguments: [ElementType.f32, .f16, .i8])
    func cosineStaysInRange(element: ElementType) async throws {
        var random = SeededGenerator(seed: 20)
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: 7, metric: .cosine, element: element)
        // Many directions, each in several lengths: of the cosines of parallel vectors about a third round to above 1.
        var vectors: [[Float]] = []
        for _ in 0 ..< 40 {
            let direction = (0 ..< 7).map { _ in Float(Int.random(in: 1 ... 20, using: &random)) }
            for length: Float in [1, 3, 6, -5] { vectors.append(direction.map { $0 * length }) }
        }
        try await things.insert(vectors.enumerated().map { Record(id: .int(Int64($0.offset)), vector: $0.element) })
        let batch = try things.search(nearEach: vectors, k: vectors.count)
        for (position, vector) in vectors.enumerated() {
            let hits = try things.search(near: vector, k: vectors.count)
            #expect(hits.allSatisfy { 0 ... 2 ~= $0.distance && -1 ... 1 ~= $0.score })
            #expect(batch[position].hits == hits.hits)
            #expect(try things.search(near: vector, within: 1e-6).count >= (position % 4 == 3 ? 1 : 3))
        }
    }

    @Test func aTinyQueryHasADirection() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: 2, metric: .cosine)
        try await things.insert([Record(id: 1, vector: [1, 0]), Record(id: 2, vector: [0, 1])])
        let hit = try #require(try things.search(near: [0, 1e-25]).first)
        #expect(hit.id == 2 && hit.distance < 1e-6)
    }

    @Test("a batch gives what single searches give, also where products underflow", arguments: Metric.allCases)
    func batchOfTinyVectors(metric: Metric) async throws {
        var random = SeededGenerator(seed: 21)
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: 3, metric: metric)
        let vectors: [[Float]] = (0 ..< 1_200).map { row in
            (0 ..< 3).map { _ in Float.random(in: -5 ... 5, using: &random) * [1e-22, 1e-12, 1][row % 3] }
        }
        try await things.insert(vectors.enumerated().map { Record(id: .int(Int64($0.offset)), vector: $0.element) })
        let queries = Array(vectors[..<60])
        for (query, results) in zip(queries, try things.search(nearEach: queries, k: 5)) {
            #expect(results.hits == (try things.search(near: query, k: 5).hits))
        }
    }

    @Test func aRecordIsNotItsOwnNeighbour() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: 1)
        for i in 0 ..< 5 { try await things.insert(Record(id: .int(Int64(i)), vector: [Float(i / 2)])) }
        #expect(try things.search(like: 0, k: 2).map(\.id) == [1, 2])
        await expect(.recordNotFound) { _ = try things.search(like: 77) }
    }

    @Test func badQueriesAreRefused() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(metric: .cosine)
        #expect(try things.search(near: [1, 0, 0]).isEmpty)
        await expect(.dimensionMismatch) { _ = try things.search(near: [1]) }
        await expect(.invalidVector) { _ = try things.search(near: [1, .nan, 0]) }
        await expect(.zeroVector) { _ = try things.search(near: [0, 0, 0]) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], k: 0) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], k: Collection.maximumK + 1) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], recall: 0) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], recall: 1.5) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], within: -1) }
        await expect(.invalidArgument) { _ = try things.search(near: [1, 0, 0], threads: 0) }
        await expect(.unknownField) { _ = try things.search(near: [1, 0, 0], where: Filter(parsing: "colour = 3")) }
        await expect(.unknownField) { _ = try things.search(near: [1, 0, 0], select: ["colour"]) }
        await expect(.dimensionMismatch) { _ = try things.search(nearEach: [[1, 0, 0], [1]]) }
    }

    @Test func aQueryThroughAnotherModelIsRefused() async throws {
        let fixture = try Fixture()
        let mini = EmbeddingModel(name: "mini", version: "1", checksum: "aa")
        let photos = try await fixture.database.createCollection("photos", schema: Schema(dimension: 2, model: mini))
        try photos.requireModel(mini)
        try fixture.database.collection("photos").requireModel(mini)
        await expect(.modelMismatch) { try photos.requireModel(EmbeddingModel(name: "mini", version: "2", checksum: "bb")) }
    }
}
