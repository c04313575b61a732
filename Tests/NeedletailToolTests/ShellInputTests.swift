import Needletail
import NeedletailTool
import Testing

@Suite("What is typed into the shell")
struct ShellInputTests {
    private func items(_ text: String) -> [StatementReader.Item] {
        var reader = StatementReader()
        var items = text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { reader.add(String($0)) }
        if let rest = reader.finish() { items.append(rest) }
        return items
    }

    @Test("statements end with a semicolon, commands with their line; each knows its line")
    func items() {
        #expect(items("SELECT 1; SELECT\n 2;\n.mode csv\nSELECT ';' -- ;\n;") == [
            .statement("SELECT 1", line: 1), .statement(" SELECT\n 2", line: 1, offset: 9), .command(".mode csv", line: 3),
            .statement("SELECT ';' -- ;", line: 4),
        ])
        #expect(items("\n-- a comment; with one\n\n  .quit  \n-- another\nSELECT\n'\n.no command\n'") == [
            .command(".quit", line: 4), .statement("SELECT\n'\n.no command\n'", line: 6),
        ])
        #expect(items("\n--\n  \n") == [])
        #expect(items("A; B;C; D\n; E") == [
            .statement("A", line: 1), .statement(" B", line: 1, offset: 2), .statement("C", line: 1, offset: 5),
            .statement(" D", line: 1, offset: 7), .statement(" E", line: 2, offset: 1),
        ])
    }

    @Test("a statement that was given up leaves nothing behind")
    func discard() {
        var reader = StatementReader()
        #expect(reader.add("SELECT 'x").isEmpty && reader.isInsideStatement && reader.openQuote == "'")
        reader.discard()
        #expect(!reader.isInsideStatement && reader.openQuote == nil)
        #expect(reader.add("DROP;") == [.statement("DROP", line: 2)])
    }

    @Test("commands are read as people write them", arguments: [
        (".quit", .quit), (".exit;", .quit), (".q", .quit), (".tables", .collections), (".mode json", .mode(.json, file: nil)),
        (".mode sheet 'my page.html'", .mode(.sheet, file: "my page.html")), (".timer ON", .timer(true)), (".images off", .images(false)),
        (".import \"a \"\"b\"\".csv\" items", .importFile("a \"b\".csv", collection: "items")), (".indices x", .indexes("x")),
        (".output", .output(nil)), (".read x.sql;", .read("x.sql")), (".help", .help(nil)),
    ] as [(String, DotCommand)])
    func commands(line: String, command: DotCommand) throws {
        #expect(try DotCommand(parsing: line) == command)
    }

    @Test("a command that is none names the nearest, or how it is written", arguments: [
        (".mod json", ".mode"), (".colections", ".collections"), (".mode jsn", "json"), (".timer maybe", ".timer on|off"),
        (".import a.csv", ".import FILE COLLECTION"), (".xyzzy", ".help"), (".i", ".import"), (".mode json x", ".mode ["), (".open 'x", "quote"),
    ])
    func misspelt(line: String, hint: String) {
        do {
            let command = try DotCommand(parsing: line)
            #expect(line == ".mod json" && command == .mode(.json, file: nil))
        } catch {
            #expect(error.status == .usage && error.message.contains(hint), "\(error.message)")
        }
    }

    // MARK: Completion

    private let source = CompletionSource(
        collections: [("photos", ["embedding", "label", "taken"]), ("my docs", ["embedding", "title", "label"])],
        files: { path in ["cats/", "cat.jpg", "dog.jpg"].filter { $0.hasPrefix(path) } })

    @Test("words are completed by where they stand", arguments: [
        ("sel", "", ["select"]), ("SEL", "", ["SELECT"]), ("select * from ", "", ["\"my docs\"", "photos"]), ("select * FROM p", "", ["photos"]),
        ("select la", "", ["label"]), ("select id from photos where ta", "", ["taken"]), ("where ti", "select id from photos\n", ["timestamp"]),
        ("create index on ", "", ["\"my docs\"", "photos"]), ("order by embedding <-> im", "select id from photos ", ["image('"]),
        ("order by embedding <-> image('ca", "", ["cat.jpg", "cats/"]), (".mo", "", [".mode", ".model"]), (".mode s", "", ["sheet"]),
        (".import do", "", ["dog.jpg"]), (".import dog.jpg ph", "", ["photos"]), (".timer ", "", ["off", "on"]), ("select 'fro", "", []),
    ])
    func completion(text: String, earlier: String, expected: [String]) {
        #expect(source.complete(text, after: earlier).candidates == expected)
    }

    @Test("what is replaced is counted as the editor counts, a closing quote follows a file")
    func completionDetails() {
        let picture = source.complete("ORDER BY embedding <-> image('dog")
        #expect(picture.length == 3 && picture.suffix == "')")
        #expect(source.complete("größe, la").length == 2)
        #expect(Completion(length: 1, candidates: ["taken", "tags"]).commonPrefix == "ta")
        #expect(Completion.columns(["aa", "b", "cc", "d", "e"], width: 12) == ["aa  cc  e", "b   d"])
    }
}
