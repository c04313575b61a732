import CNeedletailKernels
import NeedletailStorage

// Many queries at once. Centroids are compared by a matrix product; then each list is scanned for all queries that want it,
// several to a load of its codes, so that a list is brought into the cache once.
//
// In two rounds: first for every query its nearest list alone, which gives it a threshold; then the rest, list by list. Without
// the first, a query would meet its lists in the order of their numbers, and keep and drop rows of far ones.

extension IVFPQIndex {
    /// Queries that are searched in one pass: their tables and best rows are to stay in the cache.
    private static let passQueries = 1024

    /// Lists of the first round.
    private static let firstProbes = 1

    /// What single searches find, for `count` queries (`count × dimension`, row-major).
    package func search(
        batch queries: UnsafeBufferPointer<Float>, count: Int, _ parameters: Parameters, allowed: UnsafeBufferPointer<UInt64>? = nil,
        deleted: UnsafeBufferPointer<UInt64>? = nil, crew: TrainingCrew = TrainingCrew(), statistics: inout IVFPQStatistics
    ) throws(TrainingError) -> [[Neighbor]] {
        precondition(queries.count == count * header.dimension, "a batch holds count × dimension components")
        guard count > 0, parameters.k > 0, header.rowCount > 0, let base = queries.baseAddress else {
            return Array(repeating: [], count: count)
        }
        _ = SlotMask(allowed: allowed, deleted: deleted, count: header.count)
        let results = UnsafeMutablePointer<[Neighbor]>.allocate(capacity: count)
        results.initialize(repeating: [], count: count)
        let sums = UnsafeMutablePointer<IVFPQStatistics>.allocate(capacity: crew.threads)
        sums.initialize(repeating: IVFPQStatistics(), count: crew.threads)
        defer {
            results.deinitialize(count: count)
            results.deallocate()
            sums.deallocate()
        }
        let piece = min(Self.passQueries, (count + crew.threads - 1) / crew.threads)
        nonisolated(unsafe) let (allowedWords, deletedWords) = (allowed, deleted)
        try crew.forEach(count, piece: piece) { worker, range in
            let pass = IVFPQPass(self, base + range.lowerBound * header.dimension, count: range.count, parameters, allowedWords, deletedWords)
            pass.run(firstProbes: Self.firstProbes, &sums[worker], results + range.lowerBound)
        }
        for worker in 0 ..< crew.threads {
            statistics.lists += sums[worker].lists
            statistics.codes += sums[worker].codes
            statistics.refined += sums[worker].refined
        }
        return Array(UnsafeBufferPointer(start: results, count: count))
    }
}

/// Queries on their way through the lists, on one thread.
private final class IVFPQPass {
    /// List numbers by which pages are asked for ahead of the scan.
    private static let listsAhead = 16
    private let index: IVFPQIndex
    private let vectors: UnsafePointer<Float>
    private let count: Int
    private let parameters: IVFPQIndex.Parameters
    private var run: nt_pq_run
    private let scratch: IVFPQScratch
    private let queries: UnsafeMutablePointer<nt_pq_query>
    private let offsets: UnsafeMutablePointer<Float>
    private let steps: UnsafeMutablePointer<Float>
    private let tables: UnsafeMutablePointer<UInt8>
    private let keys: UnsafeMutablePointer<UInt64>
    private let keyCapacity: Int
    private let probeCount: Int
    /// The lists of each query, nearest first, and how far they are: `count × probeCount`.
    private let probes: UnsafeMutablePointer<UInt64>

    init(
        _ index: IVFPQIndex, _ vectors: UnsafePointer<Float>, count: Int, _ parameters: IVFPQIndex.Parameters,
        _ allowed: UnsafeBufferPointer<UInt64>?, _ deleted: UnsafeBufferPointer<UInt64>?
    ) {
        let header = index.header
        self.index = index
        self.vectors = vectors
        self.count = count
        self.parameters = parameters
        run = index.emptyRun(allowed, deleted)
        scratch = index.scratches.take()
        let keep = index.keepCount(parameters)
        scratch.reserve(keys: keep)
        keyCapacity = IVFPQScratch.capacity(keep)
        keys = .allocate(capacity: keyCapacity * count)
        queries = .allocate(capacity: count)
        offsets = .allocate(capacity: count)
        steps = .allocate(capacity: count)
        tables = .allocate(capacity: count * header.storedSubspaces << header.lookupBits)
        probeCount = max(1, min(parameters.nprobe, header.nlist))
        probes = .allocate(capacity: count * probeCount)
        for query in 0 ..< count {
            (queries + query).initialize(to: nt_pq_query())
            queries[query].keep = UInt32(keep)
            queries[query].capacity = UInt32(keyCapacity)
            queries[query].keys = keys + query * keyCapacity
        }
    }

    deinit {
        index.scratches.giveBack(scratch)
        keys.deallocate()
        queries.deallocate()
        offsets.deallocate()
        steps.deallocate()
        tables.deallocate()
        probes.deallocate()
    }

    func run(firstProbes: Int, _ statistics: inout IVFPQStatistics, _ results: UnsafeMutablePointer<[Neighbor]>) {
        prepare()
        let first = min(firstProbes, probeCount)
        scan(0 ..< first, &statistics)
        for query in 0 ..< count { nt_pq_settle(queries + query) }
        scan(first ..< probeCount, &statistics)
        for query in 0 ..< count {
            results[query] = index.finish(&queries[query], vectors + query * index.header.dimension, parameters, scratch, &statistics)
        }
    }

    /// Transforms queries, chooses their lists and makes their tables.
    private func prepare() {
        let header = index.header
        let dimension = header.paddedDimension
        let placed = FloatMatrix(rows: count, columns: dimension)
        for query in 0 ..< count { index.transform.place(query: vectors + query * header.dimension, to: placed[query]) }
        if index.transform.rotates {
            let spare = FloatMatrix(rows: count, columns: dimension)
            index.transform.rotate(placed.base, count: count, scratch: spare.base)
        }
        if index.usesCoarseCodes(nprobe: probeCount) {
            for query in 0 ..< count {
                let chosen = index.chooseLists(placed[query], scratch, nprobe: probeCount)
                for i in 0 ..< probeCount { probes[query * probeCount + i] = i < chosen.count ? chosen[i] : .max }
            }
        } else {
            compare(placed)
        }
        var state = IVFPQIndex.ScanState(query: nt_pq_query(), offset: 0, step: 0)
        for query in 0 ..< count {
            let bytes = tables + query * header.storedSubspaces << header.lookupBits
            index.makeTable(placed[query], scratch, to: bytes, &state)
            queries[query].table = UnsafePointer(bytes)
            queries[query].threshold = .infinity
            queries[query].center = state.query.center
            steps[query] = state.step
            offsets[query] = state.offset
        }
    }

    /// Chooses the lists of transformed queries by comparing them with all centroids.
    private func compare(_ placed: FloatMatrix) {
        let header = index.header
        let dimension = header.paddedDimension
        let table = index.centroidTable()
        let tile = CentroidTable.tileRows
        let products = FloatMatrix(rows: tile, columns: header.nlist)
        let capacity = scratch.reserve(probes: probeCount)
        for first in stride(from: 0, to: count, by: tile) {
            let height = min(tile, count - first)
            table.products(placed[first], stride: dimension, rowCount: height, columns: 0 ..< header.nlist, to: products.base)
            for query in first ..< first + height {
                let size = header.metric == .dot ? 0 : Float(nt_sqnorm_f32(placed[query], dimension))
                let found = nt_least_values(products[query - first], header.nlist, probeCount, scratch.probes, capacity)
                let chosen = scratch.probes
                nt_sort_keys(chosen, found)
                for i in 0 ..< found {
                    let distance = nt_key_distance(chosen[i]) + size
                    probes[query * probeCount + i] = nt_key(header.metric == .dot ? distance : max(0, distance), nt_key_slot(chosen[i]))
                }
                // Only a query of NaN finds fewer.
                for i in found ..< probeCount { probes[query * probeCount + i] = .max }
            }
        }
    }

    /// Scans the lists of a range of ranks, each for all queries that have it there.
    private func scan(_ ranks: Range<Int>, _ statistics: inout IVFPQStatistics) {
        if ranks.isEmpty { return }
        let nlist = index.header.nlist
        // A counting sort of (query, rank) by list.
        let starts = UnsafeMutablePointer<Int32>.allocate(capacity: nlist + 2)
        let visits = UnsafeMutablePointer<(query: Int32, distance: Float)>.allocate(capacity: count * ranks.count)
        defer {
            starts.deallocate()
            visits.deallocate()
        }
        starts.initialize(repeating: 0, count: nlist + 2)
        for query in 0 ..< count {
            for rank in ranks {
                let key = probes[query * probeCount + rank]
                if key != .max { starts[Int(nt_key_slot(key)) + 2] += 1 }
            }
        }
        for list in 0 ..< nlist { starts[list + 2] += starts[list + 1] }
        for query in 0 ..< count {
            for rank in ranks {
                let key = probes[query * probeCount + rank]
                if key == .max { continue }
                let list = Int(nt_key_slot(key))
                visits[Int(starts[list + 1])] = (Int32(query), nt_key_distance(key))
                starts[list + 1] += 1
            }
        }
        withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<nt_pq_query>?.self, capacity: count) { entered in
            guard let entered = entered.baseAddress else { return }
            var advised = 0
            for list in 0 ..< nlist where starts[list] < starts[list + 1] {
                if index.advisesPages {
                    // Some lists ahead of the one that is scanned.
                    advised = max(advised, list)
                    while advised < min(nlist, list + Self.listsAhead) {
                        if starts[advised] < starts[advised + 1] { index.advise(list: advised) }
                        advised += 1
                    }
                }
                let row = index.lists.row(list)
                let head = IVFPQList.Head(row)
                if head.rowCount == 0 { continue }
                var number = 0
                for visit in Int(starts[list]) ..< Int(starts[list + 1]) {
                    let query = Int(visits[visit].query)
                    if IVFPQIndex.enter(queries + query, head, distance: visits[visit].distance, offset: offsets[query], step: steps[query]) {
                        entered[number] = queries + query
                        number += 1
                    }
                }
                statistics.lists += number
                statistics.codes += number * head.rowCount
                // Groups whose tables stay in the first-level cache while the list passes.
                for first in stride(from: 0, to: number, by: 4) {
                    index.scan(row, head, &run, entered + first, count: min(4, number - first))
                }
            }
        }
    }
}
