import CLMDB
import Foundation
import Needletail
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Files of older versions of Needletail must be read for ever. To write a new one (only with a new format version):
/// `NEEDLETAIL_WRITE_GOLDEN=1 swift test --filter GoldenTests`.
@Suite struct GoldenTests {
    private static let newestVersion = 2

    private static func golden(_ version: Int) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/version-\(version).ntl")
    }

    private func expectGolden(_ path: String, mode: Database.Mode, version: Int) throws {
        let database = try Database(path: path, mode: mode)
        #expect(try database.check() == [])
        #expect(try database.information().formatVersion == version)
        #expect(try database.collectionNames() == (version == 1 ? ["bytes", "everything"] : ["bytes", "counted", "everything"]))

        let things = try database.collection("everything")
        #expect(things.schema == GoldenFile.everything)
        let expected = GoldenFile.records
        #expect(try things.count() == expected.count)
        let cursor = try things.records()
        for record in expected {
            let found = try cursor.next()
            #expect(found == record)
            #expect(found?.fields["label"].map { Array("\($0)".utf8) } == record.fields["label"].map { Array("\($0)".utf8) })
            #expect(try things.get(record.id) == record)
        }
        #expect(try cursor.next() == nil)
        for id in [-40, -3, 59, "id 110", "id 139"] as [RecordID] { #expect(try things.get(id) == nil) }
        #expect(try things.search(near: [145, 18, -1], k: 1).first?.id == 20)
        #expect(try things.ids(where: Filter(parsing: "label = 'changed'")) == [-1])

        let bytes = try database.collection("bytes")
        #expect(bytes.schema == GoldenFile.bytes)
        for row in 0 ..< 6 { #expect(try bytes.get(.string("é/\(row)")) == GoldenFile.small(row)) }
        #expect(try bytes.search(near: [3, -128, 127, 1], k: 1).first?.id == "é/5")
        if version >= 2 {
            let counted = try database.collection("counted")
            for row in 0 ..< 3 { #expect(try counted.get(.int(Int64(row) + 1000)) == GoldenFile.counted(row)) }
            for id in [999, 1003] as [RecordID] { #expect(try counted.get(id) == nil) }
        }
        database.close()
    }

    private func expectEveryStructure(_ path: String) throws {
        let environment = try Environment(path: path, options: .init(readOnly: true))
        let table = try #require(try environment.snapshot().table("everything"))
        #expect(table.sealedCount == 128)
        #expect(table.slotCount == 146)
        #expect(table.deleted != nil)
        #expect(table.dictionaryCount(column: 4) > 5)
        environment.close()
    }

    @Test("a file of any format version is sound, and gives back every record", arguments: 1 ... newestVersion)
    func read(version: Int) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: Self.golden(version).path, toPath: folder.path("a.ntl"))
        try expectGolden(folder.path("a.ntl"), mode: .readOnly, version: version)
        try expectEveryStructure(folder.path("a.ntl"))
    }

    @Test("a file of any format version can be written, and is of the newest then", arguments: 1 ... newestVersion)
    func written(version: Int) async throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: Self.golden(version).path, toPath: folder.path("a.ntl"))
        let database = try Database(path: folder.path("a.ntl"), mode: .readWrite)
        #expect(try database.information().formatVersion == version)
        let things = try database.collection("everything")
        let added = (200 ..< 300).map { GoldenFile.record($0, id: .int(Int64($0))) }
        try await things.insert(added)
        #expect(try database.information().formatVersion == Self.newestVersion)
        #expect(try await things.update(where: Filter(parsing: "label = 'text 4'"), set: ["label": "four"]) > 0)
        #expect(try await things.delete([-1, "id 105", 20]) == 3)
        #expect(try things.count() == GoldenFile.records.count + 97)
        // The other collection has not been written: its counters are as the older version left them.
        #expect(try database.collection("bytes").get(.string("é/5")) == GoldenFile.small(5))
        #expect(try database.check() == [])
    }

    @Test("a write that fails leaves a file of format version 1 as it was")
    func failedWrite() async throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: Self.golden(1).path, toPath: folder.path("a.ntl"))
        let database = try Database(path: folder.path("a.ntl"), mode: .readWrite)
        let things = try database.collection("everything")
        await #expect(throws: NeedletailError.self) { try await things.insert(GoldenFile.record(0, id: 0)) }
        #expect(try database.information().formatVersion == 1)
        try await things.insert(GoldenFile.record(0, id: 5000))
        #expect(try database.information().formatVersion == Self.newestVersion)
        database.close()
    }

    @Test("what writes the golden file still writes every structure")
    func writer() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        try await GoldenFile.write(to: path)
        try expectGolden(path, mode: .readWrite, version: Self.newestVersion)
        try expectEveryStructure(path)
        if ProcessInfo.processInfo.environment["NEEDLETAIL_WRITE_GOLDEN"] == "1" {
            try copyCompactly(path, to: Self.golden(Self.newestVersion).path)
        }
    }

    /// Leaves out the free pages, which are half of a file of so many commits.
    private func copyCompactly(_ path: String, to target: String) throws {
        try? FileManager.default.removeItem(atPath: target)
        var environment: OpaquePointer?
        #expect(mdb_env_create(&environment) == 0)
        defer { mdb_env_close(environment) }
        #expect(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_RDONLY), 0o644) == 0)
        #expect(mdb_env_copy2(environment, target, UInt32(MDB_CP_COMPACT)) == 0)
    }
}
