import Foundation
import NeedletailTestSupport
import Testing

/// The shell as a script has it: statements from the command line, a pipe or a file.
@Suite("Shell in scripts")
struct ShellScriptTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try write("items.csv", "id,name,price,embedding\na,red,3,\"[1,0,0]\"\nb,green,4.5,\"[0,1,0]\"\nc,blue,,\"[0,0,1]\"\n")
    }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path(name)))
    }

    private func shell(_ arguments: String...) throws -> ToolRun { try ToolRun(["shell", "t.ntl"] + arguments, in: folder.url) }

    private func shell(input: String) throws -> ToolRun {
        try write("input.sql", input)
        return try ToolRun.Running(["shell", "t.ntl"], in: folder.url, input: FileHandle(forReadingFrom: URL(fileURLWithPath: folder.path("input.sql")))).end()
    }

    @Test("statements from a pipe, the last without a semicolon")
    func pipe() throws {
        #expect(try shell("-c", ".import items.csv items").status == 0)
        let run = try shell(input: "SELECT id FROM items; SELECT id FROM itms\n")
        #expect(run.status == 64 && run.errors.hasPrefix("needletail: line 1, column 38: there is no collection 'itms'"), "\(run.errors)")
        let rest = try shell(input: """
            -- nearest to red; with a comment
            SELECT id, name, price, distance FROM items
            ORDER BY embedding <-> [1, 0, 0] LIMIT 2;
            .mode csv
            SELECT id, price FROM items WHERE name != 'red'
            """)
        #expect(rest.status == 0 && rest.errors.isEmpty, "\(rest.errors)")
        #expect(rest.output == """
            id  name   price  distance
            ──  ─────  ─────  ────────
            a   red      3.0    0.0000
            b   green    4.5    1.4142
            2 rows; exact scan of 3 records
            id,price\r
            b,4.5\r
            c,\r

            """)
    }

    @Test("the first error ends a script, with its line and a caret; what came before stays")
    func errors() throws {
        #expect(try shell("-c", ".import items.csv items").status == 0)
        let run = try shell(input: "DELETE FROM items WHERE id = 'a';\n\n-- next\nSELECT id\nFROM items\nWHERE prce > 3;\nDELETE FROM items WHERE id = 'b';\n")
        #expect(run.status == 64 && run.output == "Deleted 1 record.\n")
        #expect(run.errors == "needletail: line 6, column 7: there is no field 'prce'; did you mean price?\n  WHERE prce > 3\n        ^\n")
        try write("inner.sql", "SELECT id FROM items;\nSELECT nothing FROM items;\n")
        let read = try shell(input: "\n.read inner.sql\n")
        #expect(read.status == 64 && read.errors.hasPrefix("needletail: inner.sql:2:8: "), "\(read.errors)")
        #expect(try shell("-c", "SELECT count(*) FROM items", "--mode", "json").output == "{\"count\":2}\n")
        try write("self.sql", ".read self.sql\n")
        #expect(try shell("-c", ".read self.sql").status == 64)
        #expect(try shell("-c", ".read none.sql").status == 74)
        #expect(try shell(input: "SELECT 'abc\n").status == 64)
    }

    @Test("-c may be repeated, and settings last from one to the next")
    func commandLine() throws {
        #expect(try shell("-c", ".import items.csv items", "-c", "SELECT id FROM items; .quit").status == 64, "a command is a line of its own")
        let json = try shell("-c", ".mode json", "-c", "SELECT id, name, price FROM items WHERE id = 'c';", "-c", ".quit", "-c", "SELECT 1")
        #expect(json.status == 0 && json.output == "{\"id\":\"c\",\"name\":\"blue\",\"price\":null}\n", "\(json.output) \(json.errors)")
    }

    @Test("a file that nothing was put into is not made; results go into a file that cannot be written with 74")
    func files() throws {
        #expect(try shell("-c", ".collections").output.hasPrefix("No collections yet"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("t.ntl")))
        #expect(try shell("-c", ".import items.csv items", "-c", ".output out.csv", "-c", ".mode csv", "-c", "SELECT id FROM items").status == 0)
        #expect(try String(contentsOfFile: folder.path("out.csv"), encoding: .utf8) == "id\r\na\r\nb\r\nc\r\n")
        #expect(try shell("-c", ".output none/out.csv").status == 74)
        #expect(try shell("-c", ".open items.csv").status == 65)
    }

    @Test("what is wrong with a picture is told with its place; a taken id names no option of the command line")
    func messages() throws {
        try write("none.jpg", "no picture")
        #expect(try shell("-c", ".import items.csv items").status == 0)
        let missing = try shell("-c", "SELECT id FROM items ORDER BY embedding <-> image('missing.jpg') LIMIT 1")
        #expect(missing.status != 0 && missing.errors.contains("^"), "\(missing.errors)")
        #expect(try shell("-c", "SELECT id FROM items ORDER BY embedding <-> image('none.jpg') LIMIT 1").status == 65)
        let again = try shell("-c", ".import items.csv items")
        #expect(again.status == 65 && again.errors.contains("'a' exists") && !again.errors.contains("--"), "\(again.errors)")
    }

    @Test("a schema is shown as the statement that makes it again")
    func schema() throws {
        let made = "CREATE COLLECTION \"my docs\" (\n  v VECTOR(4) F16,\n  title STRING,\n  year INT INDEXED\n) WITH (metric = cosine);\n"
        #expect(try shell("-c", made).output == "Made collection 'my docs': 4 dimensions, cosine, f16, 2 fields.\n")
        #expect(try shell("-c", ".schema").output == made)
    }

    @Test("a page of results has what the rows have")
    func sheet() throws {
        let run = try shell("-c", ".import items.csv items", "-c", ".mode sheet page.html", "-c",
            "SELECT id, name, distance FROM items ORDER BY embedding <-> [1,0,0] LIMIT 2")
        #expect(run.status == 0 && run.output.hasSuffix("2 rows on the page page.html\n"))
        let page = try String(contentsOfFile: folder.path("page.html"), encoding: .utf8)
        #expect(page.contains("green") && page.contains("1.4142") && page.contains("SELECT id, name"))
    }
}
