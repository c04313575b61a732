import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Files made through the engine, read by a program that knows FORMAT.md only; and files that are damaged.
@Suite struct FormatTests {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/env")
        && (try? run(["python3", "--version"]).status) == 0

    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = try ChildProcess(arguments[0], Array(arguments.dropFirst()), isQuiet: true)
        var lines: [String] = []
        while let line = process.readLine() { lines.append(line) }
        return (process.wait(), lines.joined(separator: "\n"))
    }

    private func readFormat(_ path: String) throws -> (status: Int32, lines: [[String: Any]]) {
        let result = try Self.run(["python3", Self.repository.appendingPathComponent("tools/read-format.py").path, path, "--vectors"])
        let lines = result.output.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        return (result.status, lines)
    }

    private static let dimension = 4096
    private static let descriptor = TableDescriptor(
        name: "things", vectorByteCount: 4 * dimension,
        columns: ColumnType.allCases.map { ColumnDescriptor(name: "\($0)", type: $0) })

    private static func vector(_ row: Int) -> [Float] { (0 ..< dimension).map { Float(row) + Float($0) / 8 } }
    private static func text(_ row: Int) -> String { row % 20 == 4 ? String(repeating: "long é", count: 100) + "\(row % 40)" : "text \(row % 9)" }

    private static func batch(_ rows: Range<Int>, keys: RecordBatch.Keys, _ body: (RecordBatch) throws(StorageError) -> Void) throws(StorageError) {
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * dimension)
        defer { memory.deallocate() }
        for (position, row) in rows.enumerated() { (memory + position * dimension).update(from: vector(row), count: dimension) }
        func values<T>(_ value: (Int) -> T) -> [T?] { rows.map { $0 % 7 == 6 ? nil : value($0) } }
        try body(RecordBatch(
            keys: keys, vectors: memory, vectorStride: 4 * dimension, norms: rows.map { Float($0) / 2 },
            columns: [
                .bool(values { $0 % 2 == 0 }), .int(values { Int64($0) - 50 }), .double(values { Double($0) / 3 }),
                .timestamp(values { Int64($0) * 1_000_000 }), .string(values { text($0) }),
                .stringList(values { row in (0 ..< row % 4).map { text(row + $0) } }),
            ],
            payloads: rows.map { $0 % 3 == 0 ? Data("{\"row\":\($0)}".utf8) : nil },
            attachments: rows.map { $0 % 5 == 0 ? Data([UInt8($0 % 256), 255]) : nil }))
    }

    /// 200 rows in sealed blocks and tail segments, by runs, single ids and string ids; some deleted, replaced, changed.
    private func makeFile(_ path: String) throws -> Environment {
        let environment = try Environment(path: path)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(Self.descriptor)
            let table = try transaction.table("things")
            try Self.batch(0 ..< 90, keys: .range(-40 ..< 50)) { batch throws(StorageError) in try table.append(batch) }
            try Self.batch(90 ..< 150, keys: .keys((90 ..< 150).map { .string("id \($0)") })) { batch throws(StorageError) in try table.append(batch) }
        }
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("things")
            try Self.batch(150 ..< 200, keys: .ints((150 ..< 200).map { Int64($0 * 1000) })) { batch throws(StorageError) in try table.append(batch) }
            for id in [-40, -3, 20, 49] as [Int64] { _ = try table.delete(.int(id)) }
            _ = try table.delete(.string("id 149"))
            try Self.batch(200 ..< 201, keys: .ints([20])) { batch throws(StorageError) in try table.append(batch, onDuplicate: .replace) }
            _ = try table.update(.int(-1), [4: .string("changed"), 5: .stringList(["a", "b"]), 0: .null])
            _ = try table.update(.int(199_000), [1: .int(77), 5: .stringList(["c"])])
        }
        return environment
    }

    @Test("the reader made from FORMAT.md alone finds what the engine stored", .enabled(if: hasPython, "needs python3"))
    func independentReader() throws {
        let folder = try TemporaryFolder()
        let environment = try makeFile(folder.path("a.ntl"))
        #expect(try environment.check() == [])
        let (status, lines) = try readFormat(folder.path("a.ntl"))
        #expect(status == 0)
        #expect(lines.first?["format"] as? Int == 2)
        let table = try #require(try environment.snapshot().table("things"))
        #expect(lines.count == 2 + table.liveCount)
        for line in lines.dropFirst(2) {
            let slot = try #require(line["slot"] as? Int)
            let key: RecordKey = try (line["id"] as? String).map { .string($0) } ?? .int(Int64(#require(line["id"] as? Int)))
            #expect(try table.slot(for: key) == UInt32(slot))
            #expect(line["norm"] as? Double == Double(table.vectors.norm(slot)))
            let bytes = UnsafeRawBufferPointer(start: table.vectors.vector(slot), count: 4 * Self.dimension)
            #expect(line["vector"] as? String == bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            #expect(line["payload"] as? String == (try table.payload(ofSlot: UInt32(slot))).map { String(decoding: $0, as: UTF8.self) })
            #expect(line["attachment"] as? String == (try table.attachment(ofSlot: UInt32(slot)))?.base64EncodedString())
            let fields = try #require(line["fields"] as? [String: Any])
            for (position, type) in ColumnType.allCases.enumerated() {
                #expect(Self.isSame(fields["\(type)"], try table.cell(slot: UInt32(slot), column: position)), "slot \(slot), \(type)")
            }
        }
    }

    @Test("the reader made from FORMAT.md alone reads every version", .enabled(if: hasPython, "needs python3"), arguments: 1 ... 2)
    func everyVersion(version: Int) throws {
        let path = Self.repository.appendingPathComponent("Tests/FormatTests/Golden/version-\(version).ntl").path
        let (status, lines) = try readFormat(path)
        #expect(status == 0)
        #expect(lines.first?["format"] as? Int == version)
        // Records with infinities do not parse: their tables tell how many there are.
        #expect(lines.compactMap { $0["live"] as? Int }.sorted() == (version == 1 ? [6] : [3, 6]) + [GoldenFile.records.count])
    }

    private static func isSame(_ json: Any?, _ cell: CellValue) -> Bool {
        switch cell {
        case .null: json is NSNull
        case .bool(let value): json as? Bool == value
        case .int(let value), .timestamp(let value): json as? Int == Int(value)
        case .double(let value): json as? Double == value
        case .string(let value): json as? String == value
        case .stringList(let value): json as? [String] == value
        }
    }

    @Test("the worked example of FORMAT.md is what the engine writes")
    func workedExample() throws {
        let text = try String(contentsOf: Self.repository.appendingPathComponent("FORMAT.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## 13. A worked example").last)
        let dump = section.components(separatedBy: "```")[1]
        var bytes: [UInt8] = []
        for line in dump.split(separator: "\n") {
            // Offset, two blanks, the bytes in 48 columns, a note.
            bytes += line.dropFirst(4).prefix(48).split(separator: " ").compactMap { $0.count == 2 ? UInt8($0, radix: 16) : nil }
        }
        #expect(bytes.count == 74)
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(
                name: "t", vectorByteCount: 8, columns: [ColumnDescriptor(name: "s", type: .string)]))
            let vector = UnsafeMutablePointer<Float>.allocate(capacity: 2)
            defer { vector.deallocate() }
            vector[0] = 1
            vector[1] = 2
            try transaction.table("t").append(RecordBatch(
                keys: .ints([7]), vectors: vector, vectorStride: 8, norms: [5], columns: [.string(["x"])]))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("a.ntl"))).range(of: Data(bytes)) != nil)
    }

    @Test("a file cut off anywhere is refused, by a reader and by a writer")
    func truncated() throws {
        let folder = try TemporaryFolder()
        try makeFile(folder.path("a.ntl")).close()
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path("a.ntl")))
        for part in [1, 100, 4095, 4096, 8191, 8192, 12288, whole.count / 2, whole.count - 4096, whole.count - 1] {
            let path = folder.path("cut-\(part).ntl")
            try whole.prefix(part).write(to: URL(fileURLWithPath: path))
            for readOnly in [true, false] {
                do {
                    let environment = try Environment(path: path, options: .init(readOnly: readOnly))
                    // The pages that are missing may all be free: then the file must be whole in all that matters.
                    #expect(try environment.check() == [], "\(part) bytes")
                    #expect(part > whole.count / 2)
                } catch { #expect(error.code == .corrupt || error.code == .notADatabase, "\(part) bytes: \(error)") }
            }
            if Self.hasPython, part <= whole.count / 2 { #expect(try readFormat(path).status == 65, "\(part) bytes") }
        }
    }

    @Test("a changed byte in any chunk is found by check")
    func corrupted() throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("FormatTests.corrupted seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let environment = try makeFile(folder.path("a.ntl"))
        let table = try #require(try environment.snapshot().table("things"))
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path("a.ntl")))
        // The places of live values: where the stored bytes of a few blocks and columns stand in the file.
        var places: [Range<Int>] = []
        for block in 0 ..< table.sealedCount >> table.vectors.blockShift {
            let start = Data(bytes: table.vectors.pointers[block] - 48, count: 4096)
            if let range = whole.range(of: start) { places.append(range.lowerBound ..< range.lowerBound + 4 * Self.dimension * 64) }
        }
        for position in ColumnType.allCases.indices {
            // A chunk's header has its checksum, which tells it from older copies of the chunk in free pages.
            let segment = try table.column(position).segments[0], width = ColumnType.allCases[position].width
            let valuesOffset = 48 + max(65536 / width, 64) / 8
            if let range = whole.range(of: Data(bytes: segment.values - valuesOffset, count: 48)) {
                places.append(range.lowerBound + valuesOffset ..< range.lowerBound + valuesOffset + 64 * width)
            }
        }
        #expect(places.count >= 5)
        environment.close()
        for (number, place) in places.enumerated() {
            var damaged = whole
            damaged[Int.random(in: place, using: &generator)] ^= UInt8.random(in: 1 ... 255, using: &generator)
            let path = folder.path("damaged-\(number).ntl")
            try damaged.write(to: URL(fileURLWithPath: path))
            let environment = try Environment(path: path)
            #expect(try !environment.check().isEmpty, "\(place)")
            // What is damaged is not changed, so that it never gets a fresh checksum.
            if Self.hasPython { #expect(try readFormat(path).status == 65, "\(place)") }
        }
    }
}
