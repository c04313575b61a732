import Foundation
import NeedletailStorage

/// The other process of the tests that need one:
///
///     CrashChild workload FILE SEED [STEPS] runs steps, for ever or up to a number; prints the count after each commit
///     CrashChild hold FILE MILLISECONDS     holds the write lock for so long, prints `held` once it has it
///     CrashChild append FILE FIRST COUNT MAP  adds rows FIRST ... to the table `crash`, with a map of so many bytes
///     CrashChild read FILE [MILLISECONDS]   opens for reading only, prints the number of records, keeps its snapshot for so long
///     CrashChild as USER …                  the same without the rights of the one who started it
///
/// Prints `error: CODE` and exits with status 1 where the storage throws.
@main
struct CrashChild {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "as", arguments.count > 1, let user = UInt32(arguments[1]) {
            guard setgid(user) == 0, setuid(user) == 0 else { return fail("user") }
            arguments.removeFirst(2)
        }
        guard arguments.count >= 2 else { return fail("usage") }
        do throws(StorageError) {
            switch arguments[0] {
            case "workload": try workload(arguments[1], seed: arguments.count > 2 ? UInt64(arguments[2]) ?? 1 : 1,
                                         steps: arguments.count > 3 ? Int(arguments[3]) ?? 0 : .max)
            case "hold": try hold(arguments[1], milliseconds: arguments.count > 2 ? Int(arguments[2]) ?? 100 : 100)
            case "append": try append(arguments[1], numbers: arguments.dropFirst(2).map { Int($0) ?? 0 })
            case "read": try read(arguments[1], milliseconds: arguments.count > 2 ? Int(arguments[2]) ?? 0 : 0)
            default: fail("usage")
            }
        } catch {
            fail("\(error.code)")
        }
    }

    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private static func fail(_ reason: String) {
        say("error: \(reason)")
        exit(1)
    }

    private static func workload(_ path: String, seed: UInt64, steps: Int) throws(StorageError) {
        let environment = try Environment(path: path)
        let workload = CrashWorkload(seed: seed)
        if try environment.snapshot().table(CrashWorkload.descriptor.name) == nil {
            try environment.writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(CrashWorkload.descriptor) }
        }
        var step = try workload.stepCount(environment)
        while step < steps {
            try workload.run(step, environment)
            step += 1
            say("\(step)")
        }
    }

    private static func hold(_ path: String, milliseconds: Int) throws(StorageError) {
        let environment = try Environment(path: path)
        try environment.writeBlocking { _ throws(StorageError) in
            say("held")
            usleep(UInt32(milliseconds) * 1000)
        }
    }

    private static func append(_ path: String, numbers: [Int]) throws(StorageError) {
        guard numbers.count == 3 else { return fail("usage") }
        let environment = try Environment(path: path, options: .init(mapByteCount: numbers[2]))
        let vectorByteCount = CrashWorkload.descriptor.vectorByteCount
        try environment.writeBlocking { transaction throws(StorageError) in
            let memory = UnsafeMutableRawPointer.allocate(byteCount: numbers[1] * vectorByteCount, alignment: 8)
            defer { memory.deallocate() }
            memory.initializeMemory(as: UInt8.self, repeating: 1, count: numbers[1] * vectorByteCount)
            try transaction.table(CrashWorkload.descriptor.name).append(RecordBatch(
                keys: .range(Int64(numbers[0]) ..< Int64(numbers[0] + numbers[1])), vectors: memory, vectorStride: vectorByteCount,
                norms: Array(repeating: 1, count: numbers[1])))
        }
        say("done")
    }

    private static func read(_ path: String, milliseconds: Int) throws(StorageError) {
        let environment = try Environment(path: path, options: .init(readOnly: true))
        let snapshot = try environment.snapshot()
        say("\(try snapshot.table(CrashWorkload.descriptor.name)?.liveCount ?? -1)")
        usleep(UInt32(milliseconds) * 1000)
        withExtendedLifetime(snapshot) {}
    }
}
