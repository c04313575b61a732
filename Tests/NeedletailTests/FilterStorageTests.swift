import Foundation
import Needletail
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite struct FilterStorageTests {
    /// Rows in a file: sealed chunks and a tail, ids of both kinds, some records deleted.
    struct Stored {
        let folder: TemporaryFolder
        let environment: Environment
        let table: TableSnapshot
        let rows: [[Value]]
        let keys: [RecordKey]

        init(_ sample: FilterSample, rowCount: Int, vectorByteCount: Int, using random: inout SeededGenerator) throws {
            folder = try TemporaryFolder()
            environment = try Environment(path: folder.path("filter.ntl"))
            rows = (0 ..< rowCount).map { _ in sample.fields.map { sample.value(of: $0.type, using: &random) } }
            keys = (0 ..< rowCount).map { $0 % 3 == 0 ? .string("r\($0)") : .int(Int64($0)) }
            let descriptor = TableDescriptor(
                name: "t", vectorByteCount: vectorByteCount,
                columns: sample.fields.map { ColumnDescriptor(name: $0.name, type: Self.columnType($0.type)) }, userInfo: Data())
            _ = try environment.writeBlocking { transaction throws(StorageError) in try transaction.createTable(descriptor) }
            // One batch for most, then a few small ones that end in the tail.
            var first = 0
            while first < rowCount {
                let count = first == 0 ? max(1, rowCount - 40) : min(13, rowCount - first)
                let (rows, keys) = (Array(rows[first ..< first + count]), Array(keys[first ..< first + count]))
                let columns = sample.fields.indices.map { column in Self.values(rows.map { $0[column] }, sample.fields[column].type) }
                try environment.writeBlocking { transaction throws(StorageError) in
                    let vectors = UnsafeMutableRawPointer.allocate(byteCount: count * vectorByteCount, alignment: 64)
                    defer { vectors.deallocate() }
                    vectors.initializeMemory(as: UInt8.self, repeating: 0, count: count * vectorByteCount)
                    try transaction.table("t").append(
                        RecordBatch(
                            keys: .keys(keys), vectors: vectors, vectorStride: vectorByteCount, norms: Array(repeating: 0, count: count),
                            columns: columns), onDuplicate: .fail)
                }
                first += count
            }
            let doomed = keys.filter { _ in random.next() % 7 == 0 }
            try environment.writeBlocking { transaction throws(StorageError) in
                let writer = try transaction.table("t")
                for key in doomed { _ = try writer.delete(key) }
            }
            table = try #require(try environment.snapshot().table("t"))
        }

        private static func columnType(_ type: FieldType) -> ColumnType {
            switch type {
            case .bool: .bool
            case .int: .int
            case .double: .double
            case .timestamp: .timestamp
            case .string: .string
            case .strings: .stringList
            }
        }

        private static func values(_ values: [Value], _ type: FieldType) -> ColumnValues {
            switch type {
            case .bool: .bool(values.map(\.boolValue))
            case .int: .int(values.map(\.intValue))
            case .double: .double(values.map(\.doubleValue))
            case .timestamp: .timestamp(values.map { $0.timestampValue?.microsecondsSince1970 })
            case .string: .string(values.map(\.stringValue))
            case .strings: .stringList(values.map(\.stringsValue))
            }
        }
    }

    @Test("filters on a file agree with the definition on every row", arguments: 1 ... 8)
    func randomFilters(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sample = FilterSample()
        // Blocks of 64 rows with a short last chunk, and blocks of 4,096 with several chunks a column.
        let (rowCount, byteCount) = seed % 4 == 0 ? (9_000, 16) : (Int.random(in: 1 ... 700, using: &random), 16_384)
        let stored = try Stored(sample, rowCount: rowCount, vectorByteCount: byteCount, using: &random)
        let table = stored.table
        let positions = Dictionary(uniqueKeysWithValues: sample.fields.enumerated().map { ($1.name, $0) })
        for _ in 0 ..< (rowCount > 1000 ? 12 : 60) {
            let filter = sample.filter(depth: Int.random(in: 0 ... 4, using: &random), using: &random)
            let program = try FilterProgram(BoundFilter(filter, fields: sample.fields), on: table)
            let slots = program.slots()
            for slot in 0 ..< rowCount {
                let isDeleted = table.isDeleted(UInt32(slot))
                let outcome = FilterOracle.evaluate(filter) { name in
                    if let position = positions[name] { return stored.rows[slot][position] }
                    switch stored.keys[slot] {
                    case .int(let id): return .int(id)
                    case .string(let id): return .string(id)
                    }
                }
                try #require(slots.contains(UInt32(slot)) == (outcome == true && !isDeleted), "seed \(seed): \(filter), slot \(slot)")
                if !isDeleted { try #require(program.matches(UInt32(slot)) == (outcome == true), "seed \(seed): \(filter), slot \(slot) alone") }
            }
        }
    }
}
