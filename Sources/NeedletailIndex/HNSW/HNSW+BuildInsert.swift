import CNeedletailKernels

/// One thread's insertions into a graph: Algorithm 1 of the HNSW paper.
///
/// All neighbours are looked for before the first link is written, and a node's own lists are written before any other
/// leads to it, from level 0 upwards: so a node that a search can reach on a level has its lists below.
struct BuildWorker {
    let graph: BuildGraph
    var scratch: BuildScratch
    private let levels: UnsafeMutablePointer<nt_level>
    /// efConstruction on the upper levels: they lead to a neighbourhood, which a quarter of the candidates does as well.
    private let upperBreadth: Int

    init(graph: BuildGraph, space: BuildSpace, efConstruction: Int) {
        self.graph = graph
        upperBreadth = max(min(efConstruction, 2 * graph.m), efConstruction / 4)
        scratch = BuildScratch(
            space: space, nodes: max(graph.count, graph.upperCount), efConstruction: efConstruction, degree: 2 * graph.m,
            maxLevel: HNSWLevels.limit)
        levels = .allocate(capacity: HNSWLevels.limit + 1)
        for level in 0 ... HNSWLevels.limit { (levels + level).initialize(to: graph.level(level, space: space)) }
    }

    func deallocate() {
        scratch.deallocate()
        levels.deallocate()
    }

    /// Inserts a node of the upper levels.
    mutating func insert(upper number: UInt32) {
        let node = graph.upperNode(number).pointee
        let top = Int(node.level)
        var query = scratch.space.query(node.slot, buffer: scratch.queryBuffer)
        guard graph.entryNode != number, graph.entryNode != NT_NO_NODE else {
            if graph.entrySlot != node.slot, graph.entrySlot != NT_NO_NODE {
                // The first upper node of a graph that had none.
                search(level: 0, from: graph.entrySlot, &query)
                take(level: 0)
                write(level: 0, node.slot)
                linkBack(level: 0, node.slot, slot: node.slot)
            }
            return
        }
        var nearest = graph.entryNode
        if top < graph.maxLevel {
            for level in stride(from: graph.maxLevel, to: top, by: -1) { nearest = greedy(level: level, from: nearest, &query) }
        }
        for level in stride(from: min(top, graph.maxLevel), to: 0, by: -1) {
            search(level: level, from: nearest, &query, ef: upperBreadth)
            nearest = nt_pool_node(scratch.pool[0])
            take(level: level)
        }
        search(level: 0, from: graph.upperNode(nearest).pointee.slot, &query)
        take(level: 0)
        let highest = min(top, graph.maxLevel)
        for level in 0 ... highest { write(level: level, level == 0 ? node.slot : number) }
        for level in 0 ... highest { linkBack(level: level, level == 0 ? node.slot : number, slot: node.slot) }
    }

    /// Inserts a node that is on level 0 only, with a search from the slot `start`.
    mutating func insert(slot: UInt32, from start: UInt32) {
        var query = scratch.space.query(slot, buffer: scratch.queryBuffer)
        search(level: 0, from: start, &query)
        take(level: 0)
        write(level: 0, slot)
        linkBack(level: 0, slot, slot: slot)
    }

    /// The nodes of the two levels above one that are nearest to a row, as far as greedy search finds them.
    mutating func place(of slot: UInt32, above bottom: Int) -> (parent: UInt32, grandparent: UInt32) {
        var query = scratch.space.query(slot, buffer: scratch.queryBuffer)
        var parent = graph.entryNode, grandparent = graph.entryNode
        for level in stride(from: graph.maxLevel, to: bottom, by: -1) {
            grandparent = parent
            parent = greedy(level: level, from: parent, &query)
        }
        return (parent, grandparent)
    }

    // MARK: Steps

    @inline(__always)
    mutating func greedy(level: Int, from start: UInt32, _ query: inout nt_traversal_query) -> UInt32 {
        search(level: level, from: start, &query, ef: 1)
        return nt_pool_node(scratch.pool[0])
    }

    /// Fills the pool with the nearest nodes of a level.
    @inline(__always)
    mutating func search(level: Int, from start: UInt32, _ query: inout nt_traversal_query, ef: Int? = nil) {
        var slot = graph.slot(level: level, start), distance: Float = 0
        var rows = scratch.space.rows
        scratch.space.functions.distances(&query, &rows, &slot, 1, &distance)
        nt_seen_clear(&scratch.seen)
        nt_seen_insert(&scratch.seen, start)
        // A search takes the number that no node has for one that it has seen.
        nt_seen_insert(&scratch.seen, levels[level].count)
        // A NaN has no place in a pool, but a start must be there.
        scratch.pool[0] = nt_pool_key(distance.isNaN ? .infinity : distance, start)
        var beam = nt_beam()
        beam.pool = scratch.pool
        beam.pool_count = 1
        beam.capacity = ef ?? scratch.efConstruction
        beam.seen = scratch.seen
        scratch.space.functions.search(levels + level, &query, &beam)
        scratch.seen = beam.seen
        scratch.poolCount = beam.pool_count
    }

    /// Chooses a level's neighbours of the node that was searched for.
    @inline(__always)
    mutating func take(level: Int, leavingOut own: UInt32 = NT_NO_NODE) {
        scratch.candidates.count = 0
        for i in 0 ..< scratch.poolCount {
            let key = scratch.pool[i], number = nt_pool_node(key)
            if number == own { continue }
            scratch.candidates.append(number: number, slot: graph.slot(level: level, number), distance: nt_key_distance(key))
        }
        scratch.choose(limit: graph.m)
        scratch.levels[level].assign(scratch.chosen)
    }

    /// Writes the chosen neighbours of a level as the list of a node.
    func write(level: Int, _ number: UInt32) {
        let chosen = scratch.levels[level]
        let lock = graph.lock(level: level, number)
        nt_spin_lock(lock)
        nt_list_store(graph.list(level: level, number), graph.degree(level: level), chosen.numbers, chosen.count)
        nt_spin_unlock(lock)
    }

    /// Puts a node into the lists of its chosen neighbours.
    mutating func linkBack(level: Int, _ number: UInt32, slot: UInt32) {
        let chosen = scratch.levels[level]
        for i in 0 ..< chosen.count {
            link(level: level, from: chosen.numbers[i], to: number, slot: slot, distance: chosen.distances[i])
        }
    }

    /// Puts a node into a list. Where the list is full, it is chosen anew, with the new one among the candidates.
    private mutating func link(level: Int, from owner: UInt32, to number: UInt32, slot: UInt32, distance: Float) {
        let list = graph.list(level: level, owner), degree = graph.degree(level: level)
        let lock = graph.lock(level: level, owner)
        nt_spin_lock(lock)
        defer { nt_spin_unlock(lock) }
        let count = nt_list_load(list, degree, scratch.list)
        for i in 0 ..< count where scratch.list[i] == number { return }
        if count < degree {
            nt_store_entry(list + count, number)
            return
        }
        scratch.candidates.count = 0
        for i in 0 ..< count {
            scratch.candidates.append(number: scratch.list[i], slot: graph.slot(level: level, scratch.list[i]), distance: 0)
        }
        scratch.computeDistances(from: graph.slot(level: level, owner))
        scratch.candidates.append(number: number, slot: slot, distance: distance)
        scratch.sortCandidates()
        scratch.choose(limit: degree)
        nt_list_store(list, degree, scratch.chosen.numbers, scratch.chosen.count)
    }
}
