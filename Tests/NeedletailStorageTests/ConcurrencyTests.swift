import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Synchronization
import Testing

@Suite struct ConcurrencyTests {
    private final class Shared: Sendable {
        let isDone = Atomic(false)
        let problems = Mutex<[String]>([])
    }

    /// Every value of a row says which version of which id it is, so that a torn or mixed row shows.
    private static func row(_ id: Int, version: Int) -> TestRow {
        let number = id * 1000 + version
        return TestRow(
            key: id % 3 == 0 ? .string("id \(id)") : .int(Int64(id)), vector: Array(repeating: Float(number), count: TestTable.dimension),
            norm: Float(number),
            cells: [.bool(version % 2 == 0), .int(Int64(number)), .double(Double(number)), .timestamp(Int64(number)), .string("v\(version)"), .stringList(["v\(version)", "id \(id)"])],
            payload: Data("\(number)".utf8), attachment: nil)
    }

    @Test("readers of shared snapshots see whole commits while rows are appended, replaced, updated and dropped", .timeLimit(.minutes(10)))
    func readersAndWriters() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createTestTable()
        let shared = Shared()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0 ..< 2 {
                group.addTask {
                    var held: [TableSnapshot] = []
                    do {
                        while !shared.isDone.load(ordering: .relaxed) {
                            guard let table = try environment.snapshot().table("t") else { break }
                            await Task.yield()
                            held.append(table)
                            if held.count > 3 { held.removeFirst() }
                            for table in held {
                                for slot in (0 ..< UInt32(table.slotCount)).suffix(90) where !table.isDeleted(slot) {
                                    let found = try TestTable.read(table, slot)
                                    guard case .int(let number) = found.cells[1] else { throw StorageError(.corrupt, "no number") }
                                    let expected = Self.row(Int(number) / 1000, version: Int(number) % 1000)
                                    if found != expected { shared.problems.withLock { $0.append("slot \(slot) of \(table.slotCount): \(found.key) \(found.cells) \(found.norm)") } }
                                    if try table.slot(for: found.key) != slot { shared.problems.withLock { $0.append("key \(found.key)") } }
                                }
                            }
                        }
                    } catch { shared.problems.withLock { $0.append("\(error)") } }
                }
            }
            await withTaskGroup(of: Void.self) { writers in
                for writer in 0 ..< 3 {
                    writers.addTask {
                        do {
                            for step in 0 ..< 60 {
                                try await environment.write(durability: step % 10 == 0 ? .full : .relaxed) { transaction throws(StorageError) in
                                    let table = try transaction.table("t")
                                    let ids = (0 ..< 7).map { (step * 5 + $0) % 120 * 3 + writer }
                                    try table.append(ids.map { Self.row($0, version: step) }, onDuplicate: .replace)
                                    let one = Self.row(ids[2], version: step + 500)
                                    // The update changes the columns only, so the vector is replaced with the row.
                                    _ = try table.delete(one.key)
                                    try table.append([one])
                                    _ = try table.update(one.key, [4: .string("other"), 5: .null])
                                    _ = try table.update(one.key, [4: one.cells[4], 5: one.cells[5]])
                                    _ = try table.delete(Self.row(ids[0], version: 0).key)
                                }
                            }
                        } catch { shared.problems.withLock { $0.append("\(error)") } }
                    }
                }
            }
            shared.isDone.store(true, ordering: .relaxed)
        }
        #expect(shared.problems.withLock { Array($0.prefix(3)) } == [])
        #expect(try environment.check() == [])
    }
}
