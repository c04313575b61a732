import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("IVFPQSearch")
struct IVFPQSearchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let metric: Metric
        let element: Element
        let bits: Int
        var rotates = false
        var kind = IVFPQCode.Kind.pq
        var testDescription: String { "\(metric), \(element), \(kind) of \(bits) bits\(rotates ? ", rotated" : "")" }

        func options(nlist: Int, subspaces: Int) -> IVFPQOptions {
            if kind == .rabitq { return IVFPQOptions(nlist: nlist, rabitqBits: bits) }
            return IVFPQOptions(nlist: nlist, subspaces: subspaces, bits: bits, rotates: rotates)
        }
    }

    static let cases: [Case] = [
        Case(metric: .l2, element: .f32, bits: 4), Case(metric: .cosine, element: .f16, bits: 4), Case(metric: .dot, element: .f32, bits: 4),
        Case(metric: .l2, element: .i8, bits: 8), Case(metric: .cosine, element: .f32, bits: 8), Case(metric: .dot, element: .f16, bits: 8),
        Case(metric: .l2, element: .f32, bits: 4, rotates: true),
        Case(metric: .l2, element: .f32, bits: 1, kind: .rabitq), Case(metric: .cosine, element: .f16, bits: 2, kind: .rabitq),
        Case(metric: .dot, element: .f32, bits: 4, kind: .rabitq), Case(metric: .l2, element: .i8, bits: 4, kind: .rabitq),
    ]

    /// Vectors about some centres, so that lists mean something.
    static func clustered(_ test: Case, dimension: Int, count: Int, _ random: inout SeededGenerator) -> VectorTable {
        let centers = (0 ..< 20).map { _ in (0 ..< dimension).map { _ in Float.random(in: -60 ... 60, using: &random) } }
        var position = 0, center = 0
        return VectorTable(metric: test.metric, element: test.element, dimension: dimension, count: count, blockShift: 6) { _ in
            if position % dimension == 0 { center = Int.random(in: 0 ..< 20, using: &random) }
            defer { position += 1 }
            return (centers[center][position % dimension] + random.normal() * 12).rounded()
        }
    }

    static func query(_ table: VectorTable, _ random: inout SeededGenerator) -> [Float] {
        table.values[Int.random(in: 0 ..< table.count, using: &random)].map { ($0 + random.normal() * 6).rounded() }
    }

    @Test("with all lists and all rows refined, the result is the exact one, under any filter", arguments: cases)
    func exhaustive(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQSearchTests seed \(random.seed)")
        var counts = (found: 0, all: 0)
        for (dimension, count, nlist, subspaces) in [(7, 90, 3, 3), (16, 700, 9, 4), (33, 2000, 30, 11), (48, 3000, 1, 24)] {
            let table = Self.clustered(test, dimension: dimension, count: count, &random)
            let gone = Bitmap(count: count) { _ in Int.random(in: 0 ..< 10, using: &random) == 0 }
            let options = test.options(nlist: nlist, subspaces: subspaces)
            let build = try IVFPQBuilder(table.source(deleted: gone), options: options).build()
            let index = try build.index(vectors: table.vectors)
            #expect(index.listedSlots == (0 ..< count).filter { !gone.contains($0) }.map(UInt32.init))
            for round in 0 ..< 6 {
                let query = Self.query(table, &random)
                let allowed = round % 3 == 0 ? nil : Bitmap(count: count) { _ in Int.random(in: 0 ..< (round % 3 == 1 ? 2 : 40), using: &random) == 0 }
                let deleted = Bitmap(count: count) { gone.contains($0) || ($0 + round) % 7 == 0 }
                let exact = table.index.search(query, k: 10, allowed: allowed, deleted: deleted)
                let found = index.search(query, k: 10, nprobe: nlist, refineFactor: count, allowed: allowed, deleted: deleted)
                #expect(found == exact, "\(dimension) dimensions, \(count) vectors")
                let radius = exact.last?.distance ?? 1
                let within = index.search(within: radius, of: query, nprobe: nlist, allowed: allowed, deleted: deleted)
                let all = table.index.search(within: radius, of: query, allowed: allowed, deleted: deleted)
                // Estimates may miss a row at the radius, and never add one.
                #expect(Set(within).isSubset(of: Set(all)))
                counts = (counts.found + within.count, counts.all + all.count)
                #expect(index.search(within: radius, of: query, nprobe: nlist, limit: 3, allowed: allowed, deleted: deleted) == Array(within.prefix(3)))
            }
        }
        #expect(counts.found * 100 >= counts.all * 85, "\(counts)")
    }

    @Test("a batch finds what single searches find, on any number of threads", arguments: cases)
    func batch(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQSearchTests seed \(random.seed)")
        let (dimension, count, nlist) = (32, 4000, 40)
        let table = Self.clustered(test, dimension: dimension, count: count, &random)
        let options = test.options(nlist: nlist, subspaces: 8)
        let index = try IVFPQBuilder(table.source(), options: options).build().index(vectors: table.vectors)
        let deleted = Bitmap(count: count) { _ in Int.random(in: 0 ..< 5, using: &random) == 0 }
        for queryCount in [1, 3, 100] {
            let queries = (0 ..< queryCount).map { _ in Self.query(table, &random) }
            let single = queries.map { index.search($0, k: 10, nprobe: 8, deleted: deleted) }
            let batch = try index.search(batch: queries, k: 10, nprobe: 8, deleted: deleted)
            // Distances to centroids come out of products there, which moves an estimate by its last digits.
            let same = zip(single, batch).filter { $0 == $1 }.count
            #expect(same * 100 >= queryCount * 95, "\(same) of \(queryCount)")
            #expect(zip(single, batch).allSatisfy { Set($0).intersection($1).count >= 8 })
            #expect(try index.search(batch: queries, k: 10, nprobe: 8, deleted: deleted, threads: 3) == batch)
        }
        #expect(try index.search(batch: [], k: 10, nprobe: 8) == [])
    }

    @Test("threads and runs give the same index, seeds another")
    func deterministic() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQSearchTests seed \(random.seed)")
        let table = Self.clustered(Self.cases[0], dimension: 24, count: 3000, &random)
        func bytes(seed: UInt64, threads: Int) throws -> [[UInt8]] {
            let options = IVFPQOptions(nlist: 25, subspaces: 6, seed: seed)
            let build = try IVFPQBuilder(table.source(), options: options, crew: TrainingCrew(threads: threads)).build()
            return build.rows.map { rows in (0 ..< rows.count).flatMap { Array(UnsafeRawBufferPointer(start: rows.row($0), count: rows.stride)) } }
        }
        let one = try bytes(seed: 5, threads: 1)
        #expect(try bytes(seed: 5, threads: 3) == one)
        #expect(try bytes(seed: 6, threads: 1) != one)
    }

    @Test("what cannot be built says why, and few vectors are a warning")
    func badInput() throws {
        let table = VectorTable(metric: .l2, element: .f32, dimension: 10, count: 50) { slot in Float(slot % 17) }
        func build(_ options: IVFPQOptions, crew: TrainingCrew = TrainingCrew()) throws -> IVFPQBuild {
            try IVFPQBuilder(table.source(), options: options, crew: crew).build()
        }
        #expect(throws: TrainingError.tooManyClusters(clusters: 51, vectors: 50)) { try build(IVFPQOptions(nlist: 51, subspaces: 5)) }
        #expect(throws: TrainingError.self) { try build(IVFPQOptions(nlist: 0, subspaces: 5)) }
        #expect(throws: TrainingError.self) { try build(IVFPQOptions(nlist: 5, subspaces: 0)) }
        #expect(throws: TrainingError.self) { try build(IVFPQOptions(nlist: 5, subspaces: 11)) }
        #expect(throws: TrainingError.self) { try build(IVFPQOptions(nlist: 5, subspaces: 5, bits: 5)) }
        // Seven parts of two would leave two of zeros.
        #expect(throws: TrainingError.self) { try build(IVFPQOptions(nlist: 5, subspaces: 7)) }
        #expect(throws: TrainingError.cancelled) { try build(IVFPQOptions(nlist: 5, subspaces: 5), crew: TrainingCrew(isCancelled: { true })) }
        let few = try build(IVFPQOptions(nlist: 50, subspaces: 4, bits: 8))
        #expect(few.warnings.count == 2)
        #expect(try few.index(vectors: table.vectors).listedSlots.count == 50)

        let broken = VectorTable(metric: .l2, element: .f32, dimension: 4, count: 30) { $0 == 7 ? .nan : $0 == 20 ? .infinity : Float($0) }
        #expect(throws: TrainingError.notFinite(slot: 7)) {
            try IVFPQBuilder(broken.source(), options: IVFPQOptions(nlist: 2, subspaces: 2)).build()
        }
        let empty = VectorTable(metric: .l2, element: .f32, dimension: 4, count: 0) { _ in 0 }
        #expect(throws: TrainingError.tooManyClusters(clusters: 1, vectors: 0)) {
            try IVFPQBuilder(empty.source(), options: IVFPQOptions(nlist: 1, subspaces: 2)).build()
        }
    }

    @Test("vectors that are all alike, or all zeros, are found", arguments: Metric.allCases)
    func degenerate(metric: Metric) throws {
        for value: Float in [0, 3] {
            let table = VectorTable(metric: metric, element: .f32, dimension: 12, count: 300) { _ in value }
            let index = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 4, subspaces: 3)).build().index(vectors: table.vectors)
            let query = (0 ..< 12).map { Float($0) }
            let found = index.search(query, k: 5, nprobe: 4)
            #expect(found.count == 5)
            #expect(index.search(query, k: 1000, nprobe: 4).count == 300)
            #expect(index.search(query, k: 0, nprobe: 4).isEmpty)
            #expect(index.search([Float](repeating: .nan, count: 12), k: 5, nprobe: 2).isEmpty)
        }
    }

    @Test("a header or a directory that contradicts the arrays is an error")
    func damage() throws {
        var random = SeededGenerator(seed: 3)
        let table = Self.clustered(Self.cases[0], dimension: 16, count: 1000, &random)
        let build = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 8, subspaces: 4)).build()
        func open(_ change: (inout IVFPQHeader) -> Void) throws { 
            var header = build.header
            change(&header)
            _ = try IVFPQIndex(header: header, arrays: build.rows, vectors: table.vectors, owner: build)
        }
        try open { _ in }
        #expect(throws: IVFPQDamage.self) { try open { $0.nlist = 9 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.nlist = 0 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.nlist = 7 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.subspaces = 8 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.bits = 8 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.bits = 5 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.dimension = 17 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.count = 1001 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.rowCount = 999 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.isRotated = true } }
        let sizes = try build.index(vectors: table.vectors).listSizes
        let number = try #require(sizes.firstIndex { $0 > 64 && $0 % 64 > 0 })
        let list = UnsafeMutableRawPointer(mutating: build.rows[3].row(number))
        for offset in [0, 4, 8, 16, 24, 28] {
            let before = list.load(fromByteOffset: offset, as: UInt32.self)
            list.storeBytes(of: offset == 8 ? 0x7FC0_0000 : 0xFFFF_FFF0, toByteOffset: offset, as: UInt32.self)
            #expect(throws: IVFPQDamage.self, "offset \(offset)") { try open { _ in } }
            list.storeBytes(of: before, toByteOffset: offset, as: UInt32.self)
        }
        try open { _ in }
    }

    @Test("recall on SIFT descriptors", .enabled(if: RealVectors.siftExists, "\(SharedData.absent)"))
    func sift() throws {
        let real = try RealVectors.sift()
        let table = real.table(metric: .l2)
        let options = IVFPQOptions(nlist: 512, subspaces: 32)
        let build = try IVFPQBuilder(table.source(), options: options, crew: TrainingCrew(threads: 2)).build()
        let index = try build.index(vectors: table.vectors)
        #expect(build.warnings.isEmpty)
        let queries = (0 ..< 500).map(real.query)
        let found = try index.search(batch: queries, k: 10, nprobe: 32, refineFactor: 10)
        #expect(recall(found, real.truth, k: 10) > 0.955)
        let single = queries.prefix(100).map { index.search($0, k: 10, nprobe: 32, refineFactor: 10) }
        #expect(recall(single, real.truth, k: 10) > 0.94)
        // Codes, terms and slots, beside the bytes of codes and slots.
        let bytes = [IVFPQArray.blocks, .tails].reduce(0) { $0 + build.rows[$1.rawValue].count * build.rows[$1.rawValue].stride }
        #expect(Double(bytes) < 1.1 * Double(real.count * (build.header.codeByteCount + 4)))
        // Rows within a radius, of the lists that are near.
        var hits = 0, total = 0
        for number in 0 ..< 50 {
            let exact = table.index.search(queries[number], k: 20)
            guard let radius = exact.last?.distance else { continue }
            hits += index.search(within: radius, of: queries[number], nprobe: 512).count
            total += exact.count
        }
        #expect(hits * 100 >= total * 97, "\(hits) of \(total)")
    }

    @Test("recall on sentence embeddings, under cosine and dot alike", .enabled(if: RealVectors.sentencesExist, "\(SharedData.absent)"))
    func sentences() throws {
        let real = try RealVectors.sentences()
        for metric in [Metric.cosine, .dot] {
            let table = real.table(metric: metric)
            let index = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 128, subspaces: 96), crew: TrainingCrew(threads: 2)).build()
                .index(vectors: table.vectors)
            let queries = (0 ..< real.truth.count).map(real.query)
            let all = try index.search(batch: queries, k: 10, nprobe: 128, refineFactor: 5)
            #expect(recall(all, real.truth, k: 10) > 0.93, "\(metric)")
            let some = try index.search(batch: queries, k: 10, nprobe: 32, refineFactor: 5)
            #expect(recall(some, real.truth, k: 10) > 0.85, "\(metric)")
        }
    }
}
