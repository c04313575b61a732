import CrashChild
import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// A child writes and acknowledges each commit; the parent kills it at a random instant, reopens the file, checks it,
/// and compares it with what was acknowledged.
///
/// `NEEDLETAIL_KILL_ROUNDS=N swift test --filter KillTests` runs N rounds, `NEEDLETAIL_KILL_SEED` repeats a seed.
@Suite struct KillTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let rounds = environment["NEEDLETAIL_KILL_ROUNDS"].flatMap { Int($0) } ?? 50
    static let seed = environment["NEEDLETAIL_KILL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1 ... 1_000_000)

    @Test("what was acknowledged survives a kill at any instant, and nothing half done does")
    func kill() throws {
        print("KillTests: \(Self.rounds) rounds, NEEDLETAIL_KILL_SEED=\(Self.seed)")
        var generator = SeededGenerator(seed: Self.seed)
        var folder = try TemporaryFolder()
        var workload = CrashWorkload(seed: generator.next())
        var acknowledged = 0
        for round in 0 ..< Self.rounds {
            if round % 10 == 0 {
                folder = try TemporaryFolder()
                workload = CrashWorkload(seed: generator.next())
                acknowledged = 0
            }
            let path = folder.path("crash.ntl")
            let child = try ChildProcess("CrashChild", ["workload", path, "\(workload.seed)"])
            // Some kills hit the creation or the opening of the file, most the middle of the work.
            let delay = Int.random(in: 0 ..< 4, using: &generator) == 0 ? Int.random(in: 0 ... 20_000, using: &generator) : Int.random(in: 20_000 ... 200_000, using: &generator)
            usleep(UInt32(delay))
            child.kill()
            while let line = child.readLine() {
                guard let count = Int(line) else {
                    Issue.record("round \(round): the child said \(line)")
                    break
                }
                acknowledged = count
            }
            child.wait()
            guard FileManager.default.fileExists(atPath: path) else { continue }
            let environment = try Environment(path: path)
            let findings = try environment.check()
            #expect(findings == [], "round \(round)")
            let count = try workload.stepCount(environment)
            // The last commit may have reached the file and not the parent.
            #expect(count == acknowledged || count == acknowledged + 1, "round \(round): \(acknowledged) acknowledged, the file has \(count)")
            let differences = try workload.differences(environment, after: count)
            #expect(differences == [], "round \(round), step \(count)")
            acknowledged = count
            environment.close()
        }
        print("KillTests: last file at step \(acknowledged)")
    }
}
