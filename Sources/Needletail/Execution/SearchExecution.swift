import CNeedletailKernels
import Dispatch
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// One search (or batch) on one snapshot: the filter first, then a plan, then the neighbours, then their ids and fields.
struct SearchExecution {
    let collection: Collection
    let table: TableSnapshot
    let view: ReadView
    let matching: MatchingSlots?
    private let positions: [Int]

    init(_ collection: Collection, _ filter: Filter?, _ fields: FieldSelection) throws(NeedletailError) {
        self.collection = collection
        table = try collection.table()
        view = try ReadView.of(table, collection)
        positions = try fields.positions(in: collection.schema)
        if let filter { matching = try view.matching(filter, in: table, collection) } else { matching = nil }
    }

    /// The plan for what is asked.
    func plan(_ request: SearchRequest) throws(NeedletailError) -> SearchPlan {
        if request.isExact { return exactPlan }
        return try SearchPlan.choose(request, try facts(), collection: collection.name)
    }

    /// What the plan depends on.
    func facts() throws(NeedletailError) -> SearchFacts {
        try facts(view.index()?.facts)
    }

    private func facts(_ index: SearchFacts.Index?) -> SearchFacts {
        SearchFacts(
            liveCount: table.liveCount, matchingCount: matching?.count, failureShare: matching?.walks.failureShare ?? 0,
            shortfallShare: matching?.overfetches.failureShare ?? 0, hasPackedSigns: matching?.packsSigns ?? false, index: index)
    }

    /// A way to search: a plan with the index that it goes through.
    private enum Way {
        case exact
        /// By the codes of all that match, or of all records.
        case codes(GraphIndex, CodeScanPrecision)
        case graph(GraphIndex, efSearch: Int)
        /// As before, by those that match alone; a walk that reaches its limit is given up.
        case walk(GraphIndex, MatchingSlots, efSearch: Int, HNSWWalkLimit)
        /// As without a filter, for `fetched`, of which those that match are kept.
        case overfetch(GraphIndex, MatchingSlots, fetched: Int, efSearch: Int)
        case lists(ListIndex, nprobe: Int, refineFactor: Int)
    }

    /// Lists of the index; 0 where it has none.
    var listCount: Int {
        if case .lists(let lists)? = try? view.index() { lists.facts.nlist } else { 0 }
    }

    private func way(_ plan: SearchPlan, k: Int) throws(NeedletailError) -> Way {
        // An index that is damaged keeps nobody from comparing all records.
        if case .exact = plan { return .exact }
        switch try view.index() {
        case .graph(let graph): return way(plan, k: k, graph)
        case .lists(let lists):
            guard case .ivfpq(let nprobe, let refineFactor, _, _, _) = plan else { return .exact }
            return .lists(lists, nprobe: nprobe, refineFactor: refineFactor)
        case nil: return .exact
        }
    }

    private func way(_ plan: SearchPlan, k: Int, _ graph: GraphIndex) -> Way {
        switch plan {
        case .hnsw(let efSearch, _, _, _):
            guard let matching else { return .graph(graph, efSearch: efSearch) }
            let costs = CostModel(facts(.graph(graph.facts)), graph.facts)
            return .walk(graph, matching, efSearch: efSearch, costs.limit(efSearch: efSearch, k: k))
        case .codes(_, _, let recall):
            return graph.graph.hasCodes ? .codes(graph, .finding(recall)) : .exact
        case .overfetch(let fetched, let efSearch, _, _, _):
            guard let matching else { return .graph(graph, efSearch: efSearch) }
            return .overfetch(graph, matching, fetched: fetched, efSearch: efSearch)
        case .exact, .ivfpq: return .exact
        }
    }

    // MARK: Neighbours

    /// The `k` nearest, ascending, and the plan that found them: the one given, unless it came up short.
    func nearest(to query: [Float], k: Int, plan: SearchPlan, threads: Int) throws(NeedletailError) -> ([Neighbor], SearchPlan) {
        var work = SearchWork()
        return try nearest(to: query, k: k, plan: plan, threads: threads, &work)
    }

    /// The same, and what was done for it.
    func nearest(
        to query: [Float], k: Int, plan: SearchPlan, threads: Int, _ work: inout SearchWork
    ) throws(NeedletailError) -> ([Neighbor], SearchPlan) {
        let way = try way(plan, k: k)
        return query.withUnsafeBufferPointer { query in
            withMasks { nearest(to: query, k: k, way, plan, threads: threads, allowed: $0, deleted: $1, &work) }
        }
    }

    private func nearest(
        to query: UnsafeBufferPointer<Float>, k: Int, _ way: Way, _ plan: SearchPlan, threads: Int,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?, _ work: inout SearchWork
    ) -> ([Neighbor], SearchPlan) {
        let covered: [Neighbor], coveredCount: Int
        var plan = plan
        switch way {
        case .exact: return (exactly(query, k: k, threads: threads, allowed, deleted, &work), exactPlan)
        case .codes(let graph, let precision):
            covered = scan(query, in: graph, k: k, precision, &work)
            coveredCount = graph.coveredCount
        case .graph(let graph, let efSearch):
            covered = work.time(\.indexMicroseconds) {
                graph.search(query, k: k, efSearch: max(efSearch, k), allowed: allowed, deleted: deleted, &$0.graph)
            }
            coveredCount = graph.coveredCount
        case .walk(let graph, let matching, let efSearch, let limit):
            let walked = work.time(\.indexMicroseconds) {
                graph.walk(
                    query, k: k, efSearch: max(efSearch, k), allowed: matching.bitmap.words, limit: limit, &$0.graph)
            }
            work.gaveUp = work.graph.givenUp > 0
            matching.walks.note(failed: work.gaveUp)
            coveredCount = graph.coveredCount
            if work.gaveUp {
                // What matches is not where the query is: then all of it is compared.
                covered = scan(query, in: graph, k: k, .standard, &work)
                plan = .codes(compared: matching.count, tail: graph.facts.tailCount, recall: CodeScanPrecision.standard.recall)
            } else {
                covered = walked
            }
        case .overfetch(let graph, let matching, let fetched, let efSearch):
            let fetchedNeighbors = work.time(\.indexMicroseconds) {
                graph.search(
                    query, k: fetched, efSearch: max(efSearch, fetched), allowed: nil, deleted: table.deleted, &$0.graph)
            }
            covered = Array(fetchedNeighbors.lazy.filter { matching.bitmap.contains($0.slot) }.prefix(k))
            coveredCount = graph.coveredCount
            matching.overfetches.note(failed: covered.count < k)
            if covered.count < k {
                work.fellShort = true
                let request = SearchRequest(k: k, recall: plan.recall, isExact: false, threads: threads)
                let other = SearchPlan.choose(request, facts(.graph(graph.facts)), graph.facts, overfetches: false)
                return nearest(
                    to: query, k: k, self.way(other, k: k, graph), other, threads: threads, allowed: allowed, deleted: deleted, &work)
            }
        case .lists(let lists, let nprobe, let refineFactor):
            covered = work.time(\.indexMicroseconds) {
                lists.search(query, k: k, nprobe: nprobe, refineFactor: refineFactor, allowed: allowed, deleted: deleted, &$0.lists)
            }
            coveredCount = lists.coveredCount
        }
        var found = covered
        if table.slotCount > coveredCount {
            let tail = work.time(\.tailMicroseconds) { _ in
                view.flat.search(query, k: k, from: coveredCount, allowed: allowed, deleted: deleted, threads: threads)
            }
            work.tailRows += table.slotCount - coveredCount
            found = Neighbor.merge(covered, tail, limit: k)
        }
        // k records come back whenever there are k: what an index that ran dry lacks, a scan finds.
        if found.count == min(k, candidateCount) { return (found, plan) }
        return (exactly(query, k: k, threads: threads, allowed, deleted, &work), exactPlan)
    }

    /// Of all that take part.
    private func exactly(
        _ query: UnsafeBufferPointer<Float>, k: Int, threads: Int, _ allowed: UnsafeBufferPointer<UInt64>?,
        _ deleted: UnsafeBufferPointer<UInt64>?, _ work: inout SearchWork
    ) -> [Neighbor] {
        work.exactRows += candidateCount
        return work.time(\.exactMicroseconds) { _ in
            if let matching, MatchingSlots.areFew(matching.count, of: table.slotCount) {
                return matching.slots().slots.withUnsafeBufferPointer { view.flat.search(query, k: k, slots: $0) }
            }
            return view.flat.search(query, k: k, allowed: allowed, deleted: deleted, threads: threads)
        }
    }

    /// Of what takes part and is covered, the nearest by codes.
    private func scan(
        _ query: UnsafeBufferPointer<Float>, in graph: GraphIndex, k: Int, _ precision: CodeScanPrecision, _ work: inout SearchWork
    ) -> [Neighbor] {
        guard let matching else {
            return work.time(\.indexMicroseconds) {
                graph.scan(query, k: k, slots: nil, deleted: table.deleted, packed: nil, precision: precision, &$0.graph)
            }
        }
        let list = matching.slots(), count = list.count(below: graph.coveredCount)
        return work.time(\.indexMicroseconds) { work in
            list.slots.withUnsafeBufferPointer {
                let slots = UnsafeBufferPointer(rebasing: $0[..<count])
                return graph.scan(
                    query, k: k, slots: slots, deleted: nil, packed: matching.packedSigns(of: slots, in: graph.graph), precision: precision,
                    &work.graph)
            }
        }
    }

    /// All within the (internal) distance `radius`, ascending.
    func within(_ radius: Float, of query: [Float], limit: Int?, plan: SearchPlan, threads: Int) throws(NeedletailError) -> [Neighbor] {
        let way = try way(plan, k: 1)
        return query.withUnsafeBufferPointer { query in
            withMasks { allowed, deleted in
                let covered: [Neighbor], coveredCount: Int
                switch way {
                case .exact, .codes:
                    return view.flat.search(within: radius, of: query, limit: limit, allowed: allowed, deleted: deleted, threads: threads)
                case .graph(let graph, let efSearch), .walk(let graph, _, let efSearch, _), .overfetch(let graph, _, _, let efSearch):
                    covered = graph.search(within: radius, of: query, efSearch: efSearch, limit: limit, allowed: allowed, deleted: deleted)
                    coveredCount = graph.coveredCount
                case .lists(let lists, let nprobe, _):
                    covered = lists.search(within: radius, of: query, nprobe: nprobe, limit: limit, allowed: allowed, deleted: deleted)
                    coveredCount = lists.coveredCount
                }
                guard table.slotCount > coveredCount else { return covered }
                let tail = view.flat.search(
                    within: radius, of: query, limit: limit, from: coveredCount, allowed: allowed, deleted: deleted, threads: threads)
                return Neighbor.merge(covered, tail, limit: limit ?? .max)
            }
        }
    }

    /// The nearest of each of `count` queries that lie one after another, with the plan that found them.
    func nearest(
        toEach queries: [Float], count: Int, k: Int, plan: SearchPlan, threads: Int
    ) throws(NeedletailError) -> [([Neighbor], SearchPlan)] {
        let way = try way(plan, k: k)
        let dimension = collection.schema.dimension
        return queries.withUnsafeBufferPointer { queries in
            withMasks { allowed, deleted in
                func query(_ position: Int) -> UnsafeBufferPointer<Float> {
                    UnsafeBufferPointer(rebasing: queries[position * dimension ..< (position + 1) * dimension])
                }
                switch way {
                case .exact:
                    let found = view.flat.search(batch: queries, count: count, k: k, allowed: allowed, deleted: deleted, threads: threads)
                    return found.map { ($0, plan) }
                case .graph, .walk, .overfetch, .codes:
                    return inParallel(count: count, threads: threads) { position in
                        var work = SearchWork()
                        return nearest(to: query(position), k: k, way, plan, threads: 1, allowed: allowed, deleted: deleted, &work)
                    }
                case .lists(let lists, let nprobe, let refineFactor):
                    var found = lists.search(
                        batch: queries, count: count, k: k, nprobe: nprobe, refineFactor: refineFactor, allowed: allowed, deleted: deleted,
                        threads: threads)
                    if table.slotCount > lists.coveredCount {
                        let tails = view.flat.search(
                            batch: queries, count: count, k: k, from: lists.coveredCount, allowed: allowed, deleted: deleted, threads: threads)
                        for position in found.indices { found[position] = Neighbor.merge(found[position], tails[position], limit: k) }
                    }
                    let expected = min(k, candidateCount)
                    return found.indices.map { position in
                        if found[position].count == expected { return (found[position], plan) }
                        return (view.flat.search(query(position), k: k, allowed: allowed, deleted: deleted, threads: threads), exactPlan)
                    }
                }
            }
        }
    }

    /// Calls `body` with 0 ..< `count` on as many threads; the results in order.
    private func inParallel<R>(count: Int, threads: Int, _ body: (Int) -> R) -> [R] {
        guard threads > 1, count > 1 else { return (0 ..< count).map(body) }
        return [R](unsafeUninitializedCapacity: count) { buffer, initialized in
            let next = Atomic<Int>(0)
            // Each thread writes only the results whose numbers it drew.
            nonisolated(unsafe) let buffer = buffer
            withoutActuallyEscaping(body) { body in
                nonisolated(unsafe) let body = body
                DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
                    while true {
                        let position = next.add(1, ordering: .relaxed).oldValue
                        guard position < count else { return }
                        buffer.initializeElement(at: position, to: body(position))
                    }
                }
            }
            initialized = count
        }
    }

    /// How many records take part.
    var candidateCount: Int { matching?.count ?? table.liveCount }

    private var exactPlan: SearchPlan { .exact(compared: candidateCount) }

    /// The filter's bitmap and the deletion bitmap; the filter's leaves deleted records out by itself.
    func withMasks<R>(_ body: (UnsafeBufferPointer<UInt64>?, UnsafeBufferPointer<UInt64>?) throws -> R) rethrows -> R {
        guard let matching else { return try body(nil, table.deleted) }
        return try withExtendedLifetime(matching) { try body(matching.bitmap.words, nil) }
    }

    // MARK: Results

    /// Hits with ids and fields, for neighbours of this search's snapshot.
    func results(_ neighbors: [Neighbor], _ plan: SearchPlan) throws(NeedletailError) -> SearchResults {
        let metric = collection.schema.metric
        view.prefetchIDs(of: neighbors)
        var hits: [SearchHit] = []
        hits.reserveCapacity(neighbors.count)
        do throws(StorageError) {
            for neighbor in neighbors {
                hits.append(
                    SearchHit(
                        id: try view.id(of: neighbor.slot, in: table), distance: metric.reported(neighbor.distance),
                        score: metric.score(neighbor.distance),
                        fields: positions.isEmpty ? [:] : try collection.values(at: neighbor.slot, of: table, positions)))
            }
        } catch {
            throw NeedletailError(error)
        }
        return SearchResults(hits: hits, plan: plan)
    }
}

extension Neighbor {
    /// The least `limit` of two lists that ascend by distance, then by slot.
    static func merge(_ a: [Neighbor], _ b: [Neighbor], limit: Int) -> [Neighbor] {
        if b.isEmpty { return a }
        if a.isEmpty { return b }
        var merged: [Neighbor] = []
        let count = min(limit, a.count + b.count)
        merged.reserveCapacity(count)
        var (i, j) = (0, 0)
        while merged.count < count {
            let takesFirst = j == b.count || (i < a.count && (a[i].distance, a[i].slot) <= (b[j].distance, b[j].slot))
            merged.append(takesFirst ? a[i] : b[j])
            if takesFirst { i += 1 } else { j += 1 }
        }
        return merged
    }
}
