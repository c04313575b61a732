import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("HNSW invariants")
struct HNSWInvariantsTests {
    /// A graph's arrays in memory that can be damaged.
    private final class Copy {
        let build: HNSWBuild
        private let copies: DamagedRows

        init(_ build: HNSWBuild) {
            self.build = build
            copies = DamagedRows(copying: build.rows)
        }

        var rows: [ChunkedRows] { copies.rows }

        func word(_ array: HNSWArray, row: Int, _ i: Int) -> UnsafeMutablePointer<UInt32> {
            copies.row(array.rawValue, row).assumingMemoryBound(to: UInt32.self) + i
        }

        func findings(_ vectors: VectorBlocks) throws -> [String] {
            HNSWInvariants(checking: try HNSWGraph(header: build.header, arrays: rows, vectors: vectors), reversed: true).findings
        }
    }

    private static func table() -> VectorTable {
        var random = SeededGenerator(seed: 11)
        return VectorTable.clustered(.l2, .f32, dimension: 8, count: 1000, &random)
    }

    @Test("each kind of damage is found")
    func findsDamage() throws {
        let table = Self.table()
        let build = try table.build(HNSWOptions(m: 4, efConstruction: 30))
        func finds(_ words: String, _ damage: (Copy) -> Void) throws {
            let copy = Copy(build)
            #expect(try copy.findings(table.vectors) == [])
            damage(copy)
            let findings = try copy.findings(table.vectors)
            #expect(findings.contains { $0.contains(words) }, "\(words): \(findings)")
        }
        try finds("beyond the count") { $0.word(.links, row: 5, 0).pointee = 1000 }
        try finds("its own neighbour") { $0.word(.links, row: 5, 0).pointee = 5 }
        try finds("twice") { $0.word(.links, row: 5, 1).pointee = $0.word(.links, row: 5, 0).pointee }
        try finds("left out") { copy in for i in 0 ..< 8 { copy.word(.links, row: 5, i).pointee = .max } }
        try finds("behind the end") { $0.word(.links, row: 5, 0).pointee = .max }
        try finds("no path leads") { copy in
            for row in 0 ..< 1000 {
                for i in 0 ..< 8 where copy.word(.links, row: row, i).pointee == 77 {
                    copy.word(.links, row: row, i).pointee = copy.word(.links, row: row, (i + 1) % 8).pointee
                }
            }
        }
        try finds("not in the order") { $0.word(.upperNodes, row: 1, 0).pointee = 0 }
        try finds("level is out of range") { $0.word(.upperNodes, row: 1, 2).pointee = 100 }
        try finds("not behind those") { $0.word(.upperNodes, row: 1, 1).pointee = 0 }
        try finds("slot is beyond") { $0.word(.upperNodes, row: 1, 0).pointee = 5000 }
        try finds("not on its level") { copy in
            let low = (0 ..< build.header.upperCount).first { copy.word(.upperNodes, row: $0, 2).pointee == 1 } ?? 0
            let entry = Int(build.header.entryUpper ?? 0)
            copy.word(.upperLinks, row: Int(copy.word(.upperNodes, row: entry, 1).pointee) + build.header.maxLevel - 1, 0).pointee = UInt32(low)
        }
    }

    @Test("arbitrary bytes are checked, searched and merged without harm")
    func survivesGarbage() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWInvariantsTests seed \(random.seed)")
        let table = Self.table()
        let build = try table.build(HNSWOptions(m: 4, efConstruction: 30), first: 900)
        let odd: [UInt32] = [.max, .max - 1, 0, 900, 899, 0x7FFF_FFFF, 0x8000_0000]
        for round in 0 ..< 60 {
            let copy = Copy(build)
            for array in [HNSWArray.links, .upperNodes, .upperLinks] {
                let rows = copy.rows[array.rawValue]
                for _ in 0 ..< (round % 3 == 0 ? 3 : 200) {
                    let row = Int.random(in: 0 ..< rows.count, using: &random), i = Int.random(in: 0 ..< rows.stride / 4, using: &random)
                    let value = odd[Int.random(in: 0 ..< odd.count, using: &random)]
                    copy.word(array, row: row, i).pointee = Bool.random(using: &random) ? value : UInt32.random(in: 0 ..< 1000, using: &random)
                }
            }
            let graph = try HNSWGraph(header: build.header, arrays: copy.rows, vectors: table.vectors(first: 900))
            _ = graph.invariants(deleted: nil)
            _ = table.search(graph, table.values[round], k: 10, ef: 50)
            let merged = try table.merge(graph, rows: 1000, threads: 2)
            let findings = try merged.graph(vectors: table.vectors).invariants(deleted: nil)
            #expect(findings == [])
        }
    }
}
