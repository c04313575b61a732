import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("IVFPQ invariants")
struct IVFPQInvariantsTests {
    /// An index's arrays in memory that can be damaged.
    private final class Copy {
        let build: IVFPQBuild
        private let copies: DamagedRows

        init(_ build: IVFPQBuild) {
            self.build = build
            copies = DamagedRows(copying: build.rows)
        }

        func row(_ array: IVFPQArray, _ row: Int) -> UnsafeMutableRawPointer { copies.row(array.rawValue, row) }

        /// Number `i` of a list's entry in the directory.
        func list(_ list: Int, _ i: Int) -> UnsafeMutablePointer<UInt32> { row(.lists, list).assumingMemoryBound(to: UInt32.self) + i }

        /// The slot of a row of a full block.
        func slot(_ block: Int, _ i: Int) -> UnsafeMutablePointer<UInt32> {
            (row(.blocks, block) + 64 * (build.header.codeByteCount + 1)).assumingMemoryBound(to: UInt32.self) + i
        }

        func findings(_ vectors: VectorBlocks, _ header: IVFPQHeader? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil) throws -> [String] {
            IVFPQInvariants(checking: try IVFPQIndex(header: header ?? build.header, arrays: copies.rows, vectors: vectors, owner: nil), deleted: deleted).findings
        }
    }

    private static func table(_ count: Int = 1_000) -> VectorTable {
        var random = SeededGenerator(seed: 11)
        return VectorTable.clustered(.l2, .f32, dimension: 10, count: count, &random)
    }

    @Test("each kind of damage is found")
    func findsDamage() throws {
        let table = Self.table()
        let build = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 3, subspaces: 5)).build()
        func finds(_ words: String, _ damage: (Copy) -> Void) throws {
            let copy = Copy(build)
            #expect(try copy.findings(table.vectors) == [])
            damage(copy)
            let findings = try copy.findings(table.vectors)
            #expect(findings.contains { $0.contains(words) }, "\(words): \(findings)")
        }
        try finds("beyond the last") { $0.slot(0, 5).pointee = 1_000 }
        try finds("stands twice") { $0.slot(0, 5).pointee = $0.slot(0, 6).pointee }
        try finds("in no list") { $0.slot(0, 5).pointee = $0.slot(0, 6).pointee }
        try finds("a centroid is not finite") { $0.row(.centroids, 1).storeBytes(of: .nan, as: Float.self) }
        try finds("a codeword of part is not finite") { $0.row(.codebooks, 2).storeBytes(of: .infinity, as: Float.self) }
        try finds("a row of the transform is not finite") { $0.row(.transform, 0).storeBytes(of: .nan, as: Float.self) }
        // Five parts of 4 bits take three bytes: the last one's high half counts nothing.
        try finds("only fills up has a code") { $0.row(.blocks, 0).storeBytes(of: 0xF0, toByteOffset: 2 * 64 + 7, as: UInt8.self) }
        try finds("a block is in two lists") { $0.list(1, 6).pointee = $0.list(0, 6).pointee }
        try finds("that no list leads to") { $0.list(1, 6).pointee = $0.list(0, 6).pointee }
        let copy = Copy(build)
        var header = build.header
        header.unusedBlockCount = 1
        #expect(try copy.findings(table.vectors, header).contains { $0.contains("not 1") })
        // What a search would read outside of the arrays is refused at once.
        copy.list(0, 6).pointee = 10_000
        #expect(throws: IVFPQDamage.self) { try copy.findings(table.vectors) }
        let infinite = Copy(build)
        infinite.row(.lists, 0).storeBytes(of: .infinity, toByteOffset: 8, as: Float.self)
        #expect(throws: IVFPQDamage.self) { try infinite.findings(table.vectors) }
    }

    @Test("they hold after builds and merges of all kinds", arguments: [4, 8])
    func hold(bits: Int) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("IVFPQInvariantsTests seed \(random.seed)")
        let table = Self.table(4_000)
        var dead = Bitmap(count: 4_000) { _ in false }
        var covered = 900
        func source() -> IVFPQSource {
            IVFPQSource(vectors: table.vectors(first: covered), dimension: 10, metric: .l2, element: .f32, deleted: dead.held)
        }
        var index = try IVFPQBuilder(source(), options: IVFPQOptions(nlist: 5, subspaces: 5, bits: bits, rotates: true)).build().index(vectors: table.vectors)
        for step in [0, 17, 600, 64, 700, 3, 800, 500] {
            for _ in 0 ..< step / 3 { dead.set(Int.random(in: 0 ..< covered, using: &random)) }
            covered += step
            let compacts: Bool? = [nil, true, false].randomElement(using: &random)!
            index = try index.merged(with: source(), compacts: compacts).index(vectors: table.vectors)
            let invariants = IVFPQInvariants(checking: index, deleted: dead.held)
            #expect(invariants.findings == [] && invariants.rowCount == index.header.rowCount)
        }
    }
}
