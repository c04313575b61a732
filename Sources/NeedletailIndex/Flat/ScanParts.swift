import Dispatch
import NeedletailStorage
import Synchronization

/// A scan cut into parts that threads take one after another, so that a thread that is held up keeps no other waiting.
struct ScanParts {
    /// How many threads take part; each has its own sink, so that nothing is shared but the number of the next part.
    let workers: Int

    private let first: Int
    /// Where the parts begin: `first`, down to a whole word of the bitmaps.
    private let base: Int
    private let count: Int
    private let partSlots: Int
    private let partCount: Int

    /// Bytes of vectors in a part: some 100 µs of work, against which starting on a part is nothing.
    private static let partByteCount = 4 << 20

    init(vectors: VectorBlocks, from first: Int = 0, threads: Int) {
        count = vectors.count
        self.first = min(first, count)
        base = self.first / 64 * 64
        let wanted = max(Self.partByteCount / max(vectors.stride, 1), 64)
        // Whole words of the bitmaps, and whole blocks where a part holds more than one.
        let unit = max(64, min(1 << vectors.blockShift, wanted))
        partSlots = (wanted + unit - 1) / unit * unit
        partCount = self.first < count ? (count - base + partSlots - 1) / partSlots : 0
        workers = max(1, min(threads, partCount))
    }

    /// Calls `body` with the number of the worker and a range of slots, until all slots have been given out.
    /// Ranges start at a multiple of 64, but for the first where the scan begins elsewhere.
    func forEach(_ body: (_ worker: Int, _ slots: Range<Int>) -> Void) {
        if workers == 1 {
            if first < count { body(0, first ..< count) }
            return
        }
        let next = Atomic<Int>(0)
        withoutActuallyEscaping(body) { body in
            // Workers share nothing but `next`: each writes only to what belongs to its number.
            nonisolated(unsafe) let body = body
            DispatchQueue.concurrentPerform(iterations: workers) { worker in
                while true {
                    let part = next.add(1, ordering: .relaxed).oldValue
                    if part >= partCount { return }
                    body(worker, max(first, base + part * partSlots) ..< min(count, base + (part + 1) * partSlots))
                }
            }
        }
    }
}
