import Foundation
import NeedletailTestSupport
import Testing

/// The tool as a script sees it: what it prints, where, and its exit status.
@Suite("Command line")
struct CommandLineTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(_ arguments: String...) throws -> ToolRun { try ToolRun(arguments, in: folder.url) }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path(name)))
    }

    private func writeItems() throws {
        try write("items.jsonl", """
            {"id":"a","v":[1,0,0],"name":"red","price":3,"tags":["warm"]}
            {"id":"b","v":[0,1,0],"name":"green","price":4.5,"on":"2024-01-31"}
            {"id":7,"v":[0,0,1],"name":"blue"}

            """)
    }

    private func writeVectors(_ name: String, _ rows: [[Float]]) throws {
        var bytes = Data()
        for row in rows {
            withUnsafeBytes(of: Int32(row.count).littleEndian) { bytes.append(contentsOf: $0) }
            row.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        try bytes.write(to: URL(fileURLWithPath: folder.path(name)))
    }

    @Test("load and search, as a table and as JSON lines")
    func loadAndSearch() throws {
        try writeItems()
        let load = try run("load", "t.ntl", "items", "items.jsonl")
        #expect(load.status == 0 && load.errors.isEmpty)
        #expect(load.output.hasPrefix("Loaded 3 rows into 'items' (3 dimensions, l2, f32, 4 fields) in "))

        let table = try run("search", "t.ntl", "items", "--vector", "[1, 0.1, 0]")
        #expect(table.status == 0 && table.errors.isEmpty)
        #expect(table.lines.dropLast() == [
            "#  id  distance  name   price  tags  on",
            "─  ──  ────────  ─────  ─────  ────  ───────────────────",
            "1  a     0.1000  red      3.0  warm",
            "2  b     1.3454  green    4.5        2024-01-31 00:00:00",
            "3  7     1.4177  blue",
        ])
        #expect(table.lines.last?.hasPrefix("3 records; exact scan of 3 records, ") == true)

        let json = try run("search", "t.ntl", "items", "--vector", "[0, 0.75, 1]", "--json", "-k", "2", "--exact", "--recall", "0.9")
        #expect(json.lines == [
            #"{"rank":1,"id":7,"distance":0.75,"fields":{"name":"blue"}}"#,
            #"{"rank":2,"id":"b","distance":1.0307764,"fields":{"name":"green","price":4.5,"on":"2024-01-31T00:00:00Z"}}"#,
        ])
    }

    @Test("filters, fields, radius, and a record as the question")
    func searchVariants() throws {
        try writeItems()
        #expect(try run("load", "t.ntl", "items", "items.jsonl").status == 0)
        func ids(_ arguments: String...) throws -> [String] {
            let run = try ToolRun(["search", "t.ntl", "items", "--json"] + arguments, in: folder.url)
            #expect(run.status == 0, "\(run.errors)")
            return run.lines.map { line in String(line.drop { $0 != "i" }.prefix { $0 != "," }) }
        }
        #expect(try ids("--vector", "[1,0,0]", "--where", "price > 3 OR price IS NULL") == ["id\":\"b\"", "id\":7"])
        #expect(try ids("--vector", "[1,0,0]", "--where", "tags CONTAINS 'warm'") == ["id\":\"a\""])
        #expect(try ids("--vector", "[1,0,0]", "--radius", "0.5") == ["id\":\"a\""])
        #expect(try ids("--like", "7", "-k", "1") == ["id\":\"a\""])
        try write("query.json", " [0, 1, 0]\n")
        #expect(try ids("--vector", "@query.json", "-k", "1") == ["id\":\"b\""])
        let fields = try run("search", "t.ntl", "items", "--vector", "[1,0,0]", "-k", "1", "--json", "--fields", "price, name")
        #expect(fields.output == #"{"rank":1,"id":"a","distance":0,"fields":{"price":3,"name":"red"}}"# + "\n")
        let none = try run("search", "t.ntl", "items", "--vector", "[1,0,0]", "--where", "price > 100")
        #expect(none.status == 0 && none.output.hasPrefix("Nothing found; exact scan of 0 records"))
    }

    @Test("create fixes what load would infer, and info tells it")
    func createAndInfo() throws {
        let create = try run("create", "t.ntl", "items", "--dimension", "3", "--metric", "cosine", "--element", "f16",
            "--field", "name:string", "--field", "price:double:indexed", "--field", "tags:strings", "--field", "on:date")
        #expect(create.status == 0 && create.output == "Made collection 'items': 3 dimensions, cosine, f16, 4 fields.\n")
        try writeItems()
        #expect(try run("load", "t.ntl", "items", "items.jsonl").status == 0)
        let info = try run("info", "t.ntl")
        #expect(info.output.contains("""
            collection items
              records    3
              vectors    embedding: 3 dimensions, cosine, f16, 18 B
              fields     name   string           about 3 different
                         price  double, indexed  1 null, about 2 different, 3 to 4.5
                         tags   strings          2 null, about 1 different
                         on     timestamp        2 null, about 1 different, 2024-01-31T00:00:00Z
                         from all records
            """), "\(info.output)")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(run("info", "t.ntl", "--json").output.utf8)) as? [String: Any])
        #expect((json["collections"] as? [[String: Any]])?.first?["count"] as? Int == 3)
        let check = try run("check", "t.ntl")
        #expect(check.status == 0 && check.output.hasPrefix("t.ntl is sound"))
        #expect(try run("create", "t.ntl", "items", "--dimension", "3").status == 64)
    }

    @Test("info tells of each field's values, from which records that is known, and says so in JSON too")
    func fieldStatistics() throws {
        let count = 10_000
        let rows = (0 ..< count).map { row in
            "{\"v\":[\(row)],\"n\":\(row % 100),\"label\":\"\(row % 10 < 7 ? "common" : "a rare value whose text is long: \(row)")\",\"new\":\(row % 4 == 0),"
                + "\"gone\":null\(row % 2 == 0 ? ",\"price\":\(row).25" : "")}"
        }
        try write("a.jsonl", rows.joined(separator: "\n") + "\n")
        #expect(try run("create", "t.ntl", "v", "--dimension", "1", "--field", "n:int", "--field", "label:string", "--field", "new:bool",
            "--field", "gone:int", "--field", "price:double").status == 0)
        #expect(try run("load", "t.ntl", "v", "a.jsonl").status == 0)
        let info = try run("info", "t.ntl")
        let lines = info.lines.drop { !$0.hasPrefix("  fields") }.map { $0.trimmingCharacters(in: .whitespaces) }
        #expect(lines.count == 6, "\(info.output) \(info.errors)")
        #expect(lines[0].hasPrefix("fields     n      int     about 100 different, 0 to 99; "), "\(lines)")
        #expect(lines[1].hasPrefix("label  string  about 3,001 different; 'common' 70 %"), "\(lines)")
        #expect(lines[2].wholeMatch(of: /new    bool    about 2 different; false 7\d %, true 2\d %/) != nil, "\(lines)")
        #expect(lines[3] == "gone   int     all null")
        #expect(lines[4] == "price  double  5,000 null, about 5,000 different, 0.25 to 9998.25", "\(lines)")
        #expect(lines[5] == "from a sample of 4,096 of 10,000 records")

        let json = try #require(try JSONSerialization.jsonObject(with: Data(run("info", "t.ntl", "--json").output.utf8)) as? [String: Any])
        let fields = try #require((json["statistics"] as? [String: [[String: Any]]])?["v"])
        #expect(fields.map { $0["name"] as? String } == ["n", "label", "new", "gone", "price"])
        #expect(fields[0]["minimum"] as? Int == 0 && fields[0]["maximum"] as? Int == 99 && fields[0]["distinctCount"] as? Int == 100)
        #expect((fields[1]["mostCommon"] as? [[String: Any]])?.first?["value"] as? String == "common")
        #expect(fields[3]["nullCount"] as? Int == count && fields[3]["minimum"] is NSNull)
        #expect(fields[4]["sampledCount"] as? Int == 4_096 && fields[4]["countWhenSampled"] as? Int == count)
        #expect(try run("shell", "t.ntl", "-c", ".info").output.hasSuffix(lines.last.map { "             \($0)\n" } ?? ""))
    }

    @Test("vector files with metadata, numbered rows, f16 kept as f16")
    func vectorFiles() throws {
        try writeVectors("a.fvecs", [[0, 0], [1, 0], [2, 0]])
        try write("a.csv", "name,size\nzero,1\none,\n\"two, too\",3\n")
        #expect(try run("load", "t.ntl", "v", "a.fvecs", "--metadata", "a.csv").status == 0)
        let hits = try run("search", "t.ntl", "v", "--vector", "[2.25,0]", "-k", "2", "--json")
        #expect(hits.lines == [
            #"{"rank":1,"id":2,"distance":0.25,"fields":{"name":"two, too","size":3}}"#,
            #"{"rank":2,"id":1,"distance":1.25,"fields":{"name":"one"}}"#,
        ])
        var header = "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }"
        header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
        try (Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8) + Data([0, 0x3C, 0, 0x40]))
            .write(to: URL(fileURLWithPath: folder.path("h.npy")))
        let load = try run("load", "t.ntl", "h", "h.npy", "--json")
        #expect(load.output.hasPrefix(#"{"collection":"h","loaded":1,"already_there":0,"skipped":0,"dimension":2,"metric":"l2","element":"f16","#))
    }

    @Test("a load that fails leaves nothing behind; one that failed midway says how to go on")
    func failedLoads() throws {
        var rows: [[Float]] = (0 ..< 3000).map { [Float($0), 1] }
        rows[1500][1] = .nan
        rows[2500][0] = .infinity
        try writeVectors("bad.fvecs", rows)

        let whole = try run("load", "t.ntl", "v", "bad.fvecs", "--batch", "5000")
        #expect(whole.status == 65)
        #expect(whole.errors.hasPrefix("needletail: bad.fvecs: row 1500 (byte 18004): "))
        #expect(try !run("info", "t.ntl").output.contains("collection v"))

        let midway = try run("load", "t.ntl", "v", "bad.fvecs", "--batch", "1000")
        #expect(midway.status == 65 && midway.errors.contains("needletail: 1,000 rows before it were loaded; --resume goes on after them"))
        let rest = try run("load", "t.ntl", "v", "bad.fvecs", "--resume", "--skip-bad", "--json")
        #expect(rest.status == 0)
        #expect(rest.output.hasPrefix(#"{"collection":"v","loaded":1998,"already_there":1000,"skipped":2,"#))
        #expect(rest.errors.split(separator: "\n").count == 2)
        let again = try run("load", "t.ntl", "v", "bad.fvecs", "--resume", "--skip-bad", "--json")
        #expect(again.output.hasPrefix(#"{"collection":"v","loaded":0,"already_there":2998,"skipped":2,"#) || again.output.contains(#""loaded":0,"#))
        #expect(try run("check", "t.ntl").status == 0)
    }

    @Test("what is wrong gets its exit status, one line on standard error, and nothing on standard output")
    func exitStatuses() throws {
        try writeItems()
        #expect(try run("load", "t.ntl", "items", "items.jsonl").status == 0)
        try write("note.ntl", "this is no database, but long enough to look like one\n")
        try write("cut.jsonl", "{\"id\":1,\"v\":[1,2\n")
        try write("zero.jsonl", "{\"id\":1,\"v\":[0,0]}\n")
        try write("twice.jsonl", "{\"id\":1,\"v\":[0,1]}\n{\"id\":1,\"v\":[1,1]}\n")
        try write("extra.jsonl", "{\"id\":9,\"v\":[0,1,2],\"colour\":\"red\"}\n")
        try write("type.jsonl", "{\"id\":9,\"v\":[0,1,2],\"price\":\"much\"}\n")
        try write("wide.jsonl", "{\"id\":9,\"v\":[0,1,2,3]}\n")
        try writeVectors("a.fvecs", [[1, 2]])
        try Data([1, 0, 0, 0, 1]).write(to: URL(fileURLWithPath: folder.path("cut.fvecs")))

        let cases: [([String], Int32, String)] = [
            (["search", "t.ntl", "items"], 64, "one of --vector, --image and --like"),
            (["search", "t.ntl", "items", "--vector", "[1,2"], 64, "list of numbers"),
            (["search", "t.ntl", "items", "--vector", "[1,0,0]", "--recall", "1.5"], 64, "--recall must be"),
            (["search", "t.ntl", "items", "--vector", "[1,0,0]", "-k", "0"], 64, "-k must be"),
            (["search", "t.ntl", "items", "--vector", "[1,0,0]", "--where", "price <"], 64, "price <"),
            (["search", "t.ntl", "items", "--vector", "[1,0,0]", "--where", "prize < 3"], 64, "prize"),
            (["search", "t.ntl", "items", "--vector", "[1,0,0]", "--fields", "nope"], 64, "nope"),
            (["search", "t.ntl", "nope", "--vector", "[1,0,0]"], 64, "there are: items"),
            (["search", "t.ntl", "items", "--vector", "[1,0]"], 65, "3"),
            (["search", "t.ntl", "items", "--like", "zzz"], 65, "zzz"),
            (["search", "none.ntl", "items", "--vector", "[1,0]"], 74, "none.ntl"),
            (["search", "t.ntl", "items", "--image", "none.png"], 65, "name the model that made them"),
            (["info", "note.ntl"], 65, "not a Needletail database"),
            (["check", "note.ntl"], 65, "note.ntl"),
            (["load", "note.ntl", "v", "a.fvecs"], 65, "note.ntl"),
            (["load", "t.ntl", "v", "none.fvecs"], 74, "none.fvecs: cannot be opened"),
            (["load", "t.ntl", "v", "cut.fvecs"], 65, "cut.fvecs: row 0"),
            (["load", "t.ntl", "v", "items.txt"], 64, "items.txt: the ending tells no format"),
            (["load", "t.ntl", "v", "cut.jsonl"], 65, "cut.jsonl:1: malformed JSON"),
            (["load", "t.ntl", "v", "zero.jsonl", "--metric", "cosine"], 65, "zero.jsonl:1:"),
            (["load", "t.ntl", "v", "twice.jsonl"], 65, "twice.jsonl"),
            (["load", "t.ntl", "items", "items.jsonl"], 65, "items.jsonl:1:"),
            (["load", "t.ntl", "items", "extra.jsonl"], 65, "colour"),
            (["load", "t.ntl", "items", "type.jsonl"], 65, "type.jsonl:1: field 'price' is of type double"),
            (["load", "t.ntl", "items", "wide.jsonl"], 65, "wide.jsonl"),
            (["load", "t.ntl", "items", "items.jsonl", "--metric", "dot"], 64, "--metric dot"),
            (["load", "nowhere/t.ntl", "v", "a.fvecs"], 74, "nowhere/t.ntl"),
            (["images", "t.ntl", "p", "nowhere"], 74, "nowhere"),
            (["create", "t.ntl", "x", "--dimension", "0"], 64, "dimension"),
            (["create", "t.ntl", "x", "--dimension", "3", "--field", "a:colour"], 64, "a:colour"),
            (["create", "t.ntl", "x", "--dimension", "3", "--metric", "l7"], 64, "l7"),
            (["fly"], 64, "fly"),
        ]
        for (arguments, status, text) in cases {
            let run = try ToolRun(arguments, in: folder.url)
            #expect(run.status == status, "\(arguments): \(run.errors)")
            #expect(run.output.isEmpty, "\(arguments)")
            #expect(run.errors.hasPrefix("needletail: ") && run.errors.contains(text), "\(arguments): \(run.errors)")
        }
        #expect(try run("info", "t.ntl").output.components(separatedBy: "collection ").count == 2)
        #expect(try String(contentsOfFile: folder.path("note.ntl"), encoding: .utf8).hasPrefix("this is no database"))
    }

    @Test("every command explains itself with an example", arguments: [
        "create", "load", "images", "index", "search", "bench", "info", "check", "optimize", "shell", "backup", "compact",
    ])
    func help(command: String) throws {
        let help = try run(command, "--help")
        #expect(help.status == 0 && help.output.contains("Example") && help.output.contains("needletail \(command) "))
    }

    @Test("a load killed at any time leaves a sound file that --resume completes", arguments: [0.02, 0.05, 0.1, 0.2])
    func killedLoad(seconds: Double) throws {
        try writeVectors("many.fvecs", (0 ..< 20_000).map { [Float($0), 1, 2, 3] })
        let running = try ToolRun.Running(["load", "t.ntl", "v", "many.fvecs", "--batch", "100"], in: folder.url)
        Thread.sleep(forTimeInterval: seconds)
        kill(running.process.processIdentifier, SIGKILL)
        _ = try running.end()
        let rest = try run("load", "t.ntl", "v", "many.fvecs", "--resume")
        #expect(rest.status == 0, "\(rest.errors)")
        #expect(try run("info", "t.ntl").output.contains("records    20,000\n"))
        #expect(try run("check", "t.ntl").status == 0)
    }

    @Test("a damaged file is found out by check")
    func damaged() throws {
        try writeVectors("many.fvecs", (0 ..< 40_000).map { [Float($0), 1, 2, 3, 4, 5, 6, 7] })
        #expect(try run("load", "t.ntl", "v", "many.fvecs").status == 0)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path("t.ntl")))
        // In the middle of the vectors, which fill most of the file.
        let needle = Data([Float(20_000), 1, 2, 3].withUnsafeBytes { Array($0) })
        let place = try #require(bytes.range(of: needle))
        bytes[place.lowerBound + 5] ^= 0x40
        try bytes.write(to: URL(fileURLWithPath: folder.path("t.ntl")))
        let check = try run("check", "t.ntl")
        #expect(check.status == 65 && !check.output.isEmpty && check.errors.contains("finding"))
    }

    @Test("output that cannot be written is a failure; a reader that reads no more is none")
    func fullOutput() throws {
        try writeItems()
        #expect(try run("load", "t.ntl", "items", "items.jsonl").status == 0)
        func status(to file: String) throws -> Int32 {
            let process = Process()
            process.executableURL = ToolRun.program
            process.arguments = ["info", folder.path("t.ntl")]
            process.standardOutput = FileHandle(forWritingAtPath: file)
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus
        }
        #expect(try status(to: "/dev/null") == 0)
        if FileManager.default.fileExists(atPath: "/dev/full") { #expect(try status(to: "/dev/full") == 74) }
    }

    @Test("a create that fails leaves no file, a field named twice is shown once")
    func leavesNoFile() throws {
        #expect(try run("create", "none.ntl", "x", "--dimension", "0").status == 64)
        #expect(!FileManager.default.fileExists(atPath: folder.path("none.ntl")))
        try writeItems()
        #expect(try run("load", "t.ntl", "items", "items.jsonl").status == 0)
        let hits = try run("search", "t.ntl", "items", "--vector", "[1,0,0]", "-k", "1", "--json", "--fields", "name,name")
        #expect(hits.lines == [#"{"rank":1,"id":"a","distance":0,"fields":{"name":"red"}}"#])
    }

    @Test("of many ids that are taken, --skip-bad passes over all, and takes the first of those that are new")
    func takenIDs() throws {
        func rows(_ ids: [Int]) -> String { ids.enumerated().map { "{\"id\":\($1),\"v\":[\($0)]}\n" }.joined() }
        try write("a.jsonl", rows(Array(-5 ..< 500)))
        try write("b.jsonl", rows(Array(0 ..< 520) + [519, 520, 520]))
        #expect(try run("load", "t.ntl", "v", "a.jsonl").status == 0)
        let load = try run("load", "t.ntl", "v", "b.jsonl", "--skip-bad", "--json")
        #expect(load.status == 0 && load.output.hasPrefix(#"{"collection":"v","loaded":21,"already_there":0,"skipped":502,"#), "\(load.output)")
        #expect(load.errors.hasPrefix("needletail: b.jsonl:1: a record with id 0 exists in collection 'v'"))
        let like = try run("search", "t.ntl", "v", "--like", "-5", "-k", "1", "--json")
        #expect(like.lines == [#"{"rank":1,"id":-4,"distance":1,"fields":{}}"#], "\(like.errors)")
    }
}
