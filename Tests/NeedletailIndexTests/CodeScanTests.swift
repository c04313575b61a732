import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("HNSW: scans by codes")
struct CodeScanTests {
    @Test("a scan of chosen slots finds their nearest", arguments: [Quantization.none, .sq8, .rabitq], [Metric.l2, .cosine, .dot])
    func recall(quantization: Quantization, metric: Metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CodeScanTests seed \(random.seed)")
        let count = isOptimized ? 4000 : 1200
        let sample = try HNSWSample(metric: metric, quantization: quantization, dimension: 96, count: count, random: &random)
        for share in [0.003, 0.05, 0.5, 1] {
            let allowed = Bitmap(count: count) { _ in Double.random(in: 0 ..< 1, using: &random) < share }
            let slots = (0 ..< UInt32(count)).filter { allowed.contains(Int($0)) }
            var pairs: [(found: [Neighbor], exact: [Neighbor])] = []
            var statistics = HNSWStatistics()
            for _ in 0 ..< 20 {
                let query = sample.query()
                let found = Self.scan(sample, query, k: 10, slots: slots, &statistics)
                #expect(found.count == min(10, slots.count))
                #expect(found.allSatisfy { slots.contains($0.slot) })
                pairs.append((found, sample.exact(query, allowed: allowed, deleted: nil)))
                var again = HNSWStatistics()
                #expect(Self.scan(sample, query, k: 10, slots: slots, packs: true, &again) == found, "packed signs find the same")
            }
            #expect(NeedletailIndexTests.recall(pairs) > 0.98, "\(slots.count) of \(count)")
            if quantization != .none, slots.count > 1000 {
                #expect(statistics.codes > 0 && statistics.rescored < 20 * slots.count / 10)
            }
        }
    }

    @Test("a merge keeps the sign codes of old slots, and makes those of new ones as a build would")
    func merge() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CodeScanTests seed \(random.seed)")
        let table = VectorTable.clustered(.cosine, .f32, dimension: 80, count: 900, &random)
        let options = HNSWOptions(m: 8, efConstruction: 60, quantization: .sq8)
        let first = try table.build(options, first: 600)
        let base = try first.graph(vectors: table.vectors(first: 600))
        let second = try table.merge(base, rows: 900)
        // Graphs point into what built them.
        defer { withExtendedLifetime((first, second, table)) {} }
        let merged = try second.graph(vectors: table.vectors(first: 900))
        let (old, new) = (try #require(base.signs), try #require(merged.signs))
        #expect(new.count == 900 && base.tables == merged.tables)
        for slot in 0 ..< 600 {
            for byte in 0 ..< old.stride { #expect(old.row(slot).load(fromByteOffset: byte, as: UInt8.self) == new.row(slot).load(fromByteOffset: byte, as: UInt8.self)) }
        }
        var statistics = HNSWStatistics()
        let query = table.values[850], slots = (0 ..< UInt32(900)).map { $0 }
        let found = query.withUnsafeBufferPointer { query in
            slots.withUnsafeBufferPointer { merged.scan(query, k: 1, slots: $0, scratch: HNSWScratchPool(), statistics: &statistics) }
        }
        #expect(found.first?.slot == 850)
    }

    private static func scan(
        _ sample: HNSWSample, _ query: [Float], k: Int, slots: [UInt32], packs: Bool = false, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            slots.withUnsafeBufferPointer {
                let packed = packs ? sample.graph.packedSigns(of: $0) : nil
                return sample.graph.scan(query, k: k, slots: $0, packed: packed, scratch: sample.scratch, statistics: &statistics)
            }
        }
    }
}
