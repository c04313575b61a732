import NeedletailIndex
import NeedletailStorage

extension IndexBuild {
    /// A graph of all live records.
    func buildGraph(_ description: IndexDescription, _ table: TableSnapshot) throws(NeedletailError) -> Built {
        let built = try linking { () throws(HNSWBuildError) in try builder(table, description).build(measuring: trial(table)) }
        let unlinked = table.deletedCount(in: 0 ..< built.header.count)
        return result(built, measuredCount: built.header.count - unlinked, unlinked)
    }

    /// A graph with the tail in it, and without what has been deleted; `nil` where nothing has changed.
    func mergeGraph(_ index: GraphIndex, _ before: IndexInformation, _ table: TableSnapshot) throws(NeedletailError) -> Built? {
        // Slots behind it are looked through by every search, even if all of their records have been deleted.
        guard index.coveredCount < table.slotCount || before.deletedCount > 0 else { return nil }
        let header = index.graph.header
        let description = IndexDescription.hnsw(
            m: header.m, efConstruction: header.efConstruction, quantization: Quantization(header.quantization), seed: header.seed)
        let known = index.parameters.measuredCount
        let hasChanged = hasChanged(since: known, before, table)
        let built = try linking { () throws(HNSWBuildError) in
            try builder(table, description).merge(into: index.graph, measuring: hasChanged ? trial(table) : nil)
        }
        let unlinked = table.deletedCount(in: 0 ..< built.header.count)
        // What was measured with real queries holds as long as what was with records.
        var merged = result(
            built, measuredCount: built.isMeasured ? built.header.count - unlinked : known, unlinked,
            queryPoints: built.isMeasured ? [] : index.parameters.queryPoints)
        merged.repairedCount = before.deletedCount
        return merged
    }

    private func result(
        _ built: HNSWBuild, measuredCount: Int, _ unlinkedCount: Int, queryPoints: [HNSWHeader.CalibrationPoint] = []
    ) -> Built {
        Built(
            content: .graph(built.header, unlinkedCount: unlinkedCount, queryPoints: queryPoints), measuredCount: measuredCount,
            peakByteCount: built.peakByteCount, arrays: built.contents, owner: built)
    }

    /// What measures the graph while it is built.
    private func trial(_ table: TableSnapshot) -> HNSWTrial {
        { graph, heldOut throws(HNSWBuildError) in
            let measurement = GraphMeasurement(graph: graph, heldOut: heldOut, table: table, schema: collection.schema, threads: threads)
            guard let points = measurement.points(continues) else { throw .cancelled }
            return points
        }
    }

    private func source(_ table: TableSnapshot) -> HNSWSource {
        let schema = collection.schema
        return HNSWSource(
            vectors: table.vectors, dimension: schema.dimension, metric: schema.metric.indexMetric,
            element: schema.element.indexElement, deleted: table.deleted)
    }

    private func builder(_ table: TableSnapshot, _ description: IndexDescription) -> HNSWBuilder {
        let schema = collection.schema, source = source(table)
        guard case .hnsw(let m, let efConstruction, let quantization, let seed) = description else {
            preconditionFailure("a graph is built by the description of one")
        }
        let options = HNSWOptions(
            m: m, efConstruction: efConstruction, quantization: quantization.resolved(for: schema), seed: seed, threads: threads,
            memoryLimit: memoryLimit)
        return HNSWBuilder(
            source, options: options,
            progress: progress.map { progress in { progress(IndexProgress($0, of: source.vectors.count)) } },
            isCancelled: { isCancelled })
    }

    /// Runs a step of the builder, and turns what it throws into the public error.
    private func linking<R>(_ body: () throws(HNSWBuildError) -> R) throws(NeedletailError) -> R {
        do throws(HNSWBuildError) {
            return try body()
        } catch {
            switch error {
            case .cancelled: throw cancelled()
            case .memoryLimit(let needed, let limit): throw tooMuchMemory(needed, limit, "lower m")
            case .outOfMemory(let byteCount):
                throw NeedletailError(.io, "the system has no \(NumberText.bytesNeeded(byteCount)) of memory left for the index: free some, or lower m")
            case .invalid(let reason): throw NeedletailError(.invalidArgument, reason)
            }
        }
    }
}

extension IndexProgress {
    /// A part of a build, as the share of the `count` slots that are linked.
    fileprivate init(_ progress: HNSWBuildProgress, of count: Int) {
        switch progress.phase {
        case .encode, .order, .repair, .codes: self.init(phase: .preparing, done: progress.done, total: progress.total)
        case .upper: self.init(phase: .building, done: progress.done, total: count)
        // What is not inserted here was before.
        case .insert, .connect: self.init(phase: .building, done: count - progress.total + progress.done, total: count)
        }
    }
}
