import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// The best record of each group, and hits without near-duplicates, compared with the plain way.
@Suite struct GroupingTests {
    static let fields = [
        Field("album", .string), Field("year", .int), Field("rate", .double), Field("day", .timestamp), Field("sold", .bool), Field("tags", .strings),
        Field("skewed", .int),
    ]

    static func sample(_ metric: Metric, seed: UInt64) async throws -> (fixture: Fixture, collection: Collection, records: [Record], query: [Float]) {
        print("GroupingTests seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let fixture = try Fixture()
        let collection = try await fixture.database.createCollection("photos", schema: Schema(dimension: 8, metric: metric, fields: fields))
        var records: [Record] = []
        for id in 0 ..< 3000 {
            let number = Int.random(in: 0 ..< 60, using: &random)
            // Near the query stand almost only records of one group.
            let isNear = id % 3 != 0
            let vector = (0 ..< 8).map { _ in (isNear ? 1 : 0) + random.normal() * (isNear ? 0.05 : 1) }
            var fields: [String: Value] = [
                "album": .string("album \(number)"), "year": .int(Int64(number)), "rate": number % 10 == 0 ? .double(.nan) : .double(Double(number / 2)),
                "day": .timestamp(Timestamp(microsecondsSince1970: Int64(number))), "sold": .bool(number % 2 == 0), "skewed": .int(isNear ? 0 : Int64(id)),
            ]
            if number % 7 == 0 { for name in ["album", "year", "rate", "sold"] { fields.removeValue(forKey: name) } }
            records.append(Record(id: .int(Int64(id)), vector: vector, fields: fields))
        }
        try await collection.insert(records, durability: .relaxed)
        return (fixture, collection, records, (0 ..< 8).map { _ in 1 + random.normal() * 0.01 })
    }

    /// The plain way: all records from near to far, of each group the first.
    static func expected(_ records: [Record], _ query: [Float], _ metric: Metric, by field: String, k: Int) -> [RecordID] {
        let order = records.map { ($0, CollectionSearchTests.distance($0.vector, query, metric)) }.sorted { $0.1 < $1.1 }
        var groups: Set<Value> = []
        var ids: [RecordID] = []
        for (record, _) in order where ids.count < k {
            var value = record.fields[field] ?? .null
            if case .double(let number) = value, number.isNaN { value = "NaN" }
            if groups.insert(value).inserted { ids.append(record.id) }
        }
        return ids
    }

    /// The same records; in single precision, equally distant ones may change places.
    static func expect(_ hits: SearchResults, _ ids: [RecordID], _ records: [Record], _ query: [Float], _ metric: Metric, _ what: String) {
        let distances = Dictionary(uniqueKeysWithValues: records.map { ($0.id, CollectionSearchTests.distance($0.vector, query, metric)) })
        #expect(hits.count == ids.count, "\(what)")
        for (hit, id) in zip(hits, ids) where hit.id != id {
            #expect(abs((distances[hit.id] ?? 9) - (distances[id] ?? 0)) < 1e-5, "\(what): \(hit.id), \(id)")
        }
    }

    @Test("each group's best comes back, and k of them whenever there are k", arguments: Metric.allCases)
    func groups(metric: Metric) async throws {
        let (fixture, photos, records, query) = try await Self.sample(metric, seed: 5)
        for field in Self.fields where field.type != .strings {
            for k in [1, 5, 30, 100] {
                let hits = try photos.search(near: query, k: k, groupBy: field.name, exact: true)
                Self.expect(hits, Self.expected(records, query, metric, by: field.name, k: k), records, query, metric, "\(field.name) \(k)")
            }
        }
        let filter = try Filter(parsing: "year < 30 AND NOT sold")
        let hits = try photos.search(near: query, k: 50, groupBy: "year", where: filter, exact: true)
        let passing = records.filter { ($0.fields["year"]?.intValue ?? 99) < 30 && $0.fields["sold"] == .bool(false) }
        Self.expect(hits, Self.expected(passing, query, metric, by: "year", k: 50), passing, query, metric, "filtered")
        withExtendedLifetime(fixture) {}
    }

    @Test("through an index k groups come back too, the nearest almost always")
    func groupsThroughIndex() async throws {
        let (fixture, photos, records, query) = try await Self.sample(.l2, seed: 6)
        try await photos.createIndex(.hnsw(m: 8, efConstruction: 60))
        for field in ["album", "skewed", "year"] {
            for k in [5, 40] {
                let expected = Self.expected(records, query, .l2, by: field, k: k)
                let hits = try photos.search(near: query, k: k, groupBy: field, select: [field], efSearch: max(k, 64))
                #expect(hits.count == expected.count)
                #expect(Set(hits.map { $0.fields[field] ?? .null }).count == hits.count)
                #expect(zip(hits, hits.dropFirst()).allSatisfy { $0.distance <= $1.distance })
                #expect(Set(hits.map(\.id)).intersection(expected).count * 10 >= expected.count * 8, "\(field) \(k)")
            }
        }
        withExtendedLifetime(fixture) {}
    }

    @Test("near-duplicates of better hits are passed over", arguments: Metric.allCases)
    func collapse(metric: Metric) async throws {
        let (fixture, photos, records, query) = try await Self.sample(metric, seed: 7)
        let order = records.map { ($0, CollectionSearchTests.distance($0.vector, query, metric)) }.sorted { $0.1 < $1.1 }.map(\.0)
        for limit in metric == .cosine ? [0.001, 0.05] : [0.05, 0.3, 1.5] {
            for k in [1, 10, 60] {
                var kept: [Record] = []
                for record in order where kept.count < k {
                    let isAlike = kept.contains { CollectionSearchTests.distance($0.vector, record.vector, metric == .dot ? .l2 : metric) < limit }
                    if !isAlike { kept.append(record) }
                }
                let hits = try photos.search(near: query, k: k, collapsing: limit, exact: true)
                // Distances in single precision may fall on the other side of the limit now and then.
                #expect(Set(hits.map(\.id)).symmetricDifference(kept.map(\.id)).count <= max(2, k / 10), "\(limit) \(k)")
                #expect(abs(hits.count - kept.count) <= 1)
            }
        }
        // Both: one of an album, and no two alike.
        let hits = try photos.search(near: query, k: 20, groupBy: "album", collapsing: metric == .cosine ? 0.001 : 0.05, exact: true)
        #expect(hits.count == 20 && Set(hits.map { $0.fields["album"] ?? .null }).count == 20)
        withExtendedLifetime(fixture) {}
    }

    @Test("what is wrong with a group or a distance is said")
    func errors() async throws {
        let (fixture, photos, _, query) = try await Self.sample(.l2, seed: 8)
        func failure(_ body: () throws -> Void) -> NeedletailError? {
            do { try body() } catch { return error as? NeedletailError }
            return nil
        }
        #expect(failure { _ = try photos.search(near: query, groupBy: "albun") }?.message == "no field is named 'albun': did you mean 'album'?")
        #expect(failure { _ = try photos.search(near: query, groupBy: "tags") }?.code == .typeMismatch)
        for distance in [0, -1, Double.nan, .infinity] {
            #expect(failure { _ = try photos.search(near: query, collapsing: distance) }?.code == .invalidArgument)
            #expect(failure { _ = try photos.search(near: query, groupBy: "album", collapsing: distance) }?.code == .invalidArgument)
        }
        #expect(failure { _ = try photos.search(near: query, k: 0, groupBy: "album") }?.code == .invalidArgument)
        #expect(failure { _ = try photos.search(near: [1], groupBy: "album") }?.code == .dimensionMismatch)
        #expect(failure { _ = try photos.search(near: query, groupBy: "album", efSearch: 100) }?.code == .unknownIndex)
        withExtendedLifetime(fixture) {}
    }
}
