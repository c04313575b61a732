import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Search indexes in the file: read by the program that knows FORMAT.md only, and damaged.
@Suite struct IndexFormatTests {
    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let hasPython = (try? run(["python3", "--version"]).status) == 0
    /// More than one chunk of links.
    private static let count = 9000
    private static let m = 16

    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = try ChildProcess(arguments[0], Array(arguments.dropFirst()), isQuiet: true)
        var lines: [String] = []
        while let line = process.readLine() { lines.append(line) }
        return (process.wait(), lines.joined(separator: "\n"))
    }

    private static func readFormat(_ path: String) throws -> (status: Int32, lines: [[String: Any]]) {
        let result = try run(["python3", repository.appendingPathComponent("tools/read-format.py").path, path])
        return (result.status, result.output.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        })
    }

    /// A graph in which each slot leads to the next three, but for `wrongLink` where given, and two nodes on level 1.
    private static func makeFile(_ path: String, wrongLink: UInt32? = nil) throws -> Environment {
        let environment = try Environment(path: path)
        let links = UnsafeMutablePointer<UInt32>.allocate(capacity: count * 32)
        let upper = UnsafeMutablePointer<UInt32>.allocate(capacity: 8 + 32)
        defer {
            links.deallocate()
            upper.deallocate()
        }
        links.initialize(repeating: .max, count: count * 32)
        for slot in 0 ..< count {
            for neighbor in 0 ..< 3 { links[slot * 32 + neighbor] = UInt32((slot + neighbor + 1) % count) }
        }
        if let wrongLink { links[(count - 1) * 32 + 2] = wrongLink }
        upper.initialize(repeating: .max, count: 40)
        for (position, word) in [5, 0, 1, 0, 7, 1, 1, 0].enumerated() { upper[position] = UInt32(word) }
        upper[8] = 1
        upper[24] = 0
        let header = """
            {"m":\(m),"efConstruction":100,"quantization":"none","seed":1,"metric":1,"element":1,"dimension":2,"count":\(count),"maxLevel":1,\
            "entrySlot":5,"entryUpper":0,"upperCount":2,"upperListCount":2,"calibration":[]}
            """
        let contents = [
            IndexArrayContent(stride: 128, count: count, chunks: [UnsafeRawPointer(links), UnsafeRawPointer(links + 8192 * 32)]),
            IndexArrayContent(stride: 16, count: 2, chunks: [UnsafeRawPointer(upper)]),
            IndexArrayContent(stride: 64, count: 2, chunks: [UnsafeRawPointer(upper + 8)]),
        ] + Array(repeating: IndexArrayContent(stride: 64, count: 0, chunks: []), count: 3)
        let vectors = [Float](repeating: 1, count: 2 * count)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 8))
            let table = try transaction.table("t")
            let failure = vectors.withUnsafeBytes { vectors -> StorageError? in
                guard let base = vectors.baseAddress else { return nil }
                do throws(StorageError) {
                    try table.append(RecordBatch(
                        keys: .range(0 ..< Int64(count)), vectors: base, vectorStride: 8, norms: Array(repeating: 2, count: count), columns: []))
                } catch { return error }
                return nil
            }
            if let failure { throw failure }
            try table.installIndex(
                IndexDescriptor(name: "graph", kind: "hnsw", coveredCount: count, parameters: Data(header.utf8)), arrays: contents, expectedVersion: 0)
            try table.installIndex(
                IndexDescriptor(name: "other", kind: "not known yet", coveredCount: 7, parameters: Data([0, 255])), arrays: [], expectedVersion: 0)
        }
        return environment
    }

    @Test("the reader made from FORMAT.md alone finds indexes, and walks a graph's links", .enabled(if: hasPython, "needs python3"))
    func independentReader() throws {
        let folder = try TemporaryFolder()
        let environment = try Self.makeFile(folder.path("a.ntl"))
        #expect(try environment.check() == [])
        let (status, lines) = try Self.readFormat(folder.path("a.ntl"))
        #expect(status == 0)
        let indexes = lines.filter { $0["index"] != nil }
        #expect(indexes.map { $0["index"] as? String } == ["graph", "other"])
        #expect(indexes.map { $0["covered"] as? Int } == [Self.count, 7])
        #expect(indexes.first?["links"] as? Int == 3 * Self.count)
        #expect((indexes.first?["arrays"] as? [[String: Int]])?.map { $0["count"] } == [Self.count, 2, 2, 0, 0, 0])
        #expect(lines.count == 4 + Self.count)
    }

    @Test("a link to a slot that the graph does not cover is seen by the independent reader", .enabled(if: hasPython, "needs python3"))
    func wrongLink() throws {
        let folder = try TemporaryFolder()
        let environment = try Self.makeFile(folder.path("a.ntl"), wrongLink: UInt32(Self.count))
        // Storage does not know what rows mean.
        #expect(try environment.check() == [])
        #expect(try Self.readFormat(folder.path("a.ntl")).status == 65)
    }

    @Test("a changed byte in any chunk of an index is found by check")
    func corrupted() throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("IndexFormatTests.corrupted seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let environment = try Self.makeFile(folder.path("a.ntl"))
        let index = try #require(try environment.snapshot().table("t")?.indexes().first)
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path("a.ntl")))
        var places: [Range<Int>] = []
        for position in 0 ..< 3 {
            let rows = try index.array(position)
            for chunk in 0 ..< rows.chunkCount {
                let range = try #require(whole.range(of: Data(bytes: rows.pointers[chunk] - 48, count: 4000)))
                let byteCount = 48 + ChunkedRows.rowCount(chunk: chunk, rows: rows.count, shift: rows.shift) * rows.stride
                places.append(range.lowerBound ..< range.lowerBound + max(4096 - 16, byteCount))
                places.append(range.lowerBound ..< range.lowerBound + 48)
            }
        }
        #expect(places.count == 8)
        environment.close()
        for (number, place) in places.enumerated() {
            var damaged = whole
            damaged[Int.random(in: place, using: &generator)] ^= UInt8.random(in: 1 ... 255, using: &generator)
            let path = folder.path("damaged-\(number).ntl")
            try damaged.write(to: URL(fileURLWithPath: path))
            let environment = try Environment(path: path)
            #expect(try !environment.check().isEmpty, "\(place)")
        }
    }
}
