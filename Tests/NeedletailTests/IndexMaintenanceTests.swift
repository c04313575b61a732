import Foundation
import Needletail
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
        func recalls(_ index: IndexInformation) -> [Int: Double] {
            Dictionary(uniqueKeysWithValues: index.calibration.filter { $0.k == 10 }.map { ($0.efSearch ?? 0, $0.recall) })
        }
        let grown = recalls(try #require(try things.index()))
        let fresh = recalls(try await things.createIndex(description))
        // A ladder ends where nearly all is found.
        for efSearch in [96, 128, 192, 256] {
            #expect(grown[efSearch] ?? 1 > (fresh[efSearch] ?? 1) - 0.05, "\(grown), a new one: \(fresh)")
        }
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
    ], ["calibration", "queryCalibration"])
    func impossibleNumbers(name: String, points: String) async throws {
        var sample = try await IndexSample(count: 1_200)
        try await sample.collection.createIndex(.hnsw(m: 8, efConstruction: 40))
        try await sample.expectDamage(.hnsw(m: 8, efConstruction: 40)) { json in
            if name.hasSuffix("Count") {
                json[name] = Int.min + 1
            } else {
                json[points] = [["k": 10, "efSearch": 10, "recall": 1.0].merging([name: -1]) { $1 }]
            }
        }
    }
}
