import CNeedletailKernels

// Choosing neighbours anew can drop the last link that leads to a node, and so can a deletion; hnswlib leaves such nodes
// unfound. Here a build ends with a walk over each level from the entry point, and links whatever it has not reached.

extension HNSWBuilder {
    /// Makes every live node reachable from the entry point on each of its levels.
    ///
    /// - Complexity: reads every list once; a search for each node that is linked.
    func connect(_ graph: BuildGraph, worker: UnsafeMutablePointer<BuildWorker>) throws(HNSWBuildError) {
        guard graph.entrySlot != NT_NO_NODE else { return }
        for level in 0 ... graph.maxLevel {
            let walk = LevelWalk(graph: graph, level: level)
            try walk.reach(level == 0 ? graph.entrySlot : graph.entryNode, crew)
            var orphans: [UInt32] = []
            for number in 0 ..< UInt32(level == 0 ? graph.count : graph.upperCount) {
                if level == 0 ? source.isDeleted(Int(number)) : Int(graph.upperNode(number).pointee.level) < level { continue }
                // A node whose neighbours and theirs were all deleted leads nowhere, though something may lead to it.
                if !walk.isReached(number) || nt_load_entry(graph.list(level: level, number)) == NT_NO_NODE { orphans.append(number) }
            }
            let found = orphans
            try crew.forEach(.connect, count: found.count, batch: max(found.count, 1), threads: 1) { _, i in
                if walk.isReached(found[i]), nt_load_entry(graph.list(level: level, found[i])) != NT_NO_NODE { return }
                worker.pointee.attach(found[i], level: level, walk: walk)
                walk.reach(found[i])
            }
            // A search enters level 0 elsewhere, and must find the entry point too.
            if level == 0, !walk.leadsToStart { worker.pointee.attach(graph.entrySlot, level: 0, walk: walk) }
        }
    }
}

/// Which nodes of a level the entry point leads to.
final class LevelWalk {
    private let graph: BuildGraph
    private let level: Int
    private let degree: Int
    /// 1 = a list that was followed holds the node.
    private let marks: UnsafeMutablePointer<UInt8>
    /// The nodes that have been reached, in order; the first one may come twice.
    private let queue: UnsafeMutablePointer<UInt32>
    private let end: UnsafeMutablePointer<Int>
    private var start: UInt32?

    /// Nodes below which a walk is over before threads have begun.
    private static let leastToShare = 10_000

    init(graph: BuildGraph, level: Int) {
        self.graph = graph
        self.level = level
        degree = graph.degree(level: level)
        let count = max(level == 0 ? graph.count : graph.upperCount, 1)
        marks = .allocate(capacity: count)
        marks.initialize(repeating: 0, count: count)
        queue = .allocate(capacity: count + 1)
        end = .allocate(capacity: 1)
        end.initialize(to: 0)
    }

    deinit {
        marks.deallocate()
        queue.deallocate()
        end.deallocate()
    }

    @inline(__always)
    func isReached(_ number: UInt32) -> Bool { marks[Int(number)] != 0 || number == start }

    /// Whether a list holds the node that the walk began with.
    var leadsToStart: Bool { start.map { marks[Int($0)] != 0 } ?? false }

    /// Marks a node and all that it leads to.
    func reach(_ number: UInt32) {
        guard let first = begin(number) else { return }
        var head = first
        while head < end.pointee {
            follow(head, before: end.pointee)
            head += 1
        }
    }

    /// The same by all threads of a crew, which share out what is as many steps away.
    func reach(_ number: UInt32, _ crew: BuildCrew) throws(HNSWBuildError) {
        guard let first = begin(number) else { return }
        var head = first
        while head < end.pointee {
            let from = head, to = end.pointee
            if to - from < Self.leastToShare {
                for position in from ..< to { follow(position, before: to) }
            } else {
                try crew.forEach(.connect, count: to - from, batch: 1024) { _, i in self.follow(from + i, before: to) }
            }
            head = to
        }
    }

    /// Where in the queue a walk from a node begins; nil where it has been reached.
    private func begin(_ number: UInt32) -> Int? {
        if isReached(number) { return nil }
        if start == nil { start = number } else { marks[Int(number)] = 1 }
        queue[end.pointee] = number
        end.pointee += 1
        return end.pointee - 1
    }

    /// Goes on from a node in the queue; `limit`: what stands before it is written no more.
    @inline(__always)
    private func follow(_ position: Int, before limit: Int) {
        if level == 0, position + 8 < limit { nt_prefetch(graph.list(level: 0, queue[position + 8]), degree * 4) }
        nt_list_follow(graph.list(level: level, queue[position]), degree, marks, queue, end)
    }
}

extension BuildWorker {
    /// Makes a reached node lead to one that none leads to.
    ///
    /// The nearest with room in its list gets the link. Where none has room, the nearest of all is led to the node *instead*
    /// of to one of its neighbours, and the node to that neighbour: so whatever was reached still is.
    mutating func attach(_ number: UInt32, level: Int, walk: LevelWalk) {
        let slot = graph.slot(level: level, number), degree = graph.degree(level: level)
        var query = scratch.space.query(slot, buffer: scratch.queryBuffer)
        var start = graph.entryNode == NT_NO_NODE ? graph.entrySlot : graph.entryNode
        if graph.entryNode != NT_NO_NODE {
            for above in stride(from: graph.maxLevel, to: level, by: -1) { start = greedy(level: above, from: start, &query) }
            if level == 0 { start = graph.upperNode(start).pointee.slot }
        }
        if start == number || !walk.isReached(start) { start = level == 0 ? graph.entrySlot : graph.entryNode }
        search(level: level, from: start, &query)

        let list = graph.list(level: level, number)
        if nt_list_load(list, degree, scratch.list) == 0 {
            // A node that has lost all of its neighbours gets new ones, and a link from each that has room: choosing lists
            // anew could drop the only link to another node.
            take(level: level, leavingOut: number)
            write(level: level, number)
            var isLinked = walk.isReached(number)
            for i in 0 ..< scratch.levels[level].count { isLinked = append(number, to: scratch.levels[level].numbers[i], level: level) || isLinked }
            if isLinked { return }
        }
        var nearest = NT_NO_NODE
        for i in 0 ..< scratch.poolCount {
            let candidate = nt_pool_node(scratch.pool[i])
            if candidate == number || !walk.isReached(candidate) { continue }
            if nearest == NT_NO_NODE { nearest = candidate }
            if append(number, to: candidate, level: level) { return }
        }
        // What its list holds may be reached through it alone, where it is the entry point.
        if walk.isReached(number), nt_load_entry(list + degree - 1) != NT_NO_NODE { return }
        insert(number, slot: slot, behind: nearest == NT_NO_NODE ? start : nearest, level: level)
    }

    /// Puts a node between `owner`, whose list is full, and that neighbour of it which is nearest to the node.
    private mutating func insert(_ number: UInt32, slot: UInt32, behind owner: UInt32, level: Int) {
        let degree = graph.degree(level: level)
        let ownerList = graph.list(level: level, owner)
        let count = nt_list_load(ownerList, degree, scratch.list)
        scratch.candidates.count = 0
        for i in 0 ..< count {
            scratch.candidates.append(number: scratch.list[i], slot: graph.slot(level: level, scratch.list[i]), distance: 0)
        }
        scratch.computeDistances(from: slot)
        var place = 0
        for i in 1 ..< max(count, 1) where scratch.candidates.distances[i] < scratch.candidates.distances[place] { place = i }
        let displaced = scratch.candidates.numbers[place]
        nt_store_entry(ownerList + place, number)
        let list = graph.list(level: level, number)
        let own = nt_list_load(list, degree, scratch.list)
        for i in 0 ..< own where scratch.list[i] == displaced { return }
        nt_store_entry(list + min(own, degree - 1), displaced)
    }

    /// Puts a node at the end of a list, where there is room; returns whether it is in the list now.
    private func append(_ number: UInt32, to owner: UInt32, level: Int) -> Bool {
        let list = graph.list(level: level, owner), degree = graph.degree(level: level)
        let count = nt_list_load(list, degree, scratch.list)
        for i in 0 ..< count where scratch.list[i] == number { return true }
        if count == degree { return false }
        nt_store_entry(list + count, number)
        return true
    }
}
