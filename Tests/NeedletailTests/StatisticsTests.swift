import Needletail
import NeedletailTestSupport
import Testing

@Suite("Statistics")
struct StatisticsTests {
    @Test("the statistics of a field tell its nulls, bounds, common values and how many there are")
    func fields() async throws {
        let fixture = try Fixture()
        let fields: [Field] = [
            Field("n", .int), Field("x", .double), Field("s", .string), Field("b", .bool), Field("l", .strings), Field("empty", .int),
        ]
        let collection = try await fixture.database.createCollection("t", schema: Schema(dimension: 2, fields: fields))
        try await collection.insert((0 ..< 3_000).map { row in
            var values: [String: Value] = ["n": .int(Int64(row % 100)), "b": .bool(row % 4 == 0), "l": .strings(["a", "b\(row % 3)"])]
            if row % 2 == 0 { values["x"] = row == 10 ? .double(.nan) : .double(Double(row)) }
            values["s"] = .string(row % 10 < 7 ? "common" : "rare \(row)")
            return Record(id: .int(Int64(row)), vector: [Float(row), 1], fields: values)
        })
        let found = try collection.statistics()
        #expect(found.map(\.name) == fields.map(\.name))
        #expect(found[0].nullCount == 0 && found[0].distinctCount == 100 && found[0].minimum == .int(0) && found[0].maximum == .int(99))
        #expect(found[0].quantiles.count == 11 && found[0].quantiles.first == .int(0) && found[0].quantiles.last == .int(99))
        #expect(found[1].nullCount == 1_500 && found[1].minimum == .double(0) && found[1].maximum == .double(2_998))
        // All records were looked at: half of them have a value, one of which is NaN.
        #expect(found[1].distinctCount == 1_499)
        #expect(found[2].mostCommon.first?.value == .string("common") && abs((found[2].mostCommon.first?.share ?? 0) - 0.7) < 0.01)
        #expect(found[2].distinctCount == 901)
        #expect(found[3].mostCommon.map(\.value) == [.bool(false), .bool(true)])
        #expect(found[4].mostCommon.first?.value == .string("a") && found[4].mostCommon.first?.share == 1)
        #expect(found.allSatisfy { $0.sampledCount == 3_000 && $0.countWhenSampled == 3_000 })
        #expect(found[5].nullCount == 3_000 && found[5].minimum == nil && found[5].mostCommon.isEmpty)
    }

    @Test("an estimate of what a filter lets through is near the truth, and its bounds hold", arguments: [
        "n < 10", "n = 5", "n IN (1, 2, 3)", "NOT n < 10", "x >= 1000.5", "x IS NULL", "x IS NOT NULL", "NOT x < 100", "s = 'common'",
        "s != 'common'", "s LIKE 'rare%'", "s >= 'd'", "s = 'missing'", "b", "NOT b", "l CONTAINS 'b1'", "NOT l CONTAINS 'b1'", "n < 50 AND b",
        "n < 10 OR s = 'common'", "n < 10 AND n > 90", "id < 30", "id IN (1, 2, 3, 77)", "id = 5", "n BETWEEN 20 AND 29",
    ])
    func estimates(text: String) async throws {
        let sample = try await Self.sample.value
        let filter = try Filter(parsing: text)
        let estimated = try sample.collection.explain(near: [1, 1], where: filter)
        let node = try #require(estimated.root.children.first)
        let truth = try sample.collection.count(where: filter)
        let scale = Double(try sample.collection.count())
        // Conditions that have to do with each other are beyond what single columns tell.
        let isIndependent = !text.contains("n > 90")
        if isIndependent {
            #expect(abs(Double(node.estimatedRows - truth)) <= 0.03 * scale + 2 || text.hasPrefix("id <"), "\(text): \(node.detail), truly \(truth)")
        }
    }

    @Test("what an index build has found out is in the file: the next process reads it, and a rewrite of the records makes it look anew")
    func file() async throws {
        var random = SeededGenerator(seed: 5)
        let fixture = try Fixture()
        let fields: [Field] = [Field("n", .int), Field("x", .double), Field("s", .string), Field("b", .bool), Field("l", .strings), Field("t", .timestamp)]
        let collection = try await fixture.database.createCollection("t", schema: Schema(dimension: 2, fields: fields))
        let count = 9_000
        try await collection.insert((0 ..< count).map { row in
            var values: [String: Value] = ["n": .int(row % 3 == 0 ? 7 : Int64(row)), "b": .bool(row % 4 == 0), "l": .strings(["a", "b\(row % 3)"])]
            if row % 2 == 0 { values["x"] = .double(Double.random(in: -1 ... 1, using: &random)) }
            values["s"] = .string(row % 10 < 7 ? "common" : "rare \(row)")
            values["t"] = .timestamp(Timestamp(microsecondsSince1970: Int64(row) << 40))
            return Record(id: .int(Int64(row)), vector: [Float(row), 1], fields: values)
        })
        let texts = ["n = 7", "n < 900", "n > 8000", "x > 0.5", "x < -0.9", "s = 'common'", "b", "l CONTAINS 'b1'", "t > '2200-01-01'", "x IS NULL"]
        func estimates(_ collection: Collection) throws -> [Int] {
            try texts.map { try #require(try collection.explain(near: [1, 1], where: Filter(parsing: $0)).root.children.first).estimatedRows }
        }
        try await collection.createIndex(.hnsw(m: 4, efConstruction: 20))
        let known = try collection.statistics(), before = try estimates(collection)
        let path = fixture.database.path
        fixture.database.close()

        let again = try Database(path: path), reopened = try again.collection("t")
        let read = try reopened.statistics()
        for (a, b) in zip(known, read) {
            #expect(a.distinctCount == b.distinctCount && a.nullCount == b.nullCount && a.minimum == b.minimum && a.maximum == b.maximum, "\(a.name)")
            #expect(a.mostCommon.first?.value == b.mostCommon.first?.value && a.quantiles.count == b.quantiles.count, "\(a.name)")
        }
        for (text, (a, b)) in zip(texts, zip(before, try estimates(reopened))) { #expect(abs(a - b) <= count / 60, "\(text): \(a), read \(b)") }
        // It has been read, not looked up: a column's common value that is gone from the records is still told.
        try await reopened.update(where: Filter(parsing: "n = 7"), set: ["n": .int(8)])
        #expect(try reopened.statistics()[0].mostCommon.first?.value == .int(7))
        // They tell how many records they are from, of how many that there were then.
        _ = try await reopened.delete((0 ..< 10).map { .int($0) })
        let older = try reopened.statistics()[0]
        #expect(older.count == count - 10 && older.countWhenSampled == count && older.sampledCount == 4_096)
        try await reopened.optimize()
        #expect(try reopened.statistics()[0].mostCommon.first?.value == .int(8))
        again.close()
        let last = try Database(path: path), collectionAtLast = try last.collection("t")
        #expect(try collectionAtLast.statistics()[0].mostCommon.first?.value == .int(8))
        #expect(try last.check().isEmpty)
    }

    private struct Table: Sendable {
        let fixture: Fixture
        let collection: Collection
    }

    private static let sample = Task { () throws -> Table in
        var random = SeededGenerator(seed: 11)
        let fixture = try Fixture()
        let fields: [Field] = [Field("n", .int), Field("x", .double), Field("s", .string), Field("b", .bool), Field("l", .strings)]
        let collection = try await fixture.database.createCollection("t", schema: Schema(dimension: 2, fields: fields))
        var records: [Record] = []
        for row in 0 ..< 6_000 {
            var values: [String: Value] = [
                "n": .int(Int64.random(in: 0 ..< 100, using: &random)), "b": .bool(Bool.random(using: &random)),
                "l": .strings(["a", "b\(Int.random(in: 0 ..< 3, using: &random))"]),
            ]
            if Bool.random(using: &random) { values["x"] = .double(Double.random(in: 0 ..< 2_000, using: &random)) }
            values["s"] = .string(Int.random(in: 0 ..< 10, using: &random) < 7 ? "common" : "rare \(row)")
            records.append(Record(id: .int(Int64(row)), vector: [Float(row), 1], fields: values))
        }
        try await collection.insert(records)
        return Table(fixture: fixture, collection: collection)
    }
}
