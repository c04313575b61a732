import CLMDB
import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("Statistics in the file")
struct StoredStatisticsTests {
    private static let descriptor = TableDescriptor(
        name: "t", vectorByteCount: 8,
        columns: [ColumnDescriptor(name: "n", type: .int), ColumnDescriptor(name: "x", type: .double), ColumnDescriptor(name: "s", type: .string)])

    private static let statistics = StoredStatistics(
        generation: 0, liveCount: 0,
        columns: [
            .init(sampled: 10, nulls: 2, distinct: 4, values: [-5, 7], counts: [3, 2], between: [0, 3]),
            .init(
                sampled: 10, nulls: 0, distinct: 10, values: [(-1.5).bitPattern, (0.25).bitPattern].map { Int64(bitPattern: $0) },
                counts: [1, 1], between: [4, 4]),
            .init(sampled: 0, nulls: 0, distinct: 0),
        ])

    private static func environment(_ path: String, _ statistics: StoredStatistics? = statistics) throws -> Environment {
        let environment = try Environment(path: path)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(descriptor)
            if let statistics { try transaction.table("t").putStatistics(statistics) }
        }
        return environment
    }

    private static func stored(_ environment: Environment) throws -> StoredStatistics? {
        try #require(try environment.snapshot().table("t")).storedStatistics()
    }

    @Test("what was stored is read by the next process, is no change of the table, and goes with it")
    func storing() throws {
        let folder = try TemporaryFolder(), path = folder.path("a.ntl")
        var environment = try Self.environment(path, nil)
        #expect(try Self.stored(environment) == nil)
        let generation = try #require(try environment.snapshot().table("t")).generation
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").putStatistics(Self.statistics) }
        environment.close()
        environment = try Environment(path: path)
        #expect(try Self.stored(environment) == Self.statistics)
        #expect(try #require(try environment.snapshot().table("t")).generation == generation)
        #expect(try environment.check() == [])
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.dropTable("t") }
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(Self.descriptor) }
        #expect(try Self.stored(environment) == nil)
        #expect(try environment.check() == [])
        #expect(try Self.catalogCount(path, environment) == 1)
    }

    @Test("statistics that are damaged are none: searches go on without, check tells, and new ones take their place", arguments: [
        ("", ""),
        ("", #"{"#),
        ("", #"null"#),
        ("", #"[]"#),
        ("", #"{}"#),
        ("", #"{"columns":[],"generation":0,"liveCount":0}"#),
        (#""counts":[3,2]"#, #""counts":[3,2,1]"#),
        (#""counts":[3,2]"#, #""counts":[3,9000000000000000000]"#),
        (#""counts":[3,2]"#, #""counts":[-3,2]"#),
        (#""between":[0,3]"#, #""between":[0,300]"#),
        (#""values":[-5,7]"#, #""values":[7,-5]"#),
        (#""values":[-5,7]"#, #""values":[7,7]"#),
        (#""values":[-5,7]"#, #""values":[7,1e300]"#),
        (#""sampled":10"#, #""sampled":-1"#),
        (#""sampled":10"#, #""sampled":4611686018427387904"#),
        (#""nulls":2"#, #""nulls":20"#),
        (#""distinct":4"#, #""distinct":-4"#),
        (#""generation":0"#, #""generation":77"#),
        (#""liveCount":0"#, #""liveCount":-1"#),
    ])
    func damage(from: String, to: String) throws {
        let folder = try TemporaryFolder(), path = folder.path("a.ntl")
        try Self.environment(path).close()
        try Self.edit(path) { json in
            guard !from.isEmpty else { return to }
            #expect(json.contains(from), "\(json)")
            return json.replacingOccurrences(of: from, with: to)
        }
        let environment = try Environment(path: path)
        #expect(try Self.stored(environment) == nil)
        let findings = try environment.check()
        #expect(findings.count == 1 && findings.first?.message.contains("statistics are damaged") == true, "\(findings)")
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").putStatistics(Self.statistics) }
        #expect(try Self.stored(environment) == Self.statistics)
        #expect(try environment.check() == [])
    }

    /// Statistics, or other entries, in the catalog.
    private static func catalogCount(_ path: String, _ environment: Environment) throws -> Int {
        environment.close()
        var count = 0
        try forEach(path) { _, _, _ in count += 1 }
        return count
    }

    private static func edit(_ path: String, _ edit: (String) -> String) throws {
        try forEach(path) { cursor, key, value in
            guard UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size).first == 0x61 else { return }
            var key = key
            var bytes = Array(edit(String(decoding: UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size), as: UTF8.self)).utf8)
            let code = bytes.withUnsafeMutableBytes { bytes in
                var value = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
                return mdb_cursor_put(cursor, &key, &value, UInt32(MDB_CURRENT))
            }
            #expect(code == 0)
        }
    }

    private static func forEach(_ path: String, _ body: (OpaquePointer?, MDB_val, MDB_val) throws -> Void) throws {
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
        while mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0 { try body(cursor, key, value) }
        mdb_cursor_close(cursor)
        try #require(mdb_txn_commit(transaction) == 0)
    }
}
