import NeedletailIndex
import NeedletailStorage

/// Random vectors in blocks, as storage lays them out, and the exact answers over them in double precision.
final class VectorTable {
    let metric: Metric
    let element: Element
    let dimension: Int
    let count: Int
    private(set) var values: [[Float]] = []
    private var blocks: [UnsafeMutableRawPointer] = []
    private let pointers: UnsafeMutablePointer<UnsafeRawPointer>
    private let blockShift: Int

    /// - Parameter component: makes one component; what it makes is then rounded to the element type.
    init(
        metric: Metric, element: Element, dimension: Int, count: Int, blockShift: Int = 4, keepsValues: Bool = true, component: (Int) -> Float
    ) {
        self.metric = metric
        self.element = element
        self.dimension = dimension
        self.count = count
        self.blockShift = blockShift
        let blockRows = 1 << blockShift, stride = dimension * element.byteCount
        let blockCount = (count + blockRows - 1) / blockRows
        pointers = .allocate(capacity: max(blockCount, 1))
        for block in 0 ..< blockCount {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: blockRows * (stride + 4), alignment: 64)
            blocks.append(memory)
            (pointers + block).initialize(to: UnsafeRawPointer(memory))
            for row in 0 ..< min(blockRows, count - block * blockRows) {
                let vector = (0 ..< dimension).map { _ in component(block * blockRows + row) }
                let target = memory + row * stride
                vector.withUnsafeBufferPointer { element.encode($0, to: target) }
                (memory + blockRows * stride + row * 4).storeBytes(
                    of: norm(of: target, dimension: dimension, element: element, metric: metric), as: Float.self)
                if !keepsValues { continue }
                var stored = vector
                stored.withUnsafeMutableBufferPointer { buffer in
                    if let base = buffer.baseAddress { element.decode(target, count: dimension, to: base) }
                }
                values.append(stored)
            }
        }
    }

    deinit {
        for block in blocks { block.deallocate() }
        pointers.deallocate()
    }

    var vectors: VectorBlocks { vectors(first: count) }

    /// The first rows alone, as they were before others came.
    func vectors(first count: Int) -> VectorBlocks {
        VectorBlocks(
            pointers: UnsafePointer(pointers), blockCount: (count + (1 << blockShift) - 1) >> blockShift, blockShift: blockShift,
            stride: dimension * element.byteCount, count: count)
    }

    var index: FlatIndex { FlatIndex(vectors: vectors, dimension: dimension, metric: metric, element: element) }

    /// The internal distance in double precision.
    func distance(_ query: [Float], _ slot: Int) -> Double {
        var dot = 0.0, square = 0.0, querySquare = 0.0, rowSquare = 0.0
        for (q, x) in zip(query, values[slot]) {
            let q = Double(q), x = Double(x)
            dot += q * x
            square += (q - x) * (q - x)
            querySquare += q * q
            rowSquare += x * x
        }
        switch metric {
        case .l2: return square
        case .dot: return -dot
        case .cosine: return querySquare * rowSquare == 0 ? 1 : 1 - dot / (querySquare * rowSquare).squareRoot()
        }
    }

    /// (distance, slot) of every slot that takes part, ascending.
    func ranking(_ query: [Float], allowed: Bitmap?, deleted: Bitmap?) -> [(distance: Double, slot: Int)] {
        (0 ..< count)
            .filter { (allowed?.contains($0) ?? true) && !(deleted?.contains($0) ?? false) }
            .map { (distance(query, $0), $0) }
            .sorted { $0.distance != $1.distance ? $0.distance < $1.distance : $0.slot < $1.slot }
    }
}

/// A bitmap over slots, its last word filled up with ones, which must not be taken for slots.
struct Bitmap {
    var words: [UInt64]

    init(count: Int, _ isSet: (Int) -> Bool) {
        words = [UInt64](repeating: 0, count: (count + 63) / 64)
        for slot in 0 ..< words.count * 64 where slot >= count || isSet(slot) { words[slot / 64] |= 1 << UInt64(slot % 64) }
    }

    mutating func set(_ slot: Int) { words[slot / 64] |= 1 << UInt64(slot % 64) }

    func contains(_ slot: Int) -> Bool { words[slot / 64] >> UInt64(slot % 64) & 1 == 1 }
}

extension Optional where Wrapped == Bitmap {
    func withWords<Result>(_ body: (UnsafeBufferPointer<UInt64>?) -> Result) -> Result {
        guard let self else { return body(nil) }
        return self.words.withUnsafeBufferPointer(body)
    }
}

extension FlatIndex {
    func search(
        _ query: [Float], k: Int, from first: Int = 0, allowed: Bitmap? = nil, deleted: Bitmap? = nil, threads: Int = 1
    ) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords { search(query, k: k, from: first, allowed: allowed, deleted: $0, threads: threads) }
            }
        }
    }

    func search(_ query: [Float], k: Int, slots: [UInt32]) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in slots.withUnsafeBufferPointer { search(query, k: k, slots: $0) } }
    }

    func search(
        within radius: Float, of query: [Float], limit: Int? = nil, from first: Int = 0, allowed: Bitmap? = nil,
        deleted: Bitmap? = nil, threads: Int = 1
    ) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            allowed.withWords { allowed in
                deleted.withWords {
                    search(within: radius, of: query, limit: limit, from: first, allowed: allowed, deleted: $0, threads: threads)
                }
            }
        }
    }

    func search(
        batch queries: [[Float]], k: Int, from first: Int = 0, allowed: Bitmap? = nil, deleted: Bitmap? = nil, threads: Int = 1
    ) -> [[Neighbor]] {
        queries.flatMap { $0 }.withUnsafeBufferPointer { buffer in
            allowed.withWords { allowed in
                deleted.withWords {
                    search(batch: buffer, count: queries.count, k: k, from: first, allowed: allowed, deleted: $0, threads: threads)
                }
            }
        }
    }
}
