import NeedletailIndex
import NeedletailStorage

/// What to measure the recall of an index with, and the exact answers: records, asked for their own neighbours, or queries.
///
/// What a record finds is compared with what is nearest to it but itself.
struct RecallSample: @unchecked Sendable {
    // `@unchecked`: bitmaps and vectors are constant while it is used.

    /// Live slots, evenly over all; none where it is queries.
    let slots: [Int]
    /// Their vectors, or the queries, one after another.
    let queries: [Float]
    /// The nearest of each, itself left out: at least as many as `depth`, where there are.
    let truth: [[Neighbor]]
    let dimension: Int

    /// - Parameters:
    ///   - count: The index covers the slots below it; what came later is none of its concern.
    ///   - queryCount: Records to ask with, at most.
    ///   - depth: Neighbours of each record that are looked for.
    init(
        _ table: TableSnapshot, _ schema: Schema, count: Int, queryCount: Int = Calibration.maximumQueryCount, depth: Int, threads: Int
    ) {
        let deleted = table.deleted
        let liveCount = count - table.deletedCount(in: 0 ..< count)
        // The middles of as many equal stretches of the live slots, or the next one behind.
        let wanted = min(queryCount, liveCount)
        var slots: [Int] = []
        var live = 0
        for slot in 0 ..< count where slots.count < wanted {
            if let deleted, deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { continue }
            if live >= (2 * slots.count + 1) * liveCount / (2 * wanted) { slots.append(slot) }
            live += 1
        }
        self.init(table, schema, slots: slots, count: count, depth: min(depth + 1, liveCount), leavingOut: deleted, threads: threads)
    }

    /// Records that the index does not hold: none of them is looked for.
    ///
    /// - Parameter slots: Ascending.
    init(heldOut slots: [Int], _ table: TableSnapshot, _ schema: Schema, count: Int, depth: Int, threads: Int) {
        var words = [UInt64](repeating: 0, count: (count + 63) / 64)
        if let deleted = table.deleted { for word in words.indices { words[word] = deleted[word] } }
        for slot in slots { words[slot >> 6] |= 1 << UInt64(slot & 63) }
        self = words.withUnsafeBufferPointer {
            RecallSample(table, schema, slots: slots, count: count, depth: depth, leavingOut: $0, threads: threads)
        }
    }

    /// Queries, which are no records: of what the index covers, only what has been deleted is left out of their answers.
    init(queries: [[Float]], _ table: TableSnapshot, _ schema: Schema, count: Int, depth: Int, threads: Int) {
        let joined = queries.flatMap { $0 }
        let truth = Self.nearest(to: joined, queries.count, table, schema, count: count, depth: depth, leavingOut: table.deleted, threads: threads)
        self.init(slots: [], queries: joined, truth: truth, dimension: schema.dimension)
    }

    private init(
        _ table: TableSnapshot, _ schema: Schema, slots: [Int], count: Int, depth: Int, leavingOut: UnsafeBufferPointer<UInt64>?, threads: Int
    ) {
        let vectors = table.vectors, dimension = schema.dimension, element = schema.element.indexElement
        let queries = [Float](unsafeUninitializedCapacity: slots.count * dimension) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            for (position, slot) in slots.enumerated() {
                element.decode(vectors.vector(slot), count: dimension, to: base + position * dimension)
            }
            initialized = slots.count * dimension
        }
        var truth = Self.nearest(
            to: queries, slots.count, table, schema, count: count, depth: depth, leavingOut: leavingOut, threads: threads)
        for (position, slot) in slots.enumerated() { truth[position].removeAll { Int($0.slot) == slot } }
        self.init(slots: slots, queries: queries, truth: truth, dimension: dimension)
    }

    /// The nearest of the slots below `count` but those that a bitmap leaves out, of each of `queryCount` queries.
    private static func nearest(
        to queries: [Float], _ queryCount: Int, _ table: TableSnapshot, _ schema: Schema, count: Int, depth: Int,
        leavingOut: UnsafeBufferPointer<UInt64>?, threads: Int
    ) -> [[Neighbor]] {
        let vectors = table.vectors
        let flat = FlatIndex(
            vectors: VectorBlocks(
                pointers: vectors.pointers, blockCount: vectors.blockCount, blockShift: vectors.blockShift, stride: vectors.stride, count: count),
            dimension: schema.dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement)
        return queries.withUnsafeBufferPointer {
            flat.search(batch: $0, count: queryCount, k: depth, deleted: leavingOut, threads: threads)
        }
    }

    /// The slot of the record at a position; `nil` of a query.
    func slot(_ position: Int) -> UInt32? { slots.isEmpty ? nil : UInt32(slots[position]) }

    private init(slots: [Int], queries: [Float], truth: [[Neighbor]], dimension: Int) {
        (self.slots, self.queries, self.truth, self.dimension) = (slots, queries, truth, dimension)
    }

    /// Those of the sample that stand alone, `limit` of them at most; all where there are too few that do.
    ///
    /// What has near duplicates, as pictures of one thing have, is found sooner than what is asked as a rule: of 1,000,000 SIFT vectors
    /// seven in ten have one.
    func isolated(limit: Int, least: Double) -> RecallSample {
        let alone = truth.indices.filter { position in
            guard let nearest = truth[position].first, let tenth = truth[position].prefix(10).last, tenth.distance > 0 else { return true }
            return Double(nearest.distance) >= least * Double(tenth.distance)
        }
        let from = alone.count >= min(Self.leastIsolatedCount, slots.count / 4) ? alone : Array(truth.indices)
        let wanted = min(limit, from.count)
        return chosen((0 ..< wanted).map { from[$0 * from.count / wanted] })
    }

    private static let leastIsolatedCount = 100

    private func chosen(_ positions: [Int]) -> RecallSample {
        RecallSample(
            slots: positions.map { slots[$0] }, queries: positions.flatMap { queries[$0 * dimension ..< ($0 + 1) * dimension] },
            truth: positions.map { truth[$0] }, dimension: dimension)
    }

    /// A part of the sample, with the nearest of those slots that a bitmap allows.
    ///
    /// Those are among the nearest of all that are known already, if there are enough; only for other queries are they looked for.
    func filtered(_ allowed: UnsafeBufferPointer<UInt64>, _ table: TableSnapshot, _ schema: Schema, k: Int, queryCount: Int, threads: Int) -> RecallSample {
        let chosen = Array(stride(from: 0, to: slots.count, by: max(1, slots.count / max(queryCount, 1))))
        func isAllowed(_ slot: UInt32) -> Bool { allowed[Int(slot >> 6)] >> UInt64(slot & 63) & 1 == 1 }
        var truth = chosen.map { Array(self.truth[$0].lazy.filter { isAllowed($0.slot) }.prefix(k)) }
        let missing = truth.indices.filter { truth[$0].count < k }
        let flat = FlatIndex(
            vectors: table.vectors, dimension: dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement)
        let found = missing.flatMap { queries[chosen[$0] * dimension ..< (chosen[$0] + 1) * dimension] }.withUnsafeBufferPointer {
            flat.search(batch: $0, count: missing.count, k: k + 1, allowed: allowed, threads: threads)
        }
        for (position, neighbors) in zip(missing, found) {
            let own = slots[chosen[position]]
            truth[position] = Array(neighbors.lazy.filter { Int($0.slot) != own }.prefix(k))
        }
        return RecallSample(
            slots: chosen.map { slots[$0] }, queries: chosen.flatMap { queries[$0 * dimension ..< ($0 + 1) * dimension] }, truth: truth,
            dimension: dimension)
    }
}

/// A filter that lets through a share of the live slots that an index covers, by chance, but each time the same.
struct ChanceFilter {
    private let words: [UInt64]
    /// How many pass.
    let count: Int

    init(_ share: Double, _ table: TableSnapshot, count: Int, leavingOut heldOut: [Int]) {
        var words = [UInt64](repeating: 0, count: (table.slotCount + 63) / 64)
        let limit = UInt64(share * 0x1p32)
        for slot in 0 ..< count where !table.isDeleted(UInt32(slot)) {
            // SplitMix64's mixing of the slot number.
            var z = UInt64(slot) &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            if (z ^ z >> 31) >> 32 < limit { words[slot >> 6] |= 1 << UInt64(slot & 63) }
        }
        for slot in heldOut { words[slot >> 6] &= ~(1 << UInt64(slot & 63)) }
        self.words = words
        self.count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    func withWords<R>(_ body: (UnsafeBufferPointer<UInt64>) -> R) -> R { words.withUnsafeBufferPointer(body) }
}
