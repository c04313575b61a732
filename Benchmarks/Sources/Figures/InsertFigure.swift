import Foundation
import Needletail

/// Durable inserts: bare LMDB puts of the same bytes, one record a transaction, eight tasks at once, and batches of 1,000, all in
/// turns; and what one sync of the disk costs here.
struct InsertFigure {
    let folder: String
    private let rounds = 11
    private let singles = 200
    private let tasks = 8
    private let batches = 20
    private let dimension = 128

    private static let fields = [
        Field("label", .string), Field("year", .int), Field("price", .double), Field("sold", .bool), Field("taken", .timestamp),
    ]
    private static let labels = ["cat", "dog", "bird", "fish", "horse", "cow", "frog", "bee"]

    init(_ arguments: ArraySlice<String>) throws {
        guard arguments.count == 1, let folder = arguments.first else { throw Usage("Figures insert FOLDER") }
        self.folder = folder
    }

    func run() async throws {
        let scratch = folder + "/insert-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }

        let bare = try BareLMDB(path: scratch + "/bare.mdb")
        let database = try Database(path: scratch + "/insert.ntl")
        let one = try await database.createCollection("one", schema: schema)
        let many = try await database.createCollection("many", schema: schema)
        let byRecord = try await database.createCollection("records", schema: schema)
        let byColumn = try await database.createCollection("columns", schema: schema)
        let relaxed = try await database.createCollection("relaxed", schema: schema)

        var rates: [String: [Double]] = [:]
        for round in 0 ..< rounds {
            rates["sync", default: []].append(try syncMilliseconds(in: scratch))
            let bareSeconds = try Figures.seconds {
                for i in 0 ..< singles { try bare.put(UInt64(round * singles + i), recordBytes) }
            }
            rates["bare", default: []].append(Double(singles) / bareSeconds)
            rates["one", default: []].append(try await insertSingly(into: one, from: round * singles))
            rates["many", default: []].append(try await insertTogether(into: many, from: round * singles * tasks))
            rates["records", default: []].append(try await insertRecords(into: byRecord, from: round * batches * 1_000))
            rates["columns", default: []].append(try await insertColumns(into: byColumn, from: round * batches * 1_000, .full))
            let relaxedRate = try await insertColumns(into: relaxed, from: round * batches * 1_000, .relaxed)
            rates["relaxed", default: []].append(relaxedRate)
            try database.sync()
        }
        report("sync of one written page", "ms", rates["sync"])
        report("bare LMDB, a put a transaction", "records/s", rates["bare"])
        report("one task, a record a transaction", "records/s", rates["one"])
        if let bare = rates["bare"], let one = rates["one"] {
            report("one insert against a bare put, pair by pair", "", zip(bare, one).map { $0 / $1 })
        }
        report("8 tasks, a record a transaction", "records/s", rates["many"])
        report("batches of 1,000 records", "records/s", rates["records"])
        report("batches of 1,000 by column", "records/s", rates["columns"])
        report("batches of 1,000 by column, relaxed", "records/s", rates["relaxed"])
    }

    private var schema: Schema { Schema(dimension: dimension, metric: .l2, fields: InsertFigure.fields) }

    /// As many bytes as a record's vector, five fields and id come to.
    private var recordBytes: [UInt8] { [UInt8](repeating: 7, count: dimension * 4 + 4 + 8 + 8 + 1 + 8 + 8) }

    private func record(_ i: Int) -> Record {
        Record(
            id: .int(Int64(i)), vector: (0 ..< dimension).map { Float((i &* 31 &+ $0 &* 17) & 255) },
            fields: [
                "label": .string(InsertFigure.labels[i % InsertFigure.labels.count]), "year": .int(Int64(2000 + i % 25)),
                "price": .double(Double(i % 1_000) / 10), "sold": .bool(i % 3 == 0),
                "taken": .timestamp(Timestamp(microsecondsSince1970: Int64(i) * 1_000_000)),
            ])
    }

    private func insertSingly(into collection: Collection, from first: Int) async throws -> Double {
        let records = (first ..< first + singles).map(record)
        // A task of its own, as a program would have it: not the main actor, whose every return costs a change of threads.
        let seconds = try await Task.detached {
            try await Figures.seconds {
                for record in records { try await collection.insert(record) }
            }
        }.value
        return Double(records.count) / seconds
    }

    private func insertTogether(into collection: Collection, from first: Int) async throws -> Double {
        let records = (first ..< first + singles * tasks).map(record)
        let (singles, tasks) = (singles, tasks)
        let seconds = try await Figures.seconds {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0 ..< tasks {
                    group.addTask {
                        for record in records[task * singles ..< (task + 1) * singles] { try await collection.insert(record) }
                    }
                }
                try await group.waitForAll()
            }
        }
        return Double(singles * tasks) / seconds
    }

    private func insertRecords(into collection: Collection, from first: Int) async throws -> Double {
        let prepared = (0 ..< batches).map { batch in (first + batch * 1_000 ..< first + (batch + 1) * 1_000).map(record) }
        let seconds = try await Figures.seconds {
            for batch in prepared { try await collection.insert(batch) }
        }
        return Double(batches * 1_000) / seconds
    }

    private func insertColumns(into collection: Collection, from first: Int, _ durability: Durability) async throws -> Double {
        let prepared = (0 ..< batches).map { batch in columns(first + batch * 1_000 ..< first + (batch + 1) * 1_000) }
        let seconds = try await Figures.seconds {
            for batch in prepared { try await collection.insert(batch, durability: durability) }
        }
        return Double(batches * 1_000) / seconds
    }

    private func columns(_ rows: Range<Int>) -> RecordBatch {
        RecordBatch(
            ids: .range(Int64(rows.lowerBound) ..< Int64(rows.upperBound)),
            vectors: rows.flatMap { i in (0 ..< dimension).map { Float((i &* 31 &+ $0 &* 17) & 255) } },
            columns: [
                "label": .string(rows.map { InsertFigure.labels[$0 % InsertFigure.labels.count] }),
                "year": .int(rows.map { Int64(2000 + $0 % 25) }),
                "price": .double(rows.map { Double($0 % 1_000) / 10 }),
                "sold": .bool(rows.map { $0 % 3 == 0 }),
                "taken": .timestamp(rows.map { Timestamp(microsecondsSince1970: Int64($0) * 1_000_000) }),
            ])
    }

    /// Milliseconds to write and sync 4 KiB, the least that any durable commit costs: the median of twenty.
    private func syncMilliseconds(in folder: String) throws -> Double {
        let descriptor = open(folder + "/sync", O_RDWR | O_CREAT, 0o644)
        guard descriptor >= 0 else { throw Usage("\(folder) cannot be written") }
        defer { close(descriptor) }
        let page = [UInt8](repeating: 1, count: 4_096)
        let samples = (0 ..< 20).map { i in
            Figures.seconds {
                _ = pwrite(descriptor, page, page.count, off_t(i * page.count))
                _ = fsync(descriptor)
            }
        }
        return Figures.median(samples) * 1_000
    }

    private func report(_ variant: String, _ unit: String, _ runs: [Double]?) {
        Measurement("insert", variant, unit: unit, runs: runs ?? []).print()
    }
}
