import CNeedletailKernels
import NeedletailStorage

extension HNSWGraph {
    /// The slots within `radius` as far as the graph leads to them, ascending by exact internal distance.
    ///
    /// The pool is doubled until the outermost quarter of it holds nothing within the radius; where that is most of the
    /// collection, every vector is compared instead.
    ///
    /// - Parameters:
    ///   - radius: an internal distance.
    ///   - limit: with one, the nearest `limit` of them.
    ///   - ef: how many nodes the search keeps in view at least. The other parameters are those of the search for k.
    package func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, limit: Int? = nil, ef: Int,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil,
        scratch: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        if let limit, limit < header.count, limit <= max(ef, 1000) {
            let nearest = search(
                query, k: limit, ef: max(ef, limit), allowed: allowed, deleted: deleted, scratch: scratch, statistics: &statistics)
            return Array(nearest.prefix { $0.distance <= radius })
        }
        precondition(query.count == header.dimension, "a query has the index's dimension")
        guard header.entrySlot != nil else { return [] }
        let mask = SlotMask(allowed: allowed, deleted: deleted, count: header.count)
        let traversal = GrowingTraversal(self, query: Array(query), scratch: scratch)
        var capacity = min(max(ef, 32), header.count)
        while !isCostly(ef: capacity) {
            guard traversal.grow(to: capacity) else { break }
            let outer = traversal.count - traversal.count / 4
            let isSurrounded = traversal.count < capacity || traversal.exactKeys((outer ..< traversal.count).map(traversal.slot))
                .allSatisfy { nt_key_distance($0) > radius }
            if isSurrounded || capacity == header.count {
                let slots = (0 ..< traversal.count).map(traversal.slot).filter(mask.contains)
                statistics.hops += traversal.statistics.hops
                statistics.distances += traversal.statistics.distances
                statistics.rescored += slots.count
                let keys = traversal.exactKeys(slots).filter { nt_key_distance($0) <= radius }.sorted()
                return keys.prefix(limit ?? keys.count).map(Neighbor.init(key:))
            }
            capacity = min(capacity * 2, header.count)
        }
        statistics.exactFallbacks += 1
        return covered.search(within: radius, of: query, limit: limit, allowed: allowed, deleted: deleted)
    }
}
