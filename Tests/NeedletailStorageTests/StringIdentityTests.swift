import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Strings and ids are told apart by their bytes, also where Unicode calls them equivalent and Swift's `==` equal.
@Suite struct StringIdentityTests {
    private static let kelvin = "\u{212A}"
    private static let composed = "caf\u{E9}"
    private static let decomposed = "cafe\u{301}"

    private static func append(_ table: TableWriter, _ keys: [RecordKey], _ policy: OnDuplicate = .fail, strings: [String?]? = nil) throws(StorageError) {
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: keys.count)
        memory.initialize(repeating: 0, count: keys.count)
        defer { memory.deallocate() }
        try table.append(
            RecordBatch(
                keys: .keys(keys), vectors: memory, vectorStride: 8, norms: Array(repeating: 0, count: keys.count),
                columns: [strings.map { .string($0) }]),
            onDuplicate: policy)
    }

    private static func environment(_ folder: TemporaryFolder) throws -> Environment {
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 8, columns: [ColumnDescriptor(name: "s", type: .string)]))
        }
        return environment
    }

    @Test("a string equivalent to an ASCII string keeps its own bytes")
    func dictionary() throws {
        let folder = try TemporaryFolder()
        let environment = try Self.environment(folder)
        try environment.writeBlocking { transaction throws(StorageError) in
            try Self.append(transaction.table("t"), [.int(0), .int(1)], strings: ["K", Self.kelvin])
        }
        let table = try #require(try environment.snapshot().table("t"))
        guard case .string(let stored) = try table.cell(slot: 1, column: 0) else { throw StorageError(.corrupt, "no string") }
        #expect(Array(stored.utf8) == Array(Self.kelvin.utf8))
        #expect(try environment.check() == [])
    }

    @Test("ids that differ only in how they compose a letter are different records", arguments: [OnDuplicate.fail, .replace, .skip])
    func keys(policy: OnDuplicate) throws {
        let folder = try TemporaryFolder()
        let environment = try Self.environment(folder)
        try environment.writeBlocking { transaction throws(StorageError) in
            try Self.append(transaction.table("t"), [.string(Self.composed), .string(Self.decomposed)], policy)
        }
        let table = try #require(try environment.snapshot().table("t"))
        #expect(table.liveCount == 2)
        #expect(try table.slot(for: .string(Self.composed)) == 0)
        #expect(try table.slot(for: .string(Self.decomposed)) == 1)
    }

    @Test("a table's name cannot be taken again in another spelling of the same letters")
    func tableNames() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: Self.composed, vectorByteCount: 4))
        }
        let error = #expect(throws: StorageError.self) {
            try environment.writeBlocking { transaction throws(StorageError) in
                _ = try transaction.createTable(TableDescriptor(name: Self.decomposed, vectorByteCount: 4))
            }
        }
        #expect(error?.code == .tableExists)
    }

    @Test("an id has at least one byte")
    func emptyKey() throws {
        let folder = try TemporaryFolder()
        let environment = try Self.environment(folder)
        let error = #expect(throws: StorageError.self) {
            try environment.writeBlocking { transaction throws(StorageError) in try Self.append(transaction.table("t"), [.string("")]) }
        }
        #expect(error?.code == .invalidArgument)
    }
}
