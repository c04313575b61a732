import Foundation
import Needletail

/// Rows that are ready to be inserted, and where each of them came from.
package struct RowBatch: Sendable {
    package enum Vectors: Sendable {
        /// They stay where they are, in the mapped file.
        case mapped(VectorFile, firstRow: Int)
        /// Row after row.
        case floats([Float])
    }

    package enum IDs: Sendable {
        /// Consecutive numbers from `first` on.
        case numbers(first: Int64)
        case explicit([RecordID])
    }

    package enum Origin: Sendable {
        /// Consecutive rows.
        case rows(VectorFile, first: Int)
        /// Rows of which some were left out.
        case scattered(VectorFile, [Int])
        /// The line of each row.
        case lines(path: String, [Int])
    }

    package var count: Int
    package var dimension: Int
    package var vectors: Vectors
    package var ids: IDs
    /// The values by field of the plan, in its order.
    package var columns: [RecordBatch.Column]
    /// JSON objects with what no field holds.
    package var payloads: [Data?]?
    package var origin: Origin

    /// The file and place of row `row` of the batch, for messages.
    package func place(ofRow row: Int) -> (path: String, place: InputError.Place) {
        switch origin {
        case .rows(let file, let first): (file.file.path, .row(first + row, offset: file.offset(ofRow: first + row)))
        case .scattered(let file, let rows): (file.file.path, .row(rows[row], offset: file.offset(ofRow: rows[row])))
        case .lines(let path, let lines): (path, row < lines.count ? .line(lines[row]) : .file)
        }
    }

    /// Leaves out the rows at `positions`. The others keep their ids.
    package mutating func remove(_ positions: Set<Int>) {
        guard !positions.isEmpty else { return }
        let kept = (0 ..< count).filter { !positions.contains($0) }
        let floats = allFloats
        var remaining: [Float] = []
        remaining.reserveCapacity(kept.count * dimension)
        for row in kept { remaining += floats[row * dimension ..< (row + 1) * dimension] }
        vectors = .floats(remaining)
        ids = .explicit(kept.map { id(ofRow: $0) })
        columns = columns.map { $0.removing(positions) }
        payloads = payloads.map { payloads in kept.map { payloads[$0] } }
        // Places of single rows are kept as such, since the rows are no longer consecutive.
        switch origin {
        case .rows(let file, let first): origin = .scattered(file, kept.map { first + $0 })
        case .scattered(let file, let rows): origin = .scattered(file, kept.map { rows[$0] })
        case .lines(let path, let lines): origin = .lines(path: path, kept.map { lines[$0] })
        }
        count = kept.count
    }

    package func id(ofRow row: Int) -> RecordID {
        switch ids {
        case .numbers(let first): .int(first + Int64(row))
        case .explicit(let ids): ids[row]
        }
    }

    /// All vectors, row after row.
    package var allFloats: [Float] {
        switch vectors {
        case .floats(let floats): return floats
        case .mapped(let file, let firstRow):
            return Array(unsafeUninitializedCapacity: count * dimension) { buffer, initialized in
                file.copy(rows: firstRow ..< firstRow + count, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(count * dimension)]))
                initialized = count * dimension
            }
        }
    }

    /// The rows whose vectors cannot be stored, with the reason: a component that is no number, or, where a direction is
    /// needed, a length of zero.
    package func unusableRows(needsDirection: Bool) -> [(row: Int, reason: String)] {
        let floats = allFloats
        return (0 ..< count).compactMap { row in
            let vector = floats[row * dimension ..< (row + 1) * dimension]
            if let bad = vector.firstIndex(where: { !$0.isFinite }) {
                return (row, "component \(bad - row * dimension) is \(vector[bad].isNaN ? "NaN" : "infinite")")
            }
            return needsDirection && vector.allSatisfy { $0 == 0 } ? (row, "the vector is zero and has no direction for cosine") : nil
        }
    }
}
