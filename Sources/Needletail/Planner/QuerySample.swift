import Synchronization

/// Queries that searches asked with lately, of collections that were allowed to keep some: in memory only, and as long as the database
/// is open.
final class QuerySampleRegistry: Sendable {
    private struct Sample {
        var capacity: Int
        var queries: [[Float]] = []
        /// Queries seen, those that are kept no more included.
        var seen = 0

        mutating func note(_ query: [Float]) {
            // The newest: what people ask changes with time.
            if queries.count < capacity { queries.append(query) } else { queries[seen % capacity] = query }
            seen += 1
        }
    }

    /// What most programs leave off costs a search no more than a look at this.
    private let isOn = Atomic<Bool>(false)
    private let samples = Mutex<[UInt32: Sample]>([:])

    /// Keeps at most so many of a collection's queries from now on; 0: none, and forgets those there are.
    func keep(_ count: Int, of tableID: UInt32) {
        samples.withLock { samples in
            if count == 0 {
                samples[tableID] = nil
            } else {
                var sample = Sample(capacity: count)
                for query in samples[tableID]?.queries.suffix(count) ?? [] { sample.note(query) }
                samples[tableID] = sample
            }
            isOn.store(!samples.isEmpty, ordering: .relaxed)
        }
    }

    /// Notes a query, if the collection keeps any.
    @inline(__always)
    func note(_ query: [Float], of tableID: UInt32) {
        guard isOn.load(ordering: .relaxed) else { return }
        samples.withLock { samples in _ = samples[tableID]?.note(query) }
    }

    /// The queries that are kept.
    func queries(of tableID: UInt32) -> [[Float]] { samples.withLock { $0[tableID]?.queries ?? [] } }
}

extension Collection {
    /// Queries below which nothing is measured by them: fewer tell too little of recall.
    static let leastSampledQueries = 100

    /// Allows the collection to keep its most recent queries in memory, at most so many, for ``optimize(threads:memoryLimit:progress:)``
    /// to measure by them how much the index finds. Without, nothing of what is asked is kept.
    ///
    /// The recall of an index is measured with records of the collection when it is built. Where queries are another kind of thing, as
    /// sketches that look for photos, a setting finds more or less for them. What was measured with queries is kept in the file beside
    /// the records' own curve, and taken in its place for searches, until the index is built anew or has grown so much that it is measured
    /// anew. The queries themselves are never written, and gone when the database is closed.
    ///
    /// ```swift
    /// try photos.keepQueries()
    /// // … a day's searches …
    /// try await photos.optimize()
    /// ```
    /// - Parameter count: 100 to 10,000, since fewer tell too little; 0 to keep none any more.
    /// - Throws: `invalidArgument` for another number.
    /// - Complexity: A copy of each query's reference; memory for `count` queries.
    public func keepQueries(_ count: Int = 500) throws(NeedletailError) {
        guard count == 0 || (Self.leastSampledQueries ... 10_000).contains(count) else {
            throw NeedletailError(
                .invalidArgument, "\(NumberText.count(count)) queries cannot be kept: from \(Self.leastSampledQueries) to 10,000 can, or 0 to keep none",
                actual: count)
        }
        database.queries.keep(count, of: tableID)
    }

    /// How many queries are kept.
    public var keptQueryCount: Int { database.queries.queries(of: tableID).count }
}
