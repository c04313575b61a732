import CNeedletailKernels

/// The memory of one search: which nodes have been seen, the pool of the nearest, the query's codes. Used by one search at
/// a time, and kept for the next.
final class HNSWScratch {
    /// Which nodes have been seen, and the log of them; clear between searches.
    private var seenBits: UnsafeMutablePointer<UInt64>
    private var seenLog: UnsafeMutablePointer<UInt32>
    private var seenCapacity = 0

    private(set) var pool: UnsafeMutablePointer<UInt64>
    private(set) var results: UnsafeMutablePointer<UInt64>
    private var poolCapacity = 0, resultCapacity = 0
    /// Slots and keys of the rows that are rescored.
    private(set) var slots: UnsafeMutablePointer<UInt32>
    private(set) var keys: UnsafeMutablePointer<UInt64>
    private var rescoreCapacity = 0

    /// The query as the rows of the traversal need it, 64-byte aligned.
    private(set) var codes: UnsafeMutableRawPointer
    /// The query as int8, for stored vectors of i8.
    private(set) var narrowed: UnsafeMutablePointer<Int8>
    private var codesCapacity = 0

    let neighborCodes = NeighborCodesScratch()

    init() {
        seenBits = .allocate(capacity: 0)
        seenLog = .allocate(capacity: 0)
        pool = .allocate(capacity: 0)
        results = .allocate(capacity: 0)
        slots = .allocate(capacity: 0)
        keys = .allocate(capacity: 0)
        codes = .allocate(byteCount: 0, alignment: 64)
        narrowed = .allocate(capacity: 0)
    }

    deinit {
        seenBits.deallocate()
        seenLog.deallocate()
        pool.deallocate()
        results.deallocate()
        slots.deallocate()
        keys.deallocate()
        codes.deallocate()
        narrowed.deallocate()
    }

    /// An empty set of `count` nodes, to which what stands for no node belongs. Whoever takes it clears it afterwards
    /// (`nt_seen_clear`), and takes no other before.
    func beginSeen(count: Int) -> nt_seen {
        if count >= seenCapacity {
            seenBits.deallocate()
            seenLog.deallocate()
            seenCapacity = count + 1 + count / 8
            let words = seenCapacity / 64 + 1
            seenBits = .allocate(capacity: words)
            seenBits.initialize(repeating: 0, count: words)
            seenLog = .allocate(capacity: seenCapacity + Int(NT_SEEN_ROOM))
        }
        var seen = nt_seen(bits: seenBits, log: seenLog, log_count: 0)
        nt_seen_insert(&seen, UInt32(count))
        return seen
    }

    /// Makes room for a pool of `capacity` keys, and for as many results.
    func reserve(pool capacity: Int, results resultCapacity: Int = 0) {
        if capacity + 1 > poolCapacity {
            pool.deallocate()
            poolCapacity = capacity + 1
            pool = .allocate(capacity: poolCapacity)
        }
        if resultCapacity + 1 > self.resultCapacity {
            results.deallocate()
            self.resultCapacity = resultCapacity + 1
            results = .allocate(capacity: self.resultCapacity)
        }
    }

    func reserve(rescored count: Int) {
        if count <= rescoreCapacity { return }
        slots.deallocate()
        keys.deallocate()
        rescoreCapacity = count
        slots = .allocate(capacity: count)
        keys = .allocate(capacity: count)
    }

    func reserve(codes byteCount: Int) {
        if byteCount <= codesCapacity { return }
        codes.deallocate()
        narrowed.deallocate()
        codesCapacity = byteCount
        codes = .allocate(byteCount: byteCount, alignment: 64)
        narrowed = .allocate(capacity: byteCount)
    }
}

/// Scratches of searches through one collection's graph.
package final class HNSWScratchPool: Sendable {
    private let pool = ScratchPool { HNSWScratch() }

    package init() {}

    func take() -> HNSWScratch { pool.take() }

    func giveBack(_ scratch: HNSWScratch) { pool.giveBack(scratch) }
}
