import CNeedletailKernels

/// A bound filter made ready to run on one snapshot: strings are dictionary codes, columns are pointers.
///
/// There are two ways to run it: ``fill(_:from:)`` scans columns and gives one bit a slot, ``matches(_:)`` tests a single slot, as a
/// traversal of a graph needs it. Neither allocates per row, and any number of threads may do either at once.
/// Deleted slots are tested like others, but for ``slots()``, which leaves them out.
///
/// The tree is kept as an array in prefix order: a node, then its terms one after the other, each up to its `end`. The same array
/// is a short-circuit program for single slots: each condition names the next one to test for either outcome.
package final class FilterProgram: @unchecked Sendable {
    // `@unchecked`: everything below is written by `init` only, and the memory pointed to is constant from then on.

    /// Slots are `0 ..< slotCount`.
    package let slotCount: Int
    let nodes: UnsafePointer<FilterNode>
    let columns: UnsafePointer<FilterColumn>
    /// The condition that a test of one slot begins with, or where it ends.
    let start: Int32
    /// How many buffers a scan needs at once, at the deepest node.
    let depth: Int
    let deleted: UnsafeBufferPointer<UInt64>?
    private let memory: FilterMemory
    /// Keeps the snapshot alive into which the columns point.
    private let owner: AnyObject

    /// Slots that one step of a scan looks at: the values of a step stay in the first-level cache while the tree is walked.
    static let windowSlotCount = 8192

    init(
        nodes: [FilterNode], columns: [FilterColumn], start: Int32, depth: Int, slotCount: Int, deleted: UnsafeBufferPointer<UInt64>?,
        memory: FilterMemory, owner: AnyObject
    ) {
        self.nodes = memory.copy(nodes)
        self.columns = memory.copy(columns)
        self.start = start
        self.depth = depth
        self.slotCount = slotCount
        self.deleted = deleted
        self.memory = memory
        self.owner = owner
    }

    /// Where ``matches(_:)`` ends.
    static let accept: Int32 = -1
    static let reject: Int32 = -2
}

/// What a node of a program does.
enum FilterOperation: UInt8 {
    case and, or
    case isNull, nothing, isTrue
    case rangeInt, rangeDouble, setInt, setDouble
    case equalCode, codeSet
    case listContains
    /// The slots in a bitmap, found before the scan: tests of the id.
    case slots
}

/// A connective or a condition. A plain struct without references, so that a pointer to it costs nothing to follow.
struct FilterNode: BitwiseCopyable {
    var operation: FilterOperation
    var isNegated = false
    /// The position in the program's columns; of connectives and of `slots`, 0.
    var column: Int32 = 0
    /// The position behind the node and all below it.
    var end: Int32 = 0
    /// Where a test of one slot goes on.
    var onTrue: Int32 = 0, onFalse: Int32 = 0
    /// The bounds of a range, as the bit patterns of `Int64` or `Double`; of a set, its least and greatest member.
    var low: UInt64 = 0, high: UInt64 = 0
    /// For `equalCode` and `listContains`.
    var code: UInt32 = 0
    var codes = nt_code_set()
    var numbers: UnsafePointer<nt_number_set>?
    /// Of `slots`: one bit a slot.
    var slots: UnsafePointer<UInt64>?
}

/// A run of rows of a column in contiguous memory.
package struct FilterSegment: BitwiseCopyable {
    var firstSlot: Int, count: Int
    var values: UnsafeRawPointer
    /// One bit a row, 1 = has a value; `nil` if all rows have one.
    var validity: UnsafePointer<UInt64>?
    var nullCount: Int
    /// The least and greatest value, leaving out null and NaN, as bit patterns; without meaning unless `hasBounds`.
    var minimum: UInt64, maximum: UInt64
    var hasBounds: Bool

    package init(
        firstSlot: Int, count: Int, values: UnsafeRawPointer, validity: UnsafePointer<UInt64>?, nullCount: Int,
        minimum: UInt64, maximum: UInt64, hasBounds: Bool
    ) {
        self.firstSlot = firstSlot
        self.count = count
        self.values = values
        self.validity = validity
        self.nullCount = nullCount
        self.minimum = minimum
        self.maximum = maximum
        self.hasBounds = hasBounds
    }
}

/// A column as a scan sees it: its segments in the order of slots, and a table that leads from a slot to its segment.
struct FilterColumn: BitwiseCopyable {
    var segments: UnsafePointer<FilterSegment>
    var segmentCount: Int
    /// `lookup[slot >> shift]` is the first segment that ends beyond the first slot of that stretch.
    var lookup: UnsafePointer<UInt32>
    var lookupCount: Int
    var shift: Int
    /// Of a column of lists: where their codes are.
    var lists: FilterListValues?

    /// The position of the segment that holds the slot, or else of the first behind it; `segmentCount` if there is none.
    @inline(__always)
    func segmentPosition(of slot: Int) -> Int {
        let stretch = slot >> shift
        guard stretch < lookupCount else { return segmentCount }
        var position = Int(lookup[stretch])
        while position < segmentCount, segments[position].firstSlot + segments[position].count <= slot { position += 1 }
        return position
    }
}

/// The memory of a program: allocated piece by piece, freed as a whole.
final class FilterMemory {
    private var pieces: [UnsafeMutableRawPointer] = []

    deinit {
        for piece in pieces { piece.deallocate() }
    }

    /// Room for `count` elements of a trivial type, aligned to 64 bytes.
    func allocate<T: BitwiseCopyable>(_ type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
        let piece = UnsafeMutableRawPointer.allocate(byteCount: max(1, count * MemoryLayout<T>.stride), alignment: 64)
        pieces.append(piece)
        return piece.bindMemory(to: type, capacity: count)
    }

    func copy<T: BitwiseCopyable>(_ elements: [T]) -> UnsafePointer<T> {
        let copy = allocate(T.self, count: elements.count)
        for (i, element) in elements.enumerated() { (copy + i).initialize(to: element) }
        return UnsafePointer(copy)
    }
}

/// The slots that a filter leaves: one bit a slot, and how many are set.
package final class SlotBitmap: @unchecked Sendable {
    // `@unchecked`: written by the scan that makes it, constant once it is handed out.

    /// Bit i % 64 of word i / 64 is set where slot i takes part; bits from `slotCount` on are 0.
    package let words: UnsafeBufferPointer<UInt64>
    package let slotCount: Int
    /// The number of bits that are set.
    package let count: Int

    init(slotCount: Int, fill: (UnsafeMutableBufferPointer<UInt64>) -> Void) {
        let buffer = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: (slotCount + 63) / 64)
        buffer.initialize(repeating: 0)
        fill(buffer)
        words = UnsafeBufferPointer(buffer)
        self.slotCount = slotCount
        count = nt_filter_count(words.baseAddress, words.count)
    }

    deinit { words.deallocate() }

    /// Whether the slot takes part.
    package func contains(_ slot: UInt32) -> Bool { words[Int(slot >> 6)] >> UInt64(slot & 63) & 1 != 0 }

    /// The slots that take part, ascending.
    package var slots: [UInt32] {
        var slots: [UInt32] = []
        slots.reserveCapacity(count)
        for position in words.indices {
            var word = words[position]
            while word != 0 {
                slots.append(UInt32(position << 6 + word.trailingZeroBitCount))
                word &= word - 1
            }
        }
        return slots
    }

    /// Gives the words to `body`, and keeps them alive until it returns.
    package func withUnsafeWords<R>(_ body: (UnsafeBufferPointer<UInt64>) -> R) -> R {
        withExtendedLifetime(self) { body(words) }
    }
}
