import CNeedletailKernels
import Foundation
import NeedletailStorage

// A filter that leaves few slots is best served by comparing all of them. That is done in three steps, each with a fraction
// of the rows of the one before: by codes of one bit a dimension (nt_codescan.h), which exclude what cannot be near; by SQ8
// codes; and in full precision. A row of 384 f32 takes 1,536 bytes, its SQ8 codes 384 and its signs 64, and a scan of rows here and there is as
// fast as the cache brings them.

/// How sure a scan by codes makes of what it finds: the share of near rows that it overlooks falls with it, and the share of rows that
/// it compares rises.
package struct CodeScanPrecision: Sendable, Equatable {
    /// How many standard deviations of its estimate by signs a row may be better than it seems.
    package let deviations: Float
    /// What it finds of the true nearest, at least.
    package let recall: Double
    /// Of k rows sought, so many more are compared in full, at least; and one more for each `spareDivisor`.
    private let leastSpare: Int, spareDivisor: Int

    package static let standard = CodeScanPrecision(deviations: 2, recall: 0.999, leastSpare: 6, spareDivisor: 4)
    package static let fine = CodeScanPrecision(deviations: 1.75, recall: 0.99, leastSpare: 4, spareDivisor: 6)
    /// Where some may be overlooked.
    package static let quick = CodeScanPrecision(deviations: 1.5, recall: 0.97, leastSpare: 3, spareDivisor: 8)

    /// The quickest that finds as much; the standard one where none does.
    package static func finding(_ recall: Double) -> CodeScanPrecision {
        recall <= quick.recall ? .quick : recall <= fine.recall ? .fine : .standard
    }

    /// Of so many rows, about how many are compared by SQ8 codes: the first ones, and those that signs do not exclude then. As was counted
    /// on MiniLM for 10 and 100 neighbours.
    package func comparedCount(k: Int, of count: Double) -> Double {
        let kept = min(Double(keptCount(k: k)), max(count, 1))
        return min(count, max(64, 2 * kept) + (1.6 * Double(deviations) - 0.2) * kept * log(max(count / kept, 1)))
    }

    /// How many of the nearest by SQ8 codes are compared in full precision.
    package func keptCount(k: Int) -> Int { k + max(leastSpare, k / spareDivisor) }
}

/// The memory of one scan by codes.
final class CodeScanScratch {
    private(set) var heap: UnsafeMutablePointer<UInt64>
    private var heapCapacity = 0
    let slots: UnsafeMutablePointer<UInt32>
    let keys: UnsafeMutablePointer<UInt64>
    /// Slots one after another.
    let sequence: UnsafeMutablePointer<UInt32>
    private(set) var vectors: UnsafeMutablePointer<Float>
    private(set) var codes: UnsafeMutablePointer<Int8>
    private var dimension = 0

    /// Slots that are looked at in one step; between two steps the threshold falls.
    static let stepCount = 1024

    init() {
        heap = .allocate(capacity: 0)
        slots = .allocate(capacity: Self.stepCount + 4)
        keys = .allocate(capacity: Self.stepCount + 16)
        sequence = .allocate(capacity: Self.stepCount)
        vectors = .allocate(capacity: 0)
        codes = .allocate(capacity: 0)
    }

    deinit {
        heap.deallocate()
        slots.deallocate()
        keys.deallocate()
        sequence.deallocate()
        vectors.deallocate()
        codes.deallocate()
    }

    /// Puts down those of some slots that are not deleted; how many.
    func fill(_ slots: Range<Int>, leavingOut deleted: UnsafeBufferPointer<UInt64>?) -> Int {
        var count = 0
        for slot in slots {
            sequence[count] = UInt32(slot)
            count += deleted.map { $0[slot >> 6] >> UInt64(slot & 63) & 1 == 0 } ?? true ? 1 : 0
        }
        return count
    }

    func reserve(heap count: Int, rotatedDimension: Int) {
        if count > heapCapacity {
            heap.deallocate()
            heapCapacity = count
            heap = .allocate(capacity: count)
        }
        if rotatedDimension > dimension {
            vectors.deallocate()
            codes.deallocate()
            dimension = rotatedDimension
            vectors = UnsafeMutableRawPointer.allocate(byteCount: 8 * dimension, alignment: 64).bindMemory(to: Float.self, capacity: 2 * dimension)
            let byteCount = nt_sign_query_bytes(dimension)
            codes = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64).bindMemory(to: Int8.self, capacity: byteCount)
        }
    }
}

extension HNSWGraph {
    /// Whether scans can go by codes.
    package var hasCodes: Bool { header.quantization != .none }

    /// Slots below which comparing in full precision at once is as fast.
    package static let fewSlots = 24
    /// Slots below which SQ8 codes alone are as fast: signs need the query rotated.
    package static let leastForSigns = 512

    /// Bytes of a row of signs.
    package static func signByteCount(dimension: Int) -> Int { nt_sign_row_bytes(nt_rabitq_dimension(dimension)) }

    /// Bytes that a walk or a scan by SQ8 codes reads: for each hop a list or a block, for each distance a row.
    package func traversalByteCount(hops: Int, distances: Int) -> Int {
        let row = header.quantization == .none ? vectors.stride : codes.stride
        // Under neighbour codes a hop's distances stand in its block, but for that of the node itself.
        guard header.quantization == .rabitq, hops > 0 else { return hops * header.linkStride + distances * row }
        let inBlocks = min(distances, hops * header.degree)
        return hops * (neighborBlocks.stored.stride + row) + (distances - inBlocks) * row
    }

    /// The k nearest of some slots, ascending by exact internal distance, compared by codes first.
    ///
    /// - Parameters:
    ///   - query: `dimension` components, finite.
    ///   - slots: ascending, each below the graph's count; nil: all that are not deleted.
    ///   - packed: the signs of `slots`, if they have been packed.
    ///   - statistics: added to.
    /// - Complexity: a code for each of `slots`, and some `k × log(slots.count)` distances.
    package func scan(
        _ query: UnsafeBufferPointer<Float>, k: Int, slots: UnsafeBufferPointer<UInt32>?, deleted: UnsafeBufferPointer<UInt64>? = nil,
        packed: PackedSigns? = nil, precision: CodeScanPrecision = .standard, scratch pool: HNSWScratchPool, statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        precondition(query.count == header.dimension, "a query has the index's dimension")
        precondition(slots?.last.map { Int($0) < header.count } ?? true, "the graph covers the slots")
        precondition(packed.map { $0.count == slots?.count } ?? true, "the signs are those of the slots")
        guard k > 0, let base = query.baseAddress else { return [] }
        let count = slots?.count ?? header.count
        guard count > 0 else { return [] }
        let k = min(k, count)
        let scratch = pool.take()
        defer { pool.giveBack(scratch) }
        let prepared = prepare(base, scratch)
        let kept = min(precision.keptCount(k: k), count)
        if let slots, !hasCodes || count <= max(kept, Self.fewSlots) {
            return rescored(k, of: slots, prepared.vector, scratch, &statistics)
        }
        precondition(hasCodes, "a graph without codes has its slots compared in full")
        let memory = scratch.codeScan
        memory.reserve(heap: kept, rotatedDimension: nt_rabitq_dimension(header.dimension))
        var heap = TopK(capacity: kept, keys: memory.heap)
        withUnsafePointer(to: prepared) { prepared in
            scan(prepared, base, slots?.baseAddress, deleted, packed, count: count, precision, into: &heap, memory, &statistics)
        }
        let nearest = heap.contents
        scratch.reserve(rescored: max(nearest.count, 1))
        for i in nearest.indices {
            scratch.slots[i] = nt_key_slot(nearest[i])
            nt_prefetch(vectors.vector(Int(scratch.slots[i])), min(vectors.stride, 2048))
        }
        return rescored(k, of: UnsafeBufferPointer(start: scratch.slots, count: nearest.count), prepared.vector, scratch, &statistics)
    }

    private func scan(
        _ prepared: UnsafePointer<nt_traversal_query>, _ query: UnsafePointer<Float>, _ first: UnsafePointer<UInt32>?,
        _ deleted: UnsafeBufferPointer<UInt64>?, _ packed: PackedSigns?, count: Int, _ precision: CodeScanPrecision, into heap: inout TopK,
        _ memory: CodeScanScratch, _ statistics: inout HNSWStatistics
    ) {
        let distances = nt_traversal_for(traversalKind).pointee, signFunctions = nt_codescan_current().pointee
        var rows = codes.rows, signRows = nt_rows()
        var signs: (query: nt_sign_query, base: Float)?
        if let stored = self.signs, count >= Self.leastForSigns {
            signRows = stored.rows
            signs = signQuery(query, precision, memory)
        }
        var position = 0
        // The first steps are short: the threshold that they leave excludes most of what follows. Each is of whole blocks.
        let block = Int(NT_SIGN_BLOCK), blockByteCount = nt_sign_block_bytes(nt_rabitq_dimension(header.dimension))
        var step = min((2 * heap.capacity + block - 1) / block * block, CodeScanScratch.stepCount)
        while position < count {
            let taken = min(step, count - position)
            var slots = UnsafePointer(memory.sequence), left = taken
            if let first { slots = first + position } else { left = memory.fill(position ..< position + taken, leavingOut: deleted) }
            if var signs, heap.threshold < .infinity {
                statistics.codes += left
                let threshold = heap.threshold - signs.base
                if let packed {
                    let blocks = packed.blocks + position / block * blockByteCount
                    left = signFunctions.within_packed(&signs.query, blocks, slots, left, threshold, memory.slots)
                } else {
                    left = signFunctions.within(&signs.query, &signRows, slots, left, threshold, memory.slots)
                }
                slots = UnsafePointer(memory.slots)
            }
            let found = left == 0 ? 0 : distances.scan(prepared, &rows, slots, left, heap.threshold, memory.keys)
            statistics.distances += left
            for i in 0 ..< found { heap.offer(memory.keys[i]) }
            position += taken
            // Rows are compared in steps: what follows has a lower threshold.
            step = min(2 * step, CodeScanScratch.stepCount)
        }
    }

    /// The query as rows of signs are compared with it, and what all of their distances have in common.
    private func signQuery(
        _ query: UnsafePointer<Float>, _ precision: CodeScanPrecision, _ memory: CodeScanScratch
    ) -> (nt_sign_query, Float)? {
        guard let rotation = signRotation else { return nil }
        let dimension = header.dimension, rotatedDimension = rotation.rotatedDimension
        let vector = memory.vectors, rotated = vector + rotatedDimension
        let scale = header.metric == .cosine ? inverseNorm(squared: nt_sqnorm_f32(query, dimension)) : 1
        for i in 0 ..< dimension { vector[i] = query[i] * scale }
        var kernel = rotation.kernel
        nt_rabitq_current().pointee.rotate(&kernel, vector, rotated)
        let base: Float = tables.withUnsafeBufferPointer { centre in
            var square: Float = 0, product: Float = 0, length: Float = 0
            for i in 0 ..< rotatedDimension {
                product += centre[i] * rotated[i]
                length += centre[i] * centre[i]
                rotated[i] -= centre[i]
                square += rotated[i] * rotated[i]
            }
            return switch header.metric {
            case .l2: square
            case .cosine: square / 2
            case .dot: length - product
            }
        }
        return (nt_sign_prepare(rotated, rotatedDimension, precision.deviations, memory.codes), base)
    }

    /// The k nearest of a few slots in full precision.
    private func rescored(
        _ k: Int, of slots: UnsafeBufferPointer<UInt32>, _ query: nt_query, _ scratch: HNSWScratch, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        scratch.reserve(rescored: slots.count)
        let functions = nt_distance_for(header.metric.kernelMetric, header.element.kernelElement).pointee
        var query = query, rows = vectors.rows
        let found = functions.scan_slots(&query, &rows, slots.baseAddress, slots.count, .infinity, scratch.keys)
        statistics.rescored += slots.count
        nt_sort_keys(scratch.keys, found)
        return (0 ..< min(k, found)).map { Neighbor(key: scratch.keys[$0]) }
    }
}

