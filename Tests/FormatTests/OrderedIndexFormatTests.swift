import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Ordered indexes, read by a program that knows FORMAT.md only; files made before there were any; and damaged ones.
@Suite struct OrderedIndexFormatTests {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("tools/read-format.py").path
    private static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/env")

    private static let dimension = 4096
    private static func descriptor(indexed: Bool) -> TableDescriptor {
        TableDescriptor(
            name: "t", vectorByteCount: 4 * dimension, columns: ColumnType.allCases.map { ColumnDescriptor(name: "\($0)", type: $0, indexed: indexed) })
    }

    private func append(_ environment: Environment, _ rows: Range<Int>) throws {
        try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
            let memory = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * Self.dimension)
            defer { memory.deallocate() }
            memory.initialize(repeating: 1, count: rows.count * Self.dimension)
            func values<T>(_ value: (Int) -> T) -> [T?] { rows.map { $0 % 7 == 6 ? nil : value($0) } }
            try transaction.table("t").append(RecordBatch(
                keys: .range(Int64(rows.lowerBound) ..< Int64(rows.upperBound)), vectors: memory, vectorStride: 4 * Self.dimension,
                norms: rows.map { Float($0) },
                columns: [
                    .bool(values { $0 % 3 == 0 }), .int(values { Int64(($0 * 37) % 101) - 50 }),
                    .double(values { [-.infinity, .nan, -0.0, 0, Double($0) / -3][$0 % 5] }), .timestamp(values { Int64(500 - $0) }),
                    .string(values { "text \(($0 * 7) % 19)" }), .stringList(values { ["a", "b \($0)"] }),
                ]))
        }
    }

    private func read(_ path: String) throws -> (status: Int32, lines: [String]) {
        let process = try ChildProcess("python3", [Self.script, path], isQuiet: true)
        var lines: [String] = []
        while let line = process.readLine() { lines.append(line) }
        return (process.wait(), lines)
    }

    @Test("the reader made from FORMAT.md alone finds the entries that the columns say", .enabled(if: hasPython, "needs python3"))
    func independentReader() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(Self.descriptor(indexed: true)) }
        for first in stride(from: 0, to: 700, by: 70) { try append(environment, first ..< first + 70) }
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            for id in stride(from: 0, to: 600, by: 9) { _ = try table.delete(.int(Int64(id))) }
            for id in stride(from: 1, to: 600, by: 5) { _ = try table.update(.int(Int64(id)), [1: .int(7), 2: .double(.nan), 4: .string("new"), 3: .null]) }
        }
        #expect(try environment.check() == [])
        let table = try #require(try environment.snapshot().table("t"))
        #expect(table.orderedCount >= 576)
        let (status, lines) = try read(folder.path("a.ntl"))
        #expect(status == 0)
        #expect(lines.contains { $0.contains("\"ordered\": \(table.orderedCount)") })
    }

    @Test("a file made before there were ordered indexes gets them when it is written to")
    func earlierFile() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(Self.descriptor(indexed: false)) }
        try append(environment, 0 ..< 200)
        // What such a file has: the mark in the description, and no blocks.
        try environment.markColumnsAsIndexed("t")
        #expect(try environment.check() == [])
        #expect(try environment.snapshot().table("t")?.orderedIndex(column: 1) == nil)
        try append(environment, 200 ..< 210)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.table("t").update(.int(3), [1: .int(1)])
            _ = try transaction.table("t").delete(.int(4))
        }
        #expect(try environment.snapshot().table("t")?.orderedCount == 0)
        try append(environment, 210 ..< 270)
        #expect(try environment.check() == [])
        #expect(try environment.snapshot().table("t")?.orderedCount == 256)
        if Self.hasPython { #expect(try read(folder.path("a.ntl")).status == 0) }
    }

    @Test("dropping a table takes its ordered indexes along")
    func drop() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(Self.descriptor(indexed: true)) }
        try append(environment, 0 ..< 300)
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        #expect(try environment.check() == [])
        #expect(try environment.information.tableCount == 0)
    }

    @Test("a damaged index is found, and never ends the program", arguments: 0 ..< 40)
    func damage(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        do {
            let environment = try Environment(path: path)
            try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(Self.descriptor(indexed: true)) }
            try append(environment, 0 ..< 300)
            environment.close()
        }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // Blocks of the index of ints begin with a number just below 2^63 whose high byte is 0x7F, others with 0x80.
        var generator = SeededGenerator(seed: seed)
        let pattern = Data([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
        var places: [Int] = []
        var from = bytes.startIndex
        while let range = bytes.range(of: pattern, in: from ..< bytes.endIndex) {
            places.append(range.lowerBound)
            from = range.upperBound
        }
        let place = try #require(places.randomElement(using: &generator))
        bytes[place + Int.random(in: 0 ..< 7, using: &generator)] ^= UInt8.random(in: 1 ... 255, using: &generator)
        try bytes.write(to: URL(fileURLWithPath: path))
        let environment = try Environment(path: path)
        let findings = (try? environment.check()) ?? []
        guard let table = try environment.snapshot().table("t"), let index = table.orderedIndex(column: 1) else { return }
        let cursor = index.cursor()
        var count = 0
        while count < 100_000, (try? cursor.next()) != nil { count += 1 }
        _ = try? index.count(in: 0 ... .max)
        #expect(count <= 300)
        if findings.isEmpty { #expect(try environment.check() == []) }
    }
}
