import NeedletailIndex
import Synchronization

/// The slots that pass a filter, at one commit: as a bitmap, once somebody needs it as a list, and where searches come again with their
/// signs. Shared by all searches with the filter.
final class MatchingSlots: Sendable {
    let bitmap: SlotBitmap
    private let list = AtomicLazyReference<List>()
    private let signs = AtomicLazyReference<PackedSigns>()
    /// Bytes that the signs take once they are packed; 0: they never are.
    private let signByteCount: Int
    private let isRepeated = Atomic<Bool>(false)
    /// Walks through a graph that looked for these slots, and how many of them gave up.
    let walks = AttemptCounts()
    /// Searches for more neighbours, and how many of them found too few of these slots.
    let overfetches = AttemptCounts()

    /// - Parameter signDimension: The dimension of the vectors, where an index has their signs.
    init(_ bitmap: SlotBitmap, signDimension: Int? = nil) {
        self.bitmap = bitmap
        let byteCount = signDimension.map { PackedSigns.byteCount(bitmap.count, dimension: $0) } ?? 0
        signByteCount = bitmap.count < HNSWGraph.leastForSigns || byteCount > Self.mostSignBytes ? 0 : byteCount
    }

    /// So much that the signs of a few filters fit the cache of filters.
    private static let mostSignBytes = FilterCache.standardByteLimit / 8

    /// How many there are.
    var count: Int { bitmap.count }

    /// The slots in ascending order.
    final class List: Sendable {
        let slots: [UInt32]
        init(_ slots: [UInt32]) { self.slots = slots }

        /// How many of them are below `end`.
        func count(below end: Int) -> Int {
            guard let last = slots.last, Int(last) >= end else { return slots.count }
            var low = 0, high = slots.count
            while low < high {
                let middle = (low + high) / 2
                if Int(slots[middle]) < end { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// The list, made by the first who asks.
    func slots() -> List {
        if let known = list.load() { return known }
        return list.storeIfNil(List(bitmap.slots))
    }

    /// Notes that a search has come with the same filter as one before.
    func noteRepetition() { if !isRepeated.load(ordering: .relaxed) { isRepeated.store(true, ordering: .relaxed) } }

    /// Whether a scan is worth to pack the signs, or has done so.
    var packsSigns: Bool { signByteCount > 0 && isRepeated.load(ordering: .relaxed) }

    /// The signs of those that a graph covers, packed by the first who asks after a repetition.
    func packedSigns(of covered: UnsafeBufferPointer<UInt32>, in graph: HNSWGraph) -> PackedSigns? {
        guard packsSigns else { return nil }
        if let known = signs.load() { return known }
        return graph.packedSigns(of: covered).map { signs.storeIfNil($0) }
    }

    /// Whether so few of all slots match that they are found by their list in less time than in the bitmap.
    static func areFew(_ count: Int, of slotCount: Int) -> Bool { 128 * count <= slotCount }

    /// Bytes that it takes, with its list and its signs, whether they are there yet or not.
    var byteCount: Int { 8 * bitmap.words.count + 4 * bitmap.count + signByteCount + 256 }
}

/// How many times something was tried with a filter, and how often in vain: what matches may lie where the queries are not.
final class AttemptCounts: Sendable {
    private let counts = Atomic<UInt64>(0)
    private static let mostAttempts: UInt64 = 64

    /// Notes how an attempt ended.
    func note(failed: Bool) {
        let old = counts.load(ordering: .relaxed)
        var attempts = old >> 32 + 1, failures = old & 0xFFFF_FFFF + (failed ? 1 : 0)
        // What was long ago counts for less. Of two threads that note something at the same time, one may be lost.
        if attempts > Self.mostAttempts { (attempts, failures) = (attempts / 2, failures / 2) }
        counts.store(attempts << 32 | failures, ordering: .relaxed)
    }

    /// The share of attempts that failed, taken for small until a few have been made.
    var failureShare: Double {
        let counts = counts.load(ordering: .relaxed)
        return Double(counts & 0xFFFF_FFFF) / Double(counts >> 32 + 2)
    }
}
