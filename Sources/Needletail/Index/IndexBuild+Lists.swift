import NeedletailIndex
import NeedletailStorage

extension IndexBuild {
    /// Lists of all live records, trained on them.
    func buildLists(_ request: ListRequest, _ table: TableSnapshot) throws(NeedletailError) -> Built {
        let live = table.liveCount
        guard live > 0 else {
            throw NeedletailError(.invalidArgument, "collection '\(collection.name)' has no records to train an ivfpq index on: load some first")
        }
        let builder = try fitted(IVFPQBuilder(source(table), options: request.options(count: live, dimension: collection.schema.dimension), crew: crew(table)))
        let built = try training { () throws(TrainingError) in try builder.build() }
        return result(built, request, try measure(built, table), measuredCount: live, peakByteCount: builder.peakByteCount)
    }

    /// Lists with the tail in them, and without what has been deleted if that is much; trained anew where it pays. `nil` where
    /// nothing has changed.
    func mergeLists(_ index: ListIndex, _ before: IndexInformation, _ table: TableSnapshot) throws(NeedletailError) -> Built? {
        let request = index.parameters.request ?? ListRequest()
        let live = table.liveCount
        // Known before any record is coded.
        let growth = Double(live) / Double(max(index.lists.header.trainedCount, 1))
        if let reason = index.lists.retraining.map(RetrainingReason.init) ?? (growth >= Self.retrainingGrowth ? .growth(ratio: growth) : nil), live > 0 {
            return try retrain(reason, request, before, table)
        }
        guard index.coveredCount < table.slotCount || before.deletedCount * 5 > index.lists.header.rowCount else { return nil }
        let peak = IVFPQBuilder.mergePeakByteCount(index.lists, source(table), threads: threads)
        if let memoryLimit, peak > memoryLimit { throw tooMuchMemory(peak, memoryLimit, "optimize more often") }
        let built = try training { () throws(TrainingError) in try index.lists.merged(with: source(table), crew: crew(table)) }
        let merged = sound(built, table)
        if let reason = merged.retraining { return try retrain(RetrainingReason(reason), request, before, table) }
        let known = index.parameters.measuredCount
        let isStale = hasChanged(since: known, before, table)
        // What was measured with real queries holds as long as what was with records.
        let measured = isStale ? try measure(built, table) : (index.parameters.curves, index.parameters.queryCurves, nil)
        var result = result(built, request, measured, measuredCount: isStale ? live : known, peakByteCount: peak)
        result.repairedCount = before.deletedCount - (built.header.rowCount - live)
        return result
    }

    /// So many times the records of the training make new lists worth while, whatever the records are.
    private static let retrainingGrowth = 4.0

    private func retrain(
        _ reason: RetrainingReason, _ request: ListRequest, _ before: IndexInformation, _ table: TableSnapshot
    ) throws(NeedletailError) -> Built {
        var built = try buildLists(request, table)
        built.retraining = reason
        built.repairedCount = before.deletedCount
        return built
    }

    private func result(
        _ built: IVFPQBuild, _ request: ListRequest, _ measured: Measured, measuredCount: Int, peakByteCount: Int
    ) -> Built {
        Built(
            content: .lists(built.header, request: request, curves: measured.curves, queryCurves: measured.queryCurves), measuredCount: measuredCount,
            peakByteCount: peakByteCount, measuringSeconds: measured.seconds, warnings: built.warnings, arrays: built.contents, owner: built)
    }

    private func source(_ table: TableSnapshot) -> IVFPQSource {
        let schema = collection.schema
        return IVFPQSource(
            vectors: table.vectors, dimension: schema.dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement,
            deleted: table.deletedCount(in: 0 ..< table.slotCount) > 0 ? table.deleted : nil)
    }

    /// Work done by phase: shares of training, then records coded.
    private func crew(_ table: TableSnapshot) -> TrainingCrew {
        let total = table.slotCount
        var report: (@Sendable (String, Double) -> Void)?
        if let progress {
            report = { phase, fraction in progress(IndexProgress(training: phase, fraction, of: total)) }
        }
        return TrainingCrew(threads: threads, progress: report, isCancelled: { isCancelled })
    }

    /// The builder, with as many vectors to train on as the memory limit allows.
    private func fitted(_ builder: IVFPQBuilder) throws(NeedletailError) -> IVFPQBuilder {
        guard let memoryLimit, builder.peakByteCount > memoryLimit else { return builder }
        guard let smaller = builder.fitting(memoryLimit: memoryLimit) else {
            throw tooMuchMemory(builder.leastByteCount, memoryLimit, "lower nlist or the bytes of a vector")
        }
        return smaller
    }

    /// Runs a step of training, and turns what it throws into the public error.
    private func training<R>(_ body: () throws(TrainingError) -> R) throws(NeedletailError) -> R {
        do throws(TrainingError) {
            return try body()
        } catch {
            switch error {
            case .cancelled: throw cancelled()
            case .invalid(let reason): throw NeedletailError(.invalidArgument, reason)
            case .tooManyClusters(let clusters, let vectors):
                throw NeedletailError(
                    .invalidArgument,
                    "\(NumberText.count(clusters)) lists cannot be made of \(NumberText.counted(vectors, "record")): ask for an nlist of at most as many, or leave it out",
                    expected: vectors, actual: clusters)
            case .notFinite(let slot):
                throw NeedletailError(
                    .invalidVector, "the vector of the record in slot \(slot) of collection '\(collection.name)' has a component that is not finite: delete it, or write it anew",
                    actual: Int(slot))
            }
        }
    }

    private func sound(_ built: IVFPQBuild, _ table: TableSnapshot) -> IVFPQIndex {
        do throws(IVFPQDamage) { return try built.index(vectors: table.vectors) } catch {
            preconditionFailure("what was just built is sound: \(error)")
        }
    }

    private typealias Measured = (curves: [ListCalibration.Curve], queryCurves: [ListCalibration.Curve], seconds: Double?)

    private func measure(_ built: IVFPQBuild, _ table: TableSnapshot) throws(NeedletailError) -> Measured {
        let start = ContinuousClock.now
        let measurement = ListMeasurement(index: sound(built, table), table: table, schema: collection.schema, threads: threads)
        guard let curves = measurement.curves(continues) else { throw cancelled() }
        return (curves, [], (ContinuousClock.now - start) / .seconds(1))
    }
}

extension IndexProgress {
    /// A phase of training or coding, as a share of `count` slots.
    fileprivate init(training phase: String, _ fraction: Double, of count: Int) {
        // Clustering is most of training.
        let (first, share, isBuilding) = switch phase {
        case "sample": (0.0, 0.05, false)
        case "clustering": (0.05, 0.9, false)
        case "codebooks": (0.95, 0.05, false)
        case "lists": (0.95, 0.05, true)
        default: (0.0, 0.95, true)
        }
        let done = Int(Double(count) * (first + share * min(max(fraction, 0), 1)))
        self.init(phase: isBuilding ? .building : .preparing, done: done, total: count)
    }
}
