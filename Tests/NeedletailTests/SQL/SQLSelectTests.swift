import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite struct SQLSelectTests {
    @Test("a search gives the nearest first, with the columns asked for")
    func search() async throws {
        let sample = try await SQLSample()
        let result = try await sample.database.query(
            "SELECT id, label AS what, distance, score FROM photos ORDER BY embedding <-> [1.25, 0] LIMIT 3")
        #expect(result.columns == [
            QueryColumn("id", .id), QueryColumn("what", .value(.string)), QueryColumn("distance", .value(.double)), QueryColumn("score", .value(.double)),
        ])
        #expect(result.rows == [["b", "dog", 0.25, -0.25], ["c", "cat", 0.75, -0.75], ["a", "cat", 1.25, -1.25]])
        #expect(result.recordIDs == ["b", "c", "a"])
        #expect(result.collection == "photos")
        #expect(result.plan?.recall == 1)
        #expect(result.changedCount == nil)
        #expect(result[column: "what"] == ["dog", "cat", "cat"])
        #expect(result[column: "none"] == nil)
    }

    @Test("* is the id, the fields and, in a search, the distance; the vector is a column by its name")
    func columns() async throws {
        let sample = try await SQLSample()
        let all = try await sample.database.query("SELECT * FROM photos LIMIT 1")
        #expect(all.columns.map(\.name) == ["id", "label", "price", "year", "sold", "taken", "tags"])
        #expect(all.rows[0][6] == .value(["furry", "small"]))
        let search = try await sample.database.query("SELECT *, embedding FROM photos ORDER BY embedding <-> '[0, 0]' LIMIT 2")
        #expect(search.columns.map(\.name) == ["id", "label", "price", "year", "sold", "taken", "tags", "distance", "embedding"])
        #expect(search.columns.last?.kind == .vector(dimension: 2))
        #expect(search.rows[1][8] == .vector([1, 0]))
        #expect(search.rows[1][8].description == "[1.0, 0.0]")
        let records = try await sample.database.query("SELECT embedding, id FROM photos WHERE id = 6")
        #expect(records.rows == [[.vector([5, 0]), 6]])
    }

    @Test("conditions are those of a filter")
    func conditions() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.ids("SELECT id FROM photos WHERE label IN ('cat', 'dog') AND NOT sold") == ["b"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE tags CONTAINS 'it''s' OR taken >= '2024-01-01'") == ["e", 6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label LIKE 'b%'") == ["d"])
        #expect(try await sample.ids("select id from photos where 2021 < year and year between 2020 and 2023") == ["c", "d"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label = 'cat' ORDER BY embedding <-> [9, 0]") == ["c", "a"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE FALSE ORDER BY embedding <-> [9, 0] LIMIT 3") == [])
        #expect(try await sample.ids("SELECT id FROM photos WHERE TRUE LIMIT 2 OFFSET 4") == ["e", 6])
    }

    @Test("LIMIT and OFFSET page through what is found; without LIMIT all is found")
    func paging() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> [0, 0]") == ["a", "b", "c", "d", "e", 6])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> [0, 0] LIMIT 2 OFFSET 1") == ["b", "c"])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> [0, 0] OFFSET 4 LIMIT 5;") == ["e", 6])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> [0, 0] LIMIT 0") == [])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> [0, 0] LIMIT 5 OFFSET 100") == [])
        #expect(try await sample.ids("SELECT id FROM photos OFFSET 5") == [6])
        #expect(try await sample.ids("SELECT id FROM photos LIMIT 0") == [])
    }

    @Test("records come in the order of a field, those without a value last")
    func fieldOrder() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY label") == ["d", "a", "c", "b", 6, "e"])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY price DESC LIMIT 3") == [6, "e", "c"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE sold ORDER BY year DESC LIMIT 1 OFFSET 1") == ["c"])
        #expect(try await sample.ids("SELECT id, year AS y FROM photos ORDER BY y DESC LIMIT 1") == [6])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY id") == [6, "a", "b", "c", "d", "e"])
    }

    @Test("records are counted, all or those that match, also within a distance")
    func count() async throws {
        let sample = try await SQLSample()
        let all = try await sample.database.query("SELECT COUNT(*) FROM photos")
        #expect(all.rows == [[6]])
        #expect(all.columns == [QueryColumn("count", .value(.int))])
        #expect(try await sample.rows("SELECT count(*) AS n FROM photos WHERE label = 'cat'") == [[2]])
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos WHERE embedding <-> [0, 0] <= 2") == [[3]])
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos WHERE FALSE") == [[0]])
    }

    @Test("GROUP BY with COUNT(*) gives the values of a field and how often they occur")
    func facets() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.rows("SELECT label, COUNT(*) FROM photos GROUP BY label") == [["cat", 2], ["dog", 2], ["bird", 1], [nil, 1]])
        #expect(try await sample.rows("SELECT COUNT(*), label FROM photos GROUP BY label LIMIT 1 OFFSET 1") == [[2, "dog"]])
        #expect(try await sample.rows("SELECT label, COUNT(*) FROM photos GROUP BY label ORDER BY label DESC") == [["dog", 2], ["cat", 2], ["bird", 1], [nil, 1]])
        #expect(try await sample.rows("SELECT label, COUNT(*) FROM photos GROUP BY label ORDER BY COUNT(*) LIMIT 3") == [["bird", 1], [nil, 1], ["cat", 2]])
        #expect(try await sample.ids("SELECT label, COUNT(*) AS n FROM photos GROUP BY label ORDER BY n DESC LIMIT 2") == ["cat", "dog"])
        #expect(try await sample.ids("SELECT label AS l, COUNT(*) FROM photos GROUP BY label ORDER BY l LIMIT 2") == ["bird", "cat"])
        #expect(try await sample.ids("SELECT label, COUNT(*) FROM photos GROUP BY label ORDER BY count LIMIT 1") == ["bird"])
        #expect(try await sample.rows("SELECT tags, COUNT(*) FROM photos WHERE sold GROUP BY tags") == [["furry", 2], ["it's", 1], ["small", 1]])
        #expect(try await sample.rows("SELECT sold, COUNT(*) AS n FROM photos WHERE year < 2024 GROUP BY sold ORDER BY sold") == [[false, 2], [true, 2]])
    }

    @Test("a bound on the distance finds all within it, the nearest first")
    func radius() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.rows("SELECT id, distance FROM photos WHERE embedding <-> [2, 0] < 1") == [["c", 0.0]])
        #expect(try await sample.ids("SELECT id FROM photos WHERE embedding <-> [2, 0] <= 1") == ["c", "b", "d"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE embedding <-> [2, 0] <= 1 ORDER BY distance LIMIT 2") == ["c", "b"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE sold AND (distance < 3) ORDER BY embedding <-> [2.5, 0]") == ["c", "a", 6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE embedding <-> [2, 0] < 3 AND label = 'dog' ORDER BY embedding <-> [2, 0]") == ["b"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE embedding <-> [2, 0] <= 1 LIMIT 1 OFFSET 1") == ["b"])
    }

    @Test("GROUP BY in a search gives the best of each group, DISTINCT WITHIN no near-duplicates")
    func groups() async throws {
        let sample = try await SQLSample()
        let byLabel = "SELECT label, id FROM photos GROUP BY label ORDER BY embedding <-> [1.1, 0]"
        #expect(try await sample.rows(byLabel) == [["dog", "b"], ["cat", "c"], ["bird", "d"], [nil, "e"]])
        #expect(try await sample.rows(byLabel + " LIMIT 1 OFFSET 1") == [["cat", "c"]])
        #expect(try await sample.rows("SELECT label, id FROM photos WHERE embedding <-> [1.1, 0] < 1.5 AND year > 2021 GROUP BY label") == [["cat", "c"]])
        #expect(try await sample.ids("SELECT DISTINCT WITHIN 1.5 id FROM photos ORDER BY embedding <-> [0, 0]") == ["a", "c", "e"])
        #expect(try await sample.ids("SELECT DISTINCT WITHIN ? id FROM photos WHERE NOT id = 'a' ORDER BY embedding <-> [0, 0] LIMIT 2", 2.5) == ["b", "e"])
        #expect(try await sample.ids("SELECT DISTINCT WITHIN 1.5 id FROM photos WHERE embedding <-> [0, 0] <= 3") == ["a", "c"])
        #expect(try await sample.ids("SELECT DISTINCT WITHIN 3.5 id FROM photos GROUP BY label ORDER BY embedding <-> [0, 0] WITH (exact)") == ["a", "e"])
    }

    @Test("every metric has its operator", arguments: [("l2", "<->"), ("cosine", "<=>"), ("dot", "<#>")])
    func metrics(metric: String, symbol: String) async throws {
        let sample = try await SQLSample(metric: metric)
        let collection = try sample.database.collection("photos")
        let result = try await sample.database.query("SELECT id, distance FROM photos ORDER BY embedding \(symbol) [3, 1] LIMIT 4")
        let hits = try collection.search(near: [3, 1], k: 4)
        #expect(result.recordIDs == hits.map(\.id))
        #expect(result[column: "distance"] == hits.map { .value(.double($0.distance)) })
        for other in ["<->", "<=>", "<#>"] where other != symbol {
            let error = await sample.error("SELECT id FROM photos ORDER BY embedding \(other) [3, 1] LIMIT 4")
            #expect(error?.message.contains("write \(symbol)") == true, "\(error?.message ?? "")")
            #expect(error?.column == 42)
        }
    }

    @Test("a vector is written out, that of a record, that of a picture, or a parameter")
    func vectors() async throws {
        let sample = try await SQLSample()
        let statement = "SELECT id FROM photos ORDER BY embedding <-> "
        #expect(try await sample.ids(statement + "[+2.9, -0.0] LIMIT 1") == ["d"])
        #expect(try await sample.ids(statement + "'[2.9, 0]' LIMIT 1") == ["d"])
        #expect(try await sample.ids(statement + "record('d') LIMIT 1") == ["d"])
        #expect(try await sample.ids(statement + "RECORD(6) LIMIT 2") == [6, "e"])
        #expect(try await sample.ids(statement + "record(?) LIMIT 1", "d") == ["d"])
        #expect(try await sample.ids(statement + "? LIMIT ?", [2.9, 0], 1) == ["d"])
        let options = QueryOptions(resolveImage: { name, collection in [Float(name.utf8.count), Float(collection.schema.dimension) - 2] })
        let found = try await sample.database.query(statement + "image('abc') LIMIT 1", options: options)
        #expect(found.recordIDs == ["d"])
        let named = try await sample.database.query(statement + "image(?) LIMIT 1", "abc", options: options)
        #expect(named.recordIDs == ["d"])
    }

    @Test("the recall and the knobs are settings of the search")
    func settings() async throws {
        let sample = try await SQLSample()
        for settings in ["recall = 0.9", "recall = 1", "exact = true", "exact", "recall = ?1, threads = 2", "EXACT = FALSE"] {
            let statement = "SELECT id FROM photos ORDER BY embedding <-> [0, 0] LIMIT 2 WITH (\(settings))"
            #expect(try await sample.database.prepare(statement).run(parameters: settings.contains("?") ? [0.5] : []).recordIDs == ["a", "b"])
        }
        let error = await sample.error("SELECT id FROM photos ORDER BY embedding <-> [0, 0] LIMIT 2 WITH (ef_search = 40)")
        #expect(error?.code == .unknownIndex)
        #expect(error?.column == 67)
    }

    @Test("a search through an index tells its plan")
    func index() async throws {
        let sample = try await SQLSample()
        let photos = try sample.database.collection("photos")
        try await photos.insert((100 ..< 3_000).map { Record(id: .int($0), vector: [Float($0), Float($0 % 7)]) })
        try await sample.database.query("CREATE INDEX ON photos USING HNSW (m = 8, ef_construction = 50)")
        let result = try await sample.database.query("SELECT id FROM photos ORDER BY embedding <-> [500, 3] LIMIT 5 WITH (ef_search = 40)")
        #expect(result.rows.count == 5)
        guard case .hnsw(let efSearch, _, _, _) = result.plan else {
            Issue.record("not through the index: \(String(describing: result.plan))")
            return
        }
        #expect(efSearch == 40)
        #expect(try await sample.database.query("SELECT id FROM photos ORDER BY embedding <-> [500, 3] LIMIT 5 WITH (exact)").plan?.recall == 1)
    }

    @Test("a search through lists takes their knobs")
    func lists() async throws {
        let sample = try await SQLSample()
        let photos = try sample.database.collection("photos")
        try await photos.insert((100 ..< 3_000).map { Record(id: .int($0), vector: [Float($0), Float($0 % 7)]) })
        try await sample.database.query("CREATE INDEX ON photos USING IVFPQ (nlist = 20, subspaces = 2, bits = 8, rotation = FALSE, seed = 3)")
        #expect(try photos.index()?.kind == "ivfpq")
        let statement = "SELECT id FROM photos ORDER BY embedding <-> [500, 3] LIMIT 5 WITH (nprobe = ?, refine_factor = 3)"
        let result = try await sample.database.query(statement, 4)
        #expect(result.recordIDs.count == 5)
        guard case .ivfpq(let nprobe, let refineFactor, _, _, _) = result.plan else {
            Issue.record("not through the lists: \(String(describing: result.plan))")
            return
        }
        #expect((nprobe, refineFactor) == (4, 3))
        #expect(await sample.error(statement, 400)?.code == .invalidArgument)
        #expect(await sample.error("SELECT id FROM photos ORDER BY embedding <-> [500, 3] LIMIT 5 WITH (ef_search = 40)")?.column == 69)
    }

    @Test("EXPLAIN gives the plan as rows and as text, and what it found where it is told to run")
    func explain() async throws {
        let sample = try await SQLSample()
        let select = "SELECT id FROM photos WHERE label = 'cat' ORDER BY embedding <-> [1, 0] LIMIT 2"
        let plan = try await sample.database.query("EXPLAIN " + select)
        #expect(plan.columns == [QueryColumn("plan", .value(.string))])
        #expect(plan.explanation?.isEmpty == false)
        #expect(plan.rows.map { $0[0].description }.joined(separator: "\n") == plan.explanation)
        let run = try await sample.database.query("EXPLAIN ANALYZE VERIFY " + select)
        #expect(run.explanation?.contains("recall") == true, "\(run.explanation ?? "")")
        let cases: [(String, Int, NeedletailError.Code)] = [
            ("EXPLAIN VERIFY SELECT id FROM photos", 31, .invalidArgument),
            ("EXPLAIN SELECT lable FROM photos", 16, .unknownField),
            ("EXPLAIN SELECT id FROM photos ORDER BY lable", 40, .unknownField),
            ("EXPLAIN SELECT id FROM photos WHERE embedding <-> [1, 0] < 2", 60, .invalidArgument),
            ("EXPLAIN SELECT id FROM photos GROUP BY label ORDER BY embedding <-> [1, 0]", 40, .invalidArgument),
            ("EXPLAIN SELECT id FROM photos WHERE lable = 'x' ORDER BY embedding <-> [1, 0]", 37, .unknownField),
            ("EXPLAIN SELECT id FROM photos ORDER BY embedding <-> [1]", 54, .dimensionMismatch),
            ("EXPLAIN SELECT id FROM photos ORDER BY embedding <-> [1, 0] LIMIT 2 WITH (ef_search = 40)", 75, .unknownIndex),
            ("EXPLAIN SELECT id FROM photos ORDER BY embedding <-> [1, 0] LIMIT 2 WITH (threads = 4)", 75, .invalidArgument),
        ]
        for (text, column, code) in cases {
            let error = await sample.error(text)
            #expect(error?.code == code, "\(text): \(error?.message ?? "")")
            #expect(error?.column == column, "\(text): \(error?.message ?? "")")
        }
    }

    @Test("a snapshot is queried as it was, and only read")
    func snapshot() async throws {
        let sample = try await SQLSample()
        let snapshot = try sample.database.snapshot()
        try await sample.database.query("DELETE FROM photos WHERE sold")
        #expect(try snapshot.query("SELECT COUNT(*) FROM photos").rows == [[6]])
        #expect(try sample.database.prepare("SELECT COUNT(*) FROM photos").read().rows == [[3]])
        #expect(throws: NeedletailError.self) { try snapshot.query("DELETE FROM photos") }
        #expect(throws: NeedletailError.self) { try snapshot.query("SELECT id FROM photos ORDER BY embedding <-> image('x')") }
    }

    @Test("a cancelled task runs no statement")
    func cancellation() async throws {
        let sample = try await SQLSample()
        let database = sample.database
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await database.query("DELETE FROM photos")
        }
        task.cancel()
        let error = await #expect(throws: NeedletailError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos") == [[6]])
    }
}
