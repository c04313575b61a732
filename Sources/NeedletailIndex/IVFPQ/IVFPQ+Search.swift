import CNeedletailKernels
import NeedletailStorage

extension IVFPQIndex {
    /// What is searched for.
    package struct Parameters: Sendable {
        package var k: Int
        /// Lists that are scanned, the nearest ones; 1 … nlist.
        package var nprobe: Int
        /// The exact distance is computed of the k × refineFactor rows that look nearest by their codes; 0: of none, distances are
        /// then estimates.
        package var refineFactor: Int

        package init(k: Int, nprobe: Int, refineFactor: Int = 8) {
            self.k = k
            self.nprobe = nprobe
            self.refineFactor = refineFactor
        }
    }

    /// The rows that seem nearest, ascending by exact distance (by estimate without refinement).
    ///
    /// - Parameters:
    ///   - query: `dimension` components.
    ///   - allowed: bit set = slot may be returned; nil: all may. Covers the index's slots in whole words, as `deleted`.
    ///   - deleted: bit set = slot is left out.
    /// - Complexity: nlist distances, a table, nprobe / nlist of all codes and k × refineFactor distances.
    package func search(
        _ query: UnsafeBufferPointer<Float>, _ parameters: Parameters, allowed: UnsafeBufferPointer<UInt64>? = nil,
        deleted: UnsafeBufferPointer<UInt64>? = nil, statistics: inout IVFPQStatistics
    ) -> [Neighbor] {
        precondition(query.count == header.dimension, "a query has the index's dimension")
        guard parameters.k > 0, header.rowCount > 0, let base = query.baseAddress else { return [] }
        let scratch = scratches.take()
        defer { scratches.giveBack(scratch) }
        let keep = keepCount(parameters)
        scratch.reserve(keys: keep)
        var state = prepare(base, scratch, keep: keep)
        let probes = chooseLists(scratch.query[0], scratch, nprobe: parameters.nprobe)
        scan(probes, &state, mask: SlotMask(allowed: allowed, deleted: deleted, count: header.count), allowed, deleted, &statistics)
        return finish(&state.query, base, parameters, scratch, &statistics)
    }

    /// Rows that the scan keeps.
    func keepCount(_ parameters: Parameters) -> Int {
        let wanted = parameters.k.multipliedReportingOverflow(by: max(1, parameters.refineFactor))
        return min(wanted.overflow ? header.rowCount : wanted.partialValue, header.rowCount)
    }

    /// A query ready to scan: its table, and what is added to every sum of it.
    struct ScanState {
        var query: nt_pq_query
        /// The sum of the least entries of the table; 0 where rows have scales, which do not apply to it.
        var offset: Float
        var step: Float
    }

    /// Prepares a query for a list at `distance`. False where no row of it can be near enough.
    @inline(__always)
    static func enter(_ query: UnsafeMutablePointer<nt_pq_query>, _ head: IVFPQList.Head, distance: Float, offset: Float, step: Float) -> Bool {
        let unit = step * IVFPQList.unit(scaleStep: head.scaleStep)
        // The center is 0 but where rows have scales.
        return nt_pq_enter(query, distance + offset + head.termLeast - unit * Float(query.pointee.center), unit, head.termStep)
    }

    /// Transforms a query and makes its table.
    func prepare(_ query: UnsafePointer<Float>, _ scratch: IVFPQScratch, keep: Int) -> ScanState {
        transform.place(query: query, to: scratch.query[0])
        transform.rotate(scratch.query[0], count: 1, scratch: scratch.query[1])
        var state = ScanState(query: nt_pq_query(), offset: 0, step: 0)
        makeTable(scratch.query[0], scratch, to: scratch.table, &state)
        state.query.keep = UInt32(keep)
        state.query.capacity = UInt32(scratch.keyCapacity)
        state.query.keys = scratch.keys
        return state
    }

    /// The table of a transformed query.
    func makeTable(
        _ query: UnsafePointer<Float>, _ scratch: IVFPQScratch, to table: UnsafeMutablePointer<UInt8>, _ state: inout ScanState
    ) {
        var book = quantizer.book
        nt_pq_products(&book, query, header.metric == .dot ? -1 : -2, false, scratch.values.base)
        state.step = nt_pq_quantize(
            scratch.values.base, UInt32(header.subspaces), UInt32(1 << header.lookupBits), UInt32(Self.tableLimit), leastStep, table, &state.offset)
        if header.hasScales {
            // Entries are as often positive as negative, so that nothing is half of the greatest sum.
            state.query.center = UInt32((-state.offset / state.step).rounded())
            state.offset = 0
        }
        state.query.table = UnsafePointer(table)
        state.query.threshold = .infinity
        state.query.count = 0
    }

    /// Whether so many lists are found by the centroids' codes: where most lists are wanted, they would leave few out.
    func usesCoarseCodes(nprobe: Int) -> Bool { coarseSearch != nil && IVFPQCoarseCodes.candidates(nprobe) * 4 <= header.nlist }

    /// The lists nearest to a transformed query, nearest first: their keys.
    func chooseLists(_ query: UnsafePointer<Float>, _ scratch: IVFPQScratch, nprobe: Int) -> UnsafeMutableBufferPointer<UInt64> {
        let wanted = max(1, min(nprobe, header.nlist))
        var prepared = nt_query(vector: UnsafeRawPointer(query), dimension: header.paddedDimension, inverse_norm: 0)
        if let coarseSearch, usesCoarseCodes(nprobe: wanted) {
            var found = coarseSearch.candidates(query, wanted: IVFPQCoarseCodes.candidates(wanted), scratch)
            var rows = centroids.rows
            found = centroidKernels.scan_slots(&prepared, &rows, scratch.candidates, found, .infinity, scratch.probes)
            let least = min(wanted, found)
            if least > 0, least < found { nt_least_keys(scratch.probes, found, least) }
            nt_sort_keys(scratch.probes, least)
            return UnsafeMutableBufferPointer(start: scratch.probes, count: least)
        }
        for chunk in 0 ..< centroids.chunkCount {
            let first = chunk << centroids.shift
            let count = min(1 << centroids.shift, header.nlist - first)
            if count > 0 { centroidKernels.many(&prepared, centroids.pointers[chunk], centroids.stride, nil, count, scratch.coarse.base + first) }
        }
        let capacity = scratch.reserve(probes: wanted)
        let found = nt_least_values(scratch.coarse.base, header.nlist, wanted, scratch.probes, capacity)
        nt_sort_keys(scratch.probes, found)
        return UnsafeMutableBufferPointer(start: scratch.probes, count: found)
    }

    private func scan(
        _ probes: UnsafeMutableBufferPointer<UInt64>, _ state: inout ScanState, mask: SlotMask, _ allowed: UnsafeBufferPointer<UInt64>?,
        _ deleted: UnsafeBufferPointer<UInt64>?, _ statistics: inout IVFPQStatistics
    ) {
        if advisesPages { for probe in probes { advise(list: Int(nt_key_slot(probe))) } }
        for probe in probes { nt_prefetch(lists.row(Int(nt_key_slot(probe))), IVFPQList.stride) }
        var run = emptyRun(allowed, deleted)
        let (offset, step) = (state.offset, state.step)
        withUnsafeMutablePointer(to: &state.query) { query in
            var pointer: UnsafeMutablePointer<nt_pq_query>? = query
            for (rank, probe) in probes.enumerated() {
                let row = lists.row(Int(nt_key_slot(probe)))
                let head = IVFPQList.Head(row)
                if head.rowCount == 0 { continue }
                guard Self.enter(query, head, distance: nt_key_distance(probe), offset: offset, step: step) else { continue }
                statistics.lists += 1
                statistics.codes += head.rowCount
                let next = rank + 1 < probes.count ? lists.row(Int(nt_key_slot(probes[rank + 1]))) : nil
                scan(row, head, &run, &pointer, count: 1, next: next)
            }
        }
    }

    /// A run of blocks but for where it is.
    func emptyRun(_ allowed: UnsafeBufferPointer<UInt64>?, _ deleted: UnsafeBufferPointer<UInt64>?) -> nt_pq_run {
        var run = nt_pq_run()
        run.subspaces = UInt32(header.storedSubspaces)
        run.has_scales = header.hasScales
        run.slot_count = UInt32(header.count)
        run.allowed = allowed?.baseAddress
        run.deleted = deleted?.baseAddress
        return run
    }

    /// Offers a list to queries that have entered it.
    ///
    /// - Parameter next: The list that will be scanned next, if it lies elsewhere in memory: it is brought into the cache meanwhile, its
    ///   blocks with this one's blocks, its tail with this one's tail.
    @inline(__always)
    func scan(
        _ row: UnsafeRawPointer, _ head: IVFPQList.Head, _ run: inout nt_pq_run,
        _ queries: UnsafePointer<UnsafeMutablePointer<nt_pq_query>?>, count: Int, next: UnsafeRawPointer? = nil
    ) {
        var left = head.rowCount
        if let next { lookAhead(&run, toBlocksOf: next) }
        for number in 0 ..< head.runCount {
            var (first, blockCount) = IVFPQList.run(row, number)
            left -= blockCount * IVFPQHeader.blockRows
            while blockCount > 0 {
                // As far as the chunk goes.
                let part = min(blockCount, (1 << blocks.shift) - first & ((1 << blocks.shift) - 1))
                run.blocks = blocks.row(first).assumingMemoryBound(to: UInt8.self)
                run.stride = blocks.stride
                run.width = UInt32(IVFPQHeader.blockRows)
                run.rows = part * IVFPQHeader.blockRows
                scan(&run, queries, count: count)
                first += part
                blockCount -= part
            }
        }
        guard left > 0 else { return }
        if let next { lookAhead(&run, toTailOf: next) }
        run.blocks = tails.row(head.tailFirst).assumingMemoryBound(to: UInt8.self)
        run.stride = 0
        run.width = UInt32(IVFPQList.tailUnits(left) * IVFPQHeader.tailRows)
        run.rows = left
        scan(&run, queries, count: count)
    }

    /// The first full blocks, as far as they neighbour each other.
    @inline(__always)
    private func lookAhead(_ run: inout nt_pq_run, toBlocksOf row: UnsafeRawPointer) {
        run.ahead_bytes = 0
        guard IVFPQList.Head(row).runCount > 0 else { return }
        let (first, blockCount) = IVFPQList.run(row, 0)
        run.ahead = blocks.row(first).assumingMemoryBound(to: UInt8.self)
        run.ahead_bytes = min(blockCount, (1 << blocks.shift) - first & ((1 << blocks.shift) - 1)) * blocks.stride
    }

    @inline(__always)
    private func lookAhead(_ run: inout nt_pq_run, toTailOf row: UnsafeRawPointer) {
        let head = IVFPQList.Head(row)
        // What is left over is less than a block, however many there are.
        let units = IVFPQList.tailUnits(head.rowCount % IVFPQHeader.blockRows)
        run.ahead_bytes = units * tails.stride
        if units > 0 { run.ahead = tails.row(head.tailFirst).assumingMemoryBound(to: UInt8.self) }
    }

    @inline(__always)
    private func scan(_ run: inout nt_pq_run, _ queries: UnsafePointer<UnsafeMutablePointer<nt_pq_query>?>, count: Int) {
        if header.lookupBits == 4 { nt_pq_scan4(queries, count, &run) } else { nt_pq_scan8(queries, count, &run) }
    }

    /// The best of the rows that a scan kept, by exact distance.
    func finish(
        _ query: inout nt_pq_query, _ vector: UnsafePointer<Float>, _ parameters: Parameters, _ scratch: IVFPQScratch,
        _ statistics: inout IVFPQStatistics
    ) -> [Neighbor] {
        var count = Int(query.count)
        guard count > 0, let keys = query.keys else { return [] }
        if count > Int(query.keep) {
            nt_least_keys(keys, count, Int(query.keep))
            count = Int(query.keep)
        }
        if parameters.refineFactor == 0 {
            let scale: Float = header.metric == .cosine ? 0.5 : 1
            let offset = header.metric == .dot ? -nt_dot_f32(vector, transform.mean.base, header.dimension) : 0
            return UnsafeMutableBufferPointer(start: keys, count: count).sorted().prefix(parameters.k).map {
                Neighbor(slot: nt_key_slot($0), distance: nt_key_distance($0) * scale + offset)
            }
        }
        statistics.refined += count
        let found = refine(keys, count, vector, threshold: .infinity, scratch)
        let least = min(parameters.k, found)
        guard least > 0 else { return [] }
        nt_least_keys(keys, found, least)
        nt_sort_keys(keys, least)
        return UnsafeMutableBufferPointer(start: keys, count: least).map(Neighbor.init(key:))
    }

    /// Puts the keys of exact distances in the place of estimates. Returns how many are at most `threshold`.
    func refine(
        _ keys: UnsafeMutablePointer<UInt64>, _ count: Int, _ vector: UnsafePointer<Float>, threshold: Float, _ scratch: IVFPQScratch
    ) -> Int {
        let slots = scratch.slots
        for i in 0 ..< count { slots[i] = nt_key_slot(keys[i]) }
        if advisesPages { advise(vectors: slots, count: count) }
        let prepared = PreparedQueries(vector, count: 1, dimension: header.dimension, metric: header.metric, element: header.element)
        var rows = vectors.rows
        return kernels.scan_slots(prepared.queries, &rows, slots, count, threshold, keys)
    }
}
