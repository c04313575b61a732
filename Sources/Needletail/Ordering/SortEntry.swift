/// A record's place in an order, so made that the first in the order is the least: of a descending order, numbers and slots are
/// complements.
struct SortEntry: Comparable, Hashable {
    /// 0 a value; of ids 0 the integers and 1 the strings, descending the other way round; ``null`` behind all.
    var rank: UInt8
    var number: UInt64
    var place: UInt32

    static let null: UInt8 = 2

    /// The entry of a value.
    @inline(__always)
    init(number: UInt64, slot: UInt32, isAscending: Bool, rank: UInt8 = 0) {
        self.rank = rank
        self.number = isAscending ? number : ~number
        place = isAscending ? slot : ~slot
    }

    /// The entry of a record without a value: last in either direction, in order of arrival.
    init(nullAt slot: UInt32) {
        rank = Self.null
        number = 0
        place = slot
    }

    func slot(isAscending: Bool) -> UInt32 { isAscending || rank == Self.null ? place : ~place }

    @inline(__always)
    static func < (a: SortEntry, b: SortEntry) -> Bool {
        if a.rank != b.rank { return a.rank < b.rank }
        return a.number != b.number ? a.number < b.number : a.place < b.place
    }
}

/// Keeps the least entries of many: all, or as many as will be asked for.
struct SortBuffer {
    private(set) var entries: [SortEntry] = []
    private let bound: Int
    private let capacity: Int
    private var threshold: SortEntry?

    init(bound: Int?) {
        self.bound = bound ?? .max
        // Sorted and cut when full: on average a comparison an entry, as a heap would take, but in a row.
        capacity = self.bound < 1 << 40 ? max(4096, 2 * self.bound) : .max
    }

    @inline(__always)
    mutating func append(_ entry: SortEntry) {
        if let threshold, threshold < entry { return }
        entries.append(entry)
        if entries.count >= capacity { cut() }
    }

    private mutating func cut() {
        entries.sort()
        entries.removeLast(max(0, entries.count - bound))
        threshold = entries.last
    }

    /// The entries in order, at most as many as were asked for.
    mutating func sorted() -> [SortEntry] {
        entries.sort()
        if entries.count > bound { entries.removeLast(entries.count - bound) }
        return entries
    }
}
