import Foundation
import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// IVF-PQ in a file: installed, searched in the map, merged, reopened.
@Suite("IVFPQStorage")
struct IVFPQStorageTests {
    private static let dimension = 32

    private static func append(_ table: VectorTable, _ slots: Range<Int>, to environment: Environment) throws {
        let rows = slots.map { table.values[$0] }
        try environment.writeBlocking { transaction throws(StorageError) in
            let norms = rows.map { row in row.withUnsafeBufferPointer { norm(of: $0, metric: .l2) } }
            let memory = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * dimension)
            defer { memory.deallocate() }
            for (position, row) in rows.enumerated() { (memory + position * dimension).update(from: row, count: dimension) }
            try transaction.table("t").append(RecordBatch(
                keys: .range(Int64(slots.lowerBound) ..< Int64(slots.upperBound)), vectors: UnsafeRawPointer(memory), vectorStride: 4 * dimension,
                norms: norms, columns: []))
        }
    }

    private static func install(_ build: IVFPQBuild, _ environment: Environment, replacing version: UInt64 = 0) throws {
        let descriptor = try build.descriptor(name: "ivfpq"), contents = build.contents
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.table("t").installIndex(descriptor, arrays: contents, expectedVersion: version)
        }
    }

    private static func source(_ table: TableSnapshot) -> IVFPQSource {
        IVFPQSource(vectors: table.vectors, dimension: dimension, metric: .l2, element: .f32, deleted: table.deleted)
    }

    private static func open(_ table: TableSnapshot) throws -> IVFPQIndex {
        let snapshot = try #require(try table.indexes().first { $0.descriptor.name == "ivfpq" })
        return try IVFPQIndex(snapshot, vectors: table.vectors)
    }

    @Test("an installed index answers as the built one, before and after the file is reopened, and merges write little")
    func install() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQStorageTests seed \(random.seed)")
        let rows = IVFPQSearchTests.clustered(IVFPQSearchTests.cases[0], dimension: Self.dimension, count: 60_000, &random)
        let queries = (0 ..< 20).map { _ in IVFPQSearchTests.query(rows, &random) }
        let folder = try TemporaryFolder()
        var environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 4 * Self.dimension))
        }
        try Self.append(rows, 0 ..< 58_000, to: environment)

        var expected: [[Neighbor]] = []
        do {
            let table = try #require(try environment.snapshot().table("t"))
            let build = try IVFPQBuilder(Self.source(table), options: IVFPQOptions(nlist: 64, subspaces: 16)).build()
            let index = try build.index(vectors: table.vectors)
            expected = queries.map { index.search($0, k: 10, nprobe: 10) }
            try Self.install(build, environment)
        }
        func expectSame() throws {
            let table = try #require(try environment.snapshot().table("t"))
            let index = try Self.open(table)
            #expect(queries.map { index.search($0, k: 10, nprobe: 10, deleted: nil) } == expected)
            withExtendedLifetime(table) {}
        }
        try expectSame()
        #expect(try environment.check() == [])
        environment.close()
        environment = try Environment(path: folder.path("a.ntl"))
        try expectSame()

        // A merge leaves centroids, codebooks and all full chunks of blocks as they are.
        try Self.append(rows, 58_000 ..< 60_000, to: environment)
        do {
            let table = try #require(try environment.snapshot().table("t"))
            let index = try Self.open(table)
            #expect(index.header.count == 58_000)
            let build = try index.merged(with: Self.source(table))
            let blocks = build.contents[IVFPQArray.blocks.rawValue]
            #expect(blocks.chunks.count > 0 && blocks.chunks.dropLast(1).allSatisfy { $0 == nil })
            let merged = try build.index(vectors: table.vectors)
            expected = queries.map { merged.search($0, k: 10, nprobe: 10) }
            let version = try #require(try table.indexes().first).descriptor.version
            try Self.install(build, environment, replacing: version)
            #expect(throws: StorageError.self) { try Self.install(build, environment, replacing: version) }
            withExtendedLifetime(table) {}
        }
        try expectSame()
        #expect(try environment.check() == [])
        let table = try #require(try environment.snapshot().table("t"))
        #expect(try Self.open(table).listedSlots.count == 60_000)
    }

    @Test("another kind, or a header that does not fit, is not opened")
    func refused() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 4 * Self.dimension))
            for (name, kind, parameters) in [("a", "hnsw", "{}"), ("b", "ivfpq", "{}"), ("c", "ivfpq", "no")] {
                let descriptor = IndexDescriptor(name: name, kind: kind, coveredCount: 0, parameters: Data(parameters.utf8))
                _ = try transaction.table("t").installIndex(descriptor, arrays: [], expectedVersion: 0)
            }
        }
        let table = try #require(try environment.snapshot().table("t"))
        for index in try table.indexes() {
            #expect(throws: IVFPQDamage.self) { try IVFPQIndex(index, vectors: table.vectors) }
        }
    }
}
