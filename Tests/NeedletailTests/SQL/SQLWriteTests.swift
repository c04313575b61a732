import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite struct SQLWriteTests {
    @Test("rows are inserted, all or none")
    func insert() async throws {
        let sample = try await SQLSample()
        let photos = try sample.database.collection("photos")
        #expect(try photos.get("a")?.fields == [
            "label": "cat", "price": 1.5, "year": 2020, "sold": true, "taken": .timestamp(Timestamp(iso8601: "2020-05-01") ?? .now), "tags": ["furry", "small"],
        ])
        #expect(try photos.get("b")?.fields["price"] == 2.0)
        let result = try await sample.database.query("INSERT INTO photos (embedding, id) VALUES ('[7, 7]', 7), (record('a'), 8)")
        #expect(result.changedCount == 2)
        #expect(try photos.get(8)?.vector == [0, 0])
        let error = await sample.error("INSERT INTO photos (id, embedding) VALUES (9, [1, 1]), ('a', [1, 1])")
        #expect(error?.code == .duplicateID)
        #expect(error?.column == 57)
        #expect(try photos.get(9) == nil)
    }

    @Test("OR REPLACE and OR IGNORE say what becomes of an id that is there")
    func conflicts() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.database.query("INSERT OR IGNORE INTO photos (id, embedding) VALUES ('a', [9, 9]), ('z', [9, 9])").changedCount == 1)
        #expect(try await sample.rows("SELECT embedding FROM photos WHERE id = 'a'") == [[.vector([0, 0])]])
        #expect(try await sample.database.query("INSERT OR REPLACE INTO photos (id, embedding, label) VALUES ('a', [9, 9], 'x')").changedCount == 1)
        #expect(try await sample.rows("SELECT embedding, label, year FROM photos WHERE id = 'a'") == [[.vector([9, 9]), "x", nil]])
    }

    @Test("fields are set where a condition holds, or everywhere")
    func update() async throws {
        let sample = try await SQLSample()
        let result = try await sample.database.query("UPDATE photos SET label = 'kitten', price = NULL, tags = ['x'], taken = '2030-01-01' WHERE label = 'cat'")
        #expect(result.changedCount == 2)
        #expect(result.columns.isEmpty)
        #expect(try await sample.rows("SELECT label, price, tags, taken FROM photos WHERE id = 'a'")
            == [["kitten", nil, .value(["x"]), .value(.timestamp(Timestamp(iso8601: "2030-01-01") ?? .now))]])
        #expect(try await sample.database.query("UPDATE photos SET sold = ?, price = ?", true, 7).changedCount == 6)
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos WHERE sold AND price = 7") == [[6]])
    }

    @Test("records are deleted where a condition holds, or everywhere")
    func delete() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.database.query("DELETE FROM photos WHERE id IN ('a', 6)").changedCount == 2)
        #expect(try await sample.database.query("DELETE FROM photos WHERE price > ?", 4).changedCount == 1)
        #expect(try await sample.database.query("DELETE FROM photos;").changedCount == 3)
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos") == [[0]])
        #expect(try await sample.rows("SELECT id FROM photos ORDER BY embedding <-> [1, 1]") == [])
    }

    @Test("collections are created and dropped")
    func collections() async throws {
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("x.ntl"))
        let create = "CREATE COLLECTION \"my notes\" (v VECTOR(3) F16, title TEXT INDEXED, tags TEXT[], n INTEGER) WITH (metric = dot)"
        #expect(try await database.query(create).changedCount == 1)
        #expect(try database.collection("my notes").schema == Schema(
            dimension: 3, metric: .dot, element: .f16,
            fields: [Field("title", .string, indexed: true), Field("tags", .strings), Field("n", .int)], vectorName: "v"))
        let again = await #expect(throws: NeedletailError.self) { try await database.query(create) }
        #expect(again?.code == .collectionExists)
        #expect(again?.column == 19)
        #expect(try await database.query(create.replacing("COLLECTION", with: "COLLECTION IF NOT EXISTS")).changedCount == 0)
        #expect(try await database.query("DROP COLLECTION \"my notes\"").changedCount == 1)
        #expect(try await database.query("DROP COLLECTION IF EXISTS \"my notes\"").changedCount == 0)
        let gone = await #expect(throws: NeedletailError.self) { try await database.query("DROP COLLECTION \"my notes\"") }
        #expect(gone?.code == .unknownCollection)
    }

    @Test("indexes are created and dropped")
    func indexes() async throws {
        let sample = try await SQLSample()
        let photos = try sample.database.collection("photos")
        #expect(try await sample.database.query("CREATE INDEX ON photos").changedCount == 1)
        #expect(try photos.index()?.kind == "hnsw")
        try await sample.database.query("CREATE INDEX ON photos USING hnsw WITH (m = 5, ef_construction = ?, quantization = SQ8, seed = 3)", 60)
        let index = try photos.index()
        #expect(index?.quantization == .sq8)
        // By itself the first setting would be refused.
        try await sample.database.query("CREATE INDEX ON photos USING HNSW (ef_construction = 8, m = 4)")
        #expect(try await sample.database.query("DROP INDEX ON photos").changedCount == 1)
        #expect(try photos.index() == nil)
        #expect(try await sample.database.query("DROP INDEX IF EXISTS ON photos").changedCount == 0)
        #expect(await sample.error("DROP INDEX ON photos")?.code == .unknownIndex)
    }

    @Test("pictures are inserted by their vectors")
    func images() async throws {
        let sample = try await SQLSample()
        let options = QueryOptions(resolveImage: { name, _ in name == "x.jpg" ? [5, 5] : [6, 6] })
        try await sample.database.query("INSERT INTO photos (id, embedding) VALUES ('x', image('x.jpg')), ('y', image(?))", "y.jpg", options: options)
        #expect(try await sample.rows("SELECT embedding FROM photos WHERE id IN ('x', 'y')") == [[.vector([5, 5])], [.vector([6, 6])]])
    }
}
