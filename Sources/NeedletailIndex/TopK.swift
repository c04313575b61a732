import CNeedletailKernels

/// The k least keys seen, in a binary max-heap over memory that the caller owns.
///
/// A key is (distance, slot) in one integer (`nt_key`), so that ties in distance go to the lower slot, and the result does
/// not depend on the order in which keys arrive.
package struct TopK {
    private let keys: UnsafeMutablePointer<UInt64>
    let capacity: Int
    package private(set) var count = 0

    /// The distance that a further row must not exceed: that of the worst key kept, or infinity while there is room.
    package private(set) var threshold = Float.infinity

    /// - Parameters:
    ///   - capacity: k, at least 1.
    ///   - keys: room for `capacity` keys, which must outlive the heap.
    package init(capacity: Int, keys: UnsafeMutablePointer<UInt64>) {
        assert(capacity > 0)
        self.capacity = capacity
        self.keys = keys
    }

    /// Keeps `key` if it is among the k least so far, in O(log k).
    @inline(__always)
    package mutating func offer(_ key: UInt64) {
        if count < capacity {
            insert(key)
        } else if key < keys[0] {
            replaceWorst(with: key)
        }
    }

    /// The keys kept, ascending, in the heap's own memory: until another is offered. The heap is empty afterwards.
    package mutating func takeSorted() -> UnsafeBufferPointer<UInt64> {
        defer { removeAll() }
        nt_sort_keys(keys, count)
        return contents
    }

    /// The keys kept, in no order.
    package var contents: UnsafeBufferPointer<UInt64> { UnsafeBufferPointer(start: keys, count: count) }

    package mutating func removeAll() {
        count = 0
        threshold = .infinity
    }

    private mutating func insert(_ key: UInt64) {
        var position = count
        count += 1
        while position > 0 {
            let parent = (position - 1) / 2
            if keys[parent] >= key { break }
            keys[position] = keys[parent]
            position = parent
        }
        keys[position] = key
        if count == capacity { threshold = nt_key_distance(keys[0]) }
    }

    private mutating func replaceWorst(with key: UInt64) {
        var position = 0
        while true {
            var child = 2 * position + 1
            if child >= count { break }
            if child + 1 < count, keys[child + 1] > keys[child] { child += 1 }
            if keys[child] <= key { break }
            keys[position] = keys[child]
            position = child
        }
        keys[position] = key
        threshold = nt_key_distance(keys[0])
    }
}
