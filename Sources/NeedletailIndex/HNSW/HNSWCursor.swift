import CNeedletailKernels
import NeedletailStorage

/// Neighbours page by page, without end: a page continues the traversal of the one before.
///
/// The search drops nothing: nodes that its pool has no room for are put aside. For the next page the pool is made larger,
/// takes back the nearest of them, and is expanded further; so n pages cost what one search for as many rows does. Within
/// a page neighbours ascend. A page may begin nearer than the one before ended, where the graph led there only later.
///
/// Not for use by two threads at once. The memory of graph, bitmaps and vectors must outlive it.
package final class HNSWCursor {
    private let graph: HNSWGraph
    private let allowed: UnsafeBufferPointer<UInt64>?
    private let deleted: UnsafeBufferPointer<UInt64>?
    private let mask: SlotMask
    private let passing: Int
    private var traversal: GrowingTraversal?
    private let query: [Float]
    private let scratches: HNSWScratchPool

    /// Exact keys of rows that have been looked at and not been returned, ascending.
    private var pending: [UInt64] = []
    /// Rows that are pending or returned.
    private var taken: Set<UInt32> = []
    private var returned = 0
    private let initialEf: Int
    package private(set) var statistics = HNSWStatistics()

    /// - Parameters:
    ///   - ef: how many nodes the first page keeps in view, as in a search.
    ///   - allowed, deleted: as in a search.
    package init(
        _ graph: HNSWGraph, query: UnsafeBufferPointer<Float>, ef: Int, allowed: UnsafeBufferPointer<UInt64>? = nil,
        deleted: UnsafeBufferPointer<UInt64>? = nil, scratch: HNSWScratchPool
    ) {
        precondition(query.count == graph.header.dimension, "a query has the index's dimension")
        self.graph = graph
        self.allowed = allowed
        self.deleted = deleted
        mask = SlotMask(allowed: allowed, deleted: deleted, count: graph.header.count)
        passing = graph.header.entrySlot == nil ? 0 : mask.isFull ? graph.header.count : mask.cardinality(count: graph.header.count)
        self.query = Array(query)
        scratches = scratch
        initialEf = max(1, ef)
    }

    /// The next `count` neighbours; fewer only where no more exist.
    package func next(_ count: Int) -> [Neighbor] {
        let wanted = min(count, passing - returned)
        guard wanted > 0 else { return [] }
        var isFurtherRound = false
        while pending.count < wanted, let more = exploreFurther(total: returned + wanted, isFurtherRound: isFurtherRound) {
            merge(more)
            isFurtherRound = true
        }
        if pending.count < wanted { takeExactly(total: returned + wanted) }
        let page = pending.prefix(wanted).map(Neighbor.init(key:))
        pending.removeFirst(page.count)
        returned += page.count
        return page
    }

    /// Exact keys of rows met for the first time, or nil where the graph is not worth following further.
    ///
    /// - Parameters:
    ///   - total: rows that are to have been returned then.
    ///   - isFurtherRound: whether a round for the same page has come before, which found too few.
    private func exploreFurther(total: Int, isFurtherRound: Bool) -> [UInt64]? {
        let count = graph.header.count
        let visible = Int(Double(total) * Double(count) / Double(passing))
        guard graph.filterStrategy(passing: passing, ef: total) != .exact, !graph.isCostly(ef: visible) else { return nil }
        let traversal = self.traversal ?? GrowingTraversal(graph, query: query, scratch: scratches)
        self.traversal = traversal
        // A further round for the same page doubles the pool, until that costs more than a scan: a filter may exclude just
        // what is near, and a pool that does not grow would find nothing for ever.
        let capacity = min(count, max(initialEf, visible + visible / 2, isFurtherRound ? traversal.capacity * 2 : 0))
        if isFurtherRound, capacity == traversal.capacity || graph.isCostly(ef: capacity) { return nil }
        guard traversal.grow(to: capacity) else { return nil }
        let rescored = min(traversal.count, max(HNSWGraph.rescoreCount(k: visible, ef: capacity), isFurtherRound ? capacity / 2 : 0))
        var slots: [UInt32] = []
        for i in 0 ..< rescored {
            let slot = traversal.slot(i)
            if mask.contains(slot), !taken.contains(slot) { slots.append(slot) }
        }
        statistics = traversal.statistics
        statistics.rescored += slots.count
        return traversal.exactKeys(slots)
    }

    private func merge(_ keys: [UInt64]) {
        for key in keys { taken.insert(nt_key_slot(key)) }
        pending += keys
        pending.sort()
    }

    /// Fills up from an exact search.
    private func takeExactly(total: Int) {
        statistics.exactFallbacks += 1
        let found = query.withUnsafeBufferPointer { query in
            graph.covered.search(query, k: min(passing, total + taken.count), allowed: allowed, deleted: deleted)
        }
        merge(found.lazy.filter { !self.taken.contains($0.slot) }.map { nt_key($0.distance, $0.slot) })
    }
}
