import CNeedletailKernels

/// Memory of one thread for one insertion after the other.
///
/// Plain pointers, so that the loops touch no reference count.
struct BuildScratch {
    let space: BuildSpace
    let efConstruction: Int

    /// Which nodes have been seen; the log's memory is touched as far as a search sees nodes.
    var seen: nt_seen
    let pool: UnsafeMutablePointer<UInt64>
    var poolCount = 0

    /// What neighbours are chosen from: candidates in ascending order of their distance.
    var candidates: BuildCandidates
    private var spare: BuildCandidates
    private let keys: UnsafeMutablePointer<UInt64>
    /// What of a window of candidates is still in the running.
    let live: BuildCandidates
    let liveDistances: UnsafeMutablePointer<Float>
    /// The chosen ones.
    var chosen: BuildCandidates
    /// The chosen ones of every level of the node being inserted.
    let levels: UnsafeMutablePointer<BuildCandidates>
    private let levelCount: Int
    let list: UnsafeMutablePointer<UInt32>

    /// A row converted for comparison with others: one for the node being inserted, one for those chosen.
    let queryBuffer: UnsafeMutableRawPointer
    let otherBuffer: UnsafeMutableRawPointer

    /// The candidates of a mended list may be the neighbours' neighbours.
    static func capacity(efConstruction: Int, degree: Int) -> Int { max(efConstruction, degree * (degree + 1)) + 8 }

    static func byteCount(nodes: Int, efConstruction: Int, degree: Int) -> Int {
        nodes / 8 + capacity(efConstruction: efConstruction, degree: degree) * 48
    }

    init(space: BuildSpace, nodes: Int, efConstruction: Int, degree: Int, maxLevel: Int) {
        self.space = space
        self.efConstruction = efConstruction
        let capacity = Self.capacity(efConstruction: efConstruction, degree: degree)
        let words = nodes / 64 + 1
        let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: words)
        bits.initialize(repeating: 0, count: words)
        seen = nt_seen(bits: bits, log: .allocate(capacity: nodes + Int(NT_SEEN_ROOM)), log_count: 0)
        pool = .allocate(capacity: efConstruction + 1)
        candidates = BuildCandidates(capacity: capacity)
        spare = BuildCandidates(capacity: capacity)
        keys = .allocate(capacity: capacity)
        live = BuildCandidates(capacity: Self.window + 8)
        liveDistances = .allocate(capacity: Self.window + 8)
        chosen = BuildCandidates(capacity: degree + 8)
        levelCount = maxLevel + 1
        levels = .allocate(capacity: levelCount)
        for level in 0 ..< levelCount { (levels + level).initialize(to: BuildCandidates(capacity: degree + 8)) }
        list = .allocate(capacity: degree + 1)
        queryBuffer = .allocate(byteCount: space.queryByteCount, alignment: 64)
        otherBuffer = .allocate(byteCount: space.queryByteCount, alignment: 64)
    }

    func deallocate() {
        seen.bits.deallocate()
        seen.log.deallocate()
        pool.deallocate()
        candidates.deallocate()
        spare.deallocate()
        keys.deallocate()
        live.deallocate()
        liveDistances.deallocate()
        chosen.deallocate()
        for level in 0 ..< levelCount { levels[level].deallocate() }
        levels.deallocate()
        list.deallocate()
        queryBuffer.deallocate()
        otherBuffer.deallocate()
    }
}

/// Nodes and their distances from one node.
struct BuildCandidates {
    let numbers: UnsafeMutablePointer<UInt32>
    /// Their rows: the same as the numbers on level 0.
    let slots: UnsafeMutablePointer<UInt32>
    let distances: UnsafeMutablePointer<Float>
    var count = 0

    init(capacity: Int) {
        numbers = .allocate(capacity: capacity)
        slots = .allocate(capacity: capacity)
        distances = .allocate(capacity: capacity)
    }

    func deallocate() {
        numbers.deallocate()
        slots.deallocate()
        distances.deallocate()
    }

    @inline(__always)
    mutating func append(number: UInt32, slot: UInt32, distance: Float) {
        numbers[count] = number
        slots[count] = slot
        distances[count] = distance
        count += 1
    }

    /// Replaces the contents; `capacity` of `other` does not matter.
    mutating func assign(_ other: BuildCandidates) {
        numbers.update(from: other.numbers, count: other.count)
        slots.update(from: other.slots, count: other.count)
        distances.update(from: other.distances, count: other.count)
        count = other.count
    }
}

extension BuildScratch {
    /// Candidates that are looked at together.
    private static let window = 64

    /// Chooses at most `limit` neighbours among the candidates into `chosen`, nearest first.
    ///
    /// Algorithm 4 of Malkov and Yashunin (arXiv 1603.09320): a candidate is taken where it is nearer to the node than to
    /// any taken before it, so that neighbours lie in different directions. Where the paper asks each candidate in turn
    /// about all that were taken, here each that is taken strikes out others: one call of the kernel for a query against
    /// many rows, with the same pairs and the same outcome. Windows keep it from comparing candidates that are never reached.
    ///
    /// Of two candidates that equal each other and lie as far away, the second is struck out too: equal vectors would
    /// otherwise fill each other's lists and become an island.
    ///
    /// - Parameter places: where fewer are chosen, places up to this many are filled with the nearest of those struck out
    ///   (`keepPrunedConnections`).
    mutating func choose(limit: Int, filling places: Int = 0) {
        chosen.count = 0
        var first = 0
        while first < candidates.count, chosen.count < limit {
            let end = min(first + Self.window, candidates.count)
            var count = 0
            for i in first ..< end {
                live.numbers[count] = candidates.numbers[i]
                live.slots[count] = candidates.slots[i]
                live.distances[count] = candidates.distances[i]
                count += 1
            }
            for i in 0 ..< chosen.count where count > 0 {
                count = strike(from: 0, count: count, slot: chosen.slots[i], distance: chosen.distances[i])
            }
            while count > 0, chosen.count < limit {
                let slot = live.slots[0], distance = live.distances[0]
                chosen.append(number: live.numbers[0], slot: slot, distance: distance)
                if chosen.count == limit { break }
                count = strike(from: 1, count: count, slot: slot, distance: distance)
            }
            first = end
        }
        if chosen.count < places { fill(limit: min(places, limit)) }
    }

    /// Moves what remains of `live` from `first` on to its start, and returns how much it is: those that are not nearer to
    /// the given row than to the node.
    @inline(__always)
    private func strike(from first: Int, count: Int, slot: UInt32, distance: Float) -> Int {
        let rest = count - first
        if rest <= 0 { return 0 }
        var query = space.query(slot, buffer: otherBuffer)
        var rows = space.rows
        space.functions.distances(&query, &rows, live.slots + first, rest, liveDistances)
        var kept = 0
        for i in 0 ..< rest {
            let own = live.distances[first + i], other = liveDistances[i]
            live.numbers[kept] = live.numbers[first + i]
            live.slots[kept] = live.slots[first + i]
            live.distances[kept] = own
            let isStruck = other < own || (other == own && distance == own)
            kept += isStruck ? 0 : 1
        }
        return kept
    }

    private mutating func fill(limit: Int) {
        // Both are in ascending order, and the chosen ones are among the candidates.
        let taken = chosen.count
        var next = 0
        for i in 0 ..< candidates.count where chosen.count < limit {
            if next < taken, chosen.numbers[next] == candidates.numbers[i] {
                next += 1
            } else {
                chosen.append(number: candidates.numbers[i], slot: candidates.slots[i], distance: candidates.distances[i])
            }
        }
    }

    /// Computes the candidates' distances from a row.
    mutating func computeDistances(from slot: UInt32) {
        var query = space.query(slot, buffer: otherBuffer)
        var rows = space.rows
        space.functions.distances(&query, &rows, candidates.slots, candidates.count, candidates.distances)
    }

    /// Sorts the candidates by their distance; of equal ones, the first stays first.
    mutating func sortCandidates() {
        let count = candidates.count
        for i in 0 ..< count { keys[i] = nt_key(candidates.distances[i], UInt32(i)) }
        if count <= Self.fewCandidates {
            // A list is sorted but for those that came after it was last chosen.
            for i in 1 ..< max(count, 1) {
                let key = keys[i]
                var at = i
                while at > 0, keys[at - 1] > key {
                    keys[at] = keys[at - 1]
                    at -= 1
                }
                keys[at] = key
            }
        } else {
            nt_sort_keys(keys, count)
        }
        spare.count = 0
        for i in 0 ..< count {
            let from = Int(nt_key_slot(keys[i]))
            spare.append(
                number: candidates.numbers[from], slot: candidates.slots[from], distance: candidates.distances[from])
        }
        swap(&candidates, &spare)
    }

    private static let fewCandidates = 130
}
