import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite struct SmallWriteTests {
    @Test("a small write runs where it is called, another on the writer thread")
    func thread() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        for isSmall in [true, false] {
            let here = ThreadIdentity()
            let there = try await environment.write(isSmall: isSmall) { _ throws(StorageError) in ThreadIdentity() }
            #expect((here == there) == isSmall)
        }
    }

    @Test("closing from within a write stops the process instead of waiting for itself", .timeLimit(.minutes(1)))
    func closingWithin() async {
        await #expect(processExitsWith: .failure) {
            let folder = try TemporaryFolder()
            let environment = try Environment(path: folder.path("a.ntl"))
            try await environment.write(isSmall: true) { _ throws(StorageError) in environment.close() }
        }
    }

    @Test("small and large writes of many tasks at once are all done, one at a time; those that throw change nothing", .timeLimit(.minutes(10)))
    func mixture() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createTestTable()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0 ..< 8 {
                group.addTask {
                    for step in 0 ..< 60 {
                        let id = Int64(task * 1000 + step), fails = step % 5 == 4
                        do {
                            try await environment.write(
                                durability: step % 2 == 0 ? .full : .relaxed, isSmall: (task + step) % 3 > 0
                            ) { transaction throws(StorageError) in
                                try transaction.table("t").append([TestTable.row(id: .int(id), seed: UInt64(id))])
                                if fails { throw StorageError(.busy, "on purpose") }
                            }
                            #expect(!fails)
                        } catch {
                            #expect(fails)
                        }
                        if step % 7 == 0 { try await Task.sleep(for: .microseconds(300)) }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try environment.snapshot().table("t")?.liveCount == 8 * 48)
        #expect(try environment.check().isEmpty)
    }
}

private struct ThreadIdentity: Equatable, Sendable {
    private let bits: UInt

    init() { bits = UInt(bitPattern: ObjectIdentifier(Thread.current)) }
}
