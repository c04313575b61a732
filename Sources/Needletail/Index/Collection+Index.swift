import NeedletailStorage

extension Collection {
    /// Gives the collection an index, which searches then use; one that it has is replaced when the new one is ready.
    ///
    /// The index is built from a snapshot: readers and writers go on meanwhile, and only its installation is a write. What is
    /// written from now on is found all the same, see ``IndexInformation/tailCount``. Cancelling the task ends the build, with
    /// nothing installed; so does the end of the process.
    ///
    /// ```swift
    /// let index = try await photos.createIndex(.hnsw(m: 16, efConstruction: 200))
    /// let small = try await photos.createIndex(.ivfpq())
    /// ```
    /// - Parameters:
    ///   - description: Which index.
    ///   - threads: How many threads build: all cores unless you say otherwise. More than one build a slightly different graph
    ///     each time, equally good; the lists of an IVF-PQ index do not depend on them.
    ///   - memoryLimit: The most memory in bytes that the build may take beyond the file's own map: no limit unless you set one.
    ///     The write that installs the index holds as much as it writes, at most the index once more, which is not counted.
    ///   - progress: Called now and then, on no particular thread.
    /// - Returns: The index as installed.
    /// - Throws: `invalidArgument` for a parameter out of its range, more lists than records or a memory limit that is too low, `indexConflict` where
    ///   another build of this collection's index runs or was installed meanwhile, `cancelled`, and what a write throws.
    /// - Complexity: Of a graph, about `efConstruction × m` distances a record; of lists, `nlist` distances a record, by matrix
    ///   products, and some more for training.
    @discardableResult
    public func createIndex(
        _ description: IndexDescription = .hnsw(), threads: Int? = nil, memoryLimit: Int? = nil,
        progress: (@Sendable (IndexProgress) -> Void)? = nil
    ) async throws(NeedletailError) -> IndexInformation {
        try description.validate(dimension: schema.dimension)
        let information = try await IndexBuild(self, threads: threads, memoryLimit: memoryLimit, progress: progress).create(description)
        // Nothing but the speed of searches hangs on it.
        try? await refreshStatistics()
        return information
    }

    /// Removes the collection's index. Searches compare every record from then on.
    ///
    /// - Throws: `unknownIndex` where there is none.
    public func dropIndex() async throws(NeedletailError) {
        let wasThere = try await write(.full) { table throws(StorageError) in
            var wasThere = false
            // By name: an index whose description is damaged can be dropped too.
            for name in try table.indexNames() where IndexParameters.isName(name) { wasThere = try table.dropIndex(name) || wasThere }
            return wasThere
        }
        guard wasThere else { throw noIndex("there is nothing to drop") }
        database.indexes.forget(tableID)
    }

    /// Facts about the collection's index; `nil` where it has none.
    public func index() throws(NeedletailError) -> IndexInformation? {
        let table = try table()
        return try ReadView.of(table, self).index()?.information(table)
    }

    /// Brings the index up to date: records that came after it are brought into it, and deleted ones taken out, of a graph with
    /// their neighbours reconnected, of lists once they are a fifth of them. Much cheaper than a new index where little has changed;
    /// readers and writers go on meanwhile.
    ///
    /// An IVF-PQ index is trained anew, by the parameters that it was created with, where records that came later are other ones
    /// than those it was trained on, or many times as many: ``OptimizeReport/retraining`` tells.
    ///
    /// Where the collection keeps its queries (``keepQueries(_:)``), the recall of the index is measured with them too.
    ///
    /// The parameters, and what is thrown besides, are those of ``createIndex(_:threads:memoryLimit:progress:)``.
    /// - Returns: What was done; nothing, where the index is up to date.
    /// - Throws: `unknownIndex` where the collection has none.
    @discardableResult
    public func optimize(
        threads: Int? = nil, memoryLimit: Int? = nil, progress: (@Sendable (IndexProgress) -> Void)? = nil
    ) async throws(NeedletailError) -> OptimizeReport {
        var report = try await IndexBuild(self, threads: threads, memoryLimit: memoryLimit, progress: progress).optimize()
        let queries = database.queries.queries(of: tableID)
        if queries.count >= Self.leastSampledQueries {
            try await IndexBuild(self, threads: threads, memoryLimit: memoryLimit, progress: progress).calibrate(with: queries)
            if let index = try index() { report.index = index }
        }
        try await bringOrderUpToDate()
        // What is known of the fields is found out anew too; nothing but the speed of searches hangs on it.
        try? await refreshStatistics()
        return report
    }

    func noIndex(_ remedy: String = "create one first") -> NeedletailError {
        NeedletailError(.unknownIndex, "collection '\(name)' of \(database.path) has no index: \(remedy)", path: database.path)
    }
}
