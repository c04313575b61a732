import Foundation
import NeedletailStorage
import NeedletailTestSupport

/// The writes that a child makes and its parent checks: each step is one transaction, and depends on the seed and the
/// step's number only, so that both sides know what the file holds after any number of steps.
package struct CrashWorkload: Sendable {
    package let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    /// What one record holds, as the seeds that its parts are made from.
    package struct Content: Sendable, Equatable {
        package var vector: UInt64
        package var columns: UInt64
        package var payload: UInt64?
    }

    package enum Step: Sendable {
        case append([(RecordKey, UInt64)], OnDuplicate)
        case delete([RecordKey])
        case update([(RecordKey, UInt64)])
        case payload(RecordKey, UInt64?)
    }

    /// So wide that a block has 64 rows and many steps seal one.
    static let vectorByteCount = 16384

    package static let descriptor = TableDescriptor(
        name: "crash", vectorByteCount: vectorByteCount,
        columns: [
            // Checking the file compares their ordered indexes with what the columns say.
            ColumnDescriptor(name: "number", type: .int, indexed: true), ColumnDescriptor(name: "text", type: .string, indexed: true),
            ColumnDescriptor(name: "list", type: .stringList),
        ])

    package func step(_ number: Int) -> Step {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9 &+ UInt64(number))
        func key() -> RecordKey {
            let id = Int.random(in: 0 ..< 400, using: &generator)
            return id % 3 == 0 ? .string("record \(id)") : .int(Int64(id))
        }
        func some(_ most: Int) -> [(RecordKey, UInt64)] {
            var keys: Set<RecordKey> = []
            for _ in 0 ..< Int.random(in: 1 ... most, using: &generator) { keys.insert(key()) }
            return keys.sorted { "\($0)" < "\($1)" }.map { ($0, generator.next() % 1_000_000) }
        }
        switch Int.random(in: 0 ..< 10, using: &generator) {
        case 0 ... 2: return .append([(.int(Int64(1_000_000 + number)), generator.next() % 1_000_000)], .fail)
        case 3: return .append((0 ..< 100).map { (.int(Int64(10_000_000 + 1000 * number + $0)), generator.next() % 1_000_000) }, .fail)
        case 4: return .append(some(150), .skip)
        case 5: return .append(some(100), .replace)
        case 6: return .delete(some(120).map(\.0))
        // The long run of ids that a batch entered goes again, so that the table stays small.
        case 7: return .delete((0 ..< 1000).map { .int(Int64(10_000_000 + 1000 * (number - 1 - $0 / 100) + $0 % 100)) })
        case 8: return .update(some(50))
        default: return .payload(key(), Bool.random(using: &generator) ? generator.next() % 1000 : nil)
        }
    }

    /// The records after the first `count` steps.
    package func content(after count: Int) -> [RecordKey: Content] {
        var records: [RecordKey: Content] = [:]
        for number in 0 ..< count {
            switch step(number) {
            case .append(let rows, let policy):
                for (key, seed) in rows where policy != .skip || records[key] == nil {
                    records[key] = Content(vector: seed, columns: seed, payload: seed % 4 == 0 ? seed : nil)
                }
            case .delete(let keys):
                for key in keys { records[key] = nil }
            case .update(let changes):
                for (key, seed) in changes { records[key]?.columns = seed }
            case .payload(let key, let seed):
                records[key]?.payload = seed
            }
        }
        return records
    }

    /// Runs a step, and notes in the same transaction that it has been run.
    package func run(_ number: Int, _ environment: Environment) throws(StorageError) {
        let step = step(number)
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table(Self.descriptor.name)
            switch step {
            case .append(let rows, let policy): try Self.append(rows, policy, to: table)
            case .delete(let keys): for key in keys { _ = try table.delete(key) }
            case .update(let changes): for (key, seed) in changes { _ = try table.update(key, Self.cells(seed)) }
            case .payload(let key, let seed): _ = try table.setPayload(key, seed.map(Self.payload))
            }
            if number % Self.indexInterval == 0 { try Self.installIndex(number, in: table) }
            try table.setUserInfo(Data("\(number + 1)".utf8))
        }
    }

    /// So often a step also installs an index.
    private static let indexInterval = 3

    /// An index of two arrays that say which step made them; the first chunk of the first one stays from the step before,
    /// each second time.
    private static func installIndex(_ number: Int, in table: TableWriter) throws(StorageError) {
        let old = try table.indexes().first
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: 1 << 17)
        defer { memory.deallocate() }
        memory.initialize(repeating: UInt64(number), count: 1 << 17)
        let keeps = old != nil && number / indexInterval % 2 == 1
        try table.installIndex(
            IndexDescriptor(name: "index", kind: "test", coveredCount: table.slotCount, parameters: Data("\(number)".utf8)),
            arrays: [
                IndexArrayContent(stride: 64, count: 16384 + 100, chunks: [keeps ? nil : UnsafeRawPointer(memory), UnsafeRawPointer(memory)]),
                IndexArrayContent(stride: 16, count: number % 500, chunks: number % 500 == 0 ? [] : [UnsafeRawPointer(memory)]),
            ], expectedVersion: old?.version ?? 0)
    }

    /// How the index differs from what it must be after so many steps.
    private func indexDifferences(_ table: TableSnapshot, after count: Int) throws(StorageError) -> [String] {
        guard count > 0 else { return [] }
        let number = (count - 1) / Self.indexInterval * Self.indexInterval
        guard let index = try table.indexes().first else { return ["there is no index"] }
        let links = try index.array(0), nodes = try index.array(1)
        guard index.descriptor.parameters == Data("\(number)".utf8), links.count == 16384 + 100, nodes.count == number % 500 else {
            return ["the index is not that of step \(number)"]
        }
        let firstChunk = number / Self.indexInterval % 2 == 1 ? number - Self.indexInterval : number
        var wrong = 0
        for row in 0 ..< links.count where links.row(row).load(fromByteOffset: 56, as: UInt64.self) != (row < 16384 ? firstChunk : number) { wrong += 1 }
        for row in 0 ..< nodes.count where nodes.row(row).load(as: UInt64.self) != number { wrong += 1 }
        return wrong == 0 ? [] : ["\(wrong) rows of the index are not of step \(number)"]
    }

    private static func append(_ rows: [(RecordKey, UInt64)], _ policy: OnDuplicate, to table: TableWriter) throws(StorageError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: rows.count * vectorByteCount, alignment: 8)
        defer { memory.deallocate() }
        for (position, row) in rows.enumerated() {
            (memory + position * vectorByteCount).initializeMemory(as: UInt64.self, repeating: row.1, count: vectorByteCount / 8)
        }
        try table.append(RecordBatch(
            keys: .keys(rows.map(\.0)), vectors: memory, vectorStride: vectorByteCount, norms: rows.map { Float($0.1) },
            columns: [.int(rows.map { Int64($0.1) }), .string(rows.map { text($0.1) }), .stringList(rows.map { list($0.1) })],
            payloads: rows.map { $0.1 % 4 == 0 ? payload($0.1) : nil }), onDuplicate: policy)
    }

    private static func text(_ seed: UInt64) -> String? { seed % 7 == 0 ? nil : "text \(seed % 90)" }
    private static func list(_ seed: UInt64) -> [String]? { seed % 5 == 0 ? nil : (0 ..< seed % 4).map { "element \(seed % 30 + $0)" } }
    private static func payload(_ seed: UInt64) -> Data { Data("{\"seed\":\(seed)}".utf8) }

    private static func cells(_ seed: UInt64) -> [Int: CellValue] {
        [0: .int(Int64(seed)), 1: text(seed).map { .string($0) } ?? .null, 2: list(seed).map { .stringList($0) } ?? .null]
    }

    /// How many steps the file has seen.
    package func stepCount(_ environment: Environment) throws(StorageError) -> Int {
        guard let table = try environment.snapshot().table(Self.descriptor.name) else { return 0 }
        return Int(String(decoding: table.descriptor.userInfo, as: UTF8.self)) ?? 0
    }

    /// How the file differs from what it must hold after so many steps.
    package func differences(_ environment: Environment, after count: Int) throws(StorageError) -> [String] {
        let expected = content(after: count)
        guard let table = try environment.snapshot().table(Self.descriptor.name) else { return count == 0 ? [] : ["there is no table"] }
        var differences = try indexDifferences(table, after: count)
        if table.liveCount != expected.count { differences.append("\(table.liveCount) records, expected \(expected.count)") }
        for (key, content) in expected {
            guard let slot = try table.slot(for: key) else {
                differences.append("record \(key) is missing")
                continue
            }
            let vector = table.vectors.vector(Int(slot)).assumingMemoryBound(to: UInt64.self)
            // A vector repeats one word: a sample, the last word with it, tells as much as all of them.
            let isSame = stride(from: Self.vectorByteCount / 8 - 1, through: 0, by: -89).allSatisfy { vector[$0] == content.vector }
            if !isSame || table.vectors.norm(Int(slot)) != Float(content.vector) { differences.append("record \(key) has another vector") }
            for (position, cell) in Self.cells(content.columns) {
                let found = try table.cell(slot: slot, column: position)
                if found != cell { differences.append("record \(key), column \(position): \(found), expected \(cell)") }
            }
            if try table.payload(ofSlot: slot) != content.payload.map(Self.payload) { differences.append("record \(key) has another payload") }
        }
        return differences
    }
}
