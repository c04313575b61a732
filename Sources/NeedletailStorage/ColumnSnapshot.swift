/// A column as a few runs of slots: one a sealed chunk, then the tail.
///
/// Valid as long as the ``TableSnapshot`` it came from.
package struct ColumnSnapshot: @unchecked Sendable {
    package let type: ColumnType
    package let segments: [ColumnSegment]
    /// Resolves the elements of a list column; empty for the others.
    package let listValues: ListValues
    /// log2 of the rows of a sealed chunk.
    package let capacityShift: Int

    /// The run that holds the slot, which must be below the table's slot count.
    package func segment(containing slot: UInt32) -> ColumnSegment {
        let position = min(Int(slot) >> capacityShift, segments.count - 1)
        let segment = segments[position]
        // A slot of the tail falls where a last, partly filled chunk would reach: then it is in the run behind.
        return Int(slot) < segment.firstSlot + segment.count ? segment : segments[position + 1]
    }
}

/// Rows `firstSlot ..< firstSlot + count` of a column.
package struct ColumnSegment: @unchecked Sendable {
    /// A multiple of 64.
    package let firstSlot: Int
    package let count: Int
    /// `count` values of the type's width, 64-byte aligned. A null row's value is 0.
    package let values: UnsafeRawPointer
    /// One bit a row, set = present; nil where no row is null.
    package let validity: UnsafePointer<UInt64>?
    package let nullCount: Int
    /// Bits of the least and greatest non-null, non-NaN value; of strings the codes.
    package let minimum: UInt64
    package let maximum: UInt64
    package let hasBounds: Bool

    /// Whether the row, counted from `firstSlot`, is not null.
    @inline(__always)
    package func isPresent(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row >> 6] >> UInt64(row & 63) & 1 == 1
    }
}

/// Where the dictionary codes of a list column stand. An element holds the first code's position and the number of codes.
package struct ListValues: @unchecked Sendable {
    /// By chunk of ``chunkCapacity`` codes.
    package let chunks: [UnsafePointer<UInt32>]
    package let counts: [Int]
    package let tail: UnsafePointer<UInt32>?
    package let tailCount: Int

    /// Codes in a full chunk, a power of two.
    package static let chunkCapacity = listChunkCapacity

    static let none = ListValues(chunks: [], counts: [], tail: nil, tailCount: 0)
    /// Marks an element of the tail, whose codes are in memory; never stored.
    static let tailMark: UInt64 = 1 << 63

    /// The codes of one list. Empty also for an element that points nowhere, as only damage makes it.
    package func codes(of element: UInt64) -> UnsafeBufferPointer<UInt32> {
        let count = Int(element & 0xFF_FFFF)
        let start = Int((element & ~Self.tailMark) >> 24)
        if element & Self.tailMark != 0 {
            guard let tail, start + count <= tailCount else { return UnsafeBufferPointer(start: nil, count: 0) }
            return UnsafeBufferPointer(start: tail + start, count: count)
        }
        let chunk = start / listChunkCapacity, offset = start % listChunkCapacity
        guard count > 0, chunk < chunks.count, offset + count <= counts[chunk] else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: chunks[chunk] + offset, count: count)
    }
}

/// Layout of a column chunk: header, `capacity / 8` bytes of validity, `count` values.
struct ColumnLayout {
    let capacity: Int
    let width: Int
    let type: ColumnType

    init(_ table: TableDescriptor, _ type: ColumnType) {
        capacity = table.columnCapacity(type)
        width = type.width
        self.type = type
    }

    var valuesOffset: Int { ChunkHeader.byteCount + capacity / 8 }
    func byteCount(_ count: Int) -> Int { valuesOffset + count * width }
}

/// Memory for the tail rows of one column, in the form of a segment.
final class TailColumn {
    let values: UnsafeMutableRawPointer
    let validity: UnsafeMutablePointer<UInt64>
    private(set) var codes: UnsafeMutablePointer<UInt32>?
    private(set) var codeCount = 0
    private let width: Int
    private(set) var nullCount = 0
    private let capacity: Int

    init(count: Int, type: ColumnType) {
        capacity = count
        width = type.width
        values = .allocate(byteCount: max(64, count * width), alignment: 64)
        let words = (count + 63) / 64
        validity = .allocate(capacity: max(1, words))
        validity.initialize(repeating: 0, count: max(1, words))
    }

    deinit {
        values.deallocate()
        validity.deallocate()
        codes?.deallocate()
    }

    /// Puts a segment's rows at `start`.
    func put(_ source: ColumnSource, count: Int, at start: Int, type: ColumnType) {
        UnsafeMutableRawPointer(validity).withMemoryRebound(to: UInt8.self, capacity: (capacity + 63) / 64 * 8) {
            Bits.copy(from: source.validity, at: 0, to: $0, at: start, count: count)
        }
        for row in 0 ..< count where !source.isPresent(row) { nullCount += 1 }
        guard type == .stringList else {
            (values + start * width).copyMemory(from: source.values, byteCount: count * width)
            return
        }
        let added = source.codeRange(first: 0, count: count).count
        let grown = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, codeCount + added))
        if let codes {
            grown.update(from: codes, count: codeCount)
            codes.deallocate()
        }
        if let new = source.codes { UnsafeMutableRawPointer(grown + codeCount).copyMemory(from: new, byteCount: 4 * added) }
        codes = grown
        var position = codeCount
        for row in 0 ..< count {
            let length = source.listCount(row)
            values.storeBytes(
                of: source.isPresent(row) ? ListValues.tailMark | UInt64(position) << 24 | UInt64(length) : 0,
                toByteOffset: (start + row) * 8, as: UInt64.self)
            position += length
        }
        codeCount = position
    }
}
