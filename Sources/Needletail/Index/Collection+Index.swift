import NeedletailIndex
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
    /// ```
    /// - Parameters:
    ///   - description: Which index.
    ///   - threads: How many threads build: all cores unless you say otherwise. More than one build a slightly different graph
    ///     each time, equally good.
    ///   - memoryLimit: The most memory in bytes that the build may take beyond the file's own map: no limit unless you set one.
    ///     The write that installs the index holds as much as it writes, at most the index once more, which is not counted.
    ///   - progress: Called now and then, on no particular thread.
    /// - Returns: The index as installed.
    /// - Throws: `invalidArgument` for a parameter out of its range or a memory limit that is too low, `indexConflict` where
    ///   another build of this collection's index runs or was installed meanwhile, `cancelled`, and what a write throws.
    /// - Complexity: About `efConstruction × m` distances a record.
    @discardableResult
    public func createIndex(
        _ description: IndexDescription = .hnsw(), threads: Int? = nil, memoryLimit: Int? = nil,
        progress: (@Sendable (IndexProgress) -> Void)? = nil
    ) async throws(NeedletailError) -> IndexInformation {
        try description.validate()
        return try await IndexBuild(self, threads: threads, memoryLimit: memoryLimit, progress: progress).create(description)
    }

    /// Removes the collection's index. Searches compare every record from then on.
    ///
    /// - Throws: `unknownIndex` where there is none.
    public func dropIndex() async throws(NeedletailError) {
        let wasThere = try await write(.full) { table throws(StorageError) in try table.dropIndex(IndexParameters.name) }
        guard wasThere else { throw noIndex("there is nothing to drop") }
        database.indexes.forget(tableID)
    }

    /// Facts about the collection's index; `nil` where it has none.
    public func index() throws(NeedletailError) -> IndexInformation? {
        let table = try table()
        return try ReadView.of(table, self).graph()?.information(table)
    }

    /// Brings the index up to date: records that came after it are brought into the graph, and deleted ones taken out, with
    /// their neighbours reconnected. Much cheaper than a new index where little has changed; readers and writers go on meanwhile.
    ///
    /// The parameters, and what is thrown besides, are those of ``createIndex(_:threads:memoryLimit:progress:)``.
    /// - Returns: What was done; nothing, where the index is up to date.
    /// - Throws: `unknownIndex` where the collection has none.
    @discardableResult
    public func optimize(
        threads: Int? = nil, memoryLimit: Int? = nil, progress: (@Sendable (IndexProgress) -> Void)? = nil
    ) async throws(NeedletailError) -> OptimizeReport {
        try await IndexBuild(self, threads: threads, memoryLimit: memoryLimit, progress: progress).optimize()
    }

    func noIndex(_ remedy: String = "create one first") -> NeedletailError {
        NeedletailError(.unknownIndex, "collection '\(name)' of \(database.path) has no index: \(remedy)", path: database.path)
    }
}

extension GraphIndex {
    /// Facts about the index, as `table`, which it belongs to, shows it.
    func information(_ table: TableSnapshot) -> IndexInformation {
        let header = parameters.header
        let liveCovered = header.count - deletedCount - parameters.unlinkedCount
        return IndexInformation(
            kind: IndexParameters.kind, m: header.m, efConstruction: header.efConstruction,
            quantization: Quantization(header.quantization), seed: header.seed, coveredCount: liveCovered,
            tailCount: table.liveCount - liveCovered, deletedCount: deletedCount,
            byteCount: snapshot.descriptor.arrays.reduce(0) { $0 + $1.stride * $1.count },
            calibration: header.calibration.map { RecallPoint(k: $0.k, efSearch: $0.efSearch, recall: $0.recall) },
            build: parameters.build)
    }
}

extension TableSnapshot {
    /// How many of the slots are deleted.
    func deletedCount(in slots: Range<Int>) -> Int {
        guard let deleted, !slots.isEmpty else { return 0 }
        var count = 0
        for word in slots.lowerBound / 64 ... (slots.upperBound - 1) / 64 {
            var bits = deleted[word]
            let (before, behind) = (slots.lowerBound - word * 64, slots.upperBound - word * 64)
            if before > 0 { bits &= ~0 << UInt64(before) }
            if behind < 64 { bits &= (1 << UInt64(behind)) - 1 }
            count += bits.nonzeroBitCount
        }
        return count
    }
}

extension Quantization {
    init(_ quantization: NeedletailIndex.Quantization) {
        switch quantization {
        case .none: self = .none
        case .sq8: self = .sq8
        case .rabitq: self = .rabitq
        }
    }

    /// The form for vectors of a schema: measured to be the fastest at equal recall.
    func resolved(for schema: Schema) -> NeedletailIndex.Quantization {
        switch self {
        case .none: .none
        case .sq8: .sq8
        case .rabitq: .rabitq
        // Rows of i8 are as short as SQ8 codes would be; in few dimensions, so many bits say too little.
        case .automatic: schema.dimension >= 256 ? .rabitq : schema.element == .i8 ? .none : .sq8
        }
    }
}
