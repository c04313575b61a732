import NeedletailStorage
import NeedletailTestSupport
import Testing

/// Integer ids that count up are kept as runs, the last of them open: it must be closed before anything else takes a slot.
@Suite struct IdentifierRunTests {
    private static func append(_ table: TableWriter, _ keys: [RecordKey], onDuplicate: OnDuplicate = .fail) throws(StorageError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * keys.count, alignment: 8)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: 4 * keys.count)
        try table.append(
            RecordBatch(keys: .keys(keys), vectors: memory, vectorStride: 4, norms: Array(repeating: 0, count: keys.count)),
            onDuplicate: onDuplicate)
    }

    private static func makeTable(_ path: String) throws -> Environment {
        let environment = try Environment(path: path)
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 4))
        }
        return environment
    }

    /// One write transaction; nil, or what it threw.
    private static func change(
        _ environment: Environment, _ keys: [RecordKey], deletes: Bool = false, onDuplicate: OnDuplicate, fails: Bool = false
    ) -> StorageError? {
        do throws(StorageError) {
            try environment.writeBlocking { transaction throws(StorageError) in
                let table = try transaction.table("t")
                if deletes {
                    for key in keys { _ = try table.delete(key) }
                } else {
                    try append(table, keys, onDuplicate: onDuplicate)
                }
                if fails { throw StorageError(.invalidArgument, "on purpose") }
            }
            return nil
        } catch {
            return error
        }
    }

    @Test("an open run is closed by a string id, a gap, a step back and a replacement", arguments: [
        [.string("a"), .int(3)], [.int(5), .int(6)], [.int(-1), .int(3)], [.int(2), .int(3)],
    ] as [[RecordKey]])
    func closing(next: [RecordKey]) throws {
        let folder = try TemporaryFolder()
        let environment = try Self.makeTable(folder.path("a.ntl"))
        let first: [RecordKey] = [.int(0), .int(1), .int(2)]
        for key in first + next {
            #expect(Self.change(environment, [key], onDuplicate: .replace) == nil)
            #expect(try environment.check() == [])
        }
        let table = try #require(try environment.snapshot().table("t"))
        #expect(try table.slot(for: .int(0)) == 0)
        #expect(try table.slot(for: .int(1)) == 1)
        #expect(try table.slot(for: next[0]) == 3)
        #expect(try table.slot(for: next[1]) == 4)
        #expect(try table.slot(for: .int(7)) == nil)
    }

    @Test("ids that mostly count up lead where they should, whatever comes between")
    func random() throws {
        let seed = UInt64.random(in: 1 ... 1_000_000)
        print("IdentifierRunTests.random seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        let environment = try Self.makeTable(folder.path("a.ntl"))
        var model: [RecordKey: UInt32] = [:]
        var slotCount: UInt32 = 0
        var next: Int64 = Bool.random(using: &generator) ? .max - 30 : 10
        for step in 0 ..< 400 {
            let kind = Int.random(in: 0 ..< 20, using: &generator)
            var keys: [RecordKey] = [.int(next)]
            switch kind {
            case 0: keys = [.string("id \(step)")]
            case 1: keys = (0 ..< 10).map { .int(Int64(step) * -1000 + Int64($0)) }
            case 2: keys = [.int(Int64.random(in: -20 ... 400, using: &generator))]
            case 3, 4: keys = model.keys.sorted { "\($0)" < "\($1)" }.randomElement(using: &generator).map { [$0] } ?? keys
            default: next = next == .max ? -500 : next + 1
            }
            let (deletes, fails) = (kind == 3, kind == 5 && Bool.random(using: &generator))
            let error = Self.change(environment, keys, deletes: deletes, onDuplicate: kind == 4 ? .replace : .fail, fails: fails)
            let isKnown = keys.contains { model[$0] != nil }
            switch error?.code {
            case nil where !fails:
                for key in keys { model[key] = nil }
                if !deletes {
                    for (row, key) in keys.enumerated() { model[key] = slotCount + UInt32(row) }
                    slotCount += UInt32(keys.count)
                }
            case .duplicateKey where isKnown, .invalidArgument where fails: break
            default: Issue.record("step \(step): \(String(describing: error))")
            }
            guard step % 20 == 19 else { continue }
            #expect(try environment.check() == [], "step \(step)")
            let table = try #require(try environment.snapshot().table("t"))
            #expect(table.slotCount == Int(slotCount))
            for (key, slot) in model { #expect(try table.slot(for: key) == slot, "step \(step), \(key)") }
            for id in -25 ..< 420 as Range<Int64> where model[.int(id)] == nil { #expect(try table.slot(for: .int(id)) == nil) }
        }
    }
}
