import Synchronization

/// The bitmaps of the filters that were asked with last, at one commit: a search with the same filter again need not read the
/// columns. It belongs to the ``ReadView`` of a snapshot, and goes with it: a commit begins with an empty one.
///
/// Bounded in bytes; what was not used for longest goes first. A search without a filter never comes here.
final class FilterCache: Sendable {
    private struct Entry {
        var slots: MatchingSlots
        var lastUse: UInt64
    }

    private struct State {
        var entries: [Filter: Entry] = [:]
        var byteCount = 0
        var clock: UInt64 = 0
    }

    private let state = Mutex(State())
    private let byteLimit: Int

    /// Filters that are kept at most, however small.
    static let countLimit = 64
    /// A filter with more literals is looked up about as slowly as it is evaluated.
    static let literalLimit = 256
    /// Bytes that all bitmaps, lists and packed signs may take.
    static let standardByteLimit = 64 << 20

    init(byteLimit: Int = FilterCache.standardByteLimit) { self.byteLimit = byteLimit }

    /// The slots that pass, if they are known.
    func slots(of filter: Filter) -> MatchingSlots? {
        state.withLock { state in
            guard let position = state.entries.index(forKey: filter) else { return nil }
            state.clock += 1
            state.entries.values[position].lastUse = state.clock
            state.entries.values[position].slots.noteRepetition()
            return state.entries.values[position].slots
        }
    }

    /// Keeps what was found out, unless another search has found it out meanwhile; gives what is kept.
    func keep(_ slots: MatchingSlots, of filter: Filter) -> MatchingSlots {
        guard slots.byteCount <= byteLimit / 2, filter.hasLiterals(atMost: Self.literalLimit) else { return slots }
        return state.withLock { state in
            if let known = state.entries[filter] { return known.slots }
            while state.byteCount + slots.byteCount > byteLimit || state.entries.count >= Self.countLimit {
                let entries = state.entries
                // By position, since a filter with a NaN is not equal to itself.
                guard let oldest = entries.indices.min(by: { entries.values[$0].lastUse < entries.values[$1].lastUse }) else { break }
                state.byteCount -= state.entries.remove(at: oldest).value.slots.byteCount
            }
            state.clock += 1
            state.entries[filter] = Entry(slots: slots, lastUse: state.clock)
            state.byteCount += slots.byteCount
            return slots
        }
    }

    /// How many filters are kept, and the bytes that they take.
    var usage: (count: Int, byteCount: Int) { state.withLock { ($0.entries.count, $0.byteCount) } }
}

extension Filter {
    /// Whether it is small: the walk ends as soon as it is not.
    fileprivate func hasLiterals(atMost limit: Int) -> Bool {
        var left = limit
        return take(from: &left)
    }

    private func take(from left: inout Int) -> Bool {
        switch self {
        case .isIn(_, let values): left -= max(1, values.count)
        case .not(let term): return term.take(from: &left)
        case .and(let terms), .or(let terms):
            for term in terms where !term.take(from: &left) { return false }
        default: left -= 1
        }
        return left >= 0
    }
}
