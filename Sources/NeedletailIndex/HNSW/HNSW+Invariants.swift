import CNeedletailKernels
import NeedletailStorage

/// What holds for every graph that a build or a merge has written, checked.
///
/// 1. The upper nodes stand in the order of their slots, each once; their lists follow each other in the same order, so many
///    as a node has levels; none is above the highest level; the entry point is on it.
/// 2. A list holds no number twice, nor its own node's, nor one beyond the count; behind its end nothing follows. On level
///    l ≥ 1 it holds nodes of level l and above.
/// 3. No list leads to a node whose own list on that level is empty: one that was deleted when the graph was written.
/// 4. On each level, every live node can be reached from the entry point.
/// 5. Rows that have changed are counted where they are named; a neighbour block was made of its node's list.
///
/// The bytes may be anything: nothing is followed before it has been compared with the counts.
package struct HNSWInvariants: Sendable {
    /// One sentence for each kind of violation, with the first place where it was found and how often it was.
    package private(set) var findings: [String] = []
    /// Entries of all lists on level 0.
    package private(set) var linkCount = 0
    /// Slots with a list on level 0.
    package private(set) var linkedCount = 0
    /// Linked slots from which no path leads back to the entry point: no violation, since no search asks for one.
    package private(set) var withoutWayBack = 0

    /// - Parameters:
    ///   - deleted: bit set = slot need not be reached. It may hold more than was deleted when the graph was written.
    ///   - reversed: whether to look for ways back, which takes as much memory as the links do.
    /// - Complexity: reads each list twice; memory of a few bytes a node.
    package init(checking graph: HNSWGraph, deleted: UnsafeBufferPointer<UInt64>? = nil, reversed: Bool = false) {
        var check = Check(graph: graph, deleted: deleted)
        check.upperNodes()
        check.changes()
        check.level(0)
        check.blocks()
        if graph.header.maxLevel > 0 { for level in 1 ... graph.header.maxLevel { check.level(level) } }
        if reversed { withoutWayBack = check.withoutWayBack() }
        findings = check.findings.sentences
        linkCount = check.linkCount
        linkedCount = check.linkedCount
    }
}

private struct Check {
    private let graph: HNSWGraph
    private let deleted: UnsafeBufferPointer<UInt64>?
    private let count: Int
    private let upperCount: Int
    let findings = Findings()
    var linkCount = 0
    var linkedCount = 0

    init(graph: HNSWGraph, deleted: UnsafeBufferPointer<UInt64>?) {
        self.graph = graph
        self.deleted = deleted
        count = graph.header.count
        upperCount = graph.header.upperCount
    }

    private func isDeleted(_ slot: Int) -> Bool {
        guard let deleted, slot >> 6 < deleted.count else { return false }
        return deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1
    }

    // MARK: Upper nodes

    mutating func upperNodes() {
        let header = graph.header
        var lastSlot = -1, nextList = 0, highest = 0
        for number in 0 ..< upperCount {
            let node = graph.upperNode(UInt32(number)), slot = Int(node.slot), level = Int(node.level)
            if slot >= count { findings.add("an upper node's slot is beyond the count", "upper node \(number), slot \(slot)") }
            if slot <= lastSlot { findings.add("upper nodes are not in the order of their slots", "upper node \(number), slot \(slot)") }
            lastSlot = max(lastSlot, slot)
            if level < 1 || level > header.maxLevel {
                findings.add("an upper node's level is out of range", "upper node \(number), level \(level)")
            }
            if Int(node.first_list) != nextList {
                findings.add("an upper node's lists are not behind those of the one before", "upper node \(number), list \(node.first_list)")
            }
            nextList = Int(node.first_list) + min(level, HNSWHeader.maximumLevel)
            highest = max(highest, level)
        }
        if upperCount > 0, nextList != header.upperListCount {
            findings.add("the upper nodes' lists are not as many as the header says", "\(nextList), not \(header.upperListCount)")
        }
        if highest != header.maxLevel { findings.add("no node is on the highest level", "\(highest), not \(header.maxLevel)") }
        if let entry = header.entryUpper {
            if Int(entry) >= upperCount {
                findings.add("the entry point is no upper node", "\(entry) of \(upperCount)")
            } else {
                let node = graph.upperNode(entry)
                if node.slot != header.entrySlot { findings.add("the entry point's slot is not its upper node's", "slot \(node.slot)") }
                if Int(node.level) != header.maxLevel { findings.add("the entry point is not on the highest level", "level \(node.level)") }
            }
        } else if upperCount > 0 {
            findings.add("the entry point is no upper node", "there are \(upperCount)")
        }
        if header.entrySlot == nil, let live = (0 ..< count).first(where: { !isDeleted($0) }) {
            findings.add("there is no entry point", "slot \(live) is not deleted")
        }
    }

    // MARK: Rows beside the lists

    func changes() {
        guard let changes = graph.links.changes else { return }
        var place = 0
        for word in 0 ..< (count + 63) / 64 {
            let row = changes.row(word).load(as: nt_changes.self)
            if row.first != place { findings.add("a place of rows that have changed is not behind those before", "slots from \(64 * word)") }
            place += row.nodes.nonzeroBitCount
        }
        if place != graph.links.kernel.changed_count {
            findings.add("more or fewer rows have changed than there are", "\(place), not \(graph.links.kernel.changed_count)")
        }
    }

    func blocks() {
        guard graph.header.quantization == .rabitq, let rotation = graph.rotation else { return }
        let blocks = NeighborBlocks(graph.header, rotation: rotation)
        for slot in 0 ..< count {
            let list = graph.links.row(slot).assumingMemoryBound(to: UInt32.self)
            if !blocks.isBlock(graph.neighborBlocks.row(slot), of: list) {
                findings.add("a neighbour block is not that of its list", name(0, slot))
            }
        }
    }

    // MARK: Lists

    private func name(_ level: Int, _ number: Int) -> String { level == 0 ? "slot \(number)" : "upper node \(number) on level \(level)" }

    /// A node's list, if it has one on this level that lies within the array.
    @inline(__always)
    private func list(_ level: Int, _ number: Int) -> UnsafePointer<UInt32>? {
        if level == 0 { return graph.links.row(number).assumingMemoryBound(to: UInt32.self) }
        let node = graph.upperNode(UInt32(number))
        let row = UInt64(node.first_list) + UInt64(level) - 1
        guard node.level >= level, row < UInt64(graph.header.upperListCount) else { return nil }
        return graph.upperLinks.row(Int(row)).assumingMemoryBound(to: UInt32.self)
    }

    /// Checks the lists of one level, then walks along them.
    mutating func level(_ level: Int) {
        let nodes = level == 0 ? min(count, graph.links.count) : upperCount
        if level == 0, nodes < count { return }  // Lists beside neighbour codes are checked with those.
        let degree = level == 0 ? graph.header.degree : graph.header.upperDegree
        var seen = [UInt32](repeating: 0, count: nodes)
        for number in 0 ..< nodes {
            guard let list = list(level, number) else { continue }
            let mark = UInt32(number) + 1
            var end = 0
            while end < degree, list[end] != NT_NO_NODE {
                let target = Int(list[end])
                end += 1
                if target >= nodes {
                    findings.add("a list holds a number beyond the count", "\(name(level, number)) leads to \(target) of \(nodes)")
                    continue
                }
                if target == number { findings.add("a node is its own neighbour", name(level, number)) }
                if seen[target] == mark { findings.add("a list holds a number twice", "\(name(level, number)), \(target)") }
                seen[target] = mark
                guard let other = self.list(level, target) else {
                    findings.add("a list leads to a node that is not on its level", "\(name(level, number)) leads to \(target)")
                    continue
                }
                if other[0] == NT_NO_NODE {
                    findings.add("a list leads to a node that was left out", "\(name(level, number)) leads to \(target)")
                }
            }
            if level == 0 {
                linkCount += end
                linkedCount += end > 0 ? 1 : 0
            }
            for i in end ..< degree where list[i] != NT_NO_NODE {
                findings.add("an entry stands behind the end of a list", name(level, number))
                break
            }
        }
        walk(level, nodes: nodes, degree: degree)
    }

    private func entry(_ level: Int) -> Int? {
        let entry = level == 0 ? graph.header.entrySlot : graph.header.entryUpper
        return entry.map { Int($0) }
    }

    private mutating func walk(_ level: Int, nodes: Int, degree: Int) {
        guard let entry = entry(level), entry < nodes else { return }
        var reached = [Bool](repeating: false, count: nodes), queue = [UInt32(entry)]
        queue.reserveCapacity(nodes)
        reached[entry] = true
        var head = 0
        while head < queue.count {
            if level == 0, head + 8 < queue.count, let next = list(0, Int(queue[head + 8])) { nt_prefetch(next, degree * 4) }
            let node = Int(queue[head])
            head += 1
            guard let list = list(level, node) else { continue }
            for i in 0 ..< degree {
                let target = Int(list[i])
                if list[i] == NT_NO_NODE { break }
                if target >= nodes || reached[target] { continue }
                reached[target] = true
                queue.append(list[i])
            }
        }
        for number in 0 ..< nodes where !reached[number] {
            if level > 0, list(level, number) == nil { continue }
            let slot = level == 0 ? number : Int(graph.upperNode(UInt32(number)).slot)
            if slot >= count || isDeleted(slot) { continue }
            findings.add("no path leads from the entry point to a node", name(level, number))
        }
    }

    // MARK: Ways back

    /// Linked slots that do not lead to the entry point: those that a walk against the links does not reach.
    func withoutWayBack() -> Int {
        guard let entry = entry(0), entry < count, graph.links.count >= count else { return 0 }
        let degree = graph.header.degree
        // The links turned round: sources by target, from starts[target] on.
        var starts = [UInt32](repeating: 0, count: count + 2)
        forEachLink(degree) { _, target in starts[target + 2] += 1 }
        for i in 2 ..< starts.count { starts[i] += starts[i - 1] }
        var sources = [UInt32](repeating: 0, count: Int(starts[count + 1]))
        forEachLink(degree) { source, target in
            sources[Int(starts[target + 1])] = UInt32(source)
            starts[target + 1] += 1
        }
        var reached = [Bool](repeating: false, count: count), queue = [UInt32(entry)]
        reached[entry] = true
        var head = 0
        while head < queue.count {
            let node = Int(queue[head])
            head += 1
            for i in starts[node] ..< starts[node + 1] where !reached[Int(sources[Int(i)])] {
                reached[Int(sources[Int(i)])] = true
                queue.append(sources[Int(i)])
            }
        }
        return (0 ..< count).reduce(0) { $0 + (!reached[$1] && list(0, $1)?[0] != NT_NO_NODE ? 1 : 0) }
    }

    private func forEachLink(_ degree: Int, _ body: (_ source: Int, _ target: Int) -> Void) {
        for number in 0 ..< count {
            guard let list = list(0, number) else { continue }
            for i in 0 ..< degree {
                if list[i] == NT_NO_NODE { break }
                if Int(list[i]) < count { body(number, Int(list[i])) }
            }
        }
    }
}
