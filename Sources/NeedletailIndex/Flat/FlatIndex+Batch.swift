import CNeedletailKernels
import NeedletailStorage

// Many queries at once: rows are multiplied with all queries as matrices, a tile of rows in cache after the other, and
// the products only *exclude*. From a product and the stored norms follows a lower bound of the distance, the approximate
// one less a bound of every rounding error in it; a row whose lower bound is within the query's threshold so far (a few
// hundred of a million) has its distance computed by the same kernel as in a single search. So batch and single search
// give the same bits, and the cancellation in ‖x‖² − 2x·q + ‖q‖² leaks into no result.

extension FlatIndex {
    /// Below this many queries, one scan after another is faster; scans of i8 move a quarter of the bytes and compute in
    /// integers, while products are of f32 whatever is stored.
    private var leastBatch: Int { element == .i8 ? 12 : 6 }

    /// Rows that are multiplied between two prefetches.
    private static let sliceRows = 48

    /// Queries that are searched in one pass over the vectors, at most.
    private static let passQueries = 1024

    /// Bytes that the heaps of one pass may take; a large k makes passes smaller.
    private static let heapByteCount = 256 << 20

    /// The k nearest slots of each query, as `search(_:k:…)` finds them.
    ///
    /// - Parameters:
    ///   - queries: `count × dimension`, row-major.
    ///   - count: how many queries.
    /// - Complexity: count × distances; reads the vectors once for each 1,024 queries.
    package func search(
        batch queries: UnsafeBufferPointer<Float>, count: Int, k: Int, from first: Int = 0,
        allowed: UnsafeBufferPointer<UInt64>? = nil, deleted: UnsafeBufferPointer<UInt64>? = nil, threads: Int = 1
    ) -> [[Neighbor]] {
        precondition(queries.count == count * dimension, "a batch holds count × dimension components")
        let capacity = min(k, vectors.count - first)
        guard count > 0, capacity > 0, let base = queries.baseAddress else { return Array(repeating: [], count: count) }
        if count < leastBatch {
            return (0 ..< count).map { i in
                let query = UnsafeBufferPointer(start: base + i * dimension, count: dimension)
                return search(query, k: k, from: first, allowed: allowed, deleted: deleted, threads: threads)
            }
        }
        let mask = SlotMask(allowed: allowed, deleted: deleted, count: vectors.count)
        var results: [[Neighbor]] = []
        results.reserveCapacity(count)
        let heapsInMemory = Self.heapByteCount / (capacity * max(threads, 1) * MemoryLayout<UInt64>.stride)
        let passQueries = max(1, min(Self.passQueries, heapsInMemory))
        for done in stride(from: 0, to: count, by: passQueries) {
            let pass = min(passQueries, count - done)
            results += searchPass(base + done * dimension, count: pass, capacity: capacity, from: first, mask: mask, threads: threads)
        }
        return results
    }

    private func searchPass(
        _ queries: UnsafePointer<Float>, count: Int, capacity: Int, from first: Int, mask: SlotMask, threads: Int
    ) -> [[Neighbor]] {
        let batch = QueryBatch(queries, count: count, index: self)
        let parts = ScanParts(vectors: vectors, from: first, threads: threads)
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * count * parts.workers)
        defer { keys.deallocate() }
        let heaps = UnsafeMutablePointer<TopK>.allocate(capacity: count * parts.workers)
        defer { heaps.deallocate() }
        for i in 0 ..< count * parts.workers {
            (heaps + i).initialize(to: TopK(capacity: capacity, keys: keys + i * capacity))
        }
        let scratches = UnsafeMutablePointer<TileScratch>.allocate(capacity: parts.workers)
        for worker in 0 ..< parts.workers { (scratches + worker).initialize(to: TileScratch(batch: batch, index: self)) }
        defer {
            for worker in 0 ..< parts.workers { scratches[worker].deallocate() }
            scratches.deallocate()
        }
        parts.forEach { worker, slots in
            scan(batch, slots: slots, mask: mask, heaps: heaps + worker * count, scratch: scratches[worker])
        }
        return (0 ..< count).map { query in
            for worker in 1 ..< max(parts.workers, 1) {
                for key in heaps[worker * count + query].contents { heaps[query].offer(key) }
            }
            return heaps[query].takeSorted().map(Neighbor.init(key:))
        }
    }

    /// Cuts a part into tiles of rows, in place where they are f32 and all take part, else gathered and widened.
    private func scan(
        _ batch: borrowing QueryBatch, slots: Range<Int>, mask: SlotMask, heaps: UnsafeMutablePointer<TopK>, scratch: TileScratch
    ) {
        let blockMask = (1 << vectors.blockShift) - 1
        let inPlace = mask.isFull && element == .f32
        var tile = Tile(scratch: scratch)
        if mask.isFull {
            var first = slots.lowerBound
            while first < slots.upperBound {
                // In place, rows must neighbour each other: a tile ends with its block.
                let end = min(slots.upperBound, first + scratch.tileRows, inPlace ? (first | blockMask) + 1 : .max)
                for i in 0 ..< end - first { tile.slots[i] = UInt32(first + i) }
                tile.count = end - first
                search(&tile, batch, inPlace: inPlace, heaps: heaps, scratch: scratch)
                first = end
            }
            return
        }
        for word in slots.lowerBound / 64 ..< (slots.upperBound + 63) / 64 {
            var bits = mask.word(word, of: slots)
            while bits != 0 {
                if tile.count == scratch.tileRows { search(&tile, batch, inPlace: false, heaps: heaps, scratch: scratch) }
                tile.slots[tile.count] = UInt32(word * 64 + bits.trailingZeroBitCount)
                tile.count += 1
                bits &= bits - 1
            }
        }
        search(&tile, batch, inPlace: false, heaps: heaps, scratch: scratch)
    }

    /// Offers the rows of a tile to the heaps of all queries, and empties the tile.
    private func search(
        _ tile: inout Tile, _ batch: borrowing QueryBatch, inPlace: Bool, heaps: UnsafeMutablePointer<TopK>, scratch: TileScratch
    ) {
        defer { tile.count = 0 }
        if tile.count == 0 { return }
        var rows = scratch.wideRows
        var rowStride = dimension
        if inPlace {
            rows = UnsafeMutableRawPointer(mutating: vectors.vector(Int(tile.slots[0]))).assumingMemoryBound(to: Float.self)
            rowStride = vectors.stride / MemoryLayout<Float>.stride
        } else {
            for i in 0 ..< tile.count {
                element.decode(vectors.vector(Int(tile.slots[i])), count: dimension, to: rows + i * dimension)
            }
        }
        for i in 0 ..< tile.count {
            let squared = metric == .dot ? nt_dot_f32(rows + i * rowStride, rows + i * rowStride, dimension) : 0
            batch.bounds.rowTerms(
                norm: vectors.norm(Int(tile.slots[i])), squaredNorm: squared, bias: &scratch.biases[i], scale: &scratch.scales[i])
        }
        for group in 0 ..< batch.groupCount {
            let first = group * QueryBatch.groupQueries
            let width = min(QueryBatch.groupQueries, batch.count - first)
            let packed = batch.packedGroup(group)
            if inPlace, group == 0 {
                // By slices, between which as much of the next tile is fetched: the product itself reads rows side by
                // side, which the hardware's prefetcher does not follow.
                for first in stride(from: 0, to: tile.count, by: Self.sliceRows) {
                    let height = min(Self.sliceRows, tile.count - first)
                    let slice = rows + first * rowStride
                    nt_prefetch(slice + tile.count * rowStride, height * rowStride * MemoryLayout<Float>.stride)
                    nt_sgemm(slice, rowStride, height, packed, dimension, width, scratch.products + first * width, width)
                }
            } else {
                nt_sgemm(rows, rowStride, tile.count, packed, dimension, width, scratch.products, width)
            }
            let limits = scratch.limits + first
            let found = nt_survivors(
                scratch.products, width, tile.count, width, scratch.biases, scratch.scales, limits, scratch.survivors)
            for i in 0 ..< found {
                let survivor = scratch.survivors[i]
                let column = Int(survivor & 0xFFFF)
                let slot = tile.slots[Int(survivor >> 16)]
                let query = first + column
                let distance = kernels.one(batch.queries.queries + query, vectors.vector(Int(slot)), vectors.norm(Int(slot)))
                // False for NaN, which must not enter.
                guard distance <= heaps[query].threshold else { continue }
                heaps[query].offer(nt_key(distance, slot))
                limits[column] = batch.bounds.limit(threshold: heaps[query].threshold, terms: batch.terms[query])
            }
        }
    }
}

/// The slots of the rows that are multiplied next.
private struct Tile {
    let slots: UnsafeMutablePointer<UInt32>
    var count = 0

    init(scratch: TileScratch) { slots = scratch.slots }
}

/// One worker's memory for tiles.
private struct TileScratch {
    let tileRows: Int
    let slots: UnsafeMutablePointer<UInt32>
    let biases: UnsafeMutablePointer<Float>
    let scales: UnsafeMutablePointer<Float>
    /// A tile's rows as f32, `dimension` apart, where they are not multiplied in place.
    let wideRows: UnsafeMutablePointer<Float>
    /// A tile's products with one group of queries.
    let products: UnsafeMutablePointer<Float>
    let survivors: UnsafeMutablePointer<UInt32>
    /// Of each query: what a row's lower bound must not exceed, in the terms of `DistanceBounds`.
    let limits: UnsafeMutablePointer<Float>

    /// Rows in a tile take about this much, so that they stay in the second-level cache beside the products.
    private static let tileByteCount = 128 << 10

    init(batch: borrowing QueryBatch, index: FlatIndex) {
        tileRows = max(32, min(256, Self.tileByteCount / (index.dimension * 4)))
        let width = min(batch.count, QueryBatch.groupQueries)
        slots = .allocate(capacity: tileRows)
        biases = .allocate(capacity: tileRows)
        scales = .allocate(capacity: tileRows)
        wideRows = .allocate(capacity: tileRows * index.dimension)
        products = .allocate(capacity: tileRows * width)
        survivors = .allocate(capacity: tileRows * width)
        limits = .allocate(capacity: batch.count)
        for i in 0 ..< batch.count { limits[i] = batch.bounds.limit(threshold: .infinity, terms: batch.terms[i]) }
    }

    func deallocate() {
        slots.deallocate()
        biases.deallocate()
        scales.deallocate()
        wideRows.deallocate()
        products.deallocate()
        survivors.deallocate()
        limits.deallocate()
    }
}
