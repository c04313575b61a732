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
