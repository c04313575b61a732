import Foundation
import NeedletailIndex
import NeedletailStorage
import NeedletailTestSupport
import Testing

@Suite("Rows that merges have changed")
struct ChangedNodesTests {
    @Test("what merges store, few rows or all of them, is what they made", arguments: Quantization.allCases)
    func merges(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ChangedNodesTests seed \(random.seed)")
        let steps = [3, 1, 3, 400, 2], first = 4200, count = first + steps.reduce(0, +)
        let table = VectorTable.clustered(.l2, .f32, dimension: 24, count: count, &random)
        var dead = Bitmap(count: count) { _ in false }
        // Lists of 64 entries: 4,096 of them are a chunk.
        let built = try table.build(HNSWOptions(m: 32, efConstruction: 40, quantization: quantization), deleted: dead, first: first)
        var stored = StoredArrays(built.contents), header = built.header, rows = first, sparing: [Bool] = []
        for (step, more) in steps.enumerated() {
            let base = try HNSWGraph(header: header, arrays: stored.rows, vectors: table.vectors(first: rows))
            // With the third of them, nodes that have changed before change again, or back.
            if step == 2 { for slot in [7, 2000] { dead.words[slot / 64] |= 1 << UInt64(slot % 64) } }
            rows += more
            let merged = try table.merge(base, rows: rows, deleted: dead)
            let contents = merged.contents
            sparing.append(contents[HNSWArray.links.rawValue].chunks[0] == nil)
            let next = StoredArrays(contents, replacing: stored), made = try merged.graph(vectors: table.vectors(first: rows))
            let graph = try HNSWGraph(header: merged.header, arrays: next.rows, vectors: table.vectors(first: rows))
            let blockByteCount = graph.neighborBlocks.stored.stride
            var differences = 0
            for slot in 0 ..< rows {
                if memcmp(graph.links.row(slot), made.links.row(slot), 4 * header.degree) != 0 { differences += 1 }
                if quantization == .rabitq, memcmp(graph.neighborBlocks.row(slot), made.neighborBlocks.row(slot), blockByteCount) != 0 { differences += 1 }
            }
            #expect(differences == 0, "step \(step)")
            #expect(graph.invariants(deleted: dead) == [])
            for _ in 0 ..< 5 {
                let query = (0 ..< 24).map { _ in random.normal() }
                #expect(table.search(graph, query, k: 10, ef: 50) == table.search(made, query, k: 10, ef: 50))
            }
            withExtendedLifetime(merged) {}
            (stored, header) = (next, merged.header)
        }
        #expect(sparing == [true, true, true, false, true])
    }

    @Test("changes that are damaged lead nowhere else")
    func damaged() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("ChangedNodesTests seed \(random.seed)")
        let table = VectorTable.clustered(.l2, .f32, dimension: 16, count: 4203, &random)
        let built = try table.build(HNSWOptions(m: 32, efConstruction: 40, quantization: .rabitq), first: 4200)
        let stored = StoredArrays(built.contents)
        let merged = try table.merge(try HNSWGraph(header: built.header, arrays: stored.rows, vectors: table.vectors(first: 4200)), rows: 4203)
        defer { withExtendedLifetime(merged) {} }
        let next = StoredArrays(merged.contents, replacing: stored)
        let whole = try HNSWGraph(header: merged.header, arrays: next.rows, vectors: table.vectors)
        #expect(whole.invariants(deleted: nil) == [])
        for share in [0.05, 0.5] {
            let copies = DamagedRows(copying: next.rows), changes = HNSWArray.changes.rawValue
            for word in 0 ..< copies.rows[changes].count {
                for offset in stride(from: 0, to: 12, by: 4) where Double.random(in: 0 ..< 1, using: &random) < share {
                    copies.row(changes, word).storeBytes(of: random.next() as UInt32, toByteOffset: offset, as: UInt32.self)
                }
            }
            let graph = try HNSWGraph(header: merged.header, arrays: copies.rows, vectors: table.vectors)
            #expect(graph.invariants(deleted: nil) != [])
            for _ in 0 ..< 20 { _ = table.search(graph, (0 ..< 16).map { _ in random.normal() }, k: 10, ef: 100) }
        }
        // An array that is missing, or too short, is seen at once.
        for array in [HNSWArray.changes, .changedLinks, .changedBlocks] {
            var rows = next.rows
            rows[array.rawValue] = next.rows[array.rawValue].first(0)
            #expect(throws: HNSWError.self) { try HNSWGraph(header: merged.header, arrays: rows, vectors: table.vectors) }
            rows[array.rawValue] = next.rows[array.rawValue].first(1)
            #expect(throws: HNSWError.self) { try HNSWGraph(header: merged.header, arrays: rows, vectors: table.vectors) }
        }
    }
}

extension ChunkedRows {
    fileprivate func first(_ rows: Int) -> ChunkedRows {
        ChunkedRows(pointers: pointers, chunkCount: Self.chunkCount(rows: rows, shift: shift), shift: shift, stride: stride, count: rows)
    }
}

/// Arrays as an install leaves them: what it writes in place of what was there, the rest as it was.
private final class StoredArrays {
    private var memory: [UnsafeMutableRawPointer] = []
    private var tables: [UnsafeMutablePointer<UnsafeRawPointer>] = []
    private(set) var rows: [ChunkedRows] = []
    private let old: StoredArrays?

    init(_ contents: [IndexArrayContent], replacing old: StoredArrays? = nil) {
        self.old = old
        for (number, content) in contents.enumerated() {
            let shift = ChunkedRows.shift(stride: content.stride), stride = content.stride
            let table = UnsafeMutablePointer<UnsafeRawPointer>.allocate(capacity: max(content.chunks.count, 1))
            for (chunk, source) in content.chunks.enumerated() {
                let count = ChunkedRows.rowCount(chunk: chunk, rows: content.count, shift: shift)
                guard let source else {
                    (table + chunk).initialize(to: old!.rows[number].pointers[chunk])
                    #expect(ChunkedRows.rowCount(chunk: chunk, rows: old!.rows[number].count, shift: shift) == count)
                    continue
                }
                let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * stride, alignment: 64)
                for row in 0 ..< count {
                    let from = content.areScattered ? source.assumingMemoryBound(to: UnsafeRawPointer.self)[row] : source + row * stride
                    (bytes + row * stride).copyMemory(from: from, byteCount: stride)
                }
                memory.append(bytes)
                (table + chunk).initialize(to: UnsafeRawPointer(bytes))
            }
            tables.append(table)
            rows.append(ChunkedRows(pointers: UnsafePointer(table), chunkCount: content.chunks.count, shift: shift, stride: stride, count: content.count))
        }
    }

    deinit {
        for bytes in memory { bytes.deallocate() }
        for table in tables { table.deallocate() }
    }
}
