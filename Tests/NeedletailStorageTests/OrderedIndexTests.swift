import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

extension TestTable {
    /// The test table with an ordered index on each column but the list.
    static let ordered: TableDescriptor = {
        var table = descriptor
        table.columns = ColumnType.allCases.map { ColumnDescriptor(name: "c_\($0)", type: $0, indexed: $0 != .stringList) }
        return table
    }()

    /// What an ordered index of live rows must give: computed from the columns.
    static func expectedOrder(_ table: TableSnapshot, _ position: Int) throws -> [OrderedEntry] {
        let column = try table.column(position)
        var entries: [OrderedEntry] = []
        for segment in column.segments {
            for row in 0 ..< segment.count where segment.isPresent(row) && !table.isDeleted(UInt32(segment.firstSlot + row)) {
                guard segment.firstSlot + row < table.orderedCount else { continue }
                let bits = OrderedValue.bits(column.type, segment.values, row)
                entries.append(OrderedEntry(value: OrderedValue.number(column.type, bits: bits), slot: UInt32(segment.firstSlot + row)))
            }
        }
        return entries.sorted()
    }

    static func entries(_ cursor: OrderedCursor, _ table: TableSnapshot) throws -> [OrderedEntry] {
        var entries: [OrderedEntry] = []
        while let entry = try cursor.next() {
            if !table.isDeleted(entry.slot) { entries.append(entry) }
        }
        return entries
    }

    /// Compares every ordered index of a table with its columns: forwards, backwards and in part.
    static func expectOrder(_ environment: Environment, using generator: inout SeededGenerator, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let table = try #require(try environment.snapshot().table("t"))
        for (position, column) in table.descriptor.columns.enumerated() {
            guard column.isOrdered, table.orderedCount > 0 else {
                #expect(table.orderedIndex(column: position) == nil, sourceLocation: sourceLocation)
                continue
            }
            let index = try #require(table.orderedIndex(column: position))
            let expected = try expectedOrder(table, position)
            #expect(try entries(index.cursor(), table) == expected, "\(column.name)", sourceLocation: sourceLocation)
            #expect(try entries(index.cursor(descending: true), table) == expected.reversed(), "\(column.name)", sourceLocation: sourceLocation)
            for _ in 0 ..< 5 {
                let bounds = (0 ..< 2).map { _ in expected.randomElement(using: &generator)?.value ?? 0 }.sorted()
                let range = bounds[0] ... bounds[1]
                let inside = expected.filter { range.contains($0.value) }
                #expect(try entries(index.cursor(in: range), table) == inside, sourceLocation: sourceLocation)
                #expect(try entries(index.cursor(in: range, descending: true), table) == inside.reversed(), sourceLocation: sourceLocation)
                let all = try index.count(in: range)
                #expect(all.isComplete && all.count >= inside.count, sourceLocation: sourceLocation)
                let some = try index.count(in: range, limit: 3)
                #expect(some.count == min(3, all.count) && some.isComplete == (all.count < 3), sourceLocation: sourceLocation)
                let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: (table.slotCount + 63) / 64)
                defer { words.deallocate() }
                words.initialize(repeating: 0)
                #expect(try index.mark(range, in: words, limit: .max) == all.count, sourceLocation: sourceLocation)
                let marked = (0 ..< UInt32(table.slotCount)).filter { words[Int($0) / 64] >> UInt64($0 % 64) & 1 == 1 && !table.isDeleted($0) }
                #expect(marked == inside.map(\.slot).sorted(), sourceLocation: sourceLocation)
            }
        }
    }
}

extension Environment {
    func createOrderedTable() throws(StorageError) {
        try writeBlocking { transaction throws(StorageError) in _ = try transaction.createTable(TestTable.ordered) }
    }
}

@Suite struct OrderedIndexTests {
    @Test("numbers have the order of the values")
    func numbers() {
        let doubles = [-Double.infinity, -1e300, -2, -Double.leastNonzeroMagnitude, 0, Double.leastNonzeroMagnitude, 1, 1e300, .infinity, .nan]
        let numbers = doubles.map { OrderedValue.number($0) }
        #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        #expect(OrderedValue.number(-0.0) == OrderedValue.number(0.0))
        #expect(OrderedValue.number(-Double.nan) == .max)
        for value in doubles.dropLast() {
            #expect(Double(bitPattern: OrderedValue.bits(.double, number: OrderedValue.number(value))) == value)
        }
        let ints: [Int64] = [.min, -1, 0, 1, .max]
        #expect(ints.map { OrderedValue.number($0) } == ints.map { OrderedValue.number($0) }.sorted())
        for value in ints { #expect(Int64(bitPattern: OrderedValue.bits(.int, number: OrderedValue.number(value))) == value) }
    }

    @Test("random changes leave an index that equals its columns", arguments: [21, 22, 23, 24, 25] as [UInt64])
    func random(seed: UInt64) throws {
        print("OrderedIndexTests seed \(seed)")
        let folder = try TemporaryFolder()
        var environment = try Environment(path: folder.path("a.ntl"))
        try environment.createOrderedTable()
        var generator = SeededGenerator(seed: seed)
        var model = TestModel()
        for round in 0 ..< 60 {
            let changes = (0 ..< Int.random(in: 1 ... 4, using: &generator)).map { _ in model.randomChange(using: &generator) }
            var next = model
            let refused = changes.contains { !next.apply($0) }
            let extends = Int.random(in: 0 ..< 8, using: &generator) == 0
            do {
                try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                    for change in changes { try transaction.table("t").apply(change) }
                    if extends { try transaction.table("t").extendOrder() }
                }
                model = next
            } catch {
                #expect(refused, "round \(round): \(error)")
            }
            if round % 10 == 9 {
                try TestTable.expect(environment, equals: model.rows)
                #expect(try environment.check() == [], "round \(round)")
                try TestTable.expectOrder(environment, using: &generator)
            }
            if round % 25 == 24 {
                environment.close()
                environment = try Environment(path: folder.path("a.ntl"))
            }
        }
        #expect(try #require(try environment.snapshot().table("t")).orderedCount > 0)
    }

    @Test("many rows, then changes of most of them, in blocks that split and empty")
    func blocks() throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        let columns = [ColumnDescriptor(name: "n", type: .int, indexed: true), ColumnDescriptor(name: "b", type: .bool, indexed: true)]
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 4, columns: columns))
        }
        var generator = SeededGenerator(seed: 7)
        for batch in 0 ..< 10 {
            let values = (0 ..< 5000).map { _ in Int64.random(in: -3000 ... 3000, using: &generator) }
            try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                let vectors = [Float](repeating: 1, count: 5000)
                try vectors.withUnsafeBytes { bytes throws(StorageError) in
                    guard let base = bytes.baseAddress else { return }
                    try transaction.table("t").append(RecordBatch(
                        keys: .range(Int64(batch) * 5000 ..< Int64(batch + 1) * 5000), vectors: base, vectorStride: 4,
                        norms: vectors, columns: [.int(values), .bool(values.map { $0 % 2 == 0 })]))
                }
            }
        }
        try TestTable.expectOrder(environment, using: &generator)
        #expect(try #require(try environment.snapshot().table("t")).orderedCount > 40_000)
        for part in 0 ..< 4 {
            try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in
                let table = try transaction.table("t")
                for id in part * 10_000 ..< (part + 1) * 10_000 where id % 7 != 0 { _ = try table.update(.int(Int64(id)), [0: part == 3 ? .null : .int(Int64(id % 50))]) }
            }
            #expect(try environment.check() == [])
            try TestTable.expectOrder(environment, using: &generator)
        }
        environment.close()
    }

    @Test("a snapshot shows the index of its commit while writers go on")
    func snapshots() async throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.createOrderedTable()
        let rows = TestTable.rows(count: 200, seed: 9)
        try environment.writeBlocking(durability: .relaxed) { transaction throws(StorageError) in try transaction.table("t").append(rows) }
        let table = try #require(try environment.snapshot().table("t"))
        let before = try TestTable.expectedOrder(table, 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for round in 0 ..< 30 {
                    try await environment.write(durability: .relaxed) { transaction throws(StorageError) in
                        let table = try transaction.table("t")
                        for row in rows { _ = try table.update(row.key, [1: .int(Int64(round))]) }
                    }
                }
            }
            for _ in 0 ..< 3 {
                group.addTask {
                    for _ in 0 ..< 30 {
                        #expect(try TestTable.entries(try #require(table.orderedIndex(column: 1)).cursor(), table) == before)
                        let now = try #require(try environment.snapshot().table("t"))
                        #expect(try TestTable.entries(try #require(now.orderedIndex(column: 1)).cursor(), now) == TestTable.expectedOrder(now, 1))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try environment.check() == [])
    }

    @Test("a failed write leaves the index as it was", arguments: FaultTests.faults)
    func faults(fault: FaultTests.Fault) throws {
        let folder = try TemporaryFolder()
        let plan = FaultPlan()
        let environment = try Environment(path: folder.path("a.ntl"), options: .init(faults: plan))
        try environment.createOrderedTable()
        var generator = SeededGenerator(seed: 5)
        let before = TestTable.rows(count: 70, seed: 3)
        let added = TestTable.rows(count: 80, seed: 4, firstID: 1000)
        try environment.writeBlocking { transaction throws(StorageError) in try transaction.table("t").append(before) }
        #expect(try #require(try environment.snapshot().table("t")).orderedCount == 64)
        let change: @Sendable (WriteTransaction) throws(StorageError) -> Void = { transaction throws(StorageError) in
            let table = try transaction.table("t")
            try table.append(added)
            _ = try table.delete(before[1].key)
            for row in before[2 ..< 20] { _ = try table.update(row.key, [1: .int(5), 4: .string("a new string"), 2: .null]) }
        }
        var failures = 0
        for call in stride(from: 1, to: 100_000, by: fault.step) {
            plan.arm(failing: Set(FaultPlan.Call.allCases), first: call, code: fault.code, persistent: fault.persistent)
            do {
                try environment.writeBlocking(change)
                let wasHit = plan.disarm()
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
        #expect(try environment.check() == [])
        try TestTable.expectOrder(environment, using: &generator)
    }
}
