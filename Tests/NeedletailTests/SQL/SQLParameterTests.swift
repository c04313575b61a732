import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite struct SQLParameterTests {
    @Test("a prepared statement runs with parameters of all kinds")
    func kinds() async throws {
        let sample = try await SQLSample()
        let label: String? = "cat"
        #expect(try await sample.ids("SELECT id FROM photos WHERE label = ? AND year >= ?", label, 2021) == ["c"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE sold = ? AND price > ?", true, Float(3)) == ["c", 6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE id = ?", RecordID.int(6)) == [6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE id = ?", Value.string("a")) == ["a"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label LIKE ? AND tags CONTAINS ?", "d%", "it's") == [6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label NOT LIKE ? OR label IS NULL AND year = ?", "c%", 2024) == ["b", "d", "e", 6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE ? < year", 2024) == [6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE year BETWEEN ? AND ?", 2021, 2022) == ["b", "c"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE taken > ?", Date(timeIntervalSince1970: 1_700_000_000)) == ["e", 6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE taken > ?", Timestamp(iso8601: "2025-01-01") ?? .now) == [6])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label IN (?, 'bird', ?) AND year IN (?)", "dog", "x", 2023) == ["d"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE label IN (?) AND year > ?", ["dog", "bird"], 2021) == ["d", 6])
        #expect(try await sample.ids("SELECT id FROM photos ORDER BY embedding <-> ? LIMIT ? OFFSET ?", [Float](arrayLiteral: 0, 0), 2, 1) == ["b", "c"])
        #expect(try await sample.ids("SELECT id FROM photos WHERE embedding <-> ? < ?", [0.0, 0], 1.5) == ["a", "b"])
    }

    @Test("numbered parameters are used more than once")
    func numbers() async throws {
        let sample = try await SQLSample()
        let statement = try sample.database.prepare(
            "SELECT id FROM photos WHERE embedding <-> ?2 < ?1 AND year != ?3 ORDER BY embedding <-> ?2 LIMIT ?1")
        #expect(statement.parameterCount == 3)
        #expect(statement.isReadOnly)
        #expect(try statement.read(2, [1.0, 0], 0).recordIDs == ["b", "a"])
        #expect(try await statement.run(3, [5.0, 0], 2024).recordIDs == [6, "d"])
        // A bare one goes on behind the greatest.
        #expect(try sample.database.prepare("SELECT id FROM photos WHERE year IN (?3, ?, ?1)").parameterCount == 4)
        #expect(try !sample.database.prepare("DELETE FROM photos WHERE id = ?").isReadOnly)
    }

    @Test("what looks like a statement in a parameter is a string")
    func injection() async throws {
        let sample = try await SQLSample()
        #expect(try await sample.ids("SELECT id FROM photos WHERE label = ?", "x' OR TRUE; DROP COLLECTION photos --") == [])
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos") == [[6]])
    }

    @Test("the wrong number or type of parameters is an error that points at them")
    func errors() async throws {
        let sample = try await SQLSample()
        let count = await sample.error("SELECT id FROM photos WHERE label = ?")
        #expect(count?.code == .invalidArgument)
        #expect(count?.expected == 1)
        #expect(count?.actual == 0)
        let cases: [(String, [any QueryParameter], NeedletailError.Code, Int, String)] = [
            ("SELECT id FROM photos WHERE label = ?", [3], .typeMismatch, 37, "is a string"),
            ("SELECT id FROM photos WHERE year = 1 OR label IN ('a', ?, 'b')", [3], .typeMismatch, 56, "is a string"),
            ("SELECT id FROM photos WHERE label = ?", [[1.0]], .typeMismatch, 37, "vector"),
            ("SELECT id FROM photos WHERE label = ?", [Value.null], .typeMismatch, 37, "IS NULL"),
            ("SELECT id FROM photos WHERE label LIKE ?", ["%x"], .invalidArgument, 40, "prefix"),
            ("SELECT id FROM photos WHERE label LIKE ?", [3], .typeMismatch, 40, "string"),
            ("SELECT id FROM photos LIMIT ?", ["x"], .typeMismatch, 29, "whole number"),
            ("SELECT id FROM photos LIMIT ?", [-1], .invalidArgument, 29, "negative"),
            ("SELECT id FROM photos ORDER BY embedding <-> ?", ["x"], .typeMismatch, 46, "vector"),
            ("SELECT id FROM photos ORDER BY embedding <-> ?", [[1.0]], .dimensionMismatch, 46, "dimension"),
            ("SELECT id FROM photos ORDER BY embedding <-> ?", [[Double.nan, 1]], .invalidVector, 46, "nan"),
            ("SELECT id FROM photos ORDER BY embedding <-> record(?)", [true], .typeMismatch, 53, "id"),
            ("SELECT id FROM photos ORDER BY embedding <-> record(?)", ["q"], .recordNotFound, 53, "no record q"),
            ("SELECT id FROM photos ORDER BY embedding <-> [1, 1] WITH (recall = ?)", ["x"], .typeMismatch, 68, "number"),
            ("INSERT INTO photos (id, embedding) VALUES (?, ?)", [1, "x"], .typeMismatch, 47, "vector"),
            ("INSERT INTO photos (id, embedding, label) VALUES (1, [1, 1], ?)", [[1.0]], .typeMismatch, 62, "string"),
        ]
        for (statement, parameters, code, column, part) in cases {
            let error = await #expect(throws: NeedletailError.self) { try await sample.database.prepare(statement).run(parameters: parameters) }
            #expect(error?.code == code, "\(statement): \(error?.message ?? "")")
            #expect(error?.column == column, "\(statement): \(error?.message ?? "")")
            #expect(error?.message.contains(part) == true, "\(statement): \(error?.message ?? "")")
        }
    }
}
