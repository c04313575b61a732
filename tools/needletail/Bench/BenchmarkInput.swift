import Foundation
import Needletail

/// The queries of a benchmark, in memory.
struct BenchmarkQueries: Sendable {
    let vectors: [[Float]]

    init(path: String, collection: Needletail.Collection) throws {
        let file = try VectorFile(path: path)
        guard file.dimension == collection.schema.dimension else {
            throw ToolFailure(
                .badData, "\(path) holds vectors of \(Format.counted(file.dimension, "dimension")), collection '\(collection.name)' of \(collection.schema.dimension)")
        }
        guard file.count > 0 else { throw ToolFailure(.badData, "\(path) holds no vectors") }
        try file.checkHeaders(ofRows: 0 ..< file.count)
        vectors = (0 ..< file.count).map { row in
            [Float](unsafeUninitializedCapacity: file.dimension) { buffer, count in
                file.copy(rows: row ..< row + 1, into: UnsafeMutableBufferPointer(rebasing: buffer[..<file.dimension]))
                count = file.dimension
            }
        }
    }
}

/// The ids of the true nearest of each query.
struct BenchmarkTruth: Sendable {
    /// By query; at most k each.
    let nearest: [Set<RecordID>]

    /// Reads rows of record numbers, each row preceded by their count, as 32-bit integers (`.ivecs`).
    init(path: String, k: Int, queries: BenchmarkQueries, collection: Needletail.Collection) throws {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        func number(_ offset: Int) -> Int { Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))) }
        guard bytes.count >= 4 else { throw InputError(path, "\(bytes.count) bytes, too short for a row; is this an .ivecs file?") }
        let width = number(0)
        guard width > 0, width < 1 << 24 else { throw InputError(path, .row(0, offset: 0), "a row of \(width) numbers makes no sense; is this an .ivecs file?") }
        let stride = 4 * (width + 1)
        let rows = bytes.count / stride
        guard bytes.count % stride == 0 else {
            throw InputError(path, .row(rows, offset: rows * stride), "the file ends within a row of \(width) numbers: it is cut off")
        }
        guard rows >= queries.vectors.count else {
            throw ToolFailure(.badData, "\(path) holds the truth of \(Format.count(rows)) queries, there are \(Format.count(queries.vectors.count))")
        }
        guard width >= k else {
            throw ToolFailure(.badData, "\(path) holds the \(width) nearest of each query: recall@\(k) needs \(k); lower -k, or leave out --truth to compute it")
        }
        var nearest: [Set<RecordID>] = []
        var largest = (id: -1, row: 0)
        for row in queries.vectors.indices {
            let offset = row * stride
            guard number(offset) == width else {
                throw InputError(path, .row(row, offset: offset), "a row of \(number(offset)) numbers where the first has \(width)")
            }
            let ids = (1 ... k).map { number(offset + 4 * $0) }
            guard ids.allSatisfy((0 ..< 1 << 29).contains) else {
                throw InputError(path, .row(row, offset: offset), "numbers that no record can have; is this an .ivecs file?")
            }
            nearest.append(Set(ids.map { RecordID.int(Int64($0)) }))
            if let id = ids.max(), id > largest.id { largest = (id, row) }
        }
        // The truth of other data would make every recall 0 without a word; its largest number tells most of them.
        if try collection.get(.int(Int64(largest.id)), select: .none) == nil {
            throw InputError(
                path, .row(largest.row, offset: largest.row * stride),
                "it names record \(Format.count(largest.id)), which collection '\(collection.name)' does not have; leave out --truth to compute it")
        }
        self.nearest = nearest
        withExtendedLifetime(file) {}
    }

    /// Compares every record.
    init(searching collection: Needletail.Collection, for queries: BenchmarkQueries, k: Int, filter: Filter?, threads: Int) throws {
        var bar = ProgressBar("computing the truth", total: queries.vectors.count, unit: "queries")
        var nearest: [Set<RecordID>] = []
        for first in stride(from: 0, to: queries.vectors.count, by: 256) {
            let batch = Array(queries.vectors[first ..< min(first + 256, queries.vectors.count)])
            for results in try collection.search(nearEach: batch, k: k, where: filter, select: .none, exact: true, threads: threads) {
                nearest.append(Set(results.map(\.id)))
            }
            bar.update(nearest.count)
        }
        bar.finish()
        self.nearest = nearest
    }

    /// The share of the truth that results hold.
    func recall(_ found: [[RecordID]]) -> Double {
        var (hits, wanted) = (0, 0)
        for (ids, truth) in zip(found, nearest) {
            wanted += truth.count
            hits += ids.count { truth.contains($0) }
        }
        return wanted == 0 ? 1 : Double(hits) / Double(wanted)
    }
}
