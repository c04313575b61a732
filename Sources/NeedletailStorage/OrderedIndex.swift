import CLMDB

/// Ordered indexes: of a column declared `indexed`, the slots in the order of their values.
///
/// An entry is a pair (value, slot), the value as a number whose order is the column's (``OrderedValue``). The entries of a
/// column stand in blocks of up to 160, in the database `dictionary` behind the column's strings:
///
/// | key | value |
/// |---|---|
/// | (array, 2, u64 value, u32 slot) | entries from this pair on and before the next block's: their values (u64), then their slots (u32) |
///
/// The first block's pair is (0, 0), so every entry has a block, and a block never has to change its key. An entry takes 12 to
/// 24 bytes where one key an entry would take 40; a range is read at a nanosecond an entry; a batch rewrites each block once.
/// (Against a sorted list of slots in chunks: that one would be rewritten from the first changed place to the end.)
///
/// The index covers the slots below the table's `orderedCount`, which are sealed. The newest rows wait outside of it, so an
/// insert costs nothing until as many have come that one pass over the blocks takes them all in: a sixteenth of what is covered,
/// but never more than 65,536. Readers scan those rows' columns. Changes of a covered row's value are made in the index in the same
/// transaction; a deleted row's entry stays until the index is made anew: as for slots themselves, the deletion bitmap rules.
enum OrderedIndexFormat {
    /// Behind the dictionary's tags 0 and 1.
    static let tag: UInt8 = 2
    static let keyByteCount = 17
    static let entryByteCount = 12
    /// So that two blocks with their keys fit a page of 4 KiB.
    static let maximumEntryCount = 160

    /// Rows that may wait outside of an index of so many.
    static func patience(covered: Int, blockRows: Int) -> Int { max(blockRows, min(covered / 16, 1 << 16)) }

    /// Rows that one transaction brings in at most: their entries are in memory at once.
    static let maximumRowsAtOnce = 1 << 21
}

/// A row's place in an ordered index: by value, then by slot.
package struct OrderedEntry: Comparable, Hashable, Sendable {
    package var value: UInt64
    package var slot: UInt32

    package init(value: UInt64, slot: UInt32) {
        self.value = value
        self.slot = slot
    }

    @inline(__always)
    package static func < (a: OrderedEntry, b: OrderedEntry) -> Bool { a.value != b.value ? a.value < b.value : a.slot < b.slot }

    /// The first entry that is greater; nil behind the last.
    var successor: OrderedEntry? {
        if slot < .max { return OrderedEntry(value: value, slot: slot + 1) }
        return value < .max ? OrderedEntry(value: value + 1, slot: 0) : nil
    }
}

/// Values as numbers in the same order.
///
/// | column | number |
/// |---|---|
/// | bool | 0, 1 |
/// | int, timestamp | the sign bit flipped |
/// | double | of a negative number all bits flipped, of others the sign bit; −0 as 0; every NaN the greatest number |
/// | string | the dictionary code, whose order is that of arrival |
package enum OrderedValue {
    private static let signBit: UInt64 = 1 << 63

    /// Of a value's bits, as they stand in a column chunk.
    @inline(__always)
    package static func number(_ type: ColumnType, bits: UInt64) -> UInt64 {
        switch type {
        case .bool, .string, .stringList: bits
        case .int, .timestamp: bits ^ signBit
        case .double: number(Double(bitPattern: bits))
        }
    }

    package static func number(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ signBit }

    @inline(__always)
    package static func number(_ value: Double) -> UInt64 {
        if value.isNaN { return .max }
        let bits = (value + 0).bitPattern  // -0 becomes 0
        return bits & signBit == 0 ? bits ^ signBit : ~bits
    }

    /// The bits of a value with this number.
    package static func bits(_ type: ColumnType, number: UInt64) -> UInt64 {
        switch type {
        case .bool, .string, .stringList: number
        case .int, .timestamp: number ^ signBit
        case .double: number == .max ? Double.nan.bitPattern : number & signBit != 0 ? number ^ signBit : ~number
        }
    }

    /// The bits of row `row` of an array of values, which need not be aligned.
    @inline(__always)
    package static func bits(_ type: ColumnType, _ values: UnsafeRawPointer, _ row: Int) -> UInt64 {
        switch type.width {
        case 1: UInt64(values.load(fromByteOffset: row, as: UInt8.self))
        case 4: UInt64(UInt32(littleEndian: values.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)))
        default: UInt64(littleEndian: values.loadUnaligned(fromByteOffset: 8 * row, as: UInt64.self))
        }
    }
}

extension ColumnDescriptor {
    /// Whether the column has an ordered index. A list has no order: where one is marked, the mark means nothing.
    package var isOrdered: Bool { indexed && type != .stringList }
}

/// One block where it stands in the map.
struct OrderedBlock {
    /// The first entry that belongs here, whether it exists or not.
    let start: OrderedEntry
    let count: Int
    let values: UnsafeRawPointer
    let slots: UnsafeRawPointer

    /// nil where key or value are malformed.
    init?(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        guard value.count % OrderedIndexFormat.entryByteCount == 0, let base = value.baseAddress ?? key.baseAddress else { return nil }
        start = Self.entry(of: key)
        count = value.count / OrderedIndexFormat.entryByteCount
        guard count <= OrderedIndexFormat.maximumEntryCount else { return nil }
        values = base
        slots = base + 8 * count
    }

    /// The pair in a key that ``isKey(_:of:)`` recognized.
    static func entry(of key: UnsafeRawBufferPointer) -> OrderedEntry {
        OrderedEntry(value: UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 5, as: UInt64.self)), slot: key.bigEndian32(13))
    }

    static func isKey(_ key: UnsafeRawBufferPointer, of array: UInt32) -> Bool {
        key.count == OrderedIndexFormat.keyByteCount && key.bigEndian32(0) == array && key[4] == OrderedIndexFormat.tag
    }

    @inline(__always)
    func value(_ position: Int) -> UInt64 { UInt64(littleEndian: values.loadUnaligned(fromByteOffset: 8 * position, as: UInt64.self)) }

    @inline(__always)
    func slot(_ position: Int) -> UInt32 { UInt32(littleEndian: slots.loadUnaligned(fromByteOffset: 4 * position, as: UInt32.self)) }

    @inline(__always)
    subscript(position: Int) -> OrderedEntry { OrderedEntry(value: value(position), slot: slot(position)) }

    /// How many entries are less than this one.
    func count(below entry: OrderedEntry) -> Int {
        var low = 0, high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < entry { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Transaction {
    func orderedKey(_ array: UInt32, _ entry: OrderedEntry) -> MDB_val {
        withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { bytes in
            bytes.storeBytes(of: entry.value.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: entry.slot.bigEndian, toByteOffset: 8, as: UInt32.self)
            return key(array, tag: OrderedIndexFormat.tag, UnsafeRawBufferPointer(bytes))
        }
    }
}

extension Cursor {
    /// To the block that an entry belongs to; false where the index has no block before it.
    mutating func seek(blockHolding entry: OrderedEntry, of array: UInt32, _ transaction: Transaction) throws(StorageError) -> Bool {
        let found = try seek(transaction.orderedKey(array, entry))
        if found, OrderedBlock.isKey(key, of: array), OrderedBlock.entry(of: key) == entry { return true }
        guard found ? try previous() : try last() else { return false }
        return OrderedBlock.isKey(key, of: array)
    }

    /// The block under the cursor.
    func block(of table: String, _ transaction: Transaction) throws(StorageError) -> OrderedBlock {
        guard let block = OrderedBlock(key: key, value: value) else {
            throw transaction.corrupt("a block of an ordered index of collection '\(table)' is malformed")
        }
        return block
    }
}
