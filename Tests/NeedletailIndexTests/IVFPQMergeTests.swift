import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("IVFPQMerge")
struct IVFPQMergeTests {
    @Test("merges in any steps, with rows deleted between them, list what is alive and find what exact search finds", arguments: [IVFPQCode.pq(bits: 4), .pq(bits: 8), .rabitq(bits: 1), .rabitq(bits: 4)])
    func merges(code: IVFPQCode) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQMergeTests seed \(random.seed)")
        let test = IVFPQSearchTests.Case(metric: .l2, element: .f32, bits: code.bits, kind: code.kind)
        let count = 6000
        let table = IVFPQSearchTests.clustered(test, dimension: 20, count: count, &random)
        var dead = Bitmap(count: count) { _ in false }
        var covered = 1000
        func source() -> IVFPQSource {
            IVFPQSource(vectors: table.vectors(first: covered), dimension: 20, metric: .l2, element: .f32, deleted: dead.held)
        }
        var build = try IVFPQBuilder(source(), options: test.options(nlist: 7, subspaces: 5)).build()
        var index = try build.index(vectors: table.vectors)
        // Small steps too, so that lists gather more runs than they may have.
        for step in [0, 1, 63, 700, 5, 640, 800, 30, 1000, 300, 900] {
            for _ in 0 ..< step / 4 { dead.set(Int.random(in: 0 ..< covered, using: &random)) }
            covered = min(count, covered + step)
            let compacts: Bool? = [nil, true, false].randomElement(using: &random)!
            build = try index.merged(with: source(), compacts: compacts, crew: TrainingCrew(threads: 2))
            index = try build.index(vectors: table.vectors)
            #expect(index.header.count == covered)
            let alive = (0 ..< covered).filter { !dead.contains($0) }.map(UInt32.init)
            let listed = index.listedSlots
            #expect(Set(listed).isSuperset(of: alive) && Set(listed).count == listed.count)
            if compacts == true { #expect(listed == alive && index.header.unusedBlockCount == 0) }
            let visible = Bitmap(count: count) { $0 < covered }
            for _ in 0 ..< 3 {
                let query = IVFPQSearchTests.query(table, &random)
                let exact = table.index.search(query, k: 10, allowed: visible, deleted: dead)
                #expect(index.search(query, k: 10, nprobe: 7, refineFactor: covered, deleted: dead) == exact)
            }
            // Whole chunks that did not change are not written.
            #expect(build.contents[0].chunks.allSatisfy { $0 == nil } && build.contents[1].chunks.allSatisfy { $0 == nil })
        }
    }

    @Test("appending gives the codes that building gives")
    func sameCodes() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQMergeTests seed \(random.seed)")
        let test = IVFPQSearchTests.cases[0]
        let table = IVFPQSearchTests.clustered(test, dimension: 16, count: 3000, &random)
        let start = IVFPQSource(vectors: table.vectors(first: 1500), dimension: 16, metric: .l2, element: .f32)
        let build = try IVFPQBuilder(start, options: IVFPQOptions(nlist: 6, subspaces: 4)).build()
        let index = try build.index(vectors: table.vectors)
        let merged = try index.merged(with: table.source())
        let larger = try merged.index(vectors: table.vectors)
        #expect(larger.header.appendedCount == 1500)
        #expect(larger.drift > 0.8 && larger.drift < 1.2)
        #expect(larger.retraining == nil)
        // Without refinement, distances are those of the codes: a row's is the same wherever its block stands.
        let query = IVFPQSearchTests.query(table, &random)
        let old = Dictionary(uniqueKeysWithValues: index.search(query, k: 1500, nprobe: 6, refineFactor: 0).map { ($0.slot, $0.distance) })
        let new = Dictionary(uniqueKeysWithValues: larger.search(query, k: 3000, nprobe: 6, refineFactor: 0).map { ($0.slot, $0.distance) })
        #expect(old.count == 1500 && new.count == 3000)
        #expect(old.allSatisfy { new[$0.key] == $0.value })
    }

    @Test("vectors from elsewhere are drift, and many more vectors are growth")
    func drift() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQMergeTests seed \(random.seed)")
        let table = VectorTable(metric: .l2, element: .f32, dimension: 8, count: 5000) { $0 < 1000 ? random.normal() : 20 + random.normal() * 4 }
        let start = IVFPQSource(vectors: table.vectors(first: 1000), dimension: 8, metric: .l2, element: .f32)
        let build = try IVFPQBuilder(start, options: IVFPQOptions(nlist: 10, subspaces: 4)).build()
        let index = try build.index(vectors: table.vectors)
        #expect(index.drift == 1 && index.retraining == nil)
        let moved = try index.merged(with: IVFPQSource(vectors: table.vectors(first: 1200), dimension: 8, metric: .l2, element: .f32))
        let after = try moved.index(vectors: table.vectors)
        #expect(after.drift > 10)
        if case .drift = after.retraining {} else { Issue.record("\(String(describing: after.retraining))") }

        let even = VectorTable(metric: .l2, element: .f32, dimension: 8, count: 5000) { _ in random.normal() }
        let small = IVFPQSource(vectors: even.vectors(first: 1000), dimension: 8, metric: .l2, element: .f32)
        let first = try IVFPQBuilder(small, options: IVFPQOptions(nlist: 10, subspaces: 4)).build()
        let grown = try first.index(vectors: even.vectors).merged(with: even.source())
        #expect(try grown.index(vectors: even.vectors).retraining == .growth(ratio: 5))
        #expect(throws: TrainingError.self) { try after.merged(with: IVFPQSource(vectors: table.vectors, dimension: 8, metric: .dot, element: .f32)) }
    }

    @Test("chosen options fit the collection and the target")
    func choice() throws {
        for (count, dimension) in [(1, 1), (10, 3), (1000, 7), (20_000, 384), (1_000_000, 128), (10_000_000, 769)] {
            for bytes in [nil, 6, 13, 21, 40, 100] as [Int?] {
                let options = IVFPQOptions.chosen(count: count, dimension: dimension, bytesPerVector: bytes)
                #expect((1 ... max(count, 1)).contains(options.nlist))
                let header = IVFPQHeader(
                    metric: .l2, element: .f32, dimension: dimension, nlist: options.nlist, subspaces: options.subspaces, bits: options.bits)
                if let bytes { #expect(header.rowByteCount <= max(bytes, 6), "\(dimension) dimensions, \(bytes) bytes: \(header.rowByteCount)") }
                if count <= 1000, count > 1 {
                    let table = VectorTable(metric: .l2, element: .f32, dimension: dimension, count: count) { Float($0) }
                    _ = try IVFPQBuilder(table.source(), options: options).build()
                }
            }
        }
        let million = IVFPQOptions.chosen(count: 1_000_000, dimension: 128)
        #expect(million.nlist == 2048 || million.nlist == 1024)
        #expect(million.subspaces == 32)
    }
}
