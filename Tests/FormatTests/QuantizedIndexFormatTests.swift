import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// Indexes that the engine built and merged, read by the program that knows FORMAT.md only.
@Suite struct QuantizedIndexFormatTests {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let hasPython = (try? ChildProcess("python3", ["--version"], isQuiet: true).wait()) == 0

    private static func readFormat(_ path: String) throws -> (status: Int32, indexes: [[String: Any]]) {
        let process = try ChildProcess("python3", [repository.appendingPathComponent("tools/read-format.py").path, path], isQuiet: true)
        var indexes: [[String: Any]] = []
        while let line = process.readLine() {
            if let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], object["kind"] != nil { indexes.append(object) }
        }
        return (process.wait(), indexes)
    }

    @Test(
        "the reader made from FORMAT.md alone finds every array of an index in its place, also after records came and went",
        .enabled(if: hasPython, "needs python3"), arguments: [Quantization.none, .sq8, .rabitq], [16, 20])
    func arrays(quantization: Quantization, m: Int) async throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("QuantizedIndexFormatTests seed \(seed)")
        var random = SeededGenerator(seed: seed)
        func records(_ ids: Range<Int>) -> [Record] {
            ids.map { Record(id: .int(Int64($0)), vector: (0 ..< 70).map { _ in random.normal() }) }
        }
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("a.ntl"))
        let collection = try await database.createCollection("t", schema: Schema(dimension: 70, metric: .l2))
        try await collection.insert(records(0 ..< 600))
        try await collection.createIndex(.hnsw(m: m, efConstruction: 60, quantization: quantization), threads: 1)
        func check(covered: Int) throws {
            let (status, indexes) = try Self.readFormat(folder.path("a.ntl"))
            #expect(status == 0)
            let index = try #require(indexes.first)
            #expect(indexes.count == 1 && index["covered"] as? Int == covered && (index["links"] as? Int ?? 0) > covered * m / 2)
            let counts = (index["arrays"] as? [[String: Int]])?.map { $0["count"] ?? -1 } ?? []
            try #require(counts.count == 7 && counts[0] == covered)
            #expect((counts[3] > 0, counts[4] > 0, counts[6] > 0) == (quantization != .none, quantization == .rabitq, quantization != .none), "\(counts)")
        }
        try check(covered: 600)
        try await collection.insert(records(600 ..< 700))
        try await collection.delete((0 ..< 50).map { .int(Int64($0 * 3)) })
        try await collection.optimize(threads: 1)
        try check(covered: 700)
    }

    @Test(
        "the reader made from FORMAT.md alone finds the rows that a merge has changed, where they stand apart",
        .enabled(if: hasPython, "needs python3"), arguments: [Quantization.none, .rabitq])
    func changedRows(quantization: Quantization) async throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("QuantizedIndexFormatTests seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("a.ntl"))
        let collection = try await database.createCollection("t", schema: Schema(dimension: 8, metric: .l2))
        func insert(_ ids: Range<Int>) async throws {
            try await collection.insert(ids.map { Record(id: .int(Int64($0)), vector: (0 ..< 8).map { _ in random.normal() }) })
        }
        func counts() throws -> [Int] {
            let (status, indexes) = try Self.readFormat(folder.path("a.ntl"))
            #expect(status == 0)
            return try #require(indexes.first?["arrays"] as? [[String: Int]]).map { $0["count"] ?? -1 }
        }
        // Lists of 128 entries: 2,048 of them are a chunk.
        try await insert(0 ..< 2100)
        try await collection.createIndex(.hnsw(m: 64, efConstruction: 64, quantization: quantization), threads: 1)
        #expect(try counts().count == 7)
        try await insert(2100 ..< 2102)
        try await collection.optimize(threads: 1)
        let changed = try counts()
        try #require(changed.count == 10)
        #expect(changed[7] == 33 && (2 ..< 500).contains(changed[8]) && changed[9] == (quantization == .rabitq ? changed[8] : 0), "\(changed)")
        try await insert(2102 ..< 2300)
        try await collection.optimize(threads: 1)
        #expect(try counts().count == 7)
        #expect(try database.check().isEmpty)
    }
}
