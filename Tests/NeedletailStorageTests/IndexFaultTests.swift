import CLMDB
import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// An install that fails, at whatever call, leaves the old index.
@Suite struct IndexFaultTests {
    private static let shapes = [TestIndex.Shape(stride: 128, count: 20_000), .init(stride: 16, count: 700)]

    @Test("a failed install or drop leaves the old index and the file as they were", arguments: FaultTests.faults, ["install", "drop"])
    func fail(fault: FaultTests.Fault, operation: String) throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createIndexTable()
        try environment.appendVectors(0 ..< 100)
        let old = TestIndex(seed: 1, Self.shapes), new = TestIndex(seed: 2, Self.shapes + [.init(stride: 64, count: 20)])
        var version = try old.install(environment).version
        let descriptor = new.descriptor(coveredCount: 100), contents = new.contents()
        var failures = 0
        for call in stride(from: 1, to: 10_000, by: (fault.step + 1) / 2) {
            let expected = version
            plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: fault.code, persistent: fault.persistent)
            do {
                try environment.writeBlocking { transaction throws(StorageError) in
                    let table = try transaction.table("t")
                    try table.appendVectors(1000 ..< 1010)
                    if operation == "drop" { try table.dropIndex("x") } else {
                        try table.installIndex(descriptor, arrays: contents, expectedVersion: expected)
                    }
                }
                let wasHit = plan.disarm()
                #expect(try environment.check() == [], "call \(call)")
                if operation == "drop" { #expect(try environment.index() == nil) } else { try new.expect(environment.index()) }
                if !wasHit { break }
                version = try environment.index()?.descriptor.version ?? 0
                version = try old.install(environment, expectedVersion: version).version
                try environment.writeBlocking { transaction throws(StorageError) in
                    for id in 1000 ..< 1010 as Range<Int64> { _ = try transaction.table("t").delete(.int(id)) }
                }
            } catch {
                plan.disarm()
                failures += 1
                #expect(try environment.check() == [], "call \(call)")
                try old.expect(environment.index())
                #expect(try environment.snapshot().table("t")?.liveCount == 100)
            }
        }
        #expect(failures > 3)
        environment.close()
        #expect(try Environment(path: folder.path("a.ntl")).check() == [])
    }

    @Test("a body that swallows the failure of an install cannot commit half of it")
    func swallowed() throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createIndexTable()
        let old = TestIndex(seed: 1, Self.shapes), new = TestIndex(seed: 2, Self.shapes)
        let version = try old.install(environment).version
        let descriptor = new.descriptor(), contents = new.contents()
        for call in 1 ..< 100 {
            plan.arm(failing: [.put, .delete], first: call, code: EIO, persistent: false)
            do {
                try environment.writeBlocking { transaction throws(StorageError) in
                    let table = try transaction.table("t")
                    do throws(StorageError) { try table.installIndex(descriptor, arrays: contents, expectedVersion: version) } catch {}
                }
                #expect(!plan.disarm(), "call \(call) failed, and the transaction was committed")
                break
            } catch {
                plan.disarm()
                #expect(error.code == .ioError)
                try old.expect(environment.index())
            }
        }
        try new.expect(environment.index())
        #expect(try environment.check() == [])
    }

    @Test("on a full disk an install fails before its first change, and the rest of its transaction can go on")
    func fullDisk() throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createIndexTable()
        let old = TestIndex(seed: 1, Self.shapes)
        let version = try old.install(environment).version
        plan.arm(failing: [.allocate], first: 1, code: ENOSPC, persistent: true)
        let error = #expect(throws: StorageError.self) { try TestIndex(seed: 2, Self.shapes).install(environment, expectedVersion: version) }
        #expect(error?.code == .diskFull)
        // What needs no new blocks still works: the drop of the index, whose pages the next can take.
        #expect(try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").dropIndex("x") })
        plan.disarm()
        #expect(try environment.check() == [])
    }

    @Test("an install that the map has no room for leaves the old index, and records can still be deleted")
    func fullMap() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(mapByteCount: 8 << 20))
        try environment.createIndexTable()
        try environment.appendVectors(0 ..< 2000)
        let old = TestIndex(seed: 1, Self.shapes)
        let version = try old.install(environment).version
        for count in [25_000, 30_000, 1_000_000] {
            let error = #expect(throws: StorageError.self) {
                try TestIndex(seed: 2, [.init(stride: 128, count: count)]).install(environment, expectedVersion: version)
            }
            #expect(error?.code == .mapFull)
        }
        try old.expect(environment.index())
        for id in 0 ..< 2000 as Range<Int64> {
            #expect(try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").delete(.int(id)) })
        }
        #expect(try environment.check() == [])
        try old.expect(environment.index())
    }

    @Test("a failed read of an index throws and does not spoil the next")
    func read() throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createIndexTable()
        let index = TestIndex(seed: 1, Self.shapes)
        try index.install(environment)
        for call in 1 ..< 1000 {
            try environment.appendVectors(Int64(call) ..< Int64(call + 1))
            plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: EIO, persistent: false)
            var failed = false
            do { try (0 ..< Self.shapes.count).forEach { _ = try environment.index()?.array($0) } } catch { failed = true }
            let wasHit = plan.disarm()
            #expect(failed == wasHit)
            try index.expect(environment.index())
            if !wasHit { break }
        }
    }

    @Test("an index whose description cannot be true is damage, not a trap", arguments: [
        ("\"stride\":128", "\"stride\":0"), ("\"count\":700", "\"count\":-1"), ("\"shift\":13", "\"shift\":70"), ("\"coveredCount\":0", "\"coveredCount\":9"),
        ("\"count\":20000", "\"count\":30000"), ("\"count\":20000", "\"count\":19999"), ("\"name\":\"x\"", "\"name\":\"y\""), ("{", "["),
    ])
    func damagedDescription(text: String, replacement: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        let environment = try Environment(path: path)
        try environment.createIndexTable()
        try TestIndex(seed: 1, Self.shapes).install(environment)
        environment.close()
        try Self.editIndexDescription(path) { $0.replacingOccurrences(of: text, with: replacement) }
        let damaged = try Environment(path: path)
        #expect(try !damaged.check().isEmpty)
        do {
            let index = try #require(try damaged.index())
            for position in 0 ..< 2 { _ = try index.array(position) }
            Issue.record("nothing was found")
        } catch let error as StorageError { #expect(error.code == .corrupt) }
        // What is damaged can be dropped, and leaves nothing behind: by itself, or with its table.
        let copy = folder.path("b.ntl")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        try damaged.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            guard try table.indexNames() == ["x"], try table.dropIndex("x") else { throw StorageError(.notFound, "the index was not there") }
        }
        #expect(try damaged.check() == [])
        let other = try Environment(path: copy)
        try other.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        #expect(try other.check() == [])
    }

    private static func editIndexDescription(_ path: String, _ edit: (String) -> String) throws {
        var environment: OpaquePointer?, transaction: OpaquePointer?, cursor: OpaquePointer?
        var database: MDB_dbi = 0
        mdb_env_create(&environment)
        mdb_env_set_maxdbs(environment, 16)
        try #require(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR), 0o644) == 0)
        defer { mdb_env_close(environment) }
        try #require(mdb_txn_begin(environment, nil, 0, &transaction) == 0)
        try #require(mdb_dbi_open(transaction, "catalog", 0, &database) == 0)
        try #require(mdb_cursor_open(transaction, database, &cursor) == 0)
        var key = MDB_val(), value = MDB_val()
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 {
            guard UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size).first == 0x78 else { continue }
            var bytes = Array(edit(String(decoding: UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size), as: UTF8.self)).utf8)
            let code = bytes.withUnsafeMutableBytes { bytes in
                var value = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
                return mdb_cursor_put(cursor, &key, &value, UInt32(MDB_CURRENT))
            }
            try #require(code == 0)
        }
        mdb_cursor_close(cursor)
        try #require(mdb_txn_commit(transaction) == 0)
    }
}
