import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite struct EnvironmentTests {
    @Test("rows come back as they were appended, from the tail and from sealed blocks", arguments: [1, 7, 63, 64, 65, 500, 1000])
    func roundTrip(count: Int) throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        let model = TestTable.rows(count: count, seed: 1)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TestTable.descriptor)
            try transaction.table("t").append(model)
        }
        try TestTable.expect(environment, equals: model)
        environment.close()
        let again = try Environment(path: folder.path("a.ntl"), options: .init(readOnly: true))
        try TestTable.expect(again, equals: model)
    }

    @Test("many small appends give what one large gives", arguments: [1, 3, 50, 129])
    func smallAppends(step: Int) throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(TestTable.descriptor) }
        let model = TestTable.rows(count: 400, seed: 2)
        for first in stride(from: 0, to: 400, by: step) {
            let part = Array(model[first ..< min(400, first + step)])
            try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").append(part) }
            if first % 7 == 0 { try TestTable.expect(environment, equals: Array(model[..<min(400, first + step)])) }
        }
        try TestTable.expect(environment, equals: model)
    }

    @Test("groups of writes that seal blocks, some of them failing, leave a file that checks")
    func groupsOfBlocks() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createTestTable()
        let count = await withTaskGroup(of: Int.self) { group in
            for task in 0 ..< 8 {
                group.addTask {
                    var count = 0
                    for step in 0 ..< 10 {
                        let rows = TestTable.rows(count: 40, seed: UInt64(task * 100 + step), firstID: 10_000 * task + 100 * step, strings: true)
                        do {
                            try await environment.write(durability: step % 2 == 0 ? .relaxed : .full) { transaction throws(StorageError) in
                                try transaction.table("t").append(rows)
                                _ = try transaction.table("t").delete(rows[3].key)
                                if (task + step) % 4 == 0 { throw StorageError(.invalidArgument, "on purpose") }
                            }
                            count += 39
                        } catch {}
                    }
                    return count
                }
            }
            return await group.reduce(0, +)
        }
        #expect(count == 60 * 39)
        #expect(try environment.snapshot().table("t")?.liveCount == count)
        #expect(try environment.check() == [])
    }

    @Test("a failing body undoes only itself; the others of its group commit")
    func groupCommit() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try await environment.write { transaction throws(StorageError) in _ = try transaction.createTable(TestTable.descriptor) }
        let results = await withTaskGroup(of: Bool.self) { group in
            for id in 0 ..< 200 {
                group.addTask {
                    do {
                        try await environment.write { transaction throws(StorageError) in
                            try transaction.table("t").append([TestTable.row(id: .int(Int64(id)), seed: UInt64(id))])
                            if id % 3 == 0 { throw StorageError(.invalidArgument, "on purpose") }
                        }
                        return true
                    } catch { return false }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(results == 200 - 67)
        let table = try #require(try environment.snapshot().table("t"))
        #expect(table.liveCount == results)
        for id in 0 ..< 200 { #expect(try (table.slot(for: .int(Int64(id))) != nil) == (id % 3 != 0)) }
    }
}
