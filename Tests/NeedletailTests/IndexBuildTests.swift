import Foundation
import Needletail
import NeedletailTestSupport
import Synchronization
import Testing

/// Building, installing, dropping an index: what is there before, during and afterwards.
@Suite(.serialized) struct IndexBuildTests {
    @Test("an index tells what it is, and is still there after reopening")
    func information() async throws {
        var sample = try await IndexSample(count: 3_000)
        let things = sample.collection
        #expect(try things.index() == nil)
        _ = try await things.delete([5, 6, 7])
        let index = try await things.createIndex(.hnsw(m: 8, efConstruction: 60, quantization: .sq8, seed: 7), threads: 2)
        #expect(index.kind == "hnsw" && index.m == 8 && index.efConstruction == 60 && index.quantization == .sq8 && index.seed == 7)
        #expect(index.coveredCount == 2_997 && index.tailCount == 0 && index.deletedCount == 0)
        #expect(index.byteCount >= 2_997 * (2 * 8 * 4 + 24) && index.build.threads == 2 && index.build.memoryByteCount > 0)
        #expect(index.calibration.contains { $0.k == 10 && ($0.efSearch ?? .max) <= 64 && $0.recall > 0.8 })
        #expect(try things.index() == index)
        #expect(try sample.fixture.database.information().collections[0].index == index)
        #expect(try sample.fixture.database.check().isEmpty)

        let query = sample.queries(1)[0]
        let hits = try things.search(near: query, efSearch: 50)
        #expect(hits.plan.isThroughIndex && hits.plan.description.hasPrefix("hnsw with efSearch 50, recall about "))
        sample.fixture.database.close()
        let reopened = try Database(path: sample.fixture.folder.path("test.ntl"), mode: .readOnly).collection("vectors")
        #expect(try reopened.index() == index)
        #expect(try reopened.search(near: query, efSearch: 50).hits == hits.hits)
        await expect(.readOnly) { try await reopened.createIndex() }
    }

    @Test("an index replaces the one before; one that was dropped is not there")
    func replaceAndDrop() async throws {
        var sample = try await IndexSample(count: 1_500)
        let things = sample.collection
        await expect(.unknownIndex) { try await things.dropIndex() }
        await expect(.unknownIndex) { try await things.optimize() }
        try await things.createIndex(.hnsw(m: 8, efConstruction: 50))
        try await things.createIndex(.hnsw(m: 12, efConstruction: 70, quantization: .none))
        #expect(try things.index()?.m == 12)
        #expect(try things.index()?.quantization == Quantization.none)
        let query = sample.queries(1)[0]
        #expect(try things.search(near: query, efSearch: 40).plan.isThroughIndex)
        try await things.dropIndex()
        #expect(try things.index() == nil)
        await expect(.unknownIndex) { _ = try things.search(near: query, efSearch: 40) }
        #expect(try !things.search(near: query, recall: 0.5).plan.isThroughIndex)
        await expect(.unknownIndex) { try await things.dropIndex() }
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("what is out of range, or contradicts itself, is refused by name")
    func errors() async throws {
        var sample = try await IndexSample(count: 1_200)
        let things = sample.collection
        let query = sample.queries(1)[0]
        for description in [IndexDescription.hnsw(m: 1), .hnsw(m: 65), .hnsw(m: 16, efConstruction: 15), .hnsw(efConstruction: 2_001)] {
            await expect(.invalidArgument) { try await things.createIndex(description) }
        }
        await expect(.invalidArgument) { try await things.createIndex(threads: 0) }
        await expect(.invalidArgument) { try await things.createIndex(memoryLimit: 0) }
        await expect(.invalidArgument) { try await things.createIndex(memoryLimit: 1_000) }
        #expect(try things.index() == nil)
        await expect(.unknownIndex) { _ = try things.search(near: query, efSearch: 10) }

        try await things.createIndex(.hnsw(m: 8, efConstruction: 40))
        for efSearch in [0, -1, 1_000_001] { await expect(.invalidArgument) { _ = try things.search(near: query, k: 1, efSearch: efSearch) } }
        await expect(.invalidArgument) { _ = try things.search(near: query, k: 0, efSearch: 10) }
        await expect(.invalidArgument) { _ = try things.search(near: query, k: Collection.maximumK + 1) }
        await expect(.invalidArgument) { _ = try things.search(near: query, k: 11, efSearch: 10) }
        await expect(.invalidArgument) { _ = try things.search(near: query, efSearch: 10, exact: true) }
        await expect(.invalidArgument) { _ = try things.search(near: query, recall: 0.9, efSearch: 10) }
        await expect(.invalidArgument) { _ = try things.search(near: query, recall: 0) }
        await expect(.invalidArgument) { _ = try things.pages(near: query).next(0) }
        await expect(.dimensionMismatch) { _ = try things.search(near: [1], efSearch: 10) }
        let snapshot = try sample.fixture.database.snapshot().collection("vectors")
        await expect(.readOnly) { try await snapshot.createIndex() }
        await expect(.readOnly) { try await snapshot.optimize() }

        try await sample.fixture.database.dropCollection("vectors")
        await expect(.unknownCollection) { try await things.createIndex() }
        await expect(.unknownCollection) { _ = try things.index() }
    }

    @Test("an empty collection, and one of few or equal records, can have an index")
    func fewRecords() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        let empty = try await things.createIndex()
        #expect(empty.coveredCount == 0)
        #expect(try things.search(near: [1, 0, 0]).isEmpty)
        #expect(try things.search(near: [1, 0, 0], efSearch: 10).isEmpty)
        try await things.insert((0 ..< 30).map { Record(id: .int($0), vector: [1, 2, 3]) })
        #expect(try things.search(near: [1, 2, 3], k: 20, efSearch: 20).count == 20)
        let merged = try await things.optimize()
        #expect(merged.mergedCount == 30 && merged.index.tailCount == 0)
        #expect(try things.search(near: [1, 2, 3], k: 25, efSearch: 30).count == 25)
        _ = try await things.delete((0 ..< 30).map { .int($0) })
        #expect(try things.search(near: [1, 2, 3], efSearch: 30).isEmpty)
        try await things.optimize()
        #expect(try things.search(near: [1, 2, 3], efSearch: 30).isEmpty)
        #expect(try fixture.database.check().isEmpty)
    }

    @Test("a build that is cancelled changes nothing, and the next one may begin")
    func cancelling() async throws {
        let sample = try await IndexSample(count: 4_000)
        let things = sample.collection
        let before = try sample.fixture.database.information()
        let phases: [IndexProgress.Phase] = [.preparing, .building, .measuring, .installing]
        for phase in phases {
            let task = Mutex<Task<IndexInformation, any Error>?>(nil)
            let started = DispatchSemaphore(value: 0)
            let build = Task {
                try await things.createIndex(.hnsw(m: 8, efConstruction: 60)) { progress in
                    guard progress.phase == phase, progress.done < progress.total || phase != .installing else { return }
                    started.wait()
                    started.signal()
                    task.withLock { $0?.cancel() }
                }
            }
            task.withLock { $0 = build }
            started.signal()
            switch await build.result {
            // The installation is one write, which runs to its end.
            case .success: #expect(phase == .installing)
            case .failure(let error): #expect((error as? NeedletailError)?.code == .cancelled, "\(phase): \(error)")
            }
            if phase != .installing { #expect(try things.index() == nil, "\(phase)") }
        }
        if try things.index() != nil { try await things.dropIndex() }
        #expect(try sample.fixture.database.check().isEmpty)
        #expect(try sample.fixture.database.information().usedByteCount <= before.usedByteCount + 1 << 20)
        #expect(try await things.createIndex(.hnsw(m: 8, efConstruction: 60)).coveredCount == 4_000)
    }

    @Test("of two builds at once the second is refused, and so is an optimize")
    func twoBuilds() async throws {
        let sample = try await IndexSample(count: 2_000)
        let things = sample.collection
        let first = await HeldBuild(of: .hnsw(m: 8, efConstruction: 60), in: things)
        await expect(.indexConflict) { try await things.createIndex() }
        await expect(.indexConflict) { try await things.optimize() }
        let other = try await sample.fixture.database.createCollection("others", schema: Schema(dimension: 2))
        try await other.createIndex()
        first.goOn()
        #expect(try await first.task.value.coveredCount == 2_000)
    }

    @Test("an index installed by another process meanwhile is not overwritten")
    func conflict() async throws {
        let sample = try await IndexSample(count: 2_000)
        let things = sample.collection
        // Another handle on the file has builds of its own, as another process has.
        let other = try Database(path: sample.fixture.folder.path("test.ntl")).collection("vectors")
        let first = await HeldBuild(of: .hnsw(m: 8, efConstruction: 60), in: things)
        #expect(try await other.createIndex(.hnsw(m: 10, efConstruction: 60)).m == 10)
        first.goOn()
        await expect(.indexConflict) { _ = try await first.task.value }
        #expect(try things.index()?.m == 10)
    }

    @Test("records come and go while an index is built, and searches never miss a beat")
    func concurrent() async throws {
        var sample = try await IndexSample(count: 6_000)
        try await sample.expectAnswers(whileBuilding: .hnsw(m: 8, efConstruction: 60))
    }
}
