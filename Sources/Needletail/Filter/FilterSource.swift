/// What a filter needs of a snapshot of a collection: asked while a ``FilterProgram`` is made, not while it runs.
package protocol FilterSource: AnyObject {
    /// Slots are `0 ..< slotCount`.
    var slotCount: Int { get }
    /// One bit a slot, set where it is deleted; `nil` if none is.
    var deletedSlots: UnsafeBufferPointer<UInt64>? { get }

    /// The column's rows, in the order of slots. What the segments point to lives as long as the source.
    func filterSegments(ofColumn column: Int) throws(NeedletailError) -> [FilterSegment]
    /// The codes that the elements of a list column refer to; `nil` for a column of another type.
    func filterLists(ofColumn column: Int) throws(NeedletailError) -> FilterLists?

    /// How many strings the column's dictionary has: codes are below.
    func codeCount(ofColumn column: Int) throws(NeedletailError) -> Int
    /// The code of a string, if any row ever had it.
    func code(ofColumn column: Int, for string: String) throws(NeedletailError) -> UInt32?
    /// The codes of all strings between two, in the order of bytes.
    func codes(
        ofColumn column: Int, from lower: BoundFilter.StringBound?, to upper: BoundFilter.StringBound?
    ) throws(NeedletailError) -> [UInt32]
    /// The codes of all strings that begin so.
    func codes(ofColumn column: Int, prefix: String) throws(NeedletailError) -> [UInt32]

    /// The slot of a record, `nil` if there is none or it is deleted.
    func filterSlot(ofID id: RecordID) throws(NeedletailError) -> UInt32?
    /// The ids of slots that are not deleted.
    func filterIDs(ofSlots slots: [UInt32]) throws(NeedletailError) -> [RecordID]
}

/// Where the codes of list elements are. An element is `start << 24 | count`: its codes are values `start ..< start + count`,
/// which lie together in one chunk; the highest bit is set where they are in the tail instead.
package struct FilterLists: BitwiseCopyable {
    /// Chunk c holds values `c << shift` and on, `counts[c]` of them.
    var chunks: UnsafePointer<UnsafePointer<UInt32>>
    var counts: UnsafePointer<Int>
    var chunkCount: Int
    var shift: Int
    var tail: UnsafePointer<UInt32>?
    var tailCount: Int

    /// Describes chunks of up to `1 << shift` values each; all pointers must live as long as the source.
    package init(
        chunks: UnsafePointer<UnsafePointer<UInt32>>, counts: UnsafePointer<Int>, chunkCount: Int, shift: Int,
        tail: UnsafePointer<UInt32>? = nil, tailCount: Int = 0
    ) {
        self.chunks = chunks
        self.counts = counts
        self.chunkCount = chunkCount
        self.shift = shift
        self.tail = tail
        self.tailCount = tailCount
    }

    /// Whether a list has the code. An element that points outside, as only damage makes one, has none.
    @inline(__always)
    func contains(_ code: UInt32, in element: UInt64) -> Bool {
        let start = Int((element & ~(1 << 63)) >> 24)
        let count = Int(element & 0xFF_FFFF)
        let codes: UnsafePointer<UInt32>
        if element >> 63 == 1 {
            guard let tail, start + count <= tailCount else { return false }
            codes = tail + start
        } else {
            let chunk = start >> shift
            let offset = start & (1 << shift - 1)
            guard chunk < chunkCount, offset + count <= counts[chunk] else { return false }
            codes = chunks[chunk] + offset
        }
        for i in 0 ..< count where codes[i] == code { return true }
        return false
    }
}
