import CNeedletailKernels
import Synchronization

/// The memory of one search: which nodes have been seen, the pool of the nearest, the query's codes. Used by one search at
/// a time, and kept for the next.
final class HNSWScratch {
    /// By node number, and one more entry behind the last: the epoch in which the node was last seen.
    private(set) var visited: UnsafeMutablePointer<UInt16>
    private var visitedCapacity = 0
    private var epoch: UInt16 = 0

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
        visited = .allocate(capacity: 0)
        pool = .allocate(capacity: 0)
        results = .allocate(capacity: 0)
        slots = .allocate(capacity: 0)
        keys = .allocate(capacity: 0)
        codes = .allocate(byteCount: 0, alignment: 64)
        narrowed = .allocate(capacity: 0)
    }

    deinit {
        visited.deallocate()
        pool.deallocate()
        results.deallocate()
        slots.deallocate()
        keys.deallocate()
        codes.deallocate()
        narrowed.deallocate()
    }

    /// Begins a traversal of `count` nodes, none of which has been seen; returns the number that marks those that are.
    func beginEpoch(count: Int) -> UInt16 {
        if count + 1 > visitedCapacity {
            visited.deallocate()
            visitedCapacity = count + 1 + count / 8
            visited = .allocate(capacity: visitedCapacity)
            epoch = .max
        }
        if epoch == .max {
            visited.initialize(repeating: 0, count: visitedCapacity)
            epoch = 0
        }
        epoch += 1
        // What stands for numbers that no node has.
        visited[count] = epoch
        return epoch
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

/// Scratches that no search uses at the moment: a search takes one and gives it back, a lock apiece.
package final class HNSWScratchPool: Sendable {
    /// A scratch belongs to one search at a time, so it may pass from thread to thread.
    private struct Idle: @unchecked Sendable {
        var scratches: [HNSWScratch] = []
    }

    private let idle = Mutex(Idle())

    package init() {}

    func take() -> HNSWScratch { idle.withLock { $0.scratches.popLast() } ?? HNSWScratch() }

    func giveBack(_ scratch: HNSWScratch) {
        nonisolated(unsafe) let scratch = scratch
        idle.withLock { $0.scratches.append(scratch) }
    }
}
