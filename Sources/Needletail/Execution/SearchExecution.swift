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
        let graph = try view.graph()
        let facts = SearchFacts(liveCount: table.liveCount, matchingCount: matching?.count, failureShare: matching?.failureShare ?? 0, index: graph?.facts)
        return try SearchPlan.choose(request, facts, calibration: graph?.calibration, collection: collection.name)
    }

    // MARK: Neighbours

    /// The `k` nearest, ascending, and the plan that found them: the one given, unless it came up short.
    func nearest(to query: [Float], k: Int, plan: SearchPlan, threads: Int) throws(NeedletailError) -> ([Neighbor], SearchPlan) {
        if let matching, let graph = try view.graph() {
            let (found, used) = query.withUnsafeBufferPointer {
                nearest(to: $0, matching: matching, in: graph, k: k, plan: plan, threads: threads)
            }
            if found.count == min(k, matching.count) { return (found, used) }
        } else if case .hnsw(let efSearch, _, _, _) = plan, let graph = try view.graph() {
            let found = query.withUnsafeBufferPointer { query in
                withMasks { nearest(to: query, in: graph, k: k, efSearch: efSearch, threads: threads, allowed: $0, deleted: $1) }
            }
            // k records come back whenever there are k: what a traversal that ran dry lacks, a scan finds.
            if found.count == min(k, candidateCount) { return (found, plan) }
        }
        let found = query.withUnsafeBufferPointer { query in
            withMasks { view.flat.search(query, k: k, allowed: $0, deleted: $1, threads: threads) }
        }
        return (found, exactPlan)
    }

    /// All within the (internal) distance `radius`, ascending.
    func within(_ radius: Float, of query: [Float], limit: Int?, plan: SearchPlan, threads: Int) throws(NeedletailError) -> [Neighbor] {
        var graph: GraphIndex?
        if case .hnsw = plan { graph = try view.graph() }
        return query.withUnsafeBufferPointer { query in
            withMasks { allowed, deleted in
                guard case .hnsw(let efSearch, _, _, _) = plan, let graph else {
                    return view.flat.search(within: radius, of: query, limit: limit, allowed: allowed, deleted: deleted, threads: threads)
                }
                let covered = graph.search(within: radius, of: query, efSearch: efSearch, limit: limit, allowed: allowed, deleted: deleted)
                guard table.slotCount > graph.coveredCount else { return covered }
                let tail = view.flat.search(
                    within: radius, of: query, limit: limit, from: graph.coveredCount, allowed: allowed, deleted: deleted, threads: threads)
                return Neighbor.merge(covered, tail, limit: limit ?? .max)
            }
        }
    }

    /// The nearest of each of `count` queries that lie one after another, with the plan that found them.
    func nearest(
        toEach queries: [Float], count: Int, k: Int, plan: SearchPlan, threads: Int
    ) throws(NeedletailError) -> [([Neighbor], SearchPlan)] {
        if case .codes = plan {
            let dimension = collection.schema.dimension
            return try (0 ..< count).map { position throws(NeedletailError) in
                try nearest(to: Array(queries[position * dimension ..< (position + 1) * dimension]), k: k, plan: plan, threads: threads)
            }
        }
        guard case .hnsw(let efSearch, _, _, _) = plan, let graph = try view.graph() else {
            let found = queries.withUnsafeBufferPointer { queries in
                withMasks { view.flat.search(batch: queries, count: count, k: k, allowed: $0, deleted: $1, threads: threads) }
            }
            return found.map { ($0, plan) }
        }
        let dimension = collection.schema.dimension
        let expected = min(k, candidateCount)
        return queries.withUnsafeBufferPointer { queries in
            withMasks { allowed, deleted in
                inParallel(count: count, threads: threads) { position in
                    let query = UnsafeBufferPointer(rebasing: queries[position * dimension ..< (position + 1) * dimension])
                    let found = nearest(to: query, in: graph, k: k, efSearch: efSearch, threads: 1, allowed: allowed, deleted: deleted)
                    if found.count == expected { return (found, plan) }
                    return (view.flat.search(query, k: k, allowed: allowed, deleted: deleted), exactPlan)
                }
            }
        }
    }

    /// The nearest that match, as the plan says, and the plan that was followed at last: a walk through the graph that does not
    /// come upon enough of them within its budget is given up for a scan.
    private func nearest(
        to query: UnsafeBufferPointer<Float>, matching: MatchingSlots, in graph: GraphIndex, k: Int, plan: SearchPlan, threads: Int
    ) -> ([Neighbor], SearchPlan) {
        var statistics = HNSWStatistics()
        let covered: [Neighbor]
        var plan = plan
        switch plan {
        case .exact: return (exactly(query, k: k, matching: matching, threads: threads), plan)
        case .codes: covered = scan(query, matching, in: graph, k: k, &statistics)
        case .hnsw(let efSearch, _, _, _):
            let facts = SearchFacts(liveCount: table.liveCount, matchingCount: matching.count, index: graph.facts)
            let costs = facts.costs(graph.facts, matching: matching.count)
            let budget = costs.budget(efSearch: efSearch, k: k)
            let found = graph.walk(
                query, k: k, efSearch: max(efSearch, k), allowed: matching.bitmap.words, strategy: costs.strategy, budget: budget, &statistics)
            let gaveUp = statistics.spentBudgets > 0
            if budget != nil { matching.noteWalk(gaveUp: gaveUp) }
            if gaveUp {
                plan = .codes(compared: matching.count, tail: graph.facts.tailCount, recall: SearchPlan.codesRecall)
                covered = scan(query, matching, in: graph, k: k, &statistics)
            } else {
                covered = found
            }
        }
        guard table.slotCount > graph.coveredCount else { return (covered, plan) }
        let tail = view.flat.search(query, k: k, from: graph.coveredCount, allowed: matching.bitmap.words, threads: threads)
        return (Neighbor.merge(covered, tail, limit: k), plan)
    }

    /// Of what matches and is covered, the nearest by codes.
    private func scan(
        _ query: UnsafeBufferPointer<Float>, _ matching: MatchingSlots, in graph: GraphIndex, k: Int, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        let list = matching.slots()
        let count = list.count(below: graph.coveredCount)
        return list.slots.withUnsafeBufferPointer {
            graph.scan(query, k: k, slots: UnsafeBufferPointer(rebasing: $0[..<count]), precision: .standard, &statistics)
        }
    }

    private func exactly(_ query: UnsafeBufferPointer<Float>, k: Int, matching: MatchingSlots, threads: Int) -> [Neighbor] {
        withExtendedLifetime(matching) { view.flat.search(query, k: k, allowed: matching.bitmap.words, threads: threads) }
    }

    /// The nearest through the graph, and exactly in the tail behind it.
    private func nearest(
        to query: UnsafeBufferPointer<Float>, in graph: GraphIndex, k: Int, efSearch: Int, threads: Int,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        let covered = graph.search(query, k: k, efSearch: max(efSearch, k), allowed: allowed, deleted: deleted)
        guard table.slotCount > graph.coveredCount else { return covered }
        let tail = view.flat.search(query, k: k, from: graph.coveredCount, allowed: allowed, deleted: deleted, threads: threads)
        return Neighbor.merge(covered, tail, limit: k)
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
