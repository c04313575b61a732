import Foundation
import Needletail
import NeedletailStorage
import Synchronization
import Testing

extension IndexSample {
    /// Expects every search to find what it must while records come and go and an index is built and optimized, twice.
    mutating func expectAnswers(whileBuilding description: IndexDescription) async throws {
        let things = collection, queries = queries(20)
        let isDone = Flag()
        let failures = Failures()
        await withTaskGroup(of: Void.self) { group in
            for number in 0 ..< 2 {
                group.addTask {
                    var position = number
                    while !isDone.isSet {
                        await failures.collect {
                            let hits = try things.search(near: queries[position % queries.count], k: 10, select: .none)
                            return hits.count == 10 ? nil : "\(hits.count) hits: \(hits.plan)"
                        }
                        position += 1
                        await Task.yield()
                    }
                }
            }
            group.addTask {
                var next: Int64 = 100_000
                while !isDone.isSet {
                    let id = next, query = queries[Int(next) % queries.count]
                    await failures.collect {
                        try await things.insert(Record(id: .int(id), vector: query))
                        // A record is found by the next search.
                        let hits = try things.search(near: query, k: 200, select: .none)
                        if id % 2 == 0 { try await things.delete(.int(id)) }
                        return hits.contains { $0.id == .int(id) && $0.distance == 0 } ? nil : "record \(id) is not found: \(hits.plan)"
                    }
                    next += 1
                }
            }
            await failures.collect {
                for _ in 0 ..< 2 {
                    try await things.createIndex(description)
                    try await things.optimize()
                }
                return nil
            }
            isDone.set()
        }
        #expect(failures.all == [])
        try await things.optimize()
        #expect(try things.index()?.tailCount == 0)
        #expect(try fixture.database.check().isEmpty)
    }
}

extension IndexSample {
    /// Changes what the file says of the collection's index behind the library's back, and expects that nobody traps over it: a query
    /// of an exact search is answered, and the index can be made again.
    mutating func expectDamage(_ description: IndexDescription, _ change: @escaping @Sendable (inout [String: Any]) -> Void) async throws {
        let path = fixture.folder.path("test.ntl"), query = queries(1)[0]
        fixture.database.close()

        let environment = try Environment(path: path)
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("vectors")
            guard var index = try table.indexes().first,
                  var json = (try? JSONSerialization.jsonObject(with: index.parameters)) as? [String: Any]
            else { throw StorageError(.corrupt, "there is no index") }
            change(&json)
            guard let data = try? JSONSerialization.data(withJSONObject: json) else { throw StorageError(.corrupt, "no JSON") }
            index.parameters = data
            let arrays = index.arrays.map { IndexArrayContent(stride: $0.stride, count: $0.count, chunks: Array(repeating: nil, count: $0.chunkCount)) }
            try table.installIndex(index, arrays: arrays, expectedVersion: index.version)
        }
        environment.close()

        let things = try Database(path: path).collection("vectors")
        await expect(.corrupt) { _ = try things.index() }
        await expect(.corrupt) { try await things.optimize() }
        #expect(try things.search(near: query, exact: true).count == 10)
        try await things.createIndex(description)
        #expect(try things.search(near: query).count == 10)
    }
}

/// A build that waits from its first sign of progress on until it is told to go on.
struct HeldBuild {
    let task: Task<IndexInformation, any Error>
    private let released = DispatchSemaphore(value: 0)

    /// Returns once the build waits.
    init(of description: IndexDescription, in collection: Collection) async {
        let reached = DispatchSemaphore(value: 0), released = released
        let isFirst = Flag()
        task = Task {
            try await collection.createIndex(description) { _ in
                guard isFirst.set() else { return }
                reached.signal()
                released.wait()
            }
        }
        await withCheckedContinuation { continuation in
            Thread {
                reached.wait()
                continuation.resume()
            }.start()
        }
    }

    func goOn() { released.signal() }
}

private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    /// Whether it was not set before.
    @discardableResult
    func set() -> Bool { !value.exchange(true, ordering: .relaxed) }
}

private final class Failures: Sendable {
    private let texts = Mutex<[String]>([])
    var all: [String] { texts.withLock { $0 } }

    /// Keeps the text that `body` gives back, and what it throws.
    func collect(_ body: () async throws -> String?) async {
        do {
            guard let text = try await body() else { return }
            texts.withLock { $0.append(text) }
        } catch {
            texts.withLock { $0.append("\(error)") }
        }
    }
}
