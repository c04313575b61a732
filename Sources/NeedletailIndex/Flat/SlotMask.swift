/// Which slots take part in a search: those of the filter's bitmap, if there is one, that are not deleted.
struct SlotMask {
    private let allowed: UnsafePointer<UInt64>?
    private let deleted: UnsafePointer<UInt64>?

    /// - Precondition: each bitmap has a bit for every one of `count` slots, in whole words.
    init(allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?, count: Int) {
        let words = (count + 63) / 64
        precondition(allowed.map { $0.count >= words } ?? true, "the filter's bitmap covers every slot")
        precondition(deleted.map { $0.count >= words } ?? true, "the deletion bitmap covers every slot")
        // An empty buffer, which may lack an address, covers no slots and is never read.
        self.allowed = allowed?.baseAddress
        self.deleted = deleted?.baseAddress
    }

    /// Whether every slot takes part.
    var isFull: Bool { allowed == nil && deleted == nil }

    /// Bits of the slots 64 × `position` …, those outside `slots` cleared.
    @inline(__always)
    func word(_ position: Int, of slots: Range<Int>) -> UInt64 {
        var bits = allowed.map { $0[position] } ?? ~0
        if let deleted { bits &= ~deleted[position] }
        let left = slots.upperBound - position * 64
        if left < 64 { bits &= (1 << UInt64(left)) - 1 }
        let before = slots.lowerBound - position * 64
        return before > 0 ? bits & (~0 << UInt64(before)) : bits
    }

    @inline(__always)
    func contains(_ slot: UInt32) -> Bool {
        let bit: UInt64 = 1 << UInt64(slot & 63)
        if let allowed, allowed[Int(slot >> 6)] & bit == 0 { return false }
        if let deleted, deleted[Int(slot >> 6)] & bit != 0 { return false }
        return true
    }
}
