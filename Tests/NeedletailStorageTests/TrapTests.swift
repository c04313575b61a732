import CLMDB
import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// What users of LMDB run into.
@Suite struct TrapTests {
    @Test("on a full map every record can still be deleted, and then there is room again")
    func fullMap() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(mapByteCount: 8 << 20))
        try environment.createTestTable()
        var keys: [RecordKey] = []
        var code: StorageError.Code?
        for id in 0 ..< 10_000 {
            do {
                let row = TestTable.row(id: .int(Int64(id * 7)), seed: UInt64(id))
                try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").append([row]) }
                keys.append(row.key)
            } catch {
                code = error.code
                break
            }
        }
        #expect(code == .mapFull)
        #expect(keys.count > 100)
        #expect(try environment.check() == [])
        for key in keys {
            #expect(try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").delete(key) })
        }
        #expect(try environment.snapshot().table("t")?.liveCount == 0)
        #expect(try environment.check() == [])
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        try environment.createTestTable()
        try environment.writeBlocking { transaction throws(StorageError) in
            try transaction.table("t").append([TestTable.row(id: .int(1), seed: 1)])
        }
        #expect(try environment.check() == [])
    }

    @Test("a file that is not ours is refused and stays as it is", arguments: ["text", "short", "lmdb"])
    func foreignFile(kind: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        switch kind {
        case "text": try Data(String(repeating: "not a database\n", count: 1000).utf8).write(to: URL(fileURLWithPath: path))
        case "short": try Data("x".utf8).write(to: URL(fileURLWithPath: path))
        default:
            var environment: OpaquePointer?, transaction: OpaquePointer?
            var database: MDB_dbi = 0
            mdb_env_create(&environment)
            #expect(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR), 0o644) == 0)
            mdb_txn_begin(environment, nil, 0, &transaction)
            mdb_dbi_open(transaction, nil, 0, &database)
            var key = Array("key".utf8)
            key.withUnsafeMutableBytes {
                var name = MDB_val(mv_size: 3, mv_data: $0.baseAddress), value = name
                mdb_put(transaction, database, &name, &value, 0)
            }
            mdb_txn_commit(transaction)
            mdb_env_close(environment)
            try FileManager.default.removeItem(atPath: path + "-lock")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        for readOnly in [false, true] {
            do {
                _ = try Environment(path: path, options: .init(readOnly: readOnly))
                Issue.record("opened")
            } catch { #expect(error.code == .notADatabase) }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        #expect(!FileManager.default.fileExists(atPath: path + "-lock"))
    }

    @Test("a file of a newer version is refused with both versions named")
    func newerVersion() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        try Environment(path: path).close()
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        var found = data.startIndex
        while let range = data.range(of: Data("Needletail\0\0".utf8), in: found ..< data.endIndex) {
            data[range.upperBound] = 9
            found = range.upperBound
        }
        try data.write(to: URL(fileURLWithPath: path))
        do {
            _ = try Environment(path: path)
            Issue.record("opened")
        } catch {
            #expect(error.code == .newerFormat)
            #expect(error.actual == 9)
        }
    }

    @Test("after a failure that LMDB cannot go on from, the error says to open the file again, not that it is damaged")
    func panic() throws {
        let folder = try TemporaryFolder()
        let faults = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: faults))
        try environment.createTestTable()
        faults.arm(failing: [.beginRead], first: 1, code: MDB_PANIC, persistent: false)
        let error = #expect(throws: StorageError.self) { try environment.snapshot() }
        #expect(error?.code == .ioError)
        #expect(error?.message.contains("open it again") == true)
    }

    @Test("settings beyond all bounds are taken for the most there is")
    func boundlessOptions() throws {
        let folder = try TemporaryFolder()
        for timeout in [Duration.seconds(Int64.max), .seconds(-1)] {
            let environment = try Environment(path: folder.path("a.ntl"), options: .init(busyTimeout: timeout))
            try environment.writeBlocking { _ throws(StorageError) in }
            environment.close()
        }
    }

    @Test("counters of a table that cannot be are damage, not a trap", arguments: [56, 72, 80])
    func impossibleCounters(offset: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        let environment = try Environment(path: path)
        try environment.createTestTable()
        environment.close()
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        // Version 2, six columns, then counters that are all 0: a state as FORMAT.md describes it.
        let state = Data([2, 0, 0, 0, 6, 0, 0, 0]) + Data(repeating: 0, count: 64 + 16 * 6)
        var found = false
        while let place = data.range(of: state) {
            data.replaceSubrange(place.lowerBound + offset ..< place.lowerBound + offset + 8, with: Data(repeating: 0xFF, count: 8))
            found = true
        }
        #expect(found)
        try data.write(to: URL(fileURLWithPath: path))
        let damaged = try Environment(path: path)
        #expect(try damaged.check().count == 1)
        let error = #expect(throws: StorageError.self) {
            try damaged.writeBlocking { transaction throws(StorageError) in try transaction.table("t").append([TestTable.row(id: .int(1), seed: 1)]) }
        }
        #expect(error?.code == .corrupt)
    }

    @Test("a page count that cannot be is damage, not a trap", arguments: [1 << 40, 1 << 52, 1 << 62, UInt64.max - 1])
    func impossiblePageCount(lastPage: UInt64) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        try Environment(path: path).close()
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
        for meta in [0, pageByteCount] {
            data.replaceSubrange(meta + 136 ..< meta + 144, with: withUnsafeBytes(of: lastPage.littleEndian) { Data($0) })
        }
        try data.write(to: URL(fileURLWithPath: path))
        for readOnly in [true, false] {
            let error = #expect(throws: StorageError.self) { try Environment(path: path, options: .init(readOnly: readOnly)) }
            #expect(error?.code == .corrupt, "\(String(describing: error))")
        }
    }

    @Test("a missing file, a folder, and a missing folder are named as such")
    func missing() throws {
        let folder = try TemporaryFolder()
        func code(_ path: String, _ options: Environment.Options) -> StorageError.Code? {
            do { _ = try Environment(path: path, options: options) } catch { return error.code }
            return nil
        }
        #expect(code(folder.path("a.ntl"), .init(readOnly: true)) == .notFound)
        #expect(code(folder.path("a.ntl"), .init(create: false)) == .notFound)
        #expect(code(folder.path("none/a.ntl"), .init()) == .notFound)
        #expect(code(folder.url.path, .init()) == .notADatabase)
    }

    @Test("one file opened twice in a process is one file; snapshots outlive both handles")
    func openedTwice() throws {
        let folder = try TemporaryFolder()
        let first = try Environment(path: folder.path("a.ntl"))
        try first.createTestTable()
        try FileManager.default.createSymbolicLink(atPath: folder.path("b.ntl"), withDestinationPath: folder.path("a.ntl"))
        let second = try Environment(path: folder.path("b.ntl"), options: .init(readOnly: true))
        let rows = TestTable.rows(count: 100, seed: 8)
        try first.writeBlocking { transaction throws(StorageError) in try transaction.table("t").append(rows) }
        #expect(throws: StorageError.self) { try second.writeBlocking { _ throws(StorageError) in } }
        let table = try #require(try second.snapshot().table("t"))
        first.close()
        #expect(throws: StorageError.self) { try first.snapshot() }
        try TestTable.expect(second, equals: rows)
        second.close()
        #expect(TestTable.same(try TestTable.read(table, 99), rows[99]))
        let third = try Environment(path: folder.path("a.ntl"))
        try third.writeBlocking { transaction throws(StorageError) in _ = try transaction.table("t").delete(.int(99)) }
        #expect(table.liveCount == 100)
        #expect(try third.snapshot().table("t")?.liveCount == 99)
    }
}
