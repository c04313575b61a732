import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// The shell as a person at a terminal has it.
@Suite("Shell at a terminal")
struct ShellTerminalTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try Data("id,name,price,embedding\na,red,3,\"[1,0,0]\"\nb,grün,4.5,\"[0,1,0]\"\n".utf8)
            .write(to: URL(fileURLWithPath: folder.path("items.csv")))
    }

    private func shell(_ arguments: String..., columns: UInt16 = 100, environment: [String: String] = [:]) throws -> PseudoTerminal {
        let terminal = try PseudoTerminal(["shell"] + arguments, in: folder.url, columns: columns, environment: environment)
        try terminal.expect("needletail> ")
        return terminal
    }

    @Test("statements of several lines, editing, completion, errors with a caret, the end by Ctrl-D")
    func session() throws {
        let terminal = try shell("t.ntl")
        terminal.type(".imp\titems.\t ite\tms\n")
        try terminal.expect("Loaded 2 rows into 'items'")
        try terminal.expect("needletail> ")
        terminal.type("sel\tid, na\tfr\tit\t\n")
        try terminal.expect("       ...> ")
        terminal.type("whre name = 'grün';\n")
        try terminal.expect("Error: ")
        try terminal.expect("  whre name = 'grün'\n  ^\n")
        try terminal.expect("needletail> ")
        // What was typed comes back by an arrow; the cursor goes to the left, over a character of two bytes.
        terminal.type("\u{1B}[A")
        try terminal.expect("select id, name from items whre name = 'grün';")
        terminal.type(String(repeating: "\u{1B}[D", count: 15) + "\u{7F}\u{7F}\u{7F}here\n")
        try terminal.expect("b   grün")
        try terminal.expect("1 row\n")
        // What is typed before the prompt stands is echoed by the terminal, and Ctrl-C is a signal then.
        try terminal.expect("needletail> ")
        terminal.type(".quit")
        try terminal.expect(".quit")
        terminal.type("\u{3}")
        try terminal.expect("^C\nneedletail> ")
        terminal.type("\u{4}")
        #expect(try terminal.end() == 0)
        let history = try String(contentsOfFile: folder.path(".needletail_history"), encoding: .utf8)
        #expect(history.contains("items.csv") && !history.contains(".quit"))
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(".needletail_history"))
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)

        let next = try shell("t.ntl")
        next.type("\u{1B}[A")
        try next.expect("select id, name from items where name = 'grün';")
        next.type("\u{3}")
        try next.expect("^C\nneedletail> ")
        next.type("\u{3}")
        try next.expect("Once more")
        try next.expect("needletail> ")
        next.type("\u{3}")
        #expect(try next.end() == 0)
    }

    @Test("a history that cannot be written is no failure")
    func noHistory() throws {
        let terminal = try shell("t.ntl", environment: ["NEEDLETAIL_HISTORY": "/dev/null/nowhere"])
        terminal.type(".timer on\n")
        try terminal.expect("needletail> ")
        terminal.type("exit\n")
        #expect(try terminal.end() == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.path("t.ntl")), "nothing was put into the new file")
    }

    @Test("Ctrl-C ends a long statement and not the shell; nothing of it stays")
    func interrupt() throws {
        var bytes = Data()
        var random = SeededGenerator(seed: 7)
        for _ in 0 ..< 100_000 {
            withUnsafeBytes(of: Int32(32).littleEndian) { bytes.append(contentsOf: $0) }
            let vector: [Float] = (0 ..< 32).map { _ in random.normal() }
            vector.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        try bytes.write(to: URL(fileURLWithPath: folder.path("many.fvecs")))
        let terminal = try shell("t.ntl")
        terminal.type(".import many.fvecs many\n")
        try terminal.expect("Loaded 100,000 rows")
        try terminal.expect("needletail> ")
        terminal.type("CREATE INDEX ON many USING hnsw;\n")
        try terminal.expect("records/s")
        terminal.type("\u{3}")
        try terminal.expect("Stopped.")
        try terminal.expect("needletail> ")
        terminal.type(".indexes\n")
        try terminal.expect("No collection has an index yet")
        terminal.type("SELECT id, distance FROM many ORDER BY embedding <-> record(7) LIMIT 1;\n")
        try terminal.expect("1 row; exact scan of 100,000 records")
        terminal.type(".quit\n")
        #expect(try terminal.end() == 0)
        // Also as the first statement: on a busy machine the line editor was there before the signal's handler, and put back what it found.
        for _ in 0 ..< 4 {
            let terminal = try shell("t.ntl")
            terminal.type("CREATE INDEX ON many USING hnsw;\n")
            try terminal.expect("records/s")
            terminal.type("\u{3}")
            try terminal.expect("Stopped.")
            terminal.type(".quit\n")
            #expect(try terminal.end() == 0)
        }
    }

    @Test("a table is no wider than the terminal")
    func width() throws {
        let terminal = try shell("t.ntl", columns: 30)
        terminal.type(".import items.csv items\n")
        try terminal.expect("needletail> ")
        terminal.type("SELECT id, name, embedding, price, name AS again, name AS more FROM items;\n")
        try terminal.expect("─")
        #expect(try terminal.expect("No room for ").split(separator: "\n").allSatisfy { $0.count <= 30 })
    }

    @Test("pictures stand beside rows where the terminal says that it can show them, and it is told where it cannot")
    func pictures() throws {
        for seed in 0 ..< 3 as Range<UInt8> {
            var pixels: [UInt8] = []
            for y in 0 ..< 32 as Range<UInt8> { for x in 0 ..< 32 as Range<UInt8> { pixels += [seed * 80, x * 8, y * 8] } }
            try ImageEncoder.jpeg(PixelImage(width: 32, height: 32, pixels: pixels), quality: 90)
                .write(to: URL(fileURLWithPath: folder.path("p\(seed).jpg")))
        }
        #expect(try ToolRun(["images", "p.ntl", "photos", "."], in: folder.url).status == 0)
        let terminal = try shell("p.ntl")
        terminal.type(".images on\n")
        // One terminal answers that it knows no sixels, another that it does.
        try terminal.expectQuestion()
        terminal.type("\u{1B}[?62;1c")
        try terminal.expect("Images stay off: this terminal knows neither")
        terminal.type(".images on\n")
        try terminal.expect("needletail> ")
        try terminal.expectQuestion()
        terminal.type("\u{1B}[6;20;10t\u{1B}[?62;4c")
        try terminal.expect("by sixels")
        terminal.type("SELECT id, distance FROM photos ORDER BY embedding <=> image('p1.jpg') LIMIT 2;\n")
        try terminal.expect("2 rows")
        #expect(terminal.rawText.components(separatedBy: "\u{1B}Pq\"1;1;").count == 3)
    }
}
