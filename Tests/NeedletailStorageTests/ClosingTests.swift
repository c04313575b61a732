import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Synchronization
import Testing

@Suite struct ClosingTests {
    @Test("closing while other threads read, write and sync: each call ends, with a result or 'closed'", .timeLimit(.minutes(10)))
    func closingUnderUse() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.ntl")
        try Environment(path: path).createTestTable()
        let row = TestTable.row(id: .int(1), seed: 1)
        let others = Mutex<[String]>([])
        for round in 0 ..< 150 {
            let environment = try Environment(path: path)
            let group = DispatchGroup()
            func run(_ body: @escaping @Sendable () throws(StorageError) -> Void) {
                let thread = Thread {
                    do throws(StorageError) {
                        while true { try body() }
                    } catch {
                        if error.code != .closed { others.withLock { $0.append(error.message) } }
                    }
                    group.leave()
                }
                group.enter()
                thread.start()
            }
            run { () throws(StorageError) in _ = try environment.snapshot().table("t") }
            run { () throws(StorageError) in _ = try environment.information }
            run { () throws(StorageError) in try environment.sync() }
            run { () throws(StorageError) in
                try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                    try transaction.table("t").append([row], onDuplicate: .replace)
                }
            }
            usleep(UInt32(round % 7) * 300)
            environment.close()
            group.wait()
        }
        #expect(others.withLock { $0 } == [])
    }
}
