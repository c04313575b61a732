import Foundation
import Needletail
import NeedletailStorage
import NeedletailTestSupport
import Synchronization
import Testing

/// Building, installing, replacing and maintaining an IVF-PQ index.
@Suite(.serialized) struct ListIndexBuildTests {
    @Test("an index tells what it is, and is still there after reopening")
    func information() async throws {
        var sample = try await IndexSample(count: 4_000)
        let things = sample.collection
        _ = try await things.delete([5, 6, 7])
        let index = try await things.createIndex(.ivfpq(nlist: 40, subspaces: 8, seed: 7), threads: 2)
        #expect(index.kind == "ivfpq" && index.nlist == 40 && index.subspaces == 8 && index.bits == 4 && index.seed == 7)
        #expect(index.isRotated == false && index.isBalanced == false && index.drift == 1 && index.retraining == nil)
        #expect(index.m == nil && index.efConstruction == nil && index.quantization == nil)
        #expect(index.coveredCount == 3_997 && index.tailCount == 0 && index.deletedCount == 0)
        // Codes of 4 bytes, a term, a slot, and tails.
        #expect(try #require(index.bytesPerVector) > 9 && #require(index.bytesPerVector) < 12)
        #expect(index.build.threads == 2 && index.build.memoryByteCount > 0 && index.build.warnings == nil)
        #expect(try #require(index.build.measuringSeconds) > 0 && #require(index.build.measuringSeconds) < index.build.seconds)
        #expect(index.calibration.contains { $0.k == 10 && $0.nprobe == 40 && $0.refineFactor == 64 && $0.recall > 0.95 })
        #expect(try things.index() == index)
        #expect(try sample.fixture.database.information().collections[0].index == index)
        #expect(try sample.fixture.database.check().isEmpty)

        let query = sample.queries(1)[0]
        let hits = try things.search(near: query, nprobe: 5)
        sample.fixture.database.close()
        let reopened = try Database(path: sample.fixture.folder.path("test.ntl"), mode: .readOnly).collection("vectors")
        #expect(try reopened.index() == index)
        #expect(try reopened.search(near: query, nprobe: 5).hits == hits.hits)
        await expect(.readOnly) { try await reopened.createIndex(.ivfpq()) }
        await expect(.readOnly) { try await reopened.optimize() }
    }

    @Test("what is not said is chosen by the number of records and their dimension; a target of bytes is kept", arguments: [
        (IndexDescription.ivfpq(), 6, 4, 12.0), (.ivfpq(bits: 8), 4, 8, 12.0), (.ivfpq(bytesPerVector: 11), 12, 4, 14.1),
        (.ivfpq(bits: 8, bytesPerVector: 11), 6, 8, 14.1), (.ivfpq(bytesPerVector: 6), 2, 4, 8.6), (.ivfpq(subspaces: 5), 5, 4, 10.5),
    ])
    func choice(description: IndexDescription, subspaces: Int, bits: Int, most: Double) async throws {
        let sample = try await IndexSample(count: 3_000)
        let index = try await sample.collection.createIndex(description)
        #expect(index.subspaces == subspaces && index.bits == bits, "\(index)")
        #expect(try #require(index.nlist) >= 32 && #require(index.bytesPerVector) <= most, "\(index)")
    }

    @Test("the same seed builds the same index, whatever the number of threads")
    func deterministic() async throws {
        var sample = try await IndexSample(count: 3_000)
        let things = sample.collection
        let queries = sample.queries(20)
        var first: ([RecallPoint], [[SearchHit]])?
        for threads in [1, 3] {
            let index = try await things.createIndex(.ivfpq(nlist: 32, rotation: true, seed: 5), threads: threads)
            let found = try queries.map { try things.search(near: $0, nprobe: 2, refineFactor: 1).hits }
            if let first { #expect(first.0 == index.calibration && first.1 == found) } else { first = (index.calibration, found) }
        }
    }

    @Test("an index of the other kind takes its place in one step, and back again")
    func replacing() async throws {
        var sample = try await IndexSample(count: 2_000)
        let things = sample.collection
        let query = sample.queries(1)[0]
        for _ in 0 ..< 2 {
            #expect(try await things.createIndex(.hnsw(m: 8, efConstruction: 40)).kind == "hnsw")
            #expect(try things.search(near: query, efSearch: 40).plan.isThroughIndex)
            #expect(try await things.createIndex(.ivfpq(nlist: 20)).kind == "ivfpq")
            #expect(try things.search(near: query, nprobe: 4).plan.isThroughIndex)
            #expect(try things.index()?.kind == "ivfpq")
        }
        try await things.dropIndex()
        #expect(try things.index() == nil)
        await expect(.unknownIndex) { try await things.dropIndex() }
        sample.fixture.database.close()
        let environment = try Environment(path: sample.fixture.folder.path("test.ntl"))
        #expect(try environment.snapshot().table("vectors")?.indexes().isEmpty == true)
        environment.close()
    }

    @Test("what cannot be built is refused by name", arguments: [
        (IndexDescription.ivfpq(nlist: 0), "an nlist of 0"), (.ivfpq(nlist: 1 << 21), "an nlist of"), (.ivfpq(subspaces: 0), "0 subspaces"),
        (.ivfpq(nlist: 601), "601 lists cannot be made of 600 records"), (.ivfpq(subspaces: 25), "cut into 24 at most"),
        (.ivfpq(subspaces: 23), "Ask for 12"), (.ivfpq(bits: 5), "codes of 5 bits"), (.ivfpq(bytesPerVector: 5), "5 bytes a vector"),
        (.ivfpq(subspaces: 4, bytesPerVector: 20), "leave out one of the two"),
    ])
    func refusals(description: IndexDescription, words: String) async throws {
        let sample = try await IndexSample(count: 600)
        do {
            try await sample.collection.createIndex(description)
            Issue.record("nothing was refused: \(words)")
        } catch {
            #expect(error.code == .invalidArgument && error.message.contains(words), "\(error)")
        }
        #expect(try sample.collection.index() == nil)
    }

    @Test("subspaces that do not divide the dimension fill the last part up; few records work, and warn; none are refused")
    func edges() async throws {
        var sample = try await IndexSample(count: 30, dimension: 13)
        let things = sample.collection
        for subspaces in [5, 7, 13] {
            let index = try await things.createIndex(.ivfpq(nlist: 30, subspaces: subspaces))
            #expect(index.subspaces == subspaces && index.build.warnings?.isEmpty == false)
            for query in sample.queries(5) {
                let hits = try things.search(near: query, k: 10, nprobe: 30, refineFactor: 3)
                #expect(hits.map(\.id) == (try things.search(near: query, k: 10, exact: true)).map(\.id))
            }
        }
        #expect(try sample.fixture.database.check().isEmpty)
        _ = try await things.delete((0 ..< 30).map { .int($0) })
        #expect(try things.search(near: sample.queries(1)[0], nprobe: 3).isEmpty)
        try await things.optimize()
        #expect(try things.search(near: sample.queries(1)[0], nprobe: 3).isEmpty)
        await expect(.invalidArgument) { try await things.createIndex(.ivfpq()) }
        let one = try await sample.fixture.database.createCollection("one", schema: Schema(dimension: 3))
        await expect(.invalidArgument) { try await one.createIndex(.ivfpq()) }
        try await one.insert(Record(id: 1, vector: [1, 2, 3]))
        #expect(try await one.createIndex(.ivfpq()).coveredCount == 1)
        #expect(try one.search(near: [0, 0, 0], nprobe: 1).count == 1)
    }

    @Test("a build within its memory limit goes on, and one that cannot keep it is refused")
    func memory() async throws {
        let sample = try await IndexSample(count: 20_000)
        let things = sample.collection
        let free = try await things.createIndex(.ivfpq(nlist: 150)).build.memoryByteCount
        let limited = try await things.createIndex(.ivfpq(nlist: 150), memoryLimit: free)
        #expect(limited.build.memoryByteCount <= free && limited.build.memoryByteCount > 0)
        await expect(.invalidArgument) { try await things.createIndex(.ivfpq(nlist: 150), memoryLimit: free / 2) }
        await expect(.invalidArgument) { try await things.createIndex(.ivfpq(), memoryLimit: 100_000) }
        #expect(try things.index() == limited)
        // Codes that need no training leave only the lists' to be cut.
        let whole = try await things.createIndex(.ivfpq(nlist: 200, code: .rabitq), threads: 1).build.memoryByteCount
        let cut = try await things.createIndex(.ivfpq(nlist: 200, code: .rabitq), threads: 1, memoryLimit: whole * 3 / 4).build.memoryByteCount
        #expect(cut <= whole * 3 / 4 && cut > 0, "\(cut) of \(whole) bytes")
    }

    @Test("a build that is cancelled changes nothing, and the next one may begin")
    func cancelling() async throws {
        let sample = try await IndexSample(count: 8_000)
        let things = sample.collection
        for phase in [IndexProgress.Phase.preparing, .building, .measuring] {
            let task = Mutex<Task<IndexInformation, any Error>?>(nil)
            let started = DispatchSemaphore(value: 0)
            let build = Task {
                try await things.createIndex(.ivfpq(nlist: 64)) { progress in
                    guard progress.phase == phase else { return }
                    started.wait()
                    started.signal()
                    task.withLock { $0?.cancel() }
                }
            }
            task.withLock { $0 = build }
            started.signal()
            switch await build.result {
            case .success: Issue.record("\(phase) was not cancelled")
            case .failure(let error): #expect((error as? NeedletailError)?.code == .cancelled, "\(phase): \(error)")
            }
            #expect(try things.index() == nil, "\(phase)")
        }
        #expect(try sample.fixture.database.check().isEmpty)
        #expect(try await things.createIndex(.ivfpq(nlist: 64)).coveredCount == 8_000)
    }

    @Test("of two builds at once the second is refused; an index that another process installs meanwhile is not overwritten", arguments: [true, false])
    func conflict(sameKind: Bool) async throws {
        let sample = try await IndexSample(count: 2_000)
        let things = sample.collection
        let other = try Database(path: sample.fixture.folder.path("test.ntl")).collection("vectors")
        let first = await HeldBuild(of: .ivfpq(nlist: 16), in: things)
        await expect(.indexConflict) { try await things.createIndex(.ivfpq()) }
        await expect(.indexConflict) { try await things.optimize() }
        let installed = try await other.createIndex(sameKind ? .ivfpq(nlist: 12) : .hnsw(m: 10, efConstruction: 60))
        first.goOn()
        await expect(.indexConflict) { _ = try await first.task.value }
        #expect(try things.index() == installed)
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("optimize trains anew when records become many times as many, or other ones; and chooses anew what was not asked for")
    func retraining() async throws {
        var sample = try await IndexSample(count: 1_000)
        let things = sample.collection
        let first = try await things.createIndex(.ivfpq(subspaces: 8))
        try await sample.insert(1_000 ..< 2_000)
        #expect(try await things.optimize().retraining == nil)
        try await sample.insert(2_000 ..< 4_500)
        let grown = try await things.optimize()
        guard case .growth(let ratio) = grown.retraining else { throw NeedletailError(.corrupt, "\(grown)") }
        #expect(ratio >= 4 && grown.mergedCount == 2_500 && grown.index.coveredCount == 4_500 && grown.index.subspaces == 8)
        #expect(try #require(grown.index.nlist) > #require(first.nlist) && grown.index.retraining == nil)

        // Records of another kind: far from all lists, and many.
        let strange = (0 ..< 2_000).map { id in
            Record(id: .int(Int64(10_000 + id)), vector: (0 ..< 24).map { _ in 40 + 3 * sample.normal() })
        }
        try await things.insert(strange, durability: .relaxed)
        let drifted = try await things.optimize()
        guard case .drift(let distance) = drifted.retraining else { throw NeedletailError(.corrupt, "\(drifted)") }
        #expect(distance > 1.25 && drifted.index.drift == 1 && drifted.index.tailCount == 0)
        #expect(try await things.optimize().retraining == nil)
        let query = strange[7].vector
        #expect(try things.search(near: query, k: 1, nprobe: 4).first?.id == .int(10_007))
        #expect(try sample.fixture.database.check().isEmpty)
    }

    @Test("a description with impossible numbers is damage, not a trap", arguments: [
        "measuredCount", "nprobe", "k", "recall", "refineFactor", "nlist", "rowCount", "subspaces", "bits", "short", "request",
    ], ["calibration", "queryCalibration"])
    func impossibleNumbers(name: String, curves: String) async throws {
        var sample = try await IndexSample(count: 1_200)
        try await sample.collection.createIndex(.ivfpq(nlist: 12))
        try await sample.expectDamage(.ivfpq(nlist: 12)) { json in
            var curve: [String: Any] = ["k": 10, "refineFactor": 4, "nprobe": [2], "recall": [0.5]]
            switch name {
            case "nprobe": curve[name] = [-1]
            case "recall": curve[name] = [1.5]
            case "short": curve["recall"] = [Double]()
            case "k", "refineFactor": curve[name] = -1
            case "request": json[name] = ["bits": 7, "rotates": false, "isBalanced": false, "seed": 0] as [String: Any]
            default: json[name] = Int.min + 1
            }
            json[curves] = [curve]
        }
    }

    @Test("records come and go while an index is built, and searches never miss a beat")
    func concurrent() async throws {
        var sample = try await IndexSample(count: 6_000)
        try await sample.expectAnswers(whileBuilding: .ivfpq(nlist: 64))
    }
}
