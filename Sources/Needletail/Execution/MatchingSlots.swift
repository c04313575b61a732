import NeedletailIndex
import Synchronization

/// The slots that pass a filter, at one commit: as a bitmap, and once somebody needs it as a list. Shared by all searches with
/// the filter.
final class MatchingSlots: Sendable {
    let bitmap: SlotBitmap
    private let list = AtomicLazyReference<List>()
    /// Walks through a graph that looked for these slots, and how many of them gave up.
    private let walkCounts = Atomic<UInt64>(0)

    init(_ bitmap: SlotBitmap) { self.bitmap = bitmap }

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

    /// Whether so few of all slots match that they are found by their list in less time than in the bitmap.
    static func areFew(_ count: Int, of slotCount: Int) -> Bool { 128 * count <= slotCount }

    /// Bytes that it takes, with its list.
    var byteCount: Int { 8 * bitmap.words.count + 4 * bitmap.count + 256 }

    // MARK: Walks

    private static let mostWalks: UInt64 = 64

    /// Notes how a walk through a graph ended: a filter that the query's neighbourhood does not match makes walks give up, and is
    /// then better served by a scan.
    func noteWalk(gaveUp: Bool) {
        let old = walkCounts.load(ordering: .relaxed)
        var walks = old >> 32 + 1, failures = old & 0xFFFF_FFFF + (gaveUp ? 1 : 0)
        // What was long ago counts for less. Of two threads that note something at the same time, one may be lost.
        if walks > Self.mostWalks { (walks, failures) = (walks / 2, failures / 2) }
        walkCounts.store(walks << 32 | failures, ordering: .relaxed)
    }

    /// The share of walks that gave up, taken for small until a few have been made.
    var failureShare: Double {
        let counts = walkCounts.load(ordering: .relaxed)
        return Double(counts & 0xFFFF_FFFF) / Double(counts >> 32 + 2)
    }
}
