import Foundation
import NeedletailTestSupport
import Testing

/// Indexed fields, and loads that are resumed with the wrong file, from the command line.
@Suite("Indexed fields and resumed loads")
struct FieldOrderToolTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(_ arguments: String...) throws -> ToolRun { try ToolRun(arguments, in: folder.url) }

    private func writeVectors(_ name: String, _ rows: [[Float]]) throws {
        var bytes = Data()
        for row in rows {
            withUnsafeBytes(of: Int32(row.count).littleEndian) { bytes.append(contentsOf: $0) }
            row.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        try bytes.write(to: URL(fileURLWithPath: folder.path(name)))
    }

    @Test("an indexed field is made, filled by load, shown by info, used and checked")
    func indexedField() throws {
        #expect(try run("create", "t.ntl", "v", "--dimension", "2", "--field", "price:double:indexed", "--field", "label:string:indexed").status == 0)
        let count = 50_000
        try writeVectors("a.fvecs", (0 ..< count).map { [Float($0), 1] })
        let lines = (0 ..< count).map { "{\"price\":\(Double(($0 * 7919) % count) / 4),\"label\":\"l\($0 % 1000)\"}" }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder.path("a.jsonl")))
        let load = try run("load", "t.ntl", "v", "a.fvecs", "--metadata", "a.jsonl")
        #expect(load.status == 0, "\(load.errors)")
        let info = try run("info", "t.ntl").output
        #expect(info.contains("price  double, indexed") && info.contains("label  string, indexed"), "\(info)")
        let search = try run("search", "t.ntl", "v", "--vector", "[0,1]", "-k", "100", "--where", "price < 2.5 AND label LIKE 'l%'", "--json")
        #expect(search.lines.count == 10, "\(search.output)")
        let check = try run("check", "t.ntl")
        #expect(check.status == 0, "\(check.output)")
        let list = try run("create", "t.ntl", "w", "--dimension", "2", "--field", "tags:strings:indexed")
        #expect(list.status == 64 && list.errors.contains("'tags' is a list of strings, which has no order"), "\(list.errors)")
    }

    @Test("a resumed load of a new file alone is refused, not passed over")
    func resumeWithNewFileAlone() throws {
        try writeVectors("a.fvecs", (0 ..< 300).map { [Float($0), 1] })
        try writeVectors("b.fvecs", (0 ..< 200).map { [Float($0), 2] })
        #expect(try run("load", "t.ntl", "v", "a.fvecs").status == 0)
        let alone = try run("load", "t.ntl", "v", "b.fvecs", "--resume")
        #expect(alone.status == 65 && alone.errors.contains("b.fvecs: its first row is not the one that collection 'v' began with"), "\(alone.errors)")
        let both = try run("load", "t.ntl", "v", "a.fvecs", "b.fvecs", "--resume")
        #expect(both.status == 0 && both.output.hasPrefix("Loaded 200 rows"), "\(both.errors)")
        let again = try run("load", "t.ntl", "v", "a.fvecs", "b.fvecs", "--resume")
        #expect(again.status == 0 && again.output == "Nothing to load: all 500 rows were in 'v' already.\n", "\(again.output)")
    }

    @Test("a negative number of threads is told what is possible")
    func negativeThreads() throws {
        try writeVectors("a.fvecs", [[1, 2]])
        #expect(try run("load", "t.ntl", "v", "a.fvecs").status == 0)
        let search = try run("search", "t.ntl", "v", "--vector", "[1,2]", "--threads", "-1")
        #expect(search.status == 64 && search.errors.contains("--threads must be at least 1"), "\(search.errors)")
    }
}
