import NeedletailIndex
import NeedletailStorage

/// Records to measure the recall of an index with, asked for their own neighbours, and the exact answers.
///
/// What a record finds is compared with what is nearest to it but itself.
struct RecallSample: @unchecked Sendable {
    // `@unchecked`: bitmaps and vectors are constant while it is used.

    /// Live slots, evenly over all.
    let slots: [Int]
    /// Their vectors, one after another.
    let queries: [Float]
    /// The nearest of each, itself left out: at least as many as `depth`, where there are.
    let truth: [[Neighbor]]
    let dimension: Int

    /// - Parameters:
    ///   - count: The index covers the slots below it; what came later is none of its concern.
    ///   - depth: Neighbours of each record that are looked for.
    ///   - isExcluded: Slots that are not to be asked with.
    init(
        _ table: TableSnapshot, _ schema: Schema, count: Int, depth: Int, threads: Int, isExcluded: (Int) -> Bool = { _ in false }
    ) {
        let vectors = table.vectors, deleted = table.deleted, dimension = schema.dimension, element = schema.element.indexElement
        let liveCount = count - table.deletedCount(in: 0 ..< count)
        // The middles of as many equal stretches of the live slots, or the next one behind.
        let wanted = min(Calibration.maximumQueryCount, liveCount)
        var slots: [Int] = []
        var live = 0
        for slot in 0 ..< count where slots.count < wanted {
            if let deleted, deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { continue }
            if live >= (2 * slots.count + 1) * liveCount / (2 * wanted), !isExcluded(slot) { slots.append(slot) }
            live += 1
        }
        let queries = [Float](unsafeUninitializedCapacity: slots.count * dimension) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            for (position, slot) in slots.enumerated() {
                element.decode(vectors.vector(slot), count: dimension, to: base + position * dimension)
            }
            initialized = slots.count * dimension
        }
        let flat = FlatIndex(
            vectors: VectorBlocks(
                pointers: vectors.pointers, blockCount: vectors.blockCount, blockShift: vectors.blockShift, stride: vectors.stride, count: count),
            dimension: dimension, metric: schema.metric.indexMetric, element: element)
        var truth = queries.withUnsafeBufferPointer {
            flat.search(batch: $0, count: slots.count, k: min(depth + 1, liveCount), deleted: deleted, threads: threads)
        }
        for (position, slot) in slots.enumerated() { truth[position].removeAll { Int($0.slot) == slot } }
        (self.slots, self.queries, self.truth, self.dimension) = (slots, queries, truth, dimension)
    }
}
