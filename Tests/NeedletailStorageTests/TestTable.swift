import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// One record of the model that tests compare a table with.
struct TestRow: Sendable, Equatable {
    var key: RecordKey
    var vector: [Float]
    var norm: Float
    var cells: [CellValue]
    var payload: Data?
    var attachment: Data?
}

/// A table with a column of each type, rows for it, and comparison with what is stored.
enum TestTable {
    /// So wide that a block has only 64 rows: a few hundred rows make several blocks and a tail.
    static let dimension = 4096

    static let descriptor = TableDescriptor(
        name: "t", vectorByteCount: 4 * dimension,
        columns: ColumnType.allCases.map { ColumnDescriptor(name: "c_\($0)", type: $0) }, userInfo: Data("schema".utf8))

    static func cell(_ type: ColumnType, using generator: inout SeededGenerator) -> CellValue {
        if Int.random(in: 0 ..< 5, using: &generator) == 0 { return .null }
        func word() -> String {
            let number = Int.random(in: 0 ..< 40, using: &generator)
            return number == 7 ? String(repeating: "lang-", count: 200) + "\(number % 3)" : "wörd \(number)"
        }
        switch type {
        case .bool: return .bool(Bool.random(using: &generator))
        case .int: return .int(Int64.random(in: -1000 ... 1000, using: &generator))
        case .double: return .double(Int.random(in: 0 ..< 20, using: &generator) == 0 ? .nan : Double.random(in: -1 ... 1, using: &generator))
        case .timestamp: return .timestamp(Int64.random(in: 0 ... 1 << 50, using: &generator))
        case .string: return .string(word())
        case .stringList: return .stringList((0 ..< Int.random(in: 0 ..< 4, using: &generator)).map { _ in word() })
        }
    }

    static func row(id: RecordKey, seed: UInt64) -> TestRow {
        var generator = SeededGenerator(seed: seed)
        let first = Float(generator.next() % 1_000_000)
        let vector = (0 ..< dimension).map { first + Float($0) }
        return TestRow(
            key: id, vector: vector, norm: first * 0.5,
            cells: ColumnType.allCases.map { cell($0, using: &generator) },
            payload: seed % 3 == 0 ? Data("{\"seed\":\(seed)}".utf8) : nil, attachment: seed % 5 == 0 ? Data(repeating: 7, count: 100) : nil)
    }

    static func rows(count: Int, seed: UInt64, firstID: Int = 0, strings: Bool = false) -> [TestRow] {
        (0 ..< count).map { row(id: strings && $0 % 2 == 1 ? .string("key-\(firstID + $0)") : .int(Int64(firstID + $0)), seed: seed &* 1_000_003 &+ UInt64($0)) }
    }

    /// Compares everything a snapshot shows with the model, whose rows are in order of arrival.
    static func expect(_ environment: Environment, equals rows: [TestRow], sourceLocation: SourceLocation = #_sourceLocation) throws {
        guard let table = try environment.snapshot().table("t") else {
            Issue.record("no table", sourceLocation: sourceLocation)
            return
        }
        #expect(table.liveCount == rows.count, sourceLocation: sourceLocation)
        var slots: [UInt32] = []
        for slot in 0 ..< UInt32(table.slotCount) where !table.isDeleted(slot) { slots.append(slot) }
        guard slots.count == rows.count else {
            Issue.record("\(slots.count) live slots, expected \(rows.count)", sourceLocation: sourceLocation)
            return
        }
        for (slot, row) in zip(slots, rows) {
            let found = try read(table, slot)
            if !same(found, row) {
                Issue.record("slot \(slot): \(found) is not \(row)", sourceLocation: sourceLocation)
                return
            }
            #expect(try table.slot(for: row.key) == slot, sourceLocation: sourceLocation)
        }
    }

    static func read(_ table: TableSnapshot, _ slot: UInt32) throws -> TestRow {
        let start = table.vectors.vector(Int(slot))
        return TestRow(
            key: try table.key(ofSlot: slot), vector: Array(UnsafeBufferPointer(start: start.assumingMemoryBound(to: Float.self), count: dimension)),
            norm: table.vectors.norm(Int(slot)), cells: try table.descriptor.columns.indices.map { try table.cell(slot: slot, column: $0) },
            payload: try table.payload(ofSlot: slot), attachment: try table.attachment(ofSlot: slot))
    }

    /// Equality under which a NaN equals itself.
    static func same(_ a: TestRow, _ b: TestRow) -> Bool {
        func plain(_ row: TestRow) -> TestRow {
            var row = row
            row.cells = row.cells.map { if case .double(let value) = $0, value.isNaN { .string("NaN") } else { $0 } }
            return row
        }
        return plain(a) == plain(b)
    }
}

extension TableWriter {
    /// Appends model rows.
    func append(_ rows: [TestRow], onDuplicate: OnDuplicate = .fail) throws(StorageError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, rows.count * descriptor.vectorByteCount), alignment: 8)
        defer { memory.deallocate() }
        for (position, row) in rows.enumerated() {
            row.vector.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                (memory + position * descriptor.vectorByteCount).copyMemory(from: base, byteCount: bytes.count)
            }
        }
        var columns: [ColumnValues?] = []
        for (position, column) in descriptor.columns.enumerated() {
            let cells = rows.map { $0.cells[position] }
            switch column.type {
            case .bool: columns.append(.bool(cells.map { if case .bool(let value) = $0 { value } else { nil } }))
            case .int: columns.append(.int(cells.map { if case .int(let value) = $0 { value } else { nil } }))
            case .double: columns.append(.double(cells.map { if case .double(let value) = $0 { value } else { nil } }))
            case .timestamp: columns.append(.timestamp(cells.map { if case .timestamp(let value) = $0 { value } else { nil } }))
            case .string: columns.append(.string(cells.map { if case .string(let value) = $0 { value } else { nil } }))
            case .stringList: columns.append(.stringList(cells.map { if case .stringList(let value) = $0 { value } else { nil } }))
            }
        }
        try append(RecordBatch(
            keys: .keys(rows.map(\.key)), vectors: memory, vectorStride: descriptor.vectorByteCount, norms: rows.map(\.norm),
            columns: columns, payloads: rows.map(\.payload), attachments: rows.map(\.attachment)), onDuplicate: onDuplicate)
    }
}
