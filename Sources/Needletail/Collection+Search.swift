import Foundation
import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// The `k` records nearest to a vector, or all if there are fewer.
    ///
    /// Through the collection's index, if it has one and an exact scan would not be faster; records that came after the index are
    /// compared one by one. ``SearchResults/plan`` tells what was done.
    ///
    /// ```swift
    /// let hits = try photos.search(near: vector, k: 10, where: Filter(parsing: "label IN ('cat', 'dog')"))
    /// ```
    /// - Parameters:
    ///   - vector: `dimension` finite components; not all zeros under cosine.
    ///   - k: 1 to ``maximumK``.
    ///   - filter: Only records that match take part: `k` come back whenever `k` match.
    ///   - fields: Which fields the hits carry.
    ///   - recall: The share of the true nearest that must be found, above 0 and at most 1: 0.95 unless you say otherwise. What
    ///     was measured when the index was built turns it into an `efSearch` or `nprobe`. At 1, all is compared; so it is without an index,
    ///     whatever is asked.
    ///   - efSearch: How many candidates a search through an `hnsw` index keeps, `k` to 1,000,000, instead of `recall`.
    ///   - nprobe: How many lists a search through an `ivfpq` index scans, 1 to its `nlist`, instead of `recall`.
    ///   - refineFactor: How many rows for each of the `k` such a search compares in full precision, 1 to 10,000: by what was measured
    ///     unless you say otherwise.
    ///   - exact: Compare every record, index or not.
    ///   - threads: How many threads may compute distances. A walk through an index is the work of one.
    /// - Throws: `dimensionMismatch`, `invalidVector`, `zeroVector`, `invalidArgument`, also for a setting of the other kind of
    ///   index, `unknownIndex` for one without an index, and what the filter throws.
    /// - Complexity: Through a graph, about `efSearch × 2m` distances; through lists, `nlist + k × refineFactor` distances and the
    ///   codes of `nprobe` lists; and one for each record that came after the index. Else one for every matching record. Safe
    ///   from any number of tasks at once.
    public func search(
        near vector: [Float], k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads)
        try request.validate()
        try check(query: vector)
        database.queries.note(vector, of: tableID)
        let search = try SearchExecution(self, filter, fields)
        let (neighbors, plan) = try search.nearest(to: vector, k: k, plan: search.plan(request), threads: threads)
        return try search.results(neighbors, plan)
    }

    /// The records nearest to the record with this id, itself left out.
    ///
    /// - Throws: `recordNotFound`, and as ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    public func search(
        like id: RecordID, k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads)
        try request.validate()
        let search = try SearchExecution(self, filter, fields)
        let found = try storage { () throws(StorageError) in try search.table.slot(for: id.key) }
        guard let slot = found else {
            throw NeedletailError(.recordNotFound, "collection '\(name)' has no record \(id)")
        }
        let vector = self.vector(at: slot, of: search.table)
        try check(query: vector)
        let (neighbors, plan) = try search.nearest(to: vector, k: k + 1, plan: search.plan(request), threads: threads)
        return try search.results(Array(neighbors.filter { $0.slot != slot }.prefix(k)), plan)
    }

    /// The records within a distance of a vector (the distance that ``SearchHit/distance`` reports, itself included), the nearest first.
    ///
    /// - Parameters:
    ///   - radius: Euclidean distance, cosine distance, or negative inner product, by the collection's metric.
    ///   - limit: At most so many.
    ///   - recall: As in ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``: through an index, so large a share of
    ///     those within the distance is found, about; under `dot` a few per cent fewer, since records of a great inner
    ///     product need not be near each other.
    /// - Throws: As ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    public func search(
        near vector: [Float], within radius: Double, limit: Int? = nil, where filter: Filter? = nil,
        select fields: FieldSelection = .all, recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        // The walk grows with what it finds, so the number that is asked for at least is what counts.
        var request = SearchRequest(
            k: limit ?? 1, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads, isOpenEnded: true)
        try request.validate()
        guard radius.isFinite, radius >= 0 || schema.metric == .dot else {
            throw NeedletailError(.invalidArgument, "a radius of \(radius) is not possible: it must be finite, and not negative but for dot")
        }
        try check(query: vector)
        let search = try SearchExecution(self, filter, fields)
        var plan = try search.plan(request)
        var neighbors = try search.within(schema.metric.compared(radius), of: vector, limit: limit, plan: plan, threads: threads)
        // Lists are chosen before it is known how many records they are to hold. So more are scanned, until twice as many find no more,
        // and as many as find the share that is asked for of so many neighbours.
        while nprobe == nil, case .ivfpq(let lists, let refineFactor, let tail, let matching, let recall) = plan,
              lists < search.listCount, neighbors.count < limit ?? .max {
            let before = neighbors.count
            (request.k, request.refineFactor) = (max(request.k, before), nil)
            plan = try search.plan(request)
            if case .ivfpq(let wanted, _, _, _, _) = plan {
                plan = .ivfpq(
                    nprobe: min(max(2 * lists, wanted), search.listCount), refineFactor: refineFactor, tail: tail, matching: matching, recall: recall)
            }
            neighbors = try search.within(schema.metric.compared(radius), of: vector, limit: limit, plan: plan, threads: threads)
            if neighbors.count == before { break }
        }
        return try search.results(neighbors.filter { schema.metric.reported($0.distance) <= radius }, plan)
    }

    /// Searches for many vectors at once: several times as fast as one by one where all are compared or lists are scanned, and on
    /// as many threads as you allow where a graph is walked.
    ///
    /// - Parameter vectors: The queries; the results come in their order.
    /// - Throws: As ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``, with the query's position in
    ///   ``NeedletailError/row``.
    public func search(
        nearEach vectors: [[Float]], k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> [SearchResults] {
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads)
        try request.validate()
        var queries: [Float] = []
        queries.reserveCapacity(vectors.count * schema.dimension)
        for (row, vector) in vectors.enumerated() {
            do throws(NeedletailError) {
                try check(query: vector)
            } catch {
                var error = error
                error.message = "query \(row): " + error.message
                error.row = row
                throw error
            }
            queries.append(contentsOf: vector)
            database.queries.note(vector, of: tableID)
        }
        let search = try SearchExecution(self, filter, fields)
        let plan = try search.plan(request)
        var results: [SearchResults] = []
        results.reserveCapacity(vectors.count)
        for (neighbors, plan) in try search.nearest(toEach: queries, count: vectors.count, k: k, plan: plan, threads: threads) {
            results.append(try search.results(neighbors, plan))
        }
        return results
    }
}
