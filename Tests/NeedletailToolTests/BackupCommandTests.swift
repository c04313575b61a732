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
        #expect(try size("small.ntl") * 2 < size("t.ntl"))
        #expect(try run("check", "small.ntl").status == 0)
        // It goes on as a database that can be written.
        #expect(try run("shell", "small.ntl", "-c", "INSERT INTO kept (id, v) VALUES (2, [3, 4])", "-c", "SELECT id FROM kept").status == 0)
        #expect(try run("check", "small.ntl").status == 0)
    }

    private func size(_ name: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: folder.path(name))[.size] as? NSNumber)?.intValue ?? 0
    }

    @Test("a file is compacted in its place, unless somebody has it open")
    func inPlace() throws {
        #expect(try run("load", "t.ntl", "rows", "rows.jsonl").status == 0)
        #expect(try run("shell", "t.ntl", "-c", "CREATE COLLECTION kept (v VECTOR(2))", "-c", "INSERT INTO kept (id, v) VALUES (1, [1, 2])", "-c", "DROP COLLECTION rows").status == 0)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder.path("t.ntl"))
        let before = try size("t.ntl")
        do {
            let input = Pipe()
            let shell = try ToolRun.Running(["shell", "t.ntl"], in: folder.url, input: input.fileHandleForReading)
            input.fileHandleForWriting.write(Data("SELECT id FROM kept;\n".utf8))
            // It is open once it has answered, which `compact` waits for no longer than it must.
            while try shell.outputSoFar().isEmpty { usleep(10_000) }
            let refused = try run("compact", "t.ntl")
            #expect(refused.status == 74 && refused.errors.contains("another process"), "\(refused)")
            try input.fileHandleForWriting.close()
            #expect(try shell.end().status == 0)
        }
        let compacted = try run("compact", "t.ntl")
        #expect(compacted.status == 0 && compacted.output.hasPrefix("Compacted t.ntl: "), "\(compacted)")
        #expect(try size("t.ntl") * 2 < before)
        #expect((try FileManager.default.attributesOfItem(atPath: folder.path("t.ntl"))[.posixPermissions] as? NSNumber)?.intValue == 0o640)
        #expect(try run("shell", "t.ntl", "-c", "INSERT INTO kept (id, v) VALUES (2, [3, 4])").status == 0)
        #expect(try run("shell", "t.ntl", "--mode", "csv", "-c", "SELECT COUNT(*) FROM kept").output == "count\r\n2\r\n")
        #expect(try run("check", "t.ntl").status == 0)
        #expect(try run("compact", "t.ntl", "--json").output.contains("\"original_bytes\":"))
        #expect(try run("compact", "none.ntl").status == 74)
        #expect(try run("compact", "rows.jsonl").status != 0)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
        #expect(!left.contains { $0.contains("-part-") }, "\(left)")
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
