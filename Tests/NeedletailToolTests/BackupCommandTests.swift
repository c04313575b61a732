import Foundation
import NeedletailTestSupport
import Testing

@Suite("Backup on the command line")
struct BackupCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        var rows = ""
        for id in 0 ..< 20_000 { rows += "{\"id\":\(id),\"v\":[\(id % 7),\(id % 11),\(id % 13),1],\"n\":\(id % 10)}\n" }
        try Data(rows.utf8).write(to: URL(fileURLWithPath: folder.path("rows.jsonl")))
    }

    private func run(_ arguments: String...) throws -> ToolRun { try ToolRun(arguments, in: folder.url) }

    @Test("a copy taken while another process writes is whole, and has a state of its own")
    func whileWriting() throws {
        #expect(try run("create", "t.ntl", "other", "--dimension", "2").status == 0)
        let load = try ToolRun.Running(["load", "t.ntl", "rows", "rows.jsonl", "--batch", "50"], in: folder.url)
        for copy in ["a.ntl", "b.ntl"] {
            let backup = try run("backup", "t.ntl", copy)
            #expect(backup.status == 0 && backup.output.hasPrefix("Copied "), "\(backup.errors)")
            #expect(try run("check", copy).status == 0)
        }
        #expect(try load.end().status == 0)
        #expect(try run("backup", "t.ntl", "c.ntl", "--json").output.contains("\"collections\":2"))
        let count = try run("shell", "c.ntl", "--mode", "csv", "-c", "SELECT COUNT(*) FROM rows")
        #expect(count.output == "count\r\n20000\r\n")
    }

    @Test("a compact copy is smaller where much was dropped, and sound")
    func compact() throws {
        #expect(try run("load", "t.ntl", "rows", "rows.jsonl").status == 0)
        #expect(try run("shell", "t.ntl", "-c", "CREATE COLLECTION kept (v VECTOR(2))", "-c", "INSERT INTO kept (id, v) VALUES (1, [1, 2])", "-c", "DROP COLLECTION rows").status == 0)
        #expect(try run("backup", "t.ntl", "small.ntl", "--compact").status == 0)
        func size(_ name: String) throws -> Int {
            (try FileManager.default.attributesOfItem(atPath: folder.path(name))[.size] as? NSNumber)?.intValue ?? 0
        }
        #expect(try size("small.ntl") * 2 < size("t.ntl"))
        #expect(try run("check", "small.ntl").status == 0)
        // It goes on as a database that can be written.
        #expect(try run("shell", "small.ntl", "-c", "INSERT INTO kept (id, v) VALUES (2, [3, 4])", "-c", "SELECT id FROM kept").status == 0)
        #expect(try run("check", "small.ntl").status == 0)
    }

    @Test("nothing is overwritten, and what fails leaves nothing")
    func refused() throws {
        #expect(try run("create", "t.ntl", "other", "--dimension", "2").status == 0)
        #expect(try run("backup", "t.ntl", "rows.jsonl").status == 64)
        #expect(try run("backup", "t.ntl", "none/copy.ntl").status == 74)
        #expect(try run("backup", "none.ntl", "copy.ntl").status == 74)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).filter { $0.contains("copy") }.isEmpty)
    }
}
