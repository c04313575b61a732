import Foundation
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// An index for tests: arrays whose rows say where they belong, so that a row out of place is seen.
final class TestIndex: @unchecked Sendable {
    struct Shape: Sendable { var stride: Int, count: Int }

    let seed: UInt8
    let shapes: [Shape]
    private var memory: [[UnsafeMutableRawPointer]] = []

    init(seed: UInt8, _ shapes: [Shape]) {
        self.seed = seed
        self.shapes = shapes
        for (position, shape) in shapes.enumerated() {
            let shift = ChunkedRows.shift(stride: shape.stride)
            memory.append((0 ..< ChunkedRows.chunkCount(rows: shape.count, shift: shift)).map { chunk in
                let rowCount = ChunkedRows.rowCount(chunk: chunk, rows: shape.count, shift: shift)
                let base = UnsafeMutableRawPointer.allocate(byteCount: rowCount * shape.stride, alignment: 64)
                for row in 0 ..< rowCount {
                    base.advanced(by: row * shape.stride).initializeMemory(
                        as: UInt8.self, repeating: Self.byte(seed, position, chunk << shift + row), count: shape.stride)
                }
                return base
            })
        }
    }

    deinit { for chunk in memory.joined() { chunk.deallocate() } }

    private static func byte(_ seed: UInt8, _ array: Int, _ row: Int) -> UInt8 { seed &+ UInt8(array) &* 101 &+ UInt8(truncatingIfNeeded: row &* 7 ^ row >> 8) }

    /// What is written: everything, or all but the chunks given.
    func contents(keeping kept: [(array: Int, chunk: Int)] = []) -> [IndexArrayContent] {
        zip(shapes, memory).enumerated().map { position, array in
            IndexArrayContent(stride: array.0.stride, count: array.0.count, chunks: array.1.enumerated().map { chunk, base in
                kept.contains { $0 == (position, chunk) } ? nil : UnsafeRawPointer(base)
            })
        }
    }

    func descriptor(_ name: String = "x", coveredCount: Int = 0) -> IndexDescriptor {
        IndexDescriptor(name: name, kind: "test", coveredCount: coveredCount, parameters: Data("{\"seed\":\(seed)}".utf8))
    }

    @discardableResult
    func install(
        _ environment: Environment, _ name: String = "x", expectedVersion: UInt64 = 0, coveredCount: Int = 0,
        keeping kept: [(array: Int, chunk: Int)] = []
    ) throws(StorageError) -> IndexDescriptor {
        let descriptor = descriptor(name, coveredCount: coveredCount)
        let contents = contents(keeping: kept)
        return try environment.writeBlocking { transaction throws(StorageError) in
            try transaction.table("t").installIndex(descriptor, arrays: contents, expectedVersion: expectedVersion)
        }
    }

    /// Whether a snapshot shows this index and no byte of another.
    func expect(_ index: IndexSnapshot?, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let index = try #require(index, "there is no index", sourceLocation: sourceLocation)
        #expect(index.descriptor.parameters == descriptor().parameters, sourceLocation: sourceLocation)
        #expect(index.descriptor.kind == "test", sourceLocation: sourceLocation)
        #expect(index.descriptor.arrays.count == shapes.count, sourceLocation: sourceLocation)
        for (position, shape) in shapes.enumerated() {
            let rows = try index.array(position)
            #expect(rows.stride == shape.stride && rows.count == shape.count, sourceLocation: sourceLocation)
            for chunk in 0 ..< rows.chunkCount {
                #expect(UInt(bitPattern: rows.pointers[chunk]) % 64 == 0, sourceLocation: sourceLocation)
            }
            // Of short rows a sample.
            let step = shape.stride < 64 ? 31 : 1
            let wrong = (0 ..< shape.count).first { row in
                guard row % step == 0 || row + 1 == shape.count else { return false }
                let bytes = rows.row(row)
                // A row repeats one byte.
                return bytes.load(as: UInt8.self) != Self.byte(seed, position, row) || memcmp(bytes, bytes + 1, shape.stride - 1) != 0
            }
            #expect(wrong == nil, "array \(position), row \(wrong ?? 0)", sourceLocation: sourceLocation)
        }
    }
}

extension Environment {
    /// The index of the test table, in the newest snapshot.
    func index(_ name: String = "x") throws -> IndexSnapshot? {
        try snapshot().table("t")?.indexes().first { $0.descriptor.name == name }
    }

    func createIndexTable() throws(StorageError) {
        try writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(name: "t", vectorByteCount: 1024))
        }
    }

    /// Adds rows, so that an index has something to cover.
    func appendVectors(_ ids: Range<Int64>) throws(StorageError) {
        try writeBlocking { transaction throws(StorageError) in try transaction.table("t").appendVectors(ids) }
    }
}

extension TableWriter {
    func appendVectors(_ ids: Range<Int64>) throws(StorageError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 1024 * ids.count, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 1, count: 1024 * ids.count)
        try append(RecordBatch(
            keys: .range(ids), vectors: memory, vectorStride: 1024, norms: Array(repeating: 1, count: ids.count), columns: []))
    }
}
