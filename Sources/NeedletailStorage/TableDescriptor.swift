import Foundation

/// The type of a column's values. The raw values are part of the file format.
package enum ColumnType: UInt8, Codable, Sendable, CaseIterable {
    case bool = 1, int, double, timestamp, string, stringList

    /// Bytes of one value in a column chunk.
    package var width: Int {
        switch self {
        case .bool: 1
        case .string: 4
        case .int, .double, .timestamp, .stringList: 8
        }
    }
}

/// One column of a table.
package struct ColumnDescriptor: Codable, Sendable, Hashable {
    package var name: String
    package var type: ColumnType
    package var indexed: Bool

    package init(name: String, type: ColumnType, indexed: Bool = false) {
        self.name = name
        self.type = type
        self.indexed = indexed
    }
}

/// A table: one vector a row, typed columns, a key, a JSON payload and an attachment. Stored as JSON in the catalog.
package struct TableDescriptor: Codable, Sendable, Hashable {
    package var name: String
    package var vectorByteCount: Int
    package var columns: [ColumnDescriptor]
    /// Opaque to storage: the layer above keeps its schema here.
    package var userInfo: Data

    // Assigned when the table is created.

    /// The table's number; also the first of its array numbers.
    package internal(set) var id: UInt32 = 0
    /// Rows of a sealed block: a power of two.
    package internal(set) var blockRows: Int = 0
    /// The array of vectors and norms.
    package internal(set) var vectorArray: UInt32 = 0
    /// The column of integer keys (null for a string key).
    package internal(set) var keyArray: UInt32 = 0
    /// The deletion bitmap.
    package internal(set) var deletedArray: UInt32 = 0
    /// One array a column; also the column's dictionary number.
    package internal(set) var columnArrays: [UInt32] = []
    /// One array a column: the values of a list column, 0 for the others.
    package internal(set) var listArrays: [UInt32] = []

    package init(name: String, vectorByteCount: Int, columns: [ColumnDescriptor] = [], userInfo: Data = Data()) {
        self.name = name
        self.vectorByteCount = vectorByteCount
        self.columns = columns
        self.userInfo = userInfo
    }

    var blockShift: Int { blockRows.trailingZeroBitCount }

    /// Rows of a block of vectors so large: the power of two below 1 MiB of vectors, but 64 ... 4096.
    static func blockRows(vectorByteCount: Int) -> Int {
        let fitting = max(1, (1 << 20) / vectorByteCount)
        let power = 1 << (Int.bitWidth - 1 - fitting.leadingZeroBitCount)
        return min(4096, max(64, power))
    }

    /// Rows of a column chunk: 64 KiB of values, but whole blocks.
    func columnCapacity(_ type: ColumnType) -> Int { max(65536 / type.width, blockRows) }

    /// About what a row takes in a tail segment: vector, norm, key and columns, without the codes of lists.
    var rowByteCount: Int { columns.reduce(vectorByteCount + 4 + 9) { $0 + $1.type.width + 1 } }

    /// Bytes of a sealed block's payload: vectors, then norms.
    var blockByteCount: Int { blockRows * (vectorByteCount + 4) }
}

/// Codes of one value-array chunk of a list column; one list never straddles two.
let listChunkCapacity = 16384

/// Codes that the value array of a list column can hold: a position has 39 bits.
let maximumListValueCount: UInt64 = 1 << 39

/// Rows, in bits, of one chunk of the deletion bitmap.
let bitmapChunkCapacity = 65536 * 8

/// The hot state of a table, rewritten by every transaction that touches it.
struct TableState: Equatable {
    struct Column: Equatable {
        /// Strings in the column's dictionary; the next code.
        var dictionaryCount: UInt64 = 0
        /// Codes in the column's value array, padding included.
        var listValueCount: UInt64 = 0
    }

    var slotCount: UInt64 = 0
    var sealedCount: UInt64 = 0
    var liveCount: UInt64 = 0
    /// Grows with every transaction that changes the table.
    var generation: UInt64 = 0
    /// Grows when stored tail rows are changed in place, so that a snapshot knows whether it may go on with the last one's tail.
    var tailGeneration: UInt64 = 0
    /// Runs of consecutive integer keys in `ids`.
    var runCount: UInt64 = 0
    /// The first key of the open run: it goes up to the last slot, so that the record that goes on with it changes nothing in `ids`.
    var openRun: Int64?
    /// Slots below it are in the ordered indexes of the columns that have one. At most ``sealedCount``.
    var orderedCount: UInt64 = 0
    var columns: [Column]

    init(columnCount: Int) { columns = Array(repeating: Column(), count: columnCount) }

    /// Layout: u32 version, u32 column count, the six counters, the open run, then two counters a column, then (version 3) the
    /// ordered count; all little-endian. Version 1 has no open run. Version 3 is written only where an ordered index covers something.
    func encoded() -> [UInt8] {
        var words: [UInt64] = [(orderedCount > 0 ? 3 : 2) | UInt64(columns.count) << 32, slotCount, sealedCount, liveCount, generation, tailGeneration, runCount]
        words.reserveCapacity(10 + 2 * columns.count)
        words.append(openRun == nil ? 0 : 1)
        words.append(UInt64(bitPattern: openRun ?? 0))
        for column in columns {
            words.append(column.dictionaryCount)
            words.append(column.listValueCount)
        }
        if orderedCount > 0 { words.append(orderedCount) }
        return words.withUnsafeBytes { Array($0) }
    }

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 8 else { return nil }
        func word(_ i: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self) }
        let columnCount = Int(word(0) >> 32)
        let version = word(0) & 0xFFFF_FFFF
        let first = version == 1 ? 7 : 9
        guard 1 ... 3 ~= version, bytes.count == 8 * (first + 2 * columnCount + (version == 3 ? 1 : 0)) else { return nil }
        slotCount = word(1)
        sealedCount = word(2)
        liveCount = word(3)
        generation = word(4)
        tailGeneration = word(5)
        runCount = word(6)
        if version >= 2 {
            guard word(7) <= 1, word(7) <= runCount else { return nil }
            openRun = word(7) == 1 ? Int64(bitPattern: word(8)) : nil
        }
        columns = (0 ..< columnCount).map { Column(dictionaryCount: word(first + 2 * $0), listValueCount: word(first + 1 + 2 * $0)) }
        if version == 3 { orderedCount = word(first + 2 * columnCount) }
        guard orderedCount <= sealedCount, sealedCount <= slotCount, liveCount <= slotCount, slotCount < UInt64(UInt32.max),
              columns.allSatisfy({ $0.dictionaryCount <= UInt64(UInt32.max) && $0.listValueCount < maximumListValueCount })
        else { return nil }
    }
}
