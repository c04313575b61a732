import Foundation
import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// The `k` records nearest to a vector, or all if there are fewer.
    ///
    /// ```swift
    /// let hits = try photos.search(near: vector, k: 10, where: Filter(parsing: "label IN ('cat', 'dog')"))
    /// ```
    /// - Parameters:
    ///   - vector: `dimension` finite components; not all zeros under cosine.
    ///   - k: 1 to ``maximumK``.
    ///   - filter: Only records that match take part: `k` come back whenever `k` match.
    ///   - fields: Which fields the hits carry.
    ///   - recall: The share of the true nearest that must be found, above 0 and at most 1. An exact scan gives 1 whatever is asked.
    ///   - threads: How many threads compute distances.
    /// - Throws: `dimensionMismatch`, `invalidVector`, `zeroVector`, `invalidArgument`, and what the filter throws.
    /// - Complexity: One distance for every matching record; safe from any number of tasks at once.
    public func search(
        near vector: [Float], k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        try check(k: k, recall: recall, threads: threads)
        let search = try ExactSearch(self, filter, fields)
        let query = try search.query(vector)
        return try search.results(search.nearest(to: query, k: k, threads: threads))
    }

    /// The records nearest to the record with this id, itself left out.
    ///
    /// - Throws: `recordNotFound`, and as ``search(near:k:where:select:recall:threads:)``.
    public func search(
        like id: RecordID, k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        try check(k: k, recall: recall, threads: threads)
        let search = try ExactSearch(self, filter, fields)
        let found = try storage { () throws(StorageError) in try search.table.slot(for: id.key) }
        guard let slot = found else {
            throw NeedletailError(.recordNotFound, "collection '\(name)' has no record \(id)")
        }
        let query = try search.query(self.vector(at: slot, of: search.table))
        let neighbors = search.nearest(to: query, k: k + 1, threads: threads).filter { $0.slot != slot }
        return try search.results(Array(neighbors.prefix(k)))
    }

    /// The records within a distance of a vector (the distance that ``SearchHit/distance`` reports, itself included), the nearest first.
    ///
    /// - Parameters:
    ///   - radius: Euclidean distance, cosine distance, or negative inner product, by the collection's metric.
    ///   - limit: At most so many.
    /// - Throws: As ``search(near:k:where:select:recall:threads:)``.
    public func search(
        near vector: [Float], within radius: Double, limit: Int? = nil, where filter: Filter? = nil,
        select fields: FieldSelection = .all, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        try check(k: limit ?? 1, recall: nil, threads: threads)
        guard radius.isFinite, radius >= 0 || schema.metric == .dot else {
            throw NeedletailError(.invalidArgument, "a radius of \(radius) is not possible: it must be finite, and not negative but for dot")
        }
        let search = try ExactSearch(self, filter, fields)
        let query = try search.query(vector)
        let neighbors = search.within(schema.metric.compared(radius), of: query, limit: limit, threads: threads)
        return try search.results(neighbors.filter { schema.metric.reported($0.distance) <= radius })
    }

    /// Searches for many vectors at once, which is several times as fast as one by one.
    ///
    /// - Parameter vectors: The queries; the results come in their order.
    /// - Throws: As ``search(near:k:where:select:recall:threads:)``, with the query's position in ``NeedletailError/row``.
    public func search(
        nearEach vectors: [[Float]], k: Int = 10, where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, threads: Int = 1
    ) throws(NeedletailError) -> [SearchResults] {
        try check(k: k, recall: recall, threads: threads)
        let search = try ExactSearch(self, filter, fields)
        var queries: [Float] = []
        queries.reserveCapacity(vectors.count * schema.dimension)
        for (row, vector) in vectors.enumerated() {
            do throws(NeedletailError) {
                queries.append(contentsOf: try search.query(vector))
            } catch {
                var error = error
                error.message = "query \(row): " + error.message
                error.row = row
                throw error
            }
        }
        var results: [SearchResults] = []
        for neighbors in search.nearest(toEach: queries, count: vectors.count, k: k, threads: threads) {
            results.append(try search.results(neighbors))
        }
        return results
    }

    private func check(k: Int, recall: Double?, threads: Int) throws(NeedletailError) {
        guard (1 ... Collection.maximumK).contains(k) else {
            throw NeedletailError(.invalidArgument, "\(k) neighbours cannot be asked for: from 1 to \(Collection.maximumK) can", actual: k)
        }
        if let recall, !(recall > 0 && recall <= 1) {
            throw NeedletailError(.invalidArgument, "a recall of \(recall) is not possible: it must be above 0 and at most 1")
        }
        guard (1 ... 1_024).contains(threads) else {
            throw NeedletailError(.invalidArgument, "\(threads) threads are not possible: from 1 to 1,024 are", actual: threads)
        }
    }
}

/// One exact search (or batch) on one snapshot: the filter first, then the distances of what it leaves.
struct ExactSearch {
    let collection: Collection
    let table: TableSnapshot
    private let positions: [Int]
    private let matching: SlotBitmap?
    private let index: FlatIndex

    init(_ collection: Collection, _ filter: Filter?, _ fields: FieldSelection) throws(NeedletailError) {
        let schema = collection.schema
        self.collection = collection
        table = try collection.table()
        positions = try fields.positions(in: schema)
        if let filter { matching = try collection.matching(filter, in: table) } else { matching = nil }
        index = FlatIndex(
            vectors: table.vectors, dimension: schema.dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement)
    }

    /// `vector`, if it can be a query of the collection.
    func query(_ vector: [Float]) throws(NeedletailError) -> [Float] {
        let schema = collection.schema
        guard vector.count == schema.dimension else {
            throw NeedletailError(
                .dimensionMismatch,
                "the query has \(vector.count) components, the dimension of collection '\(collection.name)' is \(schema.dimension)",
                expected: schema.dimension, actual: vector.count)
        }
        // In double precision, in which the square of no float but 0 is 0.
        var squares = 0.0
        for (i, value) in vector.enumerated() {
            // Against 8-bit rows a query is compared in 8 bits too: rounding it in silence would change the answer.
            if let rule = (schema.element == .i8 ? ElementType.i8 : .f32).refusal(of: value) {
                throw NeedletailError(.invalidVector, "component \(i) of the query is \(value): \(rule)")
            }
            squares += Double(value) * Double(value)
        }
        guard Float(squares).isFinite else { throw NeedletailError(.invalidVector, "the query is too long: its squared length is not a finite float") }
        if schema.metric == .cosine, squares == 0 {
            throw NeedletailError(.zeroVector, "the query is all zeros, which has no direction: cosine cannot compare it")
        }
        return vector
    }

    func nearest(to query: [Float], k: Int, threads: Int) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            withMasks { index.search(query, k: k, allowed: $0, deleted: $1, threads: threads) }
        }
    }

    func within(_ radius: Float, of query: [Float], limit: Int?, threads: Int) -> [Neighbor] {
        query.withUnsafeBufferPointer { query in
            withMasks { index.search(within: radius, of: query, limit: limit, allowed: $0, deleted: $1, threads: threads) }
        }
    }

    func nearest(toEach queries: [Float], count: Int, k: Int, threads: Int) -> [[Neighbor]] {
        queries.withUnsafeBufferPointer { queries in
            withMasks { index.search(batch: queries, count: count, k: k, allowed: $0, deleted: $1, threads: threads) }
        }
    }

    /// Hits with ids and fields, for neighbours of this search's snapshot.
    func results(_ neighbors: [Neighbor]) throws(NeedletailError) -> SearchResults {
        let metric = collection.schema.metric
        let hits = try storage { () throws(StorageError) in
            let keys = try table.keys(ofSlots: neighbors.map(\.slot))
            var hits: [SearchHit] = []
            hits.reserveCapacity(neighbors.count)
            for (neighbor, key) in zip(neighbors, keys) {
                hits.append(
                    SearchHit(
                        id: RecordID(key), distance: metric.reported(neighbor.distance), score: metric.score(neighbor.distance),
                        fields: try collection.values(at: neighbor.slot, of: table, positions)))
            }
            return hits
        }
        return SearchResults(hits: hits, plan: .exact(compared: matching?.count ?? table.liveCount))
    }

    /// The filter's bitmap and the deletion bitmap; the filter's leaves deleted records out by itself.
    private func withMasks<R>(_ body: (UnsafeBufferPointer<UInt64>?, UnsafeBufferPointer<UInt64>?) -> R) -> R {
        guard let matching else { return body(nil, table.deleted) }
        return matching.withUnsafeWords { body($0, nil) }
    }
}
