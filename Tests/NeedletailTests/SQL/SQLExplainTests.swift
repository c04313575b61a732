import Needletail
import NeedletailTestSupport
import Testing

@Suite("SQL: EXPLAIN of what is no search")
struct SQLExplainTests {
    private static func text(_ sample: SQLSample, _ statement: String) async throws -> String {
        let result = try await sample.database.query(statement)
        #expect(result.rows.map { $0[0].description }.joined(separator: "\n") == result.explanation)
        return try #require(result.explanation)
    }

    @Test("the tree names what counts, orders and reads", arguments: [
        ("SELECT COUNT(*) FROM photos", ["count 'photos'", "→ count: all records, whose number is known"]),
        ("SELECT COUNT(*) FROM photos WHERE year > 2021", ["→ count: the records that pass", "  → filter: year > 2021", "4 rows"]),
        ("SELECT label, COUNT(*) FROM photos GROUP BY label", ["count 'photos' by value", "→ group: one pass over 'label'"]),
        ("SELECT id FROM photos", ["records of 'photos'", "→ read: in order of arrival", "6 rows"]),
        ("SELECT id FROM photos ORDER BY year DESC LIMIT 2 OFFSET 1", ["→ read: in that order, without the first 1", "  → sort: by 'year', descending, of 6 records", "2 rows"]),
        ("SELECT id FROM photos WHERE sold ORDER BY id", ["→ sort: by 'id', ascending", "    → filter: sold"]),
    ])
    func trees(statement: String, parts: [String]) async throws {
        let sample = try await SQLSample()
        let text = try await Self.text(sample, "EXPLAIN " + statement)
        for part in parts { #expect(text.contains(part), "\(text)") }
        #expect(!text.contains("actual"))
        let run = try await Self.text(sample, "EXPLAIN ANALYZE " + statement)
        #expect(run.contains("actual"), "\(run)")
    }

    @Test("an ordered index is named where it orders and where it filters, and a rare value is not looked for in the column")
    func orderedIndex() async throws {
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("a.ntl"))
        let fields = [Field("n", .int, indexed: true), Field("m", .int)]
        let records = try await database.createCollection("t", schema: Schema(dimension: 2, fields: fields))
        let count = 70_000
        var rows: [Record] = []
        for row in 0 ..< count {
            let mixed = Int64(row * 7919 % count)
            rows.append(Record(id: .int(Int64(row)), vector: [Float(row), 1], fields: ["n": .int(mixed), "m": .int(Int64(row))]))
        }
        try await records.insert(rows, durability: .relaxed)
        func text(_ statement: String) async throws -> String { try #require(try await database.query(statement).explanation) }
        var plan = try await text("EXPLAIN ANALYZE SELECT id FROM t WHERE n < 100 LIMIT 5")
        #expect(plan.contains("→ ordered index: n < 100") && plan.contains("from the ordered index of 'n' (a scan:"), "\(plan)")
        plan = try await text("EXPLAIN SELECT COUNT(*) FROM t WHERE n < 100 AND m < 500")
        #expect(plan.contains("→ filter: ") && plan.contains("from the ordered index of 'n' and by a scan of 'm'"), "\(plan)")
        plan = try await text("EXPLAIN SELECT COUNT(*) FROM t WHERE n < 60000")
        #expect(!plan.contains("ordered index"), "\(plan)")
        plan = try await text("EXPLAIN SELECT id FROM t ORDER BY n DESC LIMIT 10")
        #expect(plan.contains("→ ordered index: by 'n', descending, about 10 steps"), "\(plan)")
        plan = try await text("EXPLAIN SELECT id FROM t ORDER BY m LIMIT 10")
        #expect(plan.contains("→ sort: by 'm'"), "\(plan)")
        plan = try await text("EXPLAIN SELECT id FROM t WHERE n BETWEEN 100 AND 149 ORDER BY embedding <-> [1, 2] LIMIT 5")
        #expect(plan.contains("→ exact scan: ") && plan.contains("  → ordered index: "), "\(plan)")
        // What few match is found by a list of them; that is the same as what a scan of all finds.
        let filter = try Filter(parsing: "n BETWEEN 100 AND 149"), near: [Float] = [35_000, 1]
        let found = try records.search(near: near, k: 10, where: filter)
        let all = try records.search(near: near, k: count, exact: true).map(\.id)
        let matching = Set(try records.ids(where: filter))
        #expect(found.map(\.id) == Array(all.filter(matching.contains).prefix(10)))
    }
}
