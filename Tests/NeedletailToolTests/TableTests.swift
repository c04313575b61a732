import Foundation
import Needletail
import NeedletailTestSupport
import NeedletailTool
import Testing

@Suite("Tables: JSON lines and CSV")
struct TableTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ name: String, _ text: String) throws -> String {
        let path = folder.path(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// All rows, in one batch, of a file that is loaded into a new collection.
    private func load(
        _ name: String, _ text: String, _ change: (inout LoadPlan.Options) -> Void = { _ in }
    ) throws -> (plan: LoadPlan, batch: RowBatch, skipped: SkippedRows) {
        var options = LoadPlan.Options()
        change(&options)
        let plan = try LoadPlan(files: [write(name, text)], schema: nil, options: options)
        var source = try RowSource(plan, skipsBadRows: options.skipsBadRows)
        let batch = try #require(try source.next(limit: 1000))
        #expect(try source.next(limit: 1000) == nil)
        return (plan, batch, source.skipped)
    }

    private func message(_ name: String, _ text: String, _ change: (inout LoadPlan.Options) -> Void = { _ in }) throws -> String {
        do {
            _ = try load(name, text, change)
            return "no error"
        } catch let error as InputError {
            return error.description.replacing(folder.path(name), with: name)
        }
    }

    @Test("JSON lines: ids, the vector and the fields' types are found")
    func jsonLines() throws {
        let (plan, batch, _) = try load("a.jsonl", """
            {"id": "x", "v": [1, 2.5], "label": "cat", "n": 1, "score": 1, "ok": true, "when": "2024-01-31", "tags": ["a", "b"]}

            {"id": "y", "v": [3, 4], "label": null, "n": 2, "score": 0.5, "when": "2024-01-31T12:00:00Z", "tags": [], "box": {"w": 3}}\r
            """)
        #expect(plan.dimension == 2 && plan.vectorColumn == "v" && plan.idColumn == "id")
        #expect(plan.fields.map { "\($0.field.name):\($0.field.type)" }
            == ["label:string", "n:int", "score_:double", "ok:bool", "when:timestamp", "tags:strings"])
        #expect(batch.count == 2 && batch.allFloats == [1, 2.5, 3, 4])
        #expect(batch.id(ofRow: 0) == "x" && batch.id(ofRow: 1) == "y")
        guard case .string(let labels) = batch.columns[0], case .double(let scores) = batch.columns[2],
              case .bool(let oks) = batch.columns[3], case .strings(let tags) = batch.columns[5]
        else { Issue.record("columns of other types"); return }
        #expect(labels == ["cat", nil] && scores == [1, 0.5] && oks == [true, nil] && tags == [["a", "b"], []])
        #expect(batch.payloads?[0] == nil && batch.payloads?[1] == Data(#"{"box":{"w": 3}}"#.utf8))
        #expect(batch.place(ofRow: 1).place == .line(3))
    }

    @Test("CSV: quotes, empty cells, line ends inside cells")
    func csv() throws {
        let (plan, batch, _) = try load("a.csv", "\u{FEFF}id,name,zip,n,x,on,day,tags,embedding\r\n"
            + "1,\"Müller, \"\"Hans\"\"\",01234,5,1e3,TRUE,2024-01-31,\"[\"\"a\"\",\"\"b\"\"]\",\"[1, 2]\"\r\n"
            + "2,\"two\nlines\",99999,,2,false,,,\"[3,4]\"\n"
            + "3,\"\",1,-7,,,,[],\"[5,6]\"")
        #expect(plan.fields.map { "\($0.field.name):\($0.field.type)" }
            == ["name:string", "zip:string", "n:int", "x:double", "on:bool", "day:timestamp", "tags:strings"])
        #expect(batch.allFloats == [1, 2, 3, 4, 5, 6])
        #expect((0 ..< 3).map { batch.id(ofRow: $0) } == [1, 2, 3])
        guard case .string(let names) = batch.columns[0], case .string(let zips) = batch.columns[1], case .int(let ns) = batch.columns[2],
              case .timestamp(let days) = batch.columns[5], case .strings(let tags) = batch.columns[6]
        else { Issue.record("columns of other types"); return }
        #expect(names == ["Müller, \"Hans\"", "two\nlines", ""])
        #expect(zips == ["01234", "99999", "1"])
        #expect(ns == [5, nil, -7])
        #expect(days == [Timestamp(iso8601: "2024-01-31"), nil, nil])
        #expect(tags == [["a", "b"], nil, []])
        #expect((0 ..< 3).map { batch.place(ofRow: $0).place } == [.line(2), .line(3), .line(5)])
    }

    @Test("names that results use themselves get an underscore, in the file's columns too when they are loaded again")
    func reservedNames() throws {
        let text = #"{"sku":"x","id":5,"v":[1],"distance":2,"embedding":"no","score":0.5}"#
        let (plan, batch, _) = try load("a.jsonl", text) { $0.idField = "sku" }
        #expect(plan.fields.map(\.field.name) == ["id_", "distance_", "embedding_", "score_"] && plan.notes.count == 4)
        #expect(batch.id(ofRow: 0) == "x")
        let schema = Schema(dimension: 1, fields: plan.fields.map(\.field))
        var options = LoadPlan.Options()
        options.idField = "sku"
        #expect(try LoadPlan(files: [folder.path("a.jsonl")], schema: schema, options: options).fields.map(\.field.name) == plan.fields.map(\.field.name))
    }

    @Test("columns of several types become strings")
    func mixed() throws {
        let (plan, batch, _) = try load("a.jsonl", #"{"v":[1],"a":1,"b":"x"}"# + "\n" + #"{"v":[2],"a":"one","b":"2024-01-01"}"# + "\n" + #"{"v":[3],"a":true}"#)
        #expect(plan.fields.map(\.field.type) == [.string, .string])
        guard case .string(let a) = batch.columns[0] else { Issue.record("no strings"); return }
        #expect(a == ["1", "one", "true"])
        #expect((0 ..< 3).map { batch.id(ofRow: $0) } == [0, 1, 2])
    }

    @Test("the line at fault is named")
    func badLines() throws {
        let good = #"{"id":1,"v":[1,2]}"# + "\n"
        #expect(try message("a.jsonl", good + "{\"id\":2,\"v\":[1,2}\n").hasPrefix("a.jsonl:2: malformed JSON at byte 16 of the line: '}' where ',' or ']' should be"))
        #expect(try message("a.jsonl", good + "[1]\n").hasPrefix("a.jsonl:2: malformed JSON at byte 0"))
        #expect(try message("a.jsonl", String(repeating: good, count: 10) + #"{"id":2,"v":[1,2,3]}"#).hasPrefix("a.jsonl:11: the vector has 3 components where 2 are expected"))
        #expect(try message("a.jsonl", good + #"{"id":2}"#).hasPrefix("a.jsonl:2: no 'v' to take the vector from"))
        #expect(try message("a.jsonl", good + #"{"v":[1,2]}"#).hasPrefix("a.jsonl:2: no 'id' to take the id from"))
        #expect(try message("a.jsonl", good + #"{"id":1.5,"v":[1,2]}"#).hasPrefix("a.jsonl:2: an id is an integer or a string"))
        #expect(try message("a.jsonl", good + "{\"id\":2,\"v\":[1,NaN]}").contains("NaN"))
        #expect(try message("a.jsonl", "").contains("no field holds lists of numbers"))
        #expect(try message("a.jsonl", #"{"a":1}"#).contains("--vector-field"))
        #expect(try message("a.jsonl", good) { $0.idField = "key" }.contains("no field 'key' to take ids from; the fields are id, v"))
        #expect(try message("a.jsonl", good) { $0.vectorField = "id" }.contains("field 'id' holds no lists of numbers"))
        #expect(try message("a.jsonl", good + #"{"id":2,"v":[1,2],"n":"x"}"#) { $0.fields = [Field("n", .int)] }
            .hasPrefix("a.jsonl:2: field 'n' is of type int, not 'x'"))
        #expect(try message("a.csv", "").contains("empty"))
        #expect(try message("a.csv", "a,a\n").hasPrefix("a.csv:1: the header names column 'a' twice"))
        #expect(try message("a.csv", "a,\n").hasPrefix("a.csv:1: column 2 has no name"))
        #expect(try message("a.csv", "id,v\n1,\"[1]\"\n2\n").hasPrefix("a.csv:3: 1 cells where the header names 2"))
        #expect(try message("a.csv", "id,v\n1,\"[1]\n\n").hasPrefix("a.csv:2: a quote opened here is never closed"))
        #expect(try message("a.csv", "id,v\n1,\"[1]\"x\n").hasPrefix("a.csv:2: text follows a closing quote"))
    }

    @Test("--skip-bad goes on and counts")
    func skipBad() throws {
        let text = [#"{"id":1,"v":[1,2]}"#, "oops", #"{"id":2,"v":[1]}"#, #"{"id":3}"#, #"{"id":4,"v":[3,4]}"#].joined(separator: "\n")
        let (_, batch, skipped) = try load("a.jsonl", text) { $0.skipsBadRows = true }
        #expect(batch.count == 2 && batch.id(ofRow: 1) == 4 && batch.allFloats == [1, 2, 3, 4])
        #expect(skipped.count == 3 && skipped.reasons.count == 3)
    }

    @Test("metadata joins vectors by row, and a bad row takes its vector with it")
    func metadata() throws {
        let vectors = folder.path("a.bvecs")
        try Data((0 ..< 4).flatMap { [2, 0, 0, 0, UInt8($0), UInt8($0 + 1)] }).write(to: URL(fileURLWithPath: vectors))
        let good = try write("good.csv", "id,name\nw,n0\nx,n1\ny,n2\nz,n3\n")
        let bad = try write("bad.csv", "id,n\nw,0\nx,1\ny\nz,3\n")
        let short = try write("short.csv", "id,name\nw,n0\n")

        var options = LoadPlan.Options()
        options.metadata = good
        var source = try RowSource(LoadPlan(files: [vectors], schema: nil, options: options), skipsBadRows: false)
        let first = try #require(try source.next(limit: 3))
        let second = try #require(try source.next(limit: 3))
        #expect(first.count == 3 && second.count == 1 && second.id(ofRow: 0) == "z" && second.allFloats == [3, 4])

        options.metadata = short
        #expect { try LoadPlan(files: [vectors], schema: nil, options: options) } throws: {
            ($0 as? InputError)?.description.contains("1 row of metadata for 4 vectors") == true
        }

        options.metadata = bad
        options.skipsBadRows = true
        var skipping = try RowSource(LoadPlan(files: [vectors], schema: nil, options: options), skipsBadRows: true)
        let rest = try #require(try skipping.next(limit: 10))
        #expect(rest.count == 3 && rest.allFloats == [0, 1, 1, 2, 3, 4] && rest.id(ofRow: 2) == "z")
        #expect(rest.place(ofRow: 2).place == .row(3, offset: 22))
        #expect(skipping.skipped.count == 1)
    }

    @Test("without ids of their own, rows are numbered over all files")
    func rowNumbers() throws {
        let paths = try ["a.jsonl", "b.jsonl"].map { try write($0, "{\"v\":[1]}\n{\"v\":[2]}\n") }
        var source = try RowSource(LoadPlan(files: paths, schema: nil, options: LoadPlan.Options()), skipsBadRows: false)
        var ids: [RecordID] = []
        while let batch = try source.next(limit: 10) { ids += (0 ..< batch.count).map { batch.id(ofRow: $0) } }
        #expect(ids == [0, 1, 2, 3])
    }

    @Test("vectors with components that are no numbers are found")
    func unusable() throws {
        let path = folder.path("a.fvecs")
        var bytes = Data()
        for vector in [[1, 2], [0, 0], [3, Float.nan], [-Float.infinity, 1]] as [[Float]] {
            withUnsafeBytes(of: Int32(2)) { bytes.append(contentsOf: $0) }
            vector.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        var source = try RowSource(LoadPlan(files: [path], schema: nil, options: LoadPlan.Options()), skipsBadRows: false)
        let batch = try #require(try source.next(limit: 10))
        #expect(batch.unusableRows(needsDirection: false).map(\.row) == [2, 3])
        #expect(batch.unusableRows(needsDirection: true).map(\.row) == [1, 2, 3])
    }

    @Test("no bytes make the CSV reader crash or stand still", arguments: [5] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("a1,\"\n\r[]é".utf8)
        for _ in 0 ..< 500 {
            let bytes = (0 ..< Int.random(in: 0 ... 60, using: &random)).map { _ in alphabet[Int.random(in: 0 ..< alphabet.count, using: &random)] }
            let path = folder.path("f.csv")
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            guard var reader = try? CSVReader(path: path) else { continue }
            var steps = 0
            reading: while steps < 1000 {
                steps += 1
                do { if try reader.next() == nil { break reading } } catch {}
            }
            #expect(steps < 1000, "seed \(seed), bytes \(bytes)")
        }
    }

    @Test("text that is not UTF-8 costs its record of CSV and no other")
    func notUTF8() throws {
        let path = folder.path("latin.csv")
        let latin = "id,name,v\n1,a,\"[1]\"\n\u{FF}2,b,\"[2]\"\n3,\"q\u{FF}\"\"x\ny\",\"[3]\"\n4,d,\"[4]\"\n"
        try #require(latin.data(using: .isoLatin1)).write(to: URL(fileURLWithPath: path))
        var reader = try CSVReader(path: path)
        var outcomes: [String] = []
        reading: while outcomes.count < 10 {
            do {
                guard let row = try reader.next() else { break reading }
                outcomes.append("row \(row.line)")
            } catch {
                outcomes.append("error \(error.place)")
                #expect(error.message.contains("UTF-8"))
            }
        }
        #expect(outcomes == ["row 2", "error line(3)", "error line(4)", "row 6"])
    }

    @Test("metadata that is not UTF-8 takes its vector with it and moves no other")
    func notUTF8Metadata() throws {
        let vectors = folder.path("u.bvecs")
        try Data((0 ..< 3).flatMap { [1, 0, 0, 0, UInt8($0)] }).write(to: URL(fileURLWithPath: vectors))
        let metadata = folder.path("u.csv")
        try #require("a,n\nx,0\n\u{FF},1\nz,2\n".data(using: .isoLatin1)).write(to: URL(fileURLWithPath: metadata))
        var options = LoadPlan.Options()
        options.metadata = metadata
        options.skipsBadRows = true
        var source = try RowSource(LoadPlan(files: [vectors], schema: nil, options: options), skipsBadRows: true)
        let batch = try #require(try source.next(limit: 10))
        #expect(batch.count == 2 && batch.allFloats == [0, 2] && batch.id(ofRow: 1) == 2 && source.skipped.count == 1)

        // After a stray quote nobody knows where the next row begins.
        options.metadata = try write("stray.csv", "a,n\n\"x,0\ny,\"1\"\nz,2\n")
        #expect { try LoadPlan(files: [vectors], schema: nil, options: options) } throws: {
            ($0 as? InputError)?.message.contains("text follows a closing quote") == true
        }
    }

    @Test("numbers in a payload keep all their digits")
    func payloadDigits() throws {
        let (_, batch, _) = try load("a.jsonl", #"{"v":[1],"box":[16777217, 0.123456789012],"w":[]}"# + "\n" + #"{"v":[2],"box":[1]}"#)
        #expect(batch.payloads?[0] == Data(#"{"box":[16777217, 0.123456789012]}"#.utf8))
        let (_, cells, _) = try load("a.csv", "v,box\n[1],\"[16777217, 2]\"\n[2],[3]\n[3],none\n")
        #expect(cells.payloads?.map { $0.map { String(decoding: $0, as: UTF8.self) } } == [#"{"box":[16777217, 2]}"#, #"{"box":[3]}"#, #"{"box":"none"}"#])
    }

    @Test("a number that no double holds is an error of its line")
    func hugeNumber() throws {
        #expect(try message("a.jsonl", #"{"v":[1],"n":1}"# + "\n" + #"{"v":[1],"n":-1e999}"#).hasPrefix("a.jsonl:2: malformed JSON at byte 13 of the line: a number beyond"))
    }

    @Test("columns that become strings in a new collection do so in one that exists, as --resume needs")
    func mixedAgain() throws {
        let (plan, _, _) = try load("a.jsonl", #"{"v":[1],"a":1,"b":2}"# + "\n" + #"{"v":[2],"a":"one"}"#) { $0.fields = [Field("b", .string)] }
        let schema = Schema(dimension: 1, fields: plan.fields.map(\.field))
        var options = LoadPlan.Options()
        options.fields = [Field("b", .string)]
        let again = try LoadPlan(files: [folder.path("a.jsonl")], schema: schema, options: options)
        #expect(again.fields == plan.fields && again.fields.allSatisfy { $0.field.type == .string && $0.isMixed })
        let other = try LoadPlan(files: [write("b.jsonl", #"{"v":[1],"b":2}"#)], schema: schema, options: .init())
        #expect(other.fields.map(\.isMixed) == [false])
    }
}
