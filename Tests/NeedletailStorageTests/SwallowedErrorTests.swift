import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// A body that catches an error and goes on must not commit what the failed call had half done.
@Suite struct SwallowedErrorTests {
    /// Lets the `first`-th allocation of blocks fail inside `change`, whose error the body swallows; what the file holds
    /// then must be what it held before.
    private func expectNothingDone(
        failing first: Int, _ change: @escaping @Sendable (TableWriter) throws(StorageError) -> Void
    ) throws {
        let folder = try TemporaryFolder()
        let faults = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: faults))
        try environment.createTestTable()
        let model = TestTable.rows(count: 70, seed: 5)
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").append(model) }
        // Each step of the allocation is tried twice, the second time with the least that serves.
        faults.arm(failing: [.allocate], first: first, code: ENOSPC, persistent: true)
        let error = #expect(throws: StorageError.self) {
            try environment.writeBlocking { transaction throws(StorageError) in
                do throws(StorageError) { try change(transaction.table("t")) } catch {}
            }
        }
        #expect(error?.code == .diskFull)
        #expect(faults.disarm())
        try TestTable.expect(environment, equals: model)
        #expect(try environment.check() == [])
    }

    /// Strings that take more room than has been allocated ahead, so that adding them asks for more.
    private static func longTexts(_ row: TestRow) -> TestRow {
        var row = row
        row.cells[5] = .stringList((0 ..< 8).map { String(repeating: "\($0)", count: 1 << 20) })
        return row
    }

    @Test("an append that runs out of room between its keys and its rows")
    func append() throws {
        let row = Self.longTexts(TestTable.row(id: .int(1000), seed: 9))
        try expectNothingDone(failing: 1) { table throws(StorageError) in try table.append([row]) }
    }

    @Test("a replacement that runs out of room after the delete")
    func replace() throws {
        let row = Self.longTexts(TestTable.row(id: .int(3), seed: 9))
        try expectNothingDone(failing: 1) { table throws(StorageError) in try table.append([row], onDuplicate: .replace) }
    }

    @Test("an update that runs out of room between two columns", arguments: [5, 68] as [Int64])
    func update(id: Int64) throws {
        let list = Self.longTexts(TestTable.row(id: .int(id), seed: 9)).cells[5]
        try expectNothingDone(failing: 1) { table throws(StorageError) in
            _ = try table.update(.int(id), [0: .bool(true), 1: .int(1 << 40), 2: .double(9), 3: .timestamp(1), 5: list])
        }
    }

    @Test("a duplicate may be swallowed: the call has then done nothing, and the rest commits")
    func duplicate() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createTestTable()
        let model = TestTable.rows(count: 10, seed: 5)
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("t")
            try table.append(model)
            do throws(StorageError) { try table.append([TestTable.row(id: .int(50), seed: 1), model[3]]) } catch {}
        }
        try TestTable.expect(environment, equals: model)
        #expect(try environment.check() == [])
    }
}
