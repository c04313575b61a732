import NeedletailIndex
import NeedletailTestSupport
import Testing

/// RaBitQ codes in lists, and codes of the centroids.
@Suite("IVFPQCode")
struct IVFPQCodeTests {
    private static func estimates(_ index: IVFPQIndex, _ query: [Float]) -> [UInt32: Float] {
        let all = index.search(query, k: index.header.rowCount, nprobe: index.header.nlist, refineFactor: 0)
        return Dictionary(uniqueKeysWithValues: all.map { ($0.slot, $0.distance) })
    }

    @Test("estimates are right on average, and the more bits the nearer", arguments: [Metric.l2, .cosine, .dot])
    func estimates(metric: Metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQCodeTests seed \(random.seed)")
        let table = VectorTable(metric: metric, element: .f32, dimension: 100, count: 3000) { _ in random.normal() + 0.3 }
        let queries = (0 ..< 5).map { _ in (0 ..< 100).map { _ in random.normal() + 0.3 } }
        var errors: [Double] = []
        for bits in [1, 2, 4] {
            let index = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 20, rabitqBits: bits)).build().index(vectors: table.vectors)
            var sum = 0.0, squares = 0.0, spread = 0.0
            for query in queries {
                let exact = table.index.search(query, k: table.count)
                let mean = exact.reduce(0.0) { $0 + Double($1.distance) } / Double(exact.count)
                let found = Self.estimates(index, query)
                #expect(found.count == exact.count)
                for neighbor in exact {
                    let error = Double(found[neighbor.slot] ?? .nan) - Double(neighbor.distance)
                    sum += error
                    squares += error * error
                    spread += (Double(neighbor.distance) - mean) * (Double(neighbor.distance) - mean)
                }
            }
            errors.append((squares / spread).squareRoot())
            #expect(abs(sum) * abs(sum) < 0.05 * squares * Double(queries.count * table.count), "\(bits) bits: bias \(sum)")
        }
        #expect(errors[0] < 0.75 && errors[1] < 0.35 && errors[2] < 0.12, "\(errors)")
    }

    @Test("what RaBitQ codes cannot be says why")
    func badInput() throws {
        let table = VectorTable(metric: .l2, element: .f32, dimension: 10, count: 100) { Float($0 % 17) }
        func build(_ change: (inout IVFPQOptions) -> Void) throws -> IVFPQBuild {
            var options = IVFPQOptions(nlist: 4, rabitqBits: 1)
            change(&options)
            return try IVFPQBuilder(table.source(), options: options).build()
        }
        _ = try build { _ in }
        #expect(throws: TrainingError.self) { try build { $0.code = .rabitq(bits: 3) } }
        #expect(throws: TrainingError.self) { try build { $0.code = .rabitq(bits: 8) } }
        #expect(throws: TrainingError.self) { try build { $0.rotates = true } }
        #expect(throws: TrainingError.tooManyClusters(clusters: 101, vectors: 100)) { try build { $0.nlist = 101 } }
        let wide = VectorTable(metric: .l2, element: .f32, dimension: 4097, count: 10) { Float($0) }
        #expect(throws: TrainingError.self) { try IVFPQBuilder(wide.source(), options: IVFPQOptions(nlist: 1, rabitqBits: 4)).build() }
        _ = try IVFPQBuilder(wide.source(), options: IVFPQOptions(nlist: 1, rabitqBits: 1)).build()
    }

    @Test("a header of other codes than the arrays hold is an error")
    func damage() throws {
        let table = VectorTable(metric: .l2, element: .f32, dimension: 64, count: 500) { Float($0 * $0 % 91) }
        let build = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 4, rabitqBits: 2)).build()
        func open(_ change: (inout IVFPQHeader) -> Void) throws {
            var header = build.header
            change(&header)
            _ = try IVFPQIndex(header: header, arrays: build.rows, vectors: table.vectors, owner: build)
        }
        try open { _ in }
        #expect(throws: IVFPQDamage.self) { try open { $0.codeKind = .pq } }
        #expect(throws: IVFPQDamage.self) { try open { $0.bits = 1 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.bits = 3 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.subspaces = 16 } }
        #expect(throws: IVFPQDamage.self) { try open { $0.isRotated = true } }
        #expect(throws: IVFPQDamage.self) {
            try open { $0.coarse = IVFPQCoarseCodes(bits: 2, termLeast: 0, termStep: 1, scaleStep: 1) }
        }
        let list = UnsafeMutableRawPointer(mutating: build.rows[IVFPQArray.lists.rawValue].row(0))
        for damaged: Float in [.nan, -1, .infinity] {
            let before = list.load(fromByteOffset: 20, as: Float.self)
            list.storeBytes(of: damaged, toByteOffset: 20, as: Float.self)
            #expect(throws: IVFPQDamage.self) { try open { _ in } }
            list.storeBytes(of: before, toByteOffset: 20, as: Float.self)
        }
    }

    @Test("a query at the mean of all vectors is answered by the terms", arguments: [IVFPQCode.pq(bits: 4), .rabitq(bits: 2)])
    func meanQuery(code: IVFPQCode) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQCodeTests seed \(random.seed)")
        // Vectors at all distances from it.
        let table = VectorTable(metric: .l2, element: .f32, dimension: 16, count: 4000) { random.normal() * Float(10 + $0 % 50) }
        var options = IVFPQOptions(nlist: 8, subspaces: 8)
        options.code = code
        let index = try IVFPQBuilder(table.source(), options: options).build().index(vectors: table.vectors)
        var mean = [Float](repeating: 0, count: 16)
        for vector in table.values { for i in 0 ..< 16 { mean[i] += vector[i] / Float(table.count) } }
        let exact = Set(table.index.search(mean, k: 10).map(\.slot))
        let found = Set(index.search(mean, k: 10, nprobe: 8, refineFactor: 20).map(\.slot))
        #expect(exact.intersection(found).count >= 8)
    }

    @Test("lists found by the centroids' codes are nearly those of exact distances", arguments: IVFPQSearchTests.cases.prefix(3))
    func coarse(test: IVFPQSearchTests.Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQCodeTests seed \(random.seed)")
        let count = 9000, nlist = 2100
        let table = IVFPQSearchTests.clustered(test, dimension: 24, count: count, &random)
        let source = IVFPQSource(vectors: table.vectors(first: 8000), dimension: 24, metric: test.metric, element: test.element)
        let build = try IVFPQBuilder(source, options: IVFPQOptions(nlist: nlist, subspaces: 6), crew: TrainingCrew(threads: 2)).build()
        #expect(build.header.coarse != nil)
        let index = try build.index(vectors: table.vectors)
        let grown = try index.merged(with: table.source()).index(vectors: table.vectors)
        #expect(grown.header.coarse == build.header.coarse)
        // Without them, the same index compares queries with all centroids.
        var header = build.header
        header.coarse = nil
        let plain = try IVFPQIndex(header: header, arrays: build.rows, vectors: table.vectors, owner: build)
        let queries = (0 ..< 50).map { _ in IVFPQSearchTests.query(table, &random) }
        var same = 0
        for query in queries {
            let visible = Bitmap(count: count) { $0 < 8000 }
            #expect(index.search(query, k: 10, nprobe: nlist, refineFactor: count) == table.index.search(query, k: 10, allowed: visible, deleted: nil))
            let exact = Set(plain.search(query, k: 10, nprobe: 40).map(\.slot))
            same += exact.intersection(index.search(query, k: 10, nprobe: 40).map(\.slot)).count
            #expect(grown.search(query, k: 10, nprobe: 40).count == 10)
        }
        #expect(same * 100 >= 10 * queries.count * 96, "\(same) of \(10 * queries.count)")
        let single = queries.map { index.search($0, k: 10, nprobe: 40) }
        let batch = try index.search(batch: queries, k: 10, nprobe: 40)
        #expect(zip(single, batch).allSatisfy { Set($0).intersection($1).count >= 8 })
    }

    @Test("asking for pages beforehand changes no result", arguments: [Metric.l2, .cosine])
    func advised(metric: Metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQCodeTests seed \(random.seed)")
        let test = IVFPQSearchTests.Case(metric: metric, element: .f32, bits: 4)
        let table = IVFPQSearchTests.clustered(test, dimension: 32, count: 5000, &random)
        let build = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 20, subspaces: 8)).build()
        let plain = try build.index(vectors: table.vectors)
        let advised = try IVFPQIndex(header: build.header, arrays: build.rows, vectors: table.vectors, advisesPages: true, owner: build)
        let queries = (0 ..< 20).map { _ in IVFPQSearchTests.query(table, &random) }
        for query in queries {
            let expected = plain.search(query, k: 10, nprobe: 5)
            #expect(advised.search(query, k: 10, nprobe: 5) == expected)
            let radius = expected.last?.distance ?? 1
            #expect(advised.search(within: radius, of: query, nprobe: 5) == plain.search(within: radius, of: query, nprobe: 5))
        }
        #expect(try advised.search(batch: queries, k: 10, nprobe: 5) == plain.search(batch: queries, k: 10, nprobe: 5))
    }

    @Test("recall of RaBitQ codes on SIFT descriptors", .enabled(if: RealVectors.siftExists, "\(SharedData.absent)"), arguments: [1, 2, 4])
    func sift(bits: Int) throws {
        let real = try RealVectors.sift()
        let table = real.table(metric: .l2)
        let options = IVFPQOptions(nlist: 512, rabitqBits: bits)
        let index = try IVFPQBuilder(table.source(), options: options, crew: TrainingCrew(threads: 2)).build().index(vectors: table.vectors)
        let queries = (0 ..< 300).map(real.query)
        let coded = try index.search(batch: queries, k: 10, nprobe: 512, refineFactor: 0)
        #expect(recall(coded, real.truth, k: 10) > [1: 0.55, 2: 0.74, 4: 0.9][bits]!)
        let refined = try index.search(batch: queries, k: 10, nprobe: 64, refineFactor: 10)
        #expect(recall(refined, real.truth, k: 10) > 0.97)
    }

    @Test("codes and slots of a list take hardly more than their own bytes", .enabled(if: RealVectors.siftExists, "\(SharedData.absent)"))
    func bytes() throws {
        let real = try RealVectors.sift()
        let table = real.table(metric: .l2)
        var options = IVFPQOptions.chosen(count: real.count, dimension: 128, bytesPerVector: 13)
        options.pointsPerList = 20
        let build = try IVFPQBuilder(table.source(), options: options, crew: TrainingCrew(threads: 2)).build()
        #expect(build.header.codeByteCount == 8)
        let bytes = [IVFPQArray.blocks, .tails].reduce(0) { $0 + build.rows[$1.rawValue].count * build.rows[$1.rawValue].stride }
        #expect(Double(bytes) <= 1.1 * Double(real.count * (build.header.codeByteCount + 4)), "\(bytes) bytes")
    }

    @Test("within a memory limit a build trains on fewer vectors, as few as make sense", arguments: [IVFPQCode.rabitq(bits: 1), .pq(bits: 4)])
    func fitting(code: IVFPQCode) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQCodeTests seed \(random.seed)")
        let table = VectorTable(metric: .l2, element: .f32, dimension: 8, count: 60_000) { _ in random.normal() }
        var options = IVFPQOptions(nlist: 600, subspaces: 4)
        options.code = code
        let builder = IVFPQBuilder(table.source(), options: options)
        #expect(builder.fitting(memoryLimit: builder.peakByteCount)?.peakByteCount == builder.peakByteCount)
        #expect(builder.fitting(memoryLimit: builder.leastByteCount - 1) == nil)
        let limit = (builder.peakByteCount + builder.leastByteCount) / 2
        let smaller = try #require(builder.fitting(memoryLimit: limit))
        #expect(smaller.peakByteCount <= limit)
        let build = try smaller.build()
        #expect(build.header.sampleCount < 60_000 && build.header.sampleCount >= 20 * 600)
        #expect(build.header.rowCount == 60_000)
        #expect(try IVFPQInvariants(checking: build.index(vectors: table.vectors)).findings == [])
    }
}
