import Foundation
import Needletail
import NeedletailTestSupport
import Testing

@Suite struct SQLErrorTests {
    /// Statements that do not parse, the column at which they go wrong, and a part of the message.
    static let syntax: [(String, Int, String)] = [
        ("", 1, "expected a statement"),
        ("SELCT id FROM photos", 1, "did you mean SELECT?"),
        ("SELECT id FORM photos", 11, "did you mean FROM?"),
        ("SELECT FROM photos", 8, "expected a column"),
        ("SELECT id, FROM photos", 12, "expected a column"),
        ("SELECT id FROM", 15, "name of a collection, found the end"),
        ("SELECT id FROM 'photos'", 16, "bare or in double quotes: photos"),
        ("SELECT id FROM photos WEHRE a = 1", 23, "did you mean WHERE?"),
        ("SELECT id FROM photos WHERE", 28, "expected a condition"),
        ("SELECT id FROM photos WHERE a = 1 LIMTI 3", 35, "did you mean LIMIT?"),
        ("SELECT id FROM photos LIMIT 3 WHERE a = 1", 31, "WHERE must stand before LIMIT"),
        ("SELECT id FROM photos ORDER BY a ORDER BY b", 34, "a second ORDER BY"),
        ("SELECT id FROM photos LIMIT 1 LIMIT 2", 31, "a second LIMIT"),
        ("SELECT id FROM photos ORDER embedding <-> [1]", 29, "BY after ORDER"),
        ("SELECT id FROM photos ORDER BY embedding < [1]", 42, "<-> (L2)"),
        ("SELECT id FROM photos ORDER BY embedding <-> 3", 46, "a query vector"),
        ("SELECT id FROM photos ORDER BY embedding <-> recrod('a')", 46, "did you mean RECORD?"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 'x']", 50, "a number of the vector"),
        ("SELECT id FROM photos ORDER BY embedding <-> ['x']", 46, "a list of numbers"),
        ("SELECT id FROM photos ORDER BY embedding <-> []", 46, "a list of numbers"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1e39]", 47, "32-bit float"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2", 51, "',' or ']'"),
        ("SELECT id FROM photos ORDER BY embedding <-> 'x'", 46, "no vector"),
        ("SELECT id FROM photos ORDER BY embedding <-> image(x)", 52, "single quotes"),
        ("SELECT id FROM photos ORDER BY embedding <-> image(3)", 52, "single quotes"),
        ("SELECT id FROM photos ORDER BY embedding <-> record(1.5)", 53, "an id is a string or an integer"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1] DESC", 50, "farthest"),
        ("SELECT id FROM photos ORDER BY a, b", 33, "one distance or field"),
        ("SELECT id FROM photos LIMIT 1.5", 29, "whole number"),
        ("SELECT id FROM photos LIMIT many", 29, "a number after LIMIT"),
        ("SELECT id, embedding <-> [1] FROM photos", 22, "the column distance"),
        ("SELECT MAX(a) FROM photos", 8, "no function MAX"),
        ("SELECT COUNT(a) FROM photos", 14, "COUNT(*) counts records"),
        ("SELECT DISTINCT label FROM photos", 17, "GROUP BY"),
        ("SELECT id FROM photos, others", 22, "no joins"),
        ("SELECT id FROM photos HAVING a", 23, "HAVING"),
        ("SELECT id FROM photos WITH recall = 1", 28, "'('"),
        ("SELECT id FROM photos WITH (recall 1)", 36, "'=', ',' or ')'"),
        ("SELECT id FROM photos WITH (recall = 1, recall = 2)", 41, "set twice"),
        ("SELECT id FROM photos; SELECT id FROM photos", 24, "a second statement"),
        ("SELECT id FROM photos WHERE a = 1 OR embedding <-> [1] < 2", 38, "AND joins it"),
        ("SELECT id FROM photos WHERE NOT embedding <-> [1] < 2", 33, "AND joins it"),
        ("SELECT id FROM photos WHERE embedding <-> [1] > 2", 47, "< or <="),
        ("SELECT id FROM photos WHERE embedding <-> [1] < 2 AND distance < 3", 55, "a second distance"),
        ("SELECT id FROM photos WHERE order = 1", 29, "in double quotes"),
        ("SELECT id FROM photos WHERE a = ?0", 33, "numbered from ?1"),
        ("SELECT id FROM photos WHERE a = ?100000", 33, "numbered from ?1"),
        ("EXPLAIN DELETE FROM photos", 9, "only searches have a plan"),
        ("EXPLAIN ANALYSE SELECT id FROM photos", 9, "did you mean ANALYZE?"),
        ("INSERT photos (id) VALUES (1)", 8, "INTO after INSERT"),
        ("INSERT OR IGNOER INTO photos (id) VALUES (1)", 11, "did you mean IGNORE?"),
        ("INSERT INTO photos VALUES (1)", 20, "names of the columns"),
        ("INSERT INTO photos (id, id) VALUES (1, 2)", 25, "named twice"),
        ("INSERT INTO photos (id, label) VALUES (1)", 39, "1 value, but 2 columns"),
        ("INSERT INTO photos (id) VALUES (1), (1, 2)", 37, "2 values, but 1 column"),
        ("INSERT INTO photos (id) VALEUS (1)", 25, "did you mean VALUES?"),
        ("INSERT INTO photos (tags) VALUES (['a', 1])", 41, "a string in single quotes"),
        ("INSERT INTO photos (id) VALUES (cat)", 33, "'cat'"),
        ("UPDATE photos label = 1", 15, "SET"),
        ("UPDATE photos SET label 1", 25, "= and a value"),
        ("UPDATE photos SET label = 'a', label = 'b'", 32, "set twice"),
        ("UPDATE photos SET label = 'a' WHER year = 1", 31, "did you mean WHERE?"),
        ("UPDATE photos SET label = 'a' WHERE embedding <-> [1] < 2", 57, "within a distance"),
        ("DELETE photos", 8, "FROM"),
        ("DELETE FROM photos LIMIT 3", 20, "WHERE or the end"),
        ("CREATE TABLE photos (a INT)", 8, "a table is a COLLECTION"),
        ("CREATE COLECTION photos (a INT)", 8, "did you mean COLLECTION?"),
        ("CREATE COLLECTION photos", 25, "the columns"),
        ("CREATE COLLECTION photos (a VECTOR)", 35, "the dimension"),
        ("CREATE COLLECTION photos (a VECTOR(0))", 36, "1 to 65536"),
        ("CREATE COLLECTION photos (a VECTOR(1.5))", 36, "1 to 65536"),
        ("CREATE COLLECTION photos (a VECTOR(3) F64)", 39, "F32, F16, I8"),
        ("CREATE COLLECTION photos (a VECTOR(3), b STRNG)", 42, "did you mean STRING?"),
        ("CREATE COLLECTION photos (a VECTOR(3), b BLOB)", 42, "there are VECTOR, BOOL"),
        ("CREATE COLLECTION photos (id INT, a VECTOR(3))", 27, "leave it out"),
        ("CREATE COLLECTION photos (a VECTOR(3), a INT)", 40, "defined twice"),
        ("CREATE COLLECTION photos (a VECTOR(3), b INT INDEXD)", 46, "did you mean INDEXED?"),
        ("CREATE COLLECTION photos (a VECTOR(3)) USING METRIC cosine", 40, "WITH (metric = cosine)"),
        ("CREATE COLLECTION IF photos (a VECTOR(3))", 22, "NOT EXISTS"),
        ("CREATE INDEX photos", 14, "ON"),
        ("CREATE INDEX ON photos USING (m = 3)", 30, "HNSW"),
        ("DROP photos", 6, "COLLECTION or INDEX"),
        ("DROP INDEX photos", 12, "ON"),
    ]

    @Test("an error of syntax points at the character and says what was meant", arguments: syntax)
    func syntaxErrors(text: String, column: Int, part: String) async throws {
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("x.ntl"))
        let error = #expect(throws: NeedletailError.self) { try database.prepare(text) }
        #expect(error?.code == .syntax, "\(text)")
        #expect(error?.line == 1)
        #expect(error?.column == column, "\(text): \(error?.message ?? "")")
        #expect(error?.position == column - 1)
        #expect(error?.message.contains(part) == true, "\(text): \(error?.message ?? "")")
    }

    /// Statements that parse, but do not fit the collection.
    static let meaning: [(String, Int, NeedletailError.Code, String)] = [
        ("SELECT id FROM photo", 16, .unknownCollection, "did you mean photos?"),
        ("SELECT id FROM cars", 16, .unknownCollection, "there are: photos"),
        ("SELECT lable FROM photos", 8, .unknownField, "did you mean label?"),
        ("SELECT id FROM photos WHERE year = 2020 AND lable = 'cat'", 45, .unknownField, "did you mean label?"),
        ("SELECT id FROM photos WHERE label = 'x' AND (year = 3 OR NOT label = 5)", 70, .typeMismatch, "is a string"),
        ("SELECT id FROM photos WHERE label IN ('a', 5)", 44, .typeMismatch, "is a string"),
        ("SELECT id FROM photos WHERE year CONTAINS 'x'", 43, .typeMismatch, "is no list"),
        ("SELECT id FROM photos WHERE label", 29, .typeMismatch, "is a string"),
        ("SELECT COUNT(*) FROM photos WHERE lable = 'cat'", 35, .unknownField, "did you mean label?"),
        ("SELECT id FROM photos ORDER BY lable", 32, .unknownField, "did you mean label?"),
        ("SELECT id FROM photos ORDER BY tags", 32, .typeMismatch, "tags"),
        ("SELECT distance FROM photos", 8, .invalidArgument, "ORDER BY embedding <->"),
        ("SELECT id FROM photos WHERE distance < 3", 40, .invalidArgument, "ORDER BY embedding <->"),
        ("SELECT id FROM photos ORDER BY embeding <-> [1, 2]", 32, .unknownField, "the vector is called embedding"),
        ("SELECT id FROM photos ORDER BY label <-> [1, 2]", 32, .typeMismatch, "the vector is called embedding"),
        ("SELECT id FROM photos ORDER BY embedding <=> [1, 2]", 42, .invalidArgument, "compares by L2 distance: write <->"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2, 3]", 46, .dimensionMismatch, "3 components"),
        ("SELECT id FROM photos ORDER BY embedding <-> record('z')", 53, .recordNotFound, "no record z"),
        ("SELECT id FROM photos ORDER BY embedding <-> image('z')", 46, .invalidArgument, "resolveImage"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2] LIMIT 1000001", 59, .invalidArgument, "1,000,000"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2] WITH (recall = 1.5)", 68, .invalidArgument, "above 0 and at most 1"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2] WITH (recall = 0)", 68, .invalidArgument, "above 0 and at most 1"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2] WITH (recal = 1)", 59, .invalidArgument, "did you mean recall?"),
        ("SELECT id FROM photos ORDER BY embedding <-> [1, 2] WITH (exact = 3)", 67, .typeMismatch, "TRUE or FALSE"),
        ("SELECT id FROM photos WITH (recall = 0.9)", 29, .invalidArgument, "for searches"),
        ("SELECT id FROM photos WHERE embedding <-> [1, 2] < -1", 52, .invalidArgument, "not negative"),
        ("SELECT id FROM photos WHERE embedding <-> [1, 2] < 1 ORDER BY embedding <-> [1, 3]", 29, .invalidArgument, "a search has one"),
        ("SELECT id FROM photos WHERE embedding <-> [1, 2] < 1 ORDER BY label", 63, .invalidArgument, "nearest first"),
        ("SELECT id, COUNT(*) FROM photos", 12, .invalidArgument, "stands alone"),
        ("SELECT COUNT(*) FROM photos LIMIT 3", 8, .invalidArgument, "one row"),
        ("SELECT label FROM photos GROUP BY label", 35, .invalidArgument, "needs COUNT(*)"),
        ("SELECT year, COUNT(*) FROM photos GROUP BY label", 8, .invalidArgument, "nothing of single records"),
        ("SELECT label, COUNT(*) FROM photos GROUP BY lable", 45, .unknownField, "did you mean label?"),
        ("SELECT label, COUNT(*) FROM photos GROUP BY label ORDER BY year", 60, .invalidArgument, "COUNT(*) or label"),
        ("SELECT DISTINCT WITHIN 0.5 id FROM photos", 24, .invalidArgument, "for searches"),
        ("SELECT DISTINCT WITHIN 0 id FROM photos ORDER BY embedding <-> [1, 2]", 24, .invalidArgument, "above 0"),
        ("SELECT id FROM photos GROUP BY tags ORDER BY embedding <-> [1, 2]", 32, .typeMismatch, "several groups"),
        ("SELECT COUNT(*) FROM photos GROUP BY label ORDER BY embedding <-> [1, 2]", 8, .invalidArgument, "best of each group"),
        ("INSERT INTO photos (id, embedding, lable) VALUES (1, [1, 2], 'x')", 36, .unknownField, "did you mean label?"),
        ("INSERT INTO photos (embedding) VALUES ([1, 2])", 21, .invalidArgument, "name the column id"),
        ("INSERT INTO photos (id) VALUES (1)", 21, .invalidArgument, "name the column embedding"),
        ("INSERT INTO photos (id, embedding) VALUES (1, [1, 2, 3])", 47, .dimensionMismatch, "3 components"),
        ("INSERT INTO photos (id, embedding) VALUES (1, 'x')", 47, .typeMismatch, "expected a vector"),
        ("INSERT INTO photos (id, embedding) VALUES (1.5, [1, 2])", 44, .typeMismatch, "an id is"),
        ("INSERT INTO photos (id, embedding, year) VALUES (1, [1, 2], 'x')", 61, .typeMismatch, "type int"),
        ("INSERT INTO photos (id, embedding, taken) VALUES (1, [1, 2], 'soon')", 62, .typeMismatch, "ISO 8601"),
        ("UPDATE photos SET id = 3", 19, .invalidArgument, "OR REPLACE"),
        ("UPDATE photos SET embedding = [1, 2]", 19, .invalidArgument, "OR REPLACE"),
        ("UPDATE photos SET lable = 'x'", 19, .unknownField, "did you mean label?"),
        ("UPDATE photos SET year = 'x'", 26, .typeMismatch, "type int"),
        ("UPDATE photos SET year = 3 WHERE label = 3", 42, .typeMismatch, "is a string"),
        ("DELETE FROM photos WHERE lable = 'x'", 26, .unknownField, "did you mean label?"),
        ("CREATE COLLECTION x (label STRING)", 22, .invalidArgument, "needs a vector"),
        ("CREATE COLLECTION x (a VECTOR(2), b VECTOR(3))", 35, .invalidArgument, "a second vector"),
        ("CREATE COLLECTION x (a VECTOR(2)) WITH (metric = cosin)", 50, .invalidArgument, "cosine"),
        ("CREATE COLLECTION x (a VECTOR(2)) WITH (metrik = cosine)", 41, .invalidArgument, "did you mean metric?"),
        ("CREATE COLLECTION photos (a VECTOR(2))", 19, .collectionExists, "photos"),
        ("CREATE INDEX ON photos USING HSNW", 30, .invalidArgument, "did you mean HNSW?"),
        ("CREATE INDEX ON photos USING HNSW (m = 1)", 40, .invalidArgument, "2 to 64"),
        ("CREATE INDEX ON photos USING HNSW (ef_construction = 5000, m = 8)", 54, .invalidArgument, "2,000"),
        ("CREATE INDEX ON photos USING HNSW (ef_construction = 50, m = 8.5)", 62, .typeMismatch, "whole number"),
        ("CREATE INDEX ON photos USING IVFPQ (nlists = 8)", 37, .invalidArgument, "did you mean nlist?"),
        ("CREATE INDEX ON photos USING IVFPQ (nlist = 8, bits = 7)", 55, .invalidArgument, "bits"),
        ("CREATE INDEX ON photos USING HNSW (n = 1)", 36, .invalidArgument, "an HNSW index has no setting n"),
        ("CREATE INDEX ON photos USING HNSW (quantization = pq)", 51, .invalidArgument, "rabitq"),
        ("DROP INDEX ON photos", 15, .unknownIndex, "no index"),
        ("DROP COLLECTION photo", 17, .unknownCollection, "did you mean photos?"),
    ]

    @Test("a statement that does not fit the collection says where, and what would")
    func meaningErrors() async throws {
        let sample = try await SQLSample()
        for (text, column, code, part) in Self.meaning {
            let error = await sample.error(text)
            #expect(error?.code == code, "\(text): \(error?.message ?? "")")
            #expect(error?.column == column, "\(text): \(error?.message ?? "")")
            #expect(error?.message.contains(part) == true, "\(text): \(error?.message ?? "")")
        }
        #expect(try await sample.rows("SELECT COUNT(*) FROM photos") == [[6]])
        #expect(try sample.database.collectionNames() == ["photos"])
    }

    @Test("the message shows the line, with a caret below the place")
    func caret() async throws {
        let sample = try await SQLSample()
        let error = await sample.error("SELECT id\nFROM photos\n\tWHERE lable = 'cat'\nLIMIT 3")
        #expect(error?.line == 3)
        #expect(error?.column == 8)
        #expect(error?.message.hasSuffix("\n   WHERE lable = 'cat'\n         ^") == true, "\(error?.message ?? "")")
    }

    @Test("what a picture's model throws points at the picture")
    func imageErrors() async throws {
        struct Broken: Error {}
        let sample = try await SQLSample()
        let statement = "SELECT id FROM photos ORDER BY embedding <-> image('x.jpg') LIMIT 1"
        let broken = await sample.error(statement, options: QueryOptions(resolveImage: { _, _ in throw Broken() }))
        #expect(broken?.code == .invalidArgument)
        #expect(broken?.column == 52)
        let mismatch = await sample.error(
            statement, options: QueryOptions(resolveImage: { _, _ in throw NeedletailError(.modelMismatch, "another model") }))
        #expect(mismatch?.code == .modelMismatch)
        #expect(mismatch?.column == 52)
        let short = await sample.error(statement, options: QueryOptions(resolveImage: { _, _ in [1] }))
        #expect(short?.code == .dimensionMismatch)
        #expect(short?.column == 46)
        let cancelled = await sample.error(statement, options: QueryOptions(resolveImage: { _, _ in throw CancellationError() }))
        #expect(cancelled?.code == .cancelled)
    }

    @Test("what nests too deep or is too long is refused")
    func limits() async throws {
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("x.ntl"))
        let deep = "SELECT id FROM photos WHERE " + String(repeating: "(", count: 100_000) + "a = 1" + String(repeating: ")", count: 100_000)
        #expect(throws: NeedletailError.self) { try database.prepare(deep) }
        #expect(throws: NeedletailError.self) { try database.prepare("SELECT id FROM photos WHERE " + String(repeating: "NOT ", count: 10_000) + "a") }
        #expect(throws: NeedletailError.self) { try database.prepare("SELECT id FROM photos ORDER BY a <-> " + String(repeating: "record(", count: 100_000)) }
        #expect(throws: NeedletailError.self) { try database.prepare("SELECT id FROM photos ORDER BY a <-> " + String(repeating: "[", count: 100_000)) }
        let long = #expect(throws: NeedletailError.self) { try database.prepare("SELECT id FROM photos" + String(repeating: " ", count: 1 << 20)) }
        #expect(long?.code == .tooLarge)
        let wide = "[" + Array(repeating: "0.25", count: 65_536).joined(separator: ",") + "]"
        _ = try database.prepare("SELECT id FROM photos ORDER BY embedding <-> \(wide) LIMIT 1")
    }
}
