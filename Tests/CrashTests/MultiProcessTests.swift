import CrashChild
import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite struct MultiProcessTests {
    private func makeFile(_ folder: TemporaryFolder, options: Environment.Options = .init()) throws -> Environment {
        let environment = try Environment(path: folder.path("a.ntl"), options: options)
        try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(CrashWorkload.descriptor) }
        return environment
    }

    @Test("a reader sees whole commits while another process writes")
    func readWhileWriting() throws {
        let folder = try TemporaryFolder()
        try makeFile(folder).close()
        let workload = CrashWorkload(seed: 5)
        let child = try ChildProcess("CrashChild", ["workload", folder.path("a.ntl"), "5", "60"])
        let reader = try Environment(path: folder.path("a.ntl"), options: .init(readOnly: true))
        while child.readLine() != nil {
            let count = try workload.stepCount(reader)
            // The count and the content come from one snapshot only if nothing is committed in between.
            let differences = try workload.differences(reader, after: count)
            if try workload.stepCount(reader) == count { #expect(differences == []) }
        }
        #expect(child.wait() == 0)
        #expect(try workload.differences(reader, after: 60) == [])
        #expect(throws: StorageError.self) { try reader.writeBlocking { _ throws(StorageError) in } }
    }

    @Test("a second writer waits, and gives up after the busy timeout")
    func busy() throws {
        let folder = try TemporaryFolder()
        try makeFile(folder).close()
        let child = try ChildProcess("CrashChild", ["hold", folder.path("a.ntl"), "1000"])
        #expect(child.readLine() == "held")
        let hasty = try Environment(path: folder.path("a.ntl"), options: .init(busyTimeout: .milliseconds(100)))
        do {
            try hasty.writeBlocking { _ throws(StorageError) in }
            Issue.record("the write did not wait")
        } catch { #expect(error.code == .busy) }
        hasty.close()
        let patient = try Environment(path: folder.path("a.ntl"))
        try patient.writeBlocking { transaction throws(StorageError) in _ = try transaction.table("crash") }
        #expect(child.wait() == 0)
    }

    @Test("a file that another process has grown beyond this one's map is followed when nobody reads here")
    func grownMap() throws {
        let folder = try TemporaryFolder()
        let small = try makeFile(folder, options: .init(mapByteCount: 4 << 20))
        var held = try small.snapshot().table("crash")
        let child = try ChildProcess("CrashChild", ["append", folder.path("a.ntl"), "0", "500", "\(1 << 30)"])
        #expect(child.readLine() == "done")
        do {
            _ = try small.snapshot()
            Issue.record("the map moved under a snapshot")
        } catch { #expect(error.code == .mapFull) }
        #expect(held?.liveCount == 0)
        held = nil
        #expect(try small.snapshot().table("crash")?.liveCount == 500)
        #expect(try small.check() == [])
        #expect(try small.writeBlocking { transaction throws(StorageError) in try transaction.table("crash").delete(.int(3)) })
    }

    @Test("a snapshot that only the cache keeps does not hinder the map from growing")
    func grownMapUnderCachedSnapshot() throws {
        let folder = try TemporaryFolder()
        let small = try makeFile(folder, options: .init(mapByteCount: 4 << 20))
        #expect(try small.snapshot().table("crash")?.liveCount == 0)
        let child = try ChildProcess("CrashChild", ["append", folder.path("a.ntl"), "0", "500", "\(1 << 30)"])
        #expect(child.readLine() == "done")
        #expect(try small.snapshot().table("crash")?.liveCount == 500)
    }

    @Test("the places of readers that died are used again when there are no others")
    func deadReadersMakeRoom() throws {
        let folder = try TemporaryFolder()
        let environment = try makeFile(folder, options: .init(maximumReaders: 2))
        let child = try ChildProcess("CrashChild", ["read", folder.path("a.ntl"), "60000"])
        #expect(child.readLine() == "0")
        let first = try environment.snapshot()
        try CrashWorkload(seed: 1).run(0, environment)
        let error = #expect(throws: StorageError.self) { try environment.snapshot() }
        #expect(error?.code == .busy)
        child.kill()
        child.wait()
        #expect(try environment.snapshot().transactionID > first.transactionID)
    }

    @Test("a reader that died is forgotten at the next opening; a living one is shown with its age")
    func staleReader() throws {
        let folder = try TemporaryFolder()
        let environment = try makeFile(folder)
        let child = try ChildProcess("CrashChild", ["read", folder.path("a.ntl"), "60000"])
        #expect(child.readLine() == "0")
        let workload = CrashWorkload(seed: 1)
        for step in 0 ..< 3 { try workload.run(step, environment) }
        #expect(try environment.information.readers.contains { $0.age == 3 })
        child.kill()
        child.wait()
        environment.close()
        let again = try Environment(path: folder.path("a.ntl"))
        #expect(try !again.information.readers.contains { ($0.age ?? 0) > 0 })
    }

    @Test("a file and folder without write permission can be read, not written", .enabled(if: geteuid() == 0, "needs to take rights away from a child"))
    func withoutRights() throws {
        let folder = try TemporaryFolder()
        let environment = try makeFile(folder)
        for step in 0 ..< 20 { try CrashWorkload(seed: 1).run(step, environment) }
        let count = try #require(try environment.snapshot().table("crash")?.liveCount)
        let reader = try ChildProcess("CrashChild", ["as", "65534", "read", folder.path("a.ntl"), "300"])
        #expect(reader.readLine() == "\(count)")
        // A writer that cannot see this reader in the lock file waits for it.
        try CrashWorkload(seed: 1).run(20, environment)
        #expect(reader.wait() == 0)
        let writer = try ChildProcess("CrashChild", ["as", "65534", "workload", folder.path("a.ntl"), "1"])
        #expect(writer.readLine() == "error: readOnly")
        #expect(writer.wait() == 1)
        let stranger = try ChildProcess("CrashChild", ["as", "65534", "workload", folder.path("new.ntl"), "1"])
        #expect(stranger.readLine() == "error: readOnly")
    }
}
