import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// A model of a table: live rows in order of arrival.
struct TestModel {
    private(set) var rows: [TestRow] = []
    private var positions: [RecordKey: Int] { Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1.key, $0) }) }

    /// One random change, made to the model and, by `body`, to the table.
    enum Change: Sendable {
        case append([TestRow], OnDuplicate)
        case delete([RecordKey])
        case update(RecordKey, [Int: CellValue])
        case payload(RecordKey, Data?)
    }

    func randomChange(using generator: inout SeededGenerator) -> Change {
        func key() -> RecordKey {
            let number = Int.random(in: 0 ..< 300, using: &generator)
            return number % 3 == 0 ? .string("key-\(number)") : .int(Int64(number))
        }
        switch Int.random(in: 0 ..< 10, using: &generator) {
        case 0 ... 3:
            let count = [1, 1, 2, 20, 90, 150].randomElement(using: &generator) ?? 1
            let start = Int64.random(in: 0 ..< 1000, using: &generator)
            let consecutive = Bool.random(using: &generator)
            let rows = (0 ..< count).map { TestTable.row(id: consecutive ? .int(start + Int64($0)) : key(), seed: generator.next() % 100_000) }
            return .append(rows, [.fail, .replace, .skip].randomElement(using: &generator) ?? .fail)
        case 4 ... 5:
            return .delete((0 ..< Int.random(in: 1 ... 30, using: &generator)).map { _ in rows.randomElement(using: &generator)?.key ?? key() })
        case 6 ... 8:
            let position = Int.random(in: 0 ..< ColumnType.allCases.count, using: &generator)
            return .update(rows.randomElement(using: &generator)?.key ?? key(), [position: TestTable.cell(ColumnType.allCases[position], using: &generator)])
        default:
            return .payload(rows.randomElement(using: &generator)?.key ?? key(), Bool.random(using: &generator) ? Data("{}".utf8) : nil)
        }
    }

    /// False where the change must be refused.
    mutating func apply(_ change: Change) -> Bool {
        switch change {
        case .append(let new, let policy):
            var known = Set(rows.map(\.key))
            switch policy {
            case .fail:
                for row in new { guard known.insert(row.key).inserted else { return false } }
                rows += new
            case .skip:
                for row in new where known.insert(row.key).inserted { rows.append(row) }
            case .replace:
                let last = Dictionary(new.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { $1 })
                rows.removeAll { last[$0.key] != nil }
                rows += new.enumerated().filter { last[$1.key] == $0 }.map(\.element)
            }
        case .delete(let keys):
            let gone = Set(keys)
            rows.removeAll { gone.contains($0.key) }
        case .update(let key, let cells):
            guard let position = rows.firstIndex(where: { $0.key == key }) else { return true }
            for (column, cell) in cells { rows[position].cells[column] = cell }
        case .payload(let key, let data):
            guard let position = rows.firstIndex(where: { $0.key == key }) else { return true }
            rows[position].payload = data
        }
        return true
    }
}

extension TableWriter {
    func apply(_ change: TestModel.Change) throws(StorageError) {
        switch change {
        case .append(let rows, let policy): try append(rows, onDuplicate: policy)
        case .delete(let keys): for key in keys { _ = try delete(key) }
        case .update(let key, let cells): _ = try update(key, cells)
        case .payload(let key, let data): _ = try setPayload(key, data)
        }
    }
}

extension Environment {
    /// Makes the empty test table.
    func createTestTable() throws(StorageError) {
        try writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(TestTable.descriptor) }
    }
}

@Suite struct RandomOperationTests {
    @Test("random changes leave what a model says, and a file that checks", arguments: [11, 12, 13, 14] as [UInt64])
    func random(seed: UInt64) throws {
        print("RandomOperationTests seed \(seed)")
        let folder = try TemporaryFolder()
        var environment = try Environment(path: folder.path("a.ntl"))
        try environment.createTestTable()
        var generator = SeededGenerator(seed: seed)
        var model = TestModel()
        for round in 0 ..< 60 {
            let changes = (0 ..< Int.random(in: 1 ... 4, using: &generator)).map { _ in model.randomChange(using: &generator) }
            var next = model
            let refused = changes.contains { !next.apply($0) }
            do {
                try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                    for change in changes { try transaction.table("t").apply(change) }
                }
                #expect(!refused, "round \(round)")
                model = next
            } catch {
                #expect(error.code == .duplicateKey, "round \(round): \(error)")
                #expect(refused, "round \(round): \(error)")
            }
            if round % 10 == 9 {
                try TestTable.expect(environment, equals: model.rows)
                #expect(try environment.check() == [], "round \(round)")
            }
            if round % 25 == 24 {
                environment.close()
                environment = try Environment(path: folder.path("a.ntl"))
            }
        }
        try TestTable.expect(environment, equals: model.rows)
    }
}
