import NeedletailStorage

/// What a filter needs of a snapshot of a collection: asked while a ``FilterProgram`` is made, not while it runs.
package protocol FilterSource: AnyObject {
    /// Slots are `0 ..< slotCount`.
    var slotCount: Int { get }
    /// One bit a slot, set where it is deleted; `nil` if none is.
    var deletedSlots: UnsafeBufferPointer<UInt64>? { get }

    /// The column's rows, in the order of slots. What the segments point to lives as long as the source.
    func filterSegments(ofColumn column: Int) throws(StorageError) -> [FilterSegment]
    /// The codes that the elements of a list column refer to; `nil` for a column of another type.
    func filterLists(ofColumn column: Int) throws(StorageError) -> FilterLists?

    /// How many strings the column's dictionary has: codes are below.
    func codeCount(ofColumn column: Int) throws(StorageError) -> Int
    /// The code of a string, if any row ever had it.
    func code(ofColumn column: Int, for string: String) throws(StorageError) -> UInt32?
    /// The codes of all strings between two, in the order of bytes.
    func codes(
        ofColumn column: Int, from lower: BoundFilter.StringBound?, to upper: BoundFilter.StringBound?
    ) throws(StorageError) -> [UInt32]
    /// The codes of all strings that begin so.
    func codes(ofColumn column: Int, prefix: String) throws(StorageError) -> [UInt32]

    /// Whether ``markOrdered(column:ranges:in:)`` may find something.
    func hasOrder(column: Int) -> Bool
    /// Sets the bits of the slots whose value is in one of the ranges of ``OrderedValue`` numbers, where an ordered index of the
    /// column finds them faster than a scan would.
    ///
    /// - Returns: The slot, a multiple of 64, from which on the caller must scan; `nil` where a scan of all is better. Some bits may be set then.
    func markOrdered(
        column: Int, ranges: [ClosedRange<UInt64>], in words: UnsafeMutableBufferPointer<UInt64>
    ) throws(StorageError) -> Int?

    /// The ids that are integers, as a column; null where the id is a string.
    func filterKeySegments() throws(StorageError) -> [FilterSegment]
    /// The slot of a record, `nil` if there is none or it is deleted.
    func slot(for key: RecordKey) throws(StorageError) -> UInt32?
    /// The ids of slots that are not deleted.
    func keys(ofSlots slots: [UInt32]) throws(StorageError) -> [RecordKey]
}

extension FilterSource {
    /// No column has an ordered index.
    package func markOrdered(
        column: Int, ranges: [ClosedRange<UInt64>], in words: UnsafeMutableBufferPointer<UInt64>
    ) throws(StorageError) -> Int? { nil }

    /// No column has an ordered index.
    package func hasOrder(column: Int) -> Bool { false }
}

/// Where the codes of a list column are. An element is `start << 24 | count`: its codes are values `start ..< start + count`,
/// which lie together in one chunk. Bit 63 marks an element whose codes are in the tail instead.
package struct FilterLists {
    /// Chunk c holds `counts[c]` values, numbered from `c << shift`.
    var chunks: [UnsafePointer<UInt32>]
    var counts: [Int]
    var shift: Int
    /// The values of rows that are not yet in chunks, numbered from 0.
    var tail: UnsafePointer<UInt32>?
    var tailCount: Int

    /// Describes chunks of at most `1 << shift` values each. All that is pointed to must live as long as the source.
    package init(chunks: [UnsafePointer<UInt32>], counts: [Int], shift: Int, tail: UnsafePointer<UInt32>?, tailCount: Int) {
        self.chunks = chunks
        self.counts = counts
        self.shift = shift
        self.tail = tail
        self.tailCount = tailCount
    }
}

/// ``FilterLists`` as a scan sees them.
struct FilterListValues: BitwiseCopyable {
    var chunks: UnsafePointer<UnsafePointer<UInt32>>
    var counts: UnsafePointer<Int>
    var chunkCount: Int
    var shift: Int
    var tail: UnsafePointer<UInt32>?
    var tailCount: Int

    init(_ lists: FilterLists, in memory: FilterMemory) {
        chunks = memory.copy(lists.chunks)
        counts = memory.copy(lists.counts)
        chunkCount = lists.chunks.count
        shift = lists.shift
        tail = lists.tail
        tailCount = lists.tailCount
    }

    /// Whether a list has the code. An element that points nowhere, as only damage makes it, has none.
    @inline(__always)
    func contains(_ code: UInt32, in element: UInt64) -> Bool {
        let count = Int(element & 0xFF_FFFF)
        var start = Int((element << 1) >> 25)
        let codes: UnsafePointer<UInt32>
        if element >> 63 != 0 {
            guard let tail, start + count <= tailCount else { return false }
            codes = tail
        } else {
            let chunk = start >> shift
            start &= 1 << shift - 1
            guard chunk < chunkCount, start + count <= counts[chunk] else { return false }
            codes = chunks[chunk]
        }
        for i in start ..< start + count where codes[i] == code { return true }
        return false
    }
}
