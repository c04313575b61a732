import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Fails call 1, call 2, call 3 … of an operation until it runs through untouched; after each failure everything must be
/// as before.
@Suite struct FaultTests {
    struct Fault: Sendable, CustomTestStringConvertible {
        var code: Int32
        var persistent: Bool
        /// Every call, or every so many.
        var step: Int
        var testDescription: String { "code \(code)\(persistent ? ", and all later calls" : "")" }
    }

    static let faults = [
        Fault(code: EIO, persistent: false, step: 1), Fault(code: -30792 /* MDB_MAP_FULL */, persistent: true, step: 5),
        Fault(code: ENOSPC, persistent: true, step: 7), Fault(code: ENOMEM, persistent: false, step: 6),
    ]

    @Test("a failed write leaves file and objects as they were", arguments: faults)
    func write(fault: Fault) throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createTestTable()
        let before = TestTable.rows(count: 70, seed: 3, strings: true)
        let added = TestTable.rows(count: 61, seed: 4, firstID: 1000, strings: true)
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").append(before) }
        let change: @Sendable (WriteTransaction) throws(StorageError) -> Void = { transaction throws(StorageError) in
            let table = try transaction.table("t")
            try table.append(added)
            _ = try table.delete(before[1].key)
            _ = try table.update(before[0].key, [1: .int(5), 4: .string("a new string"), 5: .stringList(["x", "y"])])
            _ = try table.setPayload(before[2].key, Data("{}".utf8))
        }
        var failures = 0
        for call in stride(from: 1, to: 100_000, by: fault.step) {
            plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: fault.code, persistent: fault.persistent)
            do {
                try environment.writeBlocking(change)
                let wasHit = plan.disarm()
                // A fault may be survived (an allocation ahead is tried again in a smaller step), but only whole.
                #expect(try environment.check() == [], "call \(call)")
                if !wasHit { break }
                try environment.writeBlocking { transaction throws(StorageError) in
                    let table = try transaction.table("t")
                    try table.append(before, onDuplicate: .replace)
                    for row in added { _ = try table.delete(row.key) }
                }
            } catch {
                plan.disarm()
                failures += 1
                if call % 10 == 1 || call < 20 {
                    #expect(try environment.check() == [], "call \(call)")
                    try TestTable.expect(environment, equals: before)
                }
            }
        }
        #expect(failures > 10)
        let table = try #require(try environment.snapshot().table("t"))
        #expect(table.liveCount == 70 + 61 - 1)
        environment.close()
        let again = try Environment(path: folder.path("a.ntl"))
        #expect(try again.check() == [])
        #expect(try again.snapshot().table("t")?.liveCount == 130)
    }

    @Test("a full write that changes nothing still waits for the relaxed ones before it")
    func fullWriteWithoutChanges() throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createTestTable()
        let row = TestTable.row(id: .int(1), seed: 1)
        let deleteNothing: @Sendable (WriteTransaction) throws(StorageError) -> Void = { transaction throws(StorageError) in
            _ = try transaction.table("t").delete(.int(2))
        }
        try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").append([row]) }
        plan.arm(failing: [.sync], first: 1, code: EIO, persistent: false)
        #expect(throws: StorageError.self) { try environment.writeBlocking(deleteNothing) }
        try environment.writeBlocking(deleteNothing)
        #expect(plan.disarm())
        // Nothing is left to be synced.
        plan.arm(failing: [.sync], first: 1, code: EIO, persistent: false)
        try environment.writeBlocking(deleteNothing)
        #expect(!plan.disarm())
    }

    @Test("a failed opening, of an old file or a new one, leaves what can be opened")
    func open() throws {
        for isNew in [false, true] {
            for call in 1 ..< 200 {
                let folder = try TemporaryFolder()
                let path = folder.path("a.ntl")
                if !isNew {
                    let environment = try Environment(path: path)
                    try environment.createTestTable()
                    environment.close()
                }
                let plan = FaultPlan()
                plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: EIO, persistent: false)
                var failed = false
                do {
                    try Environment(path: path, options: .init(faults: plan)).close()
                } catch { failed = true }
                let wasHit = plan.disarm()
                let environment = try Environment(path: path)
                if isNew { try environment.createTestTable() }
                #expect(try environment.snapshot().tableNames() == ["t"])
                environment.close()
                if !wasHit {
                    #expect(!failed)
                    break
                }
            }
        }
    }

    @Test("a failed read throws and does not spoil the next")
    func read() throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createTestTable()
        let rows = TestTable.rows(count: 70, seed: 5, strings: true)
        try environment.writeBlocking { transaction throws(StorageError) in
            try transaction.table("t").append(rows)
            _ = try transaction.table("t").delete(rows[3].key)
        }
        let live = rows.filter { $0.key != rows[3].key }
        for call in 1 ..< 100_000 {
            // A commit lets the shared snapshot go, so that each round resolves everything anew.
            try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                _ = try transaction.table("t").setPayload(live[0].key, live[0].payload)
            }
            plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: EIO, persistent: false)
            var failed = false
            do {
                let table = try #require(try environment.snapshot().table("t"))
                for slot in [0, 1, 65] as [UInt32] { _ = try TestTable.read(table, slot) }
                _ = try table.slot(for: live[5].key)
                _ = try table.dictionaryCodes(column: 4, prefix: "w")
            } catch { failed = true }
            let wasHit = plan.disarm()
            if call % 8 == 0 { try TestTable.expect(environment, equals: live) }
            if !wasHit {
                #expect(!failed)
                break
            }
            #expect(failed, "call \(call)")
        }
    }
}
