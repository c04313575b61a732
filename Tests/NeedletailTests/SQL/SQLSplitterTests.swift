import Needletail
import NeedletailTestSupport
import Testing

@Suite struct SQLSplitterTests {
    @Test("semicolons end statements, but not in strings, names and comments")
    func splitting() {
        let cases: [(String, [(String, Int)])] = [
            ("", []), ("  \n ; ;; -- nothing;\n", []),
            ("a", [("a", 1)]), ("a;b", [("a", 1), ("b", 1)]), ("a;\n\nb;\n", [("a", 1), ("\n\nb", 3)]),
            ("SELECT ';' ; x", [("SELECT ';' ", 1), (" x", 1)]), ("'it''s;'", [("'it''s;'", 1)]), ("\"a;\"\"b;\" c", [("\"a;\"\"b;\" c", 1)]),
            ("a -- b;\n c; d", [("a -- b;\n c", 1), (" d", 2)]), ("-- 'a;\nb;", [("-- 'a;\nb", 2)]), ("a - b; -", [("a - b", 1), (" -", 1)]),
            ("'a\n;\nb'; c", [("'a\n;\nb'", 1), (" c", 3)]), ("'open;", [("'open;", 1)]), ("a;--", [("a", 1)]),
        ]
        for (text, expected) in cases {
            let statements = StatementSplitter.statements(in: text)
            #expect(statements.map(\.text) == expected.map(\.0), "\(text)")
            #expect(statements.map(\.line) == expected.map(\.1), "\(text)")
        }
    }

    @Test("what is not complete says what it waits for")
    func pending() {
        let cases: [(String, StatementSplitter.Pending)] = [
            ("", .nothing), ("\n", .nothing), ("a;", .nothing), ("a; -- b\n", .nothing), ("a; -- b", .nothing), ("a", .statement), ("a; b", .statement),
            ("a 'b", .string), ("a 'b;\n", .string), ("a \"b", .quotedName), ("a 'b'", .statement), ("a -- 'b", .statement), ("a -", .statement), ("a; -", .statement),
        ]
        for (text, expected) in cases {
            var splitter = StatementSplitter()
            splitter.append(text)
            #expect(splitter.pending == expected, "\(text)")
            #expect(StatementSplitter.isComplete(text) == (expected == .nothing), "\(text)")
        }
    }

    @Test("statements come out as soon as they are complete, and the rest at the end")
    func pieces() {
        var splitter = StatementSplitter()
        splitter.append("SELECT 1")
        #expect(splitter.next() == nil)
        splitter.append("\nFROM x; SELECT ")
        #expect(splitter.next()?.text == "SELECT 1\nFROM x")
        #expect(splitter.next() == nil)
        splitter.append("2 -")
        splitter.append("- a comment;\n")
        #expect(splitter.next() == nil)
        #expect(splitter.finish()?.text == " SELECT 2 -- a comment;\n")
        #expect(splitter.pending == .nothing)
        #expect(splitter.finish() == nil)
        splitter.append("x;")
        #expect(splitter.next() == StatementSplitter.Statement(text: "x", line: 3))
    }

    @Test("a long script takes time in proportion to its length")
    func long() {
        let script = String(repeating: "INSERT INTO photos (id) VALUES ('a;b');\n", count: 50_000)
        let statements = StatementSplitter.statements(in: script)
        #expect(statements.count == 50_000)
        #expect(statements.last?.line == 50_000)
    }
}
