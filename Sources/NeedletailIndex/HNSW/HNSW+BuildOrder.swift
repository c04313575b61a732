import CNeedletailKernels

/// The nodes of the upper levels among a range of slots, in the order of their slots.
struct UpperPlan {
    struct Node {
        let slot: UInt32
        let level: Int
    }

    private(set) var nodes: [Node] = []
    /// Lists on the levels from 1 up.
    private(set) var listCount = 0

    init(source: HNSWSource, options: HNSWOptions, first: Int) {
        let levels = HNSWLevels(m: options.m, seed: options.seed)
        for slot in first ..< source.vectors.count {
            let level = levels.level(slot)
            if level == 0 || source.isDeleted(slot) { continue }
            nodes.append(Node(slot: UInt32(slot), level: level))
            listCount += level
        }
    }

    /// Makes the nodes, numbered from `firstNode` on, and their empty lists.
    func write(to graph: BuildGraph, firstNode: Int, firstList: Int) {
        var list = firstList
        for (i, node) in nodes.enumerated() {
            graph.upperNode(UInt32(firstNode + i)).pointee = nt_upper_node(
                slot: node.slot, first_list: UInt32(list), level: UInt32(node.level), reserved: 0)
            for level in 1 ... node.level { graph.clear(level: level, UInt32(firstNode + i)) }
            list += node.level
        }
    }
}

extension HNSWBuilder {
    /// Nodes that are inserted by one thread before others join in: where few are linked, two that are inserted at a time
    /// miss each other.
    private static let sequentialNodes = 512

    /// Inserts the upper nodes of the plan, numbered from `firstNode` on, then the other ones of `slots`.
    func insert(
        _ upper: UpperPlan, into graph: BuildGraph, firstNode: Int, slots: Range<Int>,
        workers: UnsafeMutablePointer<BuildWorker>
    ) throws(HNSWBuildError) {
        // The highest first; among equals a random order, whatever the order of the slots is.
        let order = (0 ..< upper.nodes.count).sorted { a, b in
            upper.nodes[a].level != upper.nodes[b].level ? upper.nodes[a].level > upper.nodes[b].level : Self.mixed(a) < Self.mixed(b)
        }.map { UInt32(firstNode + $0) }
        if let first = order.first {
            workers[0].insert(upper: first)
            if graph.entryNode == NT_NO_NODE || Int(graph.upperNode(first).pointee.level) > graph.maxLevel { graph.setEntry(first) }
        }
        // Those of level 2 and above, then those of level 1, each among those before by where its own descent leads.
        let high = max(min(order.count, max(1, Self.sequentialNodes - firstNode)), order.prefix { graph.upperNode($0).pointee.level > 1 }.count)
        let sequential = max(1, min(high, Self.sequentialNodes - firstNode))
        try crew.forEach(.upper, count: sequential - 1, batch: sequential, threads: 1) { worker, i in
            workers[worker].insert(upper: order[i + 1])
        }
        try crew.forEach(.upper, count: high - sequential, batch: 8) { worker, i in
            workers[worker].insert(upper: order[i + sequential])
        }
        let low = try sort(Array(order.dropFirst(high)), level: 1, graph: graph, workers: workers)
        try crew.forEach(.upper, count: low.count, batch: 8) { worker, i in
            workers[worker].insert(upper: low[i].number)
        }

        try insert(rest(of: slots, level0Only: HNSWLevels(m: options.m, seed: options.seed)), into: graph, workers: workers)
    }

    /// Inserts slots that are on level 0 only.
    func insert(_ slots: [UInt32], into graph: BuildGraph, workers: UnsafeMutablePointer<BuildWorker>) throws(HNSWBuildError) {
        var slots = slots
        if slots.isEmpty { return }
        if graph.entryNode == NT_NO_NODE {
            // So few that none is on an upper level.
            if graph.entrySlot == NT_NO_NODE { graph.entrySlot = slots.removeFirst() }
            let rest = slots
            try crew.forEach(.insert, count: rest.count, batch: rest.count, threads: 1) { worker, i in
                workers[worker].insert(slot: rest[i], from: graph.entrySlot)
            }
            return
        }
        let placed = try sort(slots, level: 0, graph: graph, workers: workers)
        try crew.forEach(.insert, count: placed.count, batch: 32) { worker, i in
            workers[worker].insert(slot: placed[i].number, from: graph.upperNode(placed[i].parent).pointee.slot)
        }
    }

    /// A node, and those that greedy search for it leads to: on the level above its own, and on the next one.
    private struct PlacedNode {
        var number: UInt32 = 0
        var parent: UInt32 = 0
        var grandparent: UInt32 = 0

        var key: UInt64 { UInt64(grandparent) << 32 | UInt64(parent) }
    }

    private func rest(of slots: Range<Int>, level0Only levels: HNSWLevels) -> [UInt32] {
        var rest: [UInt32] = []
        rest.reserveCapacity(slots.count)
        for slot in slots where !source.isDeleted(slot) && levels.level(slot) == 0 { rest.append(UInt32(slot)) }
        return rest
    }

    /// Puts nodes of one level in an order in which those near each other stand together.
    private func sort(
        _ nodes: [UInt32], level: Int, graph: BuildGraph, workers: UnsafeMutablePointer<BuildWorker>
    ) throws(HNSWBuildError) -> [PlacedNode] {
        let placed = UnsafeMutableBufferPointer<PlacedNode>.allocate(capacity: nodes.count)
        defer { placed.deallocate() }
        placed.initialize(repeating: PlacedNode())
        try crew.forEach(level == 0 ? .order : .upper, count: nodes.count, batch: 64) { worker, i in
            let place = workers[worker].place(of: graph.slot(level: level, nodes[i]), above: level)
            placed[i] = PlacedNode(number: nodes[i], parent: place.parent, grandparent: place.grandparent)
        }
        return placed.sorted { a, b in a.key != b.key ? a.key < b.key : a.number < b.number }
    }

    private static func mixed(_ number: Int) -> UInt64 {
        var z = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        return z ^ (z >> 27)
    }
}
