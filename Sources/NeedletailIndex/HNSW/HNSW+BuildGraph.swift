import CNeedletailKernels
import NeedletailStorage
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A graph while it is built: lists that threads change, each under its node's lock, and the entry point.
///
/// Levels follow from the slots (`HNSWLevels`), so that all nodes of the upper levels are known at the start, and the
/// highest of them is inserted first: the entry point never changes while threads insert.
final class BuildGraph: @unchecked Sendable {
    let m: Int
    /// Slots 0 ..< count; those that are deleted have an empty list.
    let count: Int
    let links: MutableRows
    /// Rows of `nt_upper_node`, in the order of their slots.
    let upperNodes: MutableRows
    let upperLinks: MutableRows
    let upperCount: Int
    private let locks: UnsafeMutablePointer<UInt8>
    private let upperLocks: UnsafeMutablePointer<UInt8>

    /// Where a search starts: an upper node, or where there is none, a slot.
    var entryNode: UInt32 = NT_NO_NODE
    var entrySlot: UInt32 = NT_NO_NODE
    var maxLevel = 0

    init(m: Int, count: Int, links: MutableRows, upperNodes: MutableRows, upperLinks: MutableRows) {
        self.m = m
        self.count = count
        self.links = links
        self.upperNodes = upperNodes
        self.upperLinks = upperLinks
        upperCount = upperNodes.count
        locks = .allocate(capacity: max(count, 1))
        locks.initialize(repeating: 0, count: max(count, 1))
        upperLocks = .allocate(capacity: max(upperCount, 1))
        upperLocks.initialize(repeating: 0, count: max(upperCount, 1))
    }

    deinit {
        locks.deallocate()
        upperLocks.deallocate()
    }

    /// Places in a list of a level.
    @inline(__always)
    func degree(level: Int) -> Int { level == 0 ? 2 * m : m }

    @inline(__always)
    func upperNode(_ number: UInt32) -> UnsafeMutablePointer<nt_upper_node> {
        upperNodes.row(Int(number)).assumingMemoryBound(to: nt_upper_node.self)
    }

    @inline(__always)
    func slot(level: Int, _ number: UInt32) -> UInt32 { level == 0 ? number : upperNode(number).pointee.slot }

    /// The list of a node, which must have one on this level.
    @inline(__always)
    func list(level: Int, _ number: UInt32) -> UnsafeMutablePointer<UInt32> {
        if level == 0 { return links.row(Int(number)).assumingMemoryBound(to: UInt32.self) }
        let row = Int(upperNode(number).pointee.first_list) + level - 1
        return upperLinks.row(row).assumingMemoryBound(to: UInt32.self)
    }

    @inline(__always)
    func lock(level: Int, _ number: UInt32) -> UnsafeMutablePointer<UInt8> {
        level == 0 ? locks + Int(number) : upperLocks + Int(number)
    }

    /// A level as a search takes it.
    func level(_ level: Int, space: BuildSpace) -> nt_level {
        let onUpper = level > 0
        return nt_level(
            rows: space.rows, links: NodeRows((onUpper ? upperLinks : links).view).kernel, degree: UInt32(degree(level: level)),
            count: UInt32(onUpper ? upperCount : count), level: UInt32(level), nodes: upperNodes.view.rows,
            row_count: UInt32(count), list_count: UInt32(upperLinks.count))
    }

    /// Empties the lists of level 0 from a slot on.
    func clearLists(from first: Int) {
        guard first < count else { return }
        memset(links.row(first), 0xFF, (count - first) * links.stride)
    }

    /// Empties a list.
    func clear(level: Int, _ number: UInt32) {
        nt_list_store(list(level: level, number), degree(level: level), nil, 0)
    }

    /// The nearest node of the highest level becomes where searches start.
    func setEntry(_ number: UInt32) {
        entryNode = number
        entrySlot = upperNode(number).pointee.slot
        maxLevel = Int(upperNode(number).pointee.level)
    }
}

/// The level of each slot: the largest one that a hash of it and a seed allows, floor(-ln(u) / ln(m)) of a uniform u.
///
/// So it depends on nothing else, neither threads nor the order of insertion, and is exact everywhere.
struct HNSWLevels {
    static let limit = 15

    private let seed: UInt64
    /// Level l or above has a slot whose hash is below bounds[l - 1].
    private let bounds: [UInt64]

    init(m: Int, seed: UInt64) {
        self.seed = seed
        var bounds: [UInt64] = []
        var bound = UInt64.max
        for _ in 0 ..< Self.limit {
            bound /= UInt64(m)
            bounds.append(bound)
        }
        self.bounds = bounds
    }

    func level(_ slot: Int) -> Int {
        // SplitMix64's mixing of the slot's place in its sequence.
        var z = seed &+ UInt64(truncatingIfNeeded: slot &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        var level = 0
        while level < Self.limit, z < bounds[level] { level += 1 }
        return level
    }
}
