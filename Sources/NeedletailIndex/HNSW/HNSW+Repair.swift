import CNeedletailKernels
import NeedletailStorage

/// The upper nodes of a graph whose slots are not deleted, and their new numbers.
struct UpperSurvivors {
    /// Old numbers, ascending.
    private(set) var survivors: [UInt32] = []
    /// New number by old; NT_NO_NODE where the node is dead.
    private(set) var renumbered: [UInt32] = []
    /// Lists on the levels from 1 up.
    private(set) var listCount = 0

    init(base: HNSWGraph, source: HNSWSource) {
        renumbered = [UInt32](repeating: NT_NO_NODE, count: base.header.upperCount)
        var nextSlot = 0
        for number in 0 ..< UInt32(base.header.upperCount) {
            let node = base.upperNode(number)
            // What no builder writes, and a damaged file may hold, is left out like a dead node.
            guard (nextSlot ..< base.header.count).contains(Int(node.slot)), !source.isDeleted(Int(node.slot)),
                node.level >= 1, node.level <= base.header.maxLevel,
                UInt64(node.first_list) + UInt64(node.level) <= UInt64(base.header.upperListCount)
            else { continue }
            renumbered[Int(number)] = UInt32(survivors.count)
            survivors.append(number)
            listCount += Int(node.level)
            nextSlot = Int(node.slot) + 1
        }
    }

    /// Makes the nodes under their new numbers, with empty lists, and the entry point: the old one, or where that is dead
    /// the first of those of the highest level.
    func write(to graph: BuildGraph, base: HNSWGraph) {
        var list = 0, entry = NT_NO_NODE
        for (new, number) in survivors.enumerated() {
            let node = base.upperNode(number)
            graph.upperNode(UInt32(new)).pointee = nt_upper_node(
                slot: node.slot, first_list: UInt32(list), level: node.level, reserved: 0)
            for level in 1 ... Int(node.level) { graph.clear(level: level, UInt32(new)) }
            list += Int(node.level)
            if entry == NT_NO_NODE || node.level > graph.upperNode(entry).pointee.level { entry = UInt32(new) }
        }
        if let old = base.header.entryUpper, Int(old) < renumbered.count, renumbered[Int(old)] != NT_NO_NODE,
            base.upperNode(old).level >= graph.upperNode(entry).pointee.level
        {
            entry = renumbered[Int(old)]
        }
        if entry != NT_NO_NODE { graph.setEntry(entry) }
    }
}

extension HNSWGraph {
    func upperNode(_ number: UInt32) -> nt_upper_node { upperNodes.row(Int(number)).load(as: nt_upper_node.self) }

    /// The list of a node that has one on this level.
    @inline(__always)
    func list(level: Int, _ number: UInt32) -> UnsafePointer<UInt32> {
        let row = level == 0 ? links.row(Int(number)) : upperLinks.row(Int(upperNode(number).first_list) + level - 1)
        return row.assumingMemoryBound(to: UInt32.self)
    }
}

extension HNSWBuilder {
    /// Takes the old lists over, mends those that lead to dead nodes, level by level, and empties the lists of the dead.
    ///
    /// A node that had dead neighbours chooses anew, by Algorithm 4, among its live ones and the live neighbours of the dead:
    /// where the dead node was passed through, there is now a link. Each list depends on the old graph alone, so that
    /// threads share nothing and their number changes nothing.
    func repair(
        _ graph: BuildGraph, base: HNSWGraph, survivors: UpperSurvivors, workers: UnsafeMutablePointer<BuildWorker>
    ) throws(HNSWBuildError) {
        try crew.forEach(.repair, count: survivors.survivors.count, batch: 64) { worker, i in
            let node = graph.upperNode(UInt32(i)).pointee
            for level in 1 ... Int(node.level) {
                workers[worker].mend(level: level, UInt32(i), old: survivors.survivors[i], base: base) { number in
                    Int(number) < survivors.renumbered.count ? survivors.renumbered[Int(number)] : NT_NO_NODE
                }
            }
        }
        let covered = base.header.count
        if graph.entrySlot == NT_NO_NODE {
            for slot in 0 ..< covered where !source.isDeleted(slot) {
                graph.entrySlot = UInt32(slot)
                break
            }
        }
        let source = source, deleted = source.deletedCount(below: covered) == 0 ? nil : source.deleted?.baseAddress
        let degree = base.header.degree, stride = base.header.linkStride, links = base.links
        try crew.forEach(.repair, count: covered, batch: 1024) { worker, slot in
            let list = links.row(slot).assumingMemoryBound(to: UInt32.self)
            graph.links.row(slot).copyMemory(from: list, byteCount: stride)
            if deleted != nil, source.isDeleted(slot) {
                graph.clear(level: 0, UInt32(slot))
            } else if nt_list_is_sound(list, degree, UInt32(slot), UInt32(covered), deleted) == 0 {
                // Also where nothing is dead: what a damaged file holds must not be followed while nodes are inserted.
                workers[worker].mend(level: 0, UInt32(slot), old: UInt32(slot), base: base) { number in
                    Int(number) < covered && !source.isDeleted(Int(number)) ? number : NT_NO_NODE
                }
            }
        }
    }
}

extension BuildWorker {
    /// Writes the list that a node of an old graph has in this one.
    ///
    /// - Parameter renumber: the number that a node of the old graph has here; NT_NO_NODE where it is dead.
    @inline(__always)
    fileprivate mutating func mend(level: Int, _ number: UInt32, old: UInt32, base: HNSWGraph, renumber: (UInt32) -> UInt32) {
        let degree = graph.degree(level: level)
        let list = base.list(level: level, old), count = nt_list_load(list, degree, scratch.list)
        scratch.candidates.count = 0
        nt_seen_clear(&scratch.seen)
        nt_seen_insert(&scratch.seen, number)
        for i in 0 ..< count { add(renumber(scratch.list[i]), level: level) }
        if scratch.candidates.count < count {
            for i in 0 ..< count {
                let dead = scratch.list[i]
                guard renumber(dead) == NT_NO_NODE, hasList(base, level: level, dead) else { continue }
                let further = base.list(level: level, dead)
                for j in 0 ..< degree {
                    if further[j] == NT_NO_NODE { break }
                    add(renumber(further[j]), level: level)
                }
            }
            scratch.computeDistances(from: graph.slot(level: level, number))
            scratch.sortCandidates()
            scratch.choose(limit: degree, filling: count)
            nt_list_store(graph.list(level: level, number), degree, scratch.chosen.numbers, scratch.chosen.count)
        } else {
            nt_list_store(graph.list(level: level, number), degree, scratch.candidates.numbers, count)
        }
    }

    /// Takes a node for a candidate, once.
    @inline(__always)
    private mutating func add(_ number: UInt32, level: Int) {
        guard number != NT_NO_NODE, nt_seen_contains(&scratch.seen, number) == 0 else { return }
        if level > 0, Int(graph.upperNode(number).pointee.level) < level { return }
        nt_seen_insert(&scratch.seen, number)
        scratch.candidates.append(number: number, slot: graph.slot(level: level, number), distance: 0)
    }

    @inline(__always)
    private func hasList(_ base: HNSWGraph, level: Int, _ number: UInt32) -> Bool {
        if level == 0 { return Int(number) < base.header.count }
        guard Int(number) < base.header.upperCount else { return false }
        let node = base.upperNode(number)
        return Int(node.level) >= level && UInt64(node.first_list) + UInt64(node.level) <= UInt64(base.header.upperListCount)
    }
}
