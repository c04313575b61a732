import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Large transactions: what they keep in memory must reach the file whichever limit they run into on the way.
@Suite struct SealingTests {
    private static func append(
        _ table: TableWriter, ids: Range<Int64>, columns: [ColumnValues?] = []
    ) throws(StorageError) {
        let byteCount = ids.count * table.descriptor.vectorByteCount
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 8)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount)
        try table.append(RecordBatch(
            keys: .range(ids), vectors: memory, vectorStride: table.descriptor.vectorByteCount,
            norms: Array(repeating: 0, count: ids.count), columns: columns))
    }

    @Test("lists survive when changed chunks are written early, in the middle of a list column")
    func earlyWriteInsideListColumn() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        // A block has 64 rows; each list column needs a chunk of elements and one of codes, 32 MiB of them at column 254.
        let columns = (0 ..< 300).map { ColumnDescriptor(name: "tags \($0)", type: .stringList) }
        let lists = (0 ..< 64).map { row -> [String]? in row % 5 == 0 ? nil : (0 ..< row % 3).map { "tag \(row + $0)" } }
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 16_384, columns: columns))
            try Self.append(transaction.table("t"), ids: 0 ..< 64, columns: columns.map { _ in .stringList(lists) })
        }
        #expect(try environment.check() == [])
        let table = try #require(try environment.snapshot().table("t"))
        #expect(table.sealedCount == 64)
        for column in columns.indices {
            for row in [0, 1, 32, 63] {
                #expect(try table.cell(slot: UInt32(row), column: column) == lists[row].map { .stringList($0) } ?? .null)
            }
        }
    }

    @Test("one transaction can update a field of every record")
    func updateOfEveryRecord() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        let count = 20_001
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 4, columns: [ColumnDescriptor(name: "n", type: .int)]))
            try Self.append(transaction.table("t"), ids: 0 ..< Int64(count))
        }
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            for id in 0 ..< Int64(count) { _ = try table.update(.int(id), [0: .int(-id)]) }
        }
        let table = try #require(try environment.snapshot().table("t"))
        for slot in [0, 9_999, 20_000] as [UInt32] { #expect(try table.cell(slot: slot, column: 0) == .int(-Int64(slot))) }
        #expect(try environment.check() == [])
    }
}
