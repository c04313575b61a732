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
        _ upper: UpperPlan, into graph: BuildGraph, firstNode: Int, slots: Range<Int>, space: BuildSpace
    ) throws(HNSWBuildError) {
        let workers = UnsafeMutablePointer<BuildWorker>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (workers + worker).initialize(
                to: BuildWorker(graph: graph, space: space, efConstruction: options.efConstruction, fills: false))
        }
        defer {
            for worker in 0 ..< crew.threads { workers[worker].deallocate() }
            workers.deinitialize(count: crew.threads)
            workers.deallocate()
        }

        // The highest first; among equals a random order, whatever the order of the slots is.
        let parents = UnsafeMutablePointer<UInt32>.allocate(capacity: max(graph.upperCount, 1))
        defer { parents.deallocate() }
        for number in 0 ..< graph.upperCount { parents[number] = UInt32(number) }
        let order = (0 ..< upper.nodes.count).sorted { a, b in
            upper.nodes[a].level != upper.nodes[b].level ? upper.nodes[a].level > upper.nodes[b].level : Self.mixed(a) < Self.mixed(b)
        }.map { UInt32(firstNode + $0) }
        if let first = order.first {
            parents[Int(first)] = workers[0].insert(upper: first)
            if graph.entryNode == NT_NO_NODE || Int(graph.upperNode(first).pointee.level) > graph.maxLevel { graph.setEntry(first) }
        }
        let sequential = max(1, min(order.count, Self.sequentialNodes - firstNode))
        try crew.forEach(.upper, count: sequential - 1, batch: sequential, threads: 1) { worker, i in
            let number = order[i + 1]
            parents[Int(number)] = workers[worker].insert(upper: number)
        }
        try crew.forEach(.upper, count: order.count - sequential, batch: 8) { worker, i in
            let number = order[i + sequential]
            parents[Int(number)] = workers[worker].insert(upper: number)
        }

        var slots = rest(of: slots, level0Only: HNSWLevels(m: options.m, seed: options.seed))
        if slots.isEmpty { return }
        if graph.entryNode == NT_NO_NODE {
            // So few that none is on an upper level.
            if graph.entrySlot == NT_NO_NODE { graph.entrySlot = slots.removeFirst() }
            try crew.forEach(.insert, count: slots.count, batch: slots.count, threads: 1) { worker, i in
                workers[worker].insert(slot: slots[i], from: graph.entrySlot)
            }
            return
        }
        let starts = try sort(&slots, graph: graph, parents: parents, workers: workers)
        defer { starts.deallocate() }
        let order0 = slots
        try crew.forEach(.insert, count: order0.count, batch: 32) { worker, i in
            workers[worker].insert(slot: order0[i], from: starts[i])
        }
    }

    private func rest(of slots: Range<Int>, level0Only levels: HNSWLevels) -> [UInt32] {
        var rest: [UInt32] = []
        rest.reserveCapacity(slots.count)
        for slot in slots where !source.isDeleted(slot) && levels.level(slot) == 0 { rest.append(UInt32(slot)) }
        return rest
    }

    /// Sorts slots so that neighbours stand near each other; returns where the search for each one's neighbours starts.
    ///
    /// Each slot goes to the node of level 1 that greedy search leads to, each node of level 1 to one of level 2, and so on:
    /// a tree, whose leaves are visited in order.
    private func sort(
        _ slots: inout [UInt32], graph: BuildGraph, parents: UnsafeMutablePointer<UInt32>, workers: UnsafeMutablePointer<BuildWorker>
    ) throws(HNSWBuildError) -> UnsafeMutablePointer<UInt32> {
        let ranks = Self.ranks(graph: graph, parents: parents)
        let count = slots.count
        let starts = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
        var keys = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: count)
        defer { keys.deallocate() }
        let given = slots
        do {
            nonisolated(unsafe) let keys = keys
            try crew.forEach(.order, count: count, batch: 64) { worker, i in
                let parent = workers[worker].parent(of: given[i])
                keys[i] = UInt64(ranks[Int(parent)]) << 32 | UInt64(given[i])
            }
        } catch {
            starts.deallocate()
            throw error
        }
        var numbers = [UInt32](repeating: 0, count: graph.upperCount)
        for (number, rank) in ranks.enumerated() { numbers[Int(rank)] = UInt32(number) }
        keys.sort()
        for i in 0 ..< count {
            slots[i] = UInt32(truncatingIfNeeded: keys[i])
            starts[i] = graph.upperNode(numbers[Int(keys[i] >> 32)]).pointee.slot
        }
        return starts
    }

    /// The place of each upper node in the order of the tree.
    private static func ranks(graph: BuildGraph, parents: UnsafeMutablePointer<UInt32>) -> [UInt32] {
        var ranks = [UInt32](repeating: 0, count: graph.upperCount)
        for level in stride(from: graph.maxLevel, to: 0, by: -1) {
            var keys: [UInt64] = []
            for number in 0 ..< graph.upperCount {
                let own = Int(graph.upperNode(UInt32(number)).pointee.level)
                if own < level { continue }
                let parent = own > level ? number : Int(parents[number])
                keys.append(UInt64(ranks[parent]) << 32 | UInt64(number))
            }
            keys.sort()
            for (rank, key) in keys.enumerated() { ranks[Int(truncatingIfNeeded: key & 0xFFFF_FFFF)] = UInt32(rank) }
        }
        return ranks
    }

    private static func mixed(_ number: Int) -> UInt64 {
        var z = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        return z ^ (z >> 27)
    }
}
