import CNeedletailKernels
import NeedletailStorage

/// What a scan delivers keys to, and how far away a row may be to be delivered.
protocol KeySink {
    var threshold: Float { get }
    mutating func offer(_ key: UInt64)
}

extension TopK: KeySink {}

/// Every key up to a fixed distance.
struct WithinRadius: KeySink {
    let threshold: Float
    private(set) var keys: [UInt64] = []

    init(threshold: Float) { self.threshold = threshold }

    @inline(__always)
    mutating func offer(_ key: UInt64) { keys.append(key) }
}

extension VectorBlocks {
    /// As the kernels take it.
    var rows: nt_rows {
        // A C array of non-null pointers imports as one of optional pointers, which have the same layout.
        let blocks = UnsafeRawPointer(pointers).assumingMemoryBound(to: UnsafeRawPointer?.self)
        return nt_rows(blocks: blocks, stride: stride, block_shift: UInt32(blockShift))
    }
}

extension FlatIndex {
    /// The kernel reads a run of slots in place, those left out too, where at least this many of 64 take part: a gathered
    /// row of 128 f32 costs some three times as much as a row of a run.
    private static let denseWord = 20

    /// Slots that are gathered in one call, so that prefetching runs over block borders.
    private static let gatheredSlots = 1024

    /// Delivers the keys of the slots that take part and are within the sink's threshold.
    func scan<Sink: KeySink>(_ query: UnsafePointer<nt_query>, slots: Range<Int>, mask: SlotMask, into sink: inout Sink) {
        var scanner = BlockScanner(index: self, query: query, mask: mask, gatheredSlots: Self.gatheredSlots)
        defer { scanner.deallocate() }
        if mask.isFull {
            scanner.scanRun(slots, into: &sink)
            return
        }
        var run = slots.lowerBound ..< slots.lowerBound
        for word in slots.lowerBound / 64 ..< (slots.upperBound + 63) / 64 {
            let bits = mask.word(word, of: slots)
            if bits == 0 { continue }
            if bits.nonzeroBitCount < Self.denseWord {
                scanner.gather(bits, from: word * 64, into: &sink)
                continue
            }
            let dense = max(word * 64, slots.lowerBound) ..< min(word * 64 + 64, slots.upperBound)
            if run.upperBound != dense.lowerBound || run.isEmpty {
                scanner.scanRun(run, into: &sink)
                run = dense
            } else {
                run = run.lowerBound ..< dense.upperBound
            }
        }
        scanner.scanRun(run, into: &sink)
        scanner.scanGathered(into: &sink)
    }

    /// The same of single slots, by many calls at a time: the first ones lower the threshold for those behind.
    func scan<Sink: KeySink>(_ query: UnsafePointer<nt_query>, slots: UnsafeBufferPointer<UInt32>, into sink: inout Sink) {
        guard let base = slots.baseAddress else { return }
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: min(slots.count, Self.gatheredSlots))
        defer { keys.deallocate() }
        var first = 0
        while first < slots.count {
            let count = min(Self.gatheredSlots, slots.count - first)
            let found = withUnsafePointer(to: vectors.rows) { kernels.scan_slots(query, $0, base + first, count, sink.threshold, keys) }
            for i in 0 ..< found { sink.offer(keys[i]) }
            first += count
        }
    }
}

/// The calls of the kernels for one scan, and the buffers between.
private struct BlockScanner {
    private let distance: nt_distance
    private let query: UnsafePointer<nt_query>
    private let rows: nt_rows
    private let mask: SlotMask
    private let blockRows: Int
    private let keys: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeMutablePointer<UInt32>
    private let slotCapacity: Int
    private var slotCount = 0

    /// - Parameter gatheredSlots: at least 64.
    init(index: FlatIndex, query: UnsafePointer<nt_query>, mask: SlotMask, gatheredSlots: Int) {
        distance = index.kernels
        self.query = query
        rows = index.vectors.rows
        self.mask = mask
        blockRows = 1 << index.vectors.blockShift
        slotCapacity = gatheredSlots
        slots = .allocate(capacity: gatheredSlots)
        keys = .allocate(capacity: max(gatheredSlots, blockRows))
    }

    func deallocate() {
        slots.deallocate()
        keys.deallocate()
    }

    /// Scans the slots of `run` in place, block by block; what the mask leaves out is dropped afterwards.
    func scanRun<Sink: KeySink>(_ run: Range<Int>, into sink: inout Sink) {
        var first = run.lowerBound
        while first < run.upperBound {
            let end = min(run.upperBound, (first | (blockRows - 1)) + 1)
            let found = withUnsafePointer(to: rows) {
                distance.scan_run(query, $0, UInt32(first), end - first, sink.threshold, keys)
            }
            if mask.isFull {
                for i in 0 ..< found { sink.offer(keys[i]) }
            } else {
                for i in 0 ..< found where mask.contains(nt_key_slot(keys[i])) { sink.offer(keys[i]) }
            }
            first = end
        }
    }

    /// Puts down the slots of a bitmap word for the next gathered call.
    mutating func gather<Sink: KeySink>(_ bits: UInt64, from first: Int, into sink: inout Sink) {
        if slotCount + 64 > slotCapacity { scanGathered(into: &sink) }
        var bits = bits
        while bits != 0 {
            slots[slotCount] = UInt32(first + bits.trailingZeroBitCount)
            slotCount += 1
            bits &= bits - 1
        }
    }

    mutating func scanGathered<Sink: KeySink>(into sink: inout Sink) {
        if slotCount == 0 { return }
        let found = withUnsafePointer(to: rows) {
            distance.scan_slots(query, $0, slots, slotCount, sink.threshold, keys)
        }
        for i in 0 ..< found { sink.offer(keys[i]) }
        slotCount = 0
    }
}
