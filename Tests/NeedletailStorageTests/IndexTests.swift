import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Search indexes as storage sees them: installed, replaced, dropped, read.
@Suite struct IndexTests {
    private static let shapes = [
        TestIndex.Shape(stride: 128, count: 20_000), .init(stride: 16, count: 700), .init(stride: 64, count: 0), .init(stride: 200, count: 11_000),
    ]

    @Test("rows come back as they were installed, 64-byte aligned", arguments: [4, 16, 96, 128, 1000, 65536, 1 << 20, 3 << 20])
    func rows(stride: Int) throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        let perChunk = 1 << ChunkedRows.shift(stride: stride)
        #expect(perChunk == 1 || perChunk * stride <= 1 << 20 && 2 * perChunk * stride > 1 << 20)
        var version: UInt64 = 0
        for count in [0, 1, perChunk - 1, perChunk, perChunk + 1, 2 * perChunk, 2 * perChunk + perChunk / 2] {
            let index = TestIndex(seed: UInt8(truncatingIfNeeded: count), [.init(stride: stride, count: count), .init(stride: 4, count: 3)])
            let installed = try index.install(environment, expectedVersion: version)
            #expect(installed.version > version)
            version = installed.version
            try index.expect(environment.index())
            #expect(try environment.check() == [], "\(count) rows")
        }
        environment.close()
        let again = try Environment(path: folder.path("a.ntl"), options: .init(readOnly: true))
        #expect(try again.index()?.descriptor.version == version)
        #expect(try again.check() == [])
    }

    @Test("chunks that did not change stay where they are, and the last one may grow")
    func unchangedChunks() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        let first = TestIndex(seed: 7, [.init(stride: 128, count: 20_000), .init(stride: 64, count: 100)])
        var version = try first.install(environment).version
        let old = try #require(try environment.index())
        let places = try (0 ..< 3).map { try old.array(0).pointers[$0] }
        // The same seed: kept chunks hold what the whole new array would.
        let second = TestIndex(seed: 7, [.init(stride: 128, count: 30_000), .init(stride: 64, count: 101)])
        version = try second.install(environment, expectedVersion: version, keeping: [(0, 0), (0, 1)]).version
        let new = try #require(try environment.index())
        try second.expect(new)
        #expect(try new.array(0).pointers[0] == places[0])
        #expect(try new.array(0).pointers[1] == places[1])
        #expect(try new.array(0).pointers[2] != places[2])
        #expect(try environment.check() == [])
        try first.expect(old)

        func expectRefused(_ index: TestIndex, _ kept: (Int, Int)) throws {
            let error = #expect(throws: StorageError.self) { try index.install(environment, expectedVersion: version, keeping: [kept]) }
            #expect(error?.code == .invalidArgument)
            try second.expect(environment.index())
        }
        // Another stride, another number of rows, an array that did not exist.
        try expectRefused(TestIndex(seed: 7, [.init(stride: 256, count: 15_000), .init(stride: 64, count: 101)]), (0, 0))
        try expectRefused(TestIndex(seed: 7, [.init(stride: 128, count: 31_000), .init(stride: 64, count: 101)]), (0, 3))
        try expectRefused(TestIndex(seed: 7, [.init(stride: 128, count: 29_000), .init(stride: 64, count: 101)]), (0, 3))
        try expectRefused(TestIndex(seed: 7, second.shapes + [.init(stride: 64, count: 5)]), (2, 0))
        #expect(try environment.check() == [])
    }

    @Test("an array may shrink, grow, vanish and come back, and leaves nothing behind")
    func shapesChange() throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("IndexTests.shapesChange seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        var version: UInt64 = 0
        for round in 0 ..< 20 {
            let shapes = (0 ..< Int.random(in: 0 ... 4, using: &generator)).map { _ in
                TestIndex.Shape(
                    stride: [16, 64, 128, 5000].randomElement(using: &generator) ?? 64, count: Int.random(in: 0 ... 12_000, using: &generator) >> Int.random(in: 0 ... 12, using: &generator))
            }
            let index = TestIndex(seed: UInt8(round), shapes)
            version = try index.install(environment, expectedVersion: version).version
            try index.expect(environment.index())
            #expect(try environment.check() == [], "round \(round)")
        }
    }

    @Test("an index built from a version that is no longer there is refused")
    func conflict() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        func expectConflict(_ version: UInt64) {
            let error = #expect(throws: StorageError.self) { try TestIndex(seed: 9, Self.shapes).install(environment, expectedVersion: version) }
            #expect(error?.code == .indexConflict)
        }
        expectConflict(1)
        let first = TestIndex(seed: 1, Self.shapes)
        let version = try first.install(environment).version
        expectConflict(0)
        expectConflict(version + 1)
        try first.expect(environment.index())
        let second = TestIndex(seed: 2, Self.shapes)
        try second.install(environment, expectedVersion: version)
        expectConflict(version)
        // Dropped and made anew, it never has a version that it had before.
        #expect(try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").dropIndex("x") })
        #expect(try !environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").dropIndex("x") })
        expectConflict(version)
        try first.install(environment)
        expectConflict(version)
        try first.expect(environment.index())
        #expect(try environment.check() == [])
    }

    @Test("a reader on an older snapshot goes on with the old index while newer ones are installed and dropped")
    func olderSnapshot() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        let first = TestIndex(seed: 1, Self.shapes)
        var version = try first.install(environment).version
        // One resolved now, one that looks for its arrays only when they have long been replaced.
        let early = try #require(try environment.index())
        try first.expect(early)
        let late = try environment.snapshot()
        for seed in 2 ..< 8 as Range<UInt8> {
            let index = TestIndex(seed: seed, Self.shapes)
            version = try index.install(environment, expectedVersion: version).version
            try index.expect(environment.index())
        }
        try first.expect(early)
        #expect(try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").dropIndex("x") })
        #expect(try environment.index() == nil)
        try first.expect(early)
        try first.expect(late.table("t")?.indexes().first)
    }

    @Test("the pages of replaced and dropped indexes are used again")
    func pagesAreReused() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        let empty = try environment.information.usedByteCount
        let index = TestIndex(seed: 1, Self.shapes)
        var version = try index.install(environment).version
        let one = try environment.information.usedByteCount - empty
        for _ in 0 ..< 12 { version = try index.install(environment, expectedVersion: version).version }
        var information = try environment.information
        #expect(information.usedByteCount - empty < one + 65536)
        #expect(information.fileByteCount < empty + 3 * one + 262_144)
        // Nor has the disk been asked for more than the file and its reserve.
        var status = stat()
        #expect(stat(folder.path("a.ntl"), &status) == 0)
        #expect(Int(status.st_blocks) * 512 < empty + 3 * one + 4 << 20)
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.table("t").dropIndex("x") }
        information = try environment.information
        #expect(information.usedByteCount < empty + 65536)
        try index.install(environment)
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        #expect(try environment.information.usedByteCount < empty + 65536)
        #expect(try environment.check() == [])
    }

    @Test("tables and names keep their indexes apart")
    func severalIndexes() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "u", vectorByteCount: 8))
            _ = try transaction.table("u").installIndex(TestIndex(seed: 1, []).descriptor(), arrays: [], expectedVersion: 0)
        }
        let names = ["b", "a", "ab", "é", String(repeating: "n", count: 255)]
        for (seed, name) in names.enumerated() { try TestIndex(seed: UInt8(seed), Self.shapes).install(environment, name) }
        let found = try #require(try environment.snapshot().table("t")).indexes()
        #expect(found.map(\.descriptor.name) == names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) })
        for (seed, name) in names.enumerated() { try TestIndex(seed: UInt8(seed), Self.shapes).expect(environment.index(name)) }
        // The same name, its letters composed otherwise: the index is replaced, not doubled.
        let version = try #require(try environment.index("é")).descriptor.version
        try TestIndex(seed: 50, Self.shapes).install(environment, "e\u{301}", expectedVersion: version)
        #expect(try environment.snapshot().table("t")?.indexes().count == names.count)
        #expect(try environment.check() == [])
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        #expect(try environment.check() == [])
        #expect(try environment.snapshot().table("u")?.indexes().count == 1)
    }

    @Test("an index may cover rows of its own transaction, but no slot that is not there")
    func coverage() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        try environment.appendVectors(0 ..< 10)
        let index = TestIndex(seed: 1, Self.shapes)
        #expect(throws: StorageError.self) { try index.install(environment, coveredCount: 11) }
        #expect(throws: StorageError.self) { try index.install(environment, coveredCount: -1) }
        let contents = index.contents(), descriptor = index.descriptor(coveredCount: 2000)
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            try table.appendVectors(10 ..< 2000)
            try table.installIndex(descriptor, arrays: contents, expectedVersion: 0)
            let found = try table.indexes()
            #expect(found.map(\.coveredCount) == [2000])
        }
        try index.expect(environment.index())
        #expect(try environment.check() == [])
        // Covered and dropped in one transaction, before the row count is stored.
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            try table.appendVectors(2000 ..< 2001)
            try table.installIndex(index.descriptor("y", coveredCount: 2001), arrays: contents, expectedVersion: 0)
            try transaction.dropTable("t")
        }
        #expect(try environment.check() == [])
    }

    @Test("what cannot be stored is refused before anything is written")
    func invalid() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        func expectRefused(_ descriptor: IndexDescriptor, _ contents: [IndexArrayContent]) throws {
            try environment.writeBlocking { transaction throws(StorageError) in
                let table = try transaction.table("t")
                // The body goes on after the error: the transaction commits, without the index.
                let error = #expect(throws: StorageError.self) { try table.installIndex(descriptor, arrays: contents, expectedVersion: 0) }
                #expect(error?.code == .invalidArgument)
            }
            #expect(try environment.snapshot().table("t")?.indexes().isEmpty == true)
        }
        let index = TestIndex(seed: 1, Self.shapes), contents = index.contents()
        try expectRefused(index.descriptor(""), contents)
        try expectRefused(index.descriptor(String(repeating: "n", count: 256)), contents)
        try expectRefused(IndexDescriptor(name: "x", kind: "", coveredCount: 0, parameters: Data()), contents)
        for (stride, count, chunks) in [(0, 1, 1), (-1, 1, 1), (16, -1, 0), (16, 1, 0), (16, 1, 2), (1 << 30, 1, 1), (1, 1 << 32, 4096)] {
            let chunk: UnsafeRawPointer? = contents[0].chunks[0]
            try expectRefused(index.descriptor(), [IndexArrayContent(stride: stride, count: count, chunks: Array(repeating: chunk, count: chunks))])
        }
        try expectRefused(index.descriptor(), Array(repeating: IndexArrayContent(stride: 1, count: 0, chunks: []), count: 65))
        let empty = try TestIndex(seed: 3, []).install(environment)
        #expect(empty.arrays.isEmpty)
        let snapshot = try #require(try environment.index())
        #expect(throws: StorageError.self) { try snapshot.array(0) }
    }

    @Test("what is open for reading only shows indexes, and refuses to install one")
    func readOnly() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createIndexTable()
        let index = TestIndex(seed: 1, Self.shapes)
        try index.install(environment)
        environment.close()
        let reader = try Environment(path: folder.path("a.ntl"), options: .init(readOnly: true))
        #expect(try reader.information.formatVersion == 2)
        try index.expect(reader.index())
        let error = #expect(throws: StorageError.self) { try index.install(reader, "y") }
        #expect(error?.code == .readOnly)
    }
}
