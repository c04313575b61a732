import CNeedletailKernels

/// A row that a search found.
package struct Neighbor: Sendable, Hashable {
    package var slot: UInt32
    /// The internal distance: squared L2, 1 − cos, or minus the dot product.
    package var distance: Float

    package init(slot: UInt32, distance: Float) {
        self.slot = slot
        self.distance = distance
    }

    /// A neighbour out of its key: (distance, slot) as one integer of the same order, as the kernels write it.
    init(key: UInt64) {
        self.init(slot: nt_key_slot(key), distance: nt_key_distance(key))
    }
}
