import Foundation
import Needletail
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// What becomes of an index while its collection changes much, or its description is damaged.
@Suite(.serialized) struct IndexMaintenanceTests {
    @Test("an index of neighbour codes that began small finds as much as a new one, at each setting that is asked for")
    func grownFromFew() async throws {
        var sample = try await IndexSample(count: 100, dimension: 64)
        let things = sample.collection
        let description = IndexDescription.hnsw(m: 8, efConstruction: 60, quantization: .rabitq)
        try await things.createIndex(description)
        for (first, end) in [(100, 700), (700, 4_000)] {
            try await sample.insert(first ..< end)
            #expect(try await things.optimize().mergedCount == end - first)
        }
        func recalls(_ index: IndexInformation) -> [Double] { index.calibration.filter { $0.k == 10 && $0.efSearch ?? 0 >= 96 }.map(\.recall) }
        let grown = recalls(try #require(try things.index()))
        let fresh = recalls(try await things.createIndex(description))
        #expect(grown.count == fresh.count)
        for (one, other) in zip(grown, fresh) { #expect(one > other - 0.05, "\(grown), a new one: \(fresh)") }
    }

    @Test("records that were deleted before the index saw them are no longer looked through after an optimize")
    func deletedTail() async throws {
        var sample = try await IndexSample(count: 1_000)
        let things = sample.collection
        let before = try await things.createIndex(.hnsw(m: 8, efConstruction: 40))
        try await sample.insert(1_000 ..< 1_100)
        _ = try await things.delete((1_000 ..< 1_100).map { .int($0) })
        let first = try await things.optimize()
        #expect(first.mergedCount == 0 && first.repairedCount == 0 && first.index.coveredCount == 1_000)
        #expect(first.index.build != before.build)
        #expect(try await things.optimize().index.build == first.index.build)
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("a description with impossible numbers is damage, not a trap", arguments: [
        "measuredCount", "unlinkedCount", "efSearch", "k", "recall",
    ])
    func impossibleNumbers(name: String) async throws {
        var sample = try await IndexSample(count: 1_200)
        try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 40))
        let path = sample.fixture.folder.path("test.ntl")
        sample.fixture.database.close()

        let environment = try Environment(path: path)
        try environment.writeBlocking { transaction throws(StorageError) in
            let table = try transaction.table("vectors")
            guard var index = try table.indexes().first,
                  var json = (try? JSONSerialization.jsonObject(with: index.parameters)) as? [String: Any]
            else { throw StorageError(.corrupt, "there is no index") }
            if name.hasSuffix("Count") { json[name] = Int.min + 1 } else { json["calibration"] = [["k": 10, "efSearch": 10, "recall": 1.0].merging([name: -1]) { $1 }] }
            guard let data = try? JSONSerialization.data(withJSONObject: json) else { throw StorageError(.corrupt, "no JSON") }
            index.parameters = data
            let arrays = index.arrays.map { IndexArrayContent(stride: $0.stride, count: $0.count, chunks: Array(repeating: nil, count: $0.chunkCount)) }
            try table.installIndex(index, arrays: arrays, expectedVersion: index.version)
        }
        environment.close()

        let query = sample.queries(1)[0]
        let things = try Database(path: path).collection("vectors")
        await expect(.corrupt) { _ = try things.index() }
        await expect(.corrupt) { try await things.optimize() }
        #expect(try things.search(near: query, exact: true).count == 10)
        try await things.createIndex(.hnsw(m: 8, efConstruction: 40))
        #expect(try things.search(near: query, efSearch: 20).count == 10)
    }
}
