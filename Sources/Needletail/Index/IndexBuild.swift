import Foundation
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// One build of a collection's index, or one merge of what has changed into it.
///
/// It runs on threads of its own, since work of minutes would keep Swift's cooperative ones from everything else: from a
/// snapshot, in memory, then one write transaction that installs what was built. Until that commit the file knows nothing of it.
struct IndexBuild: Sendable {
    private let collection: Collection
    private let threads: Int
    private let memoryLimit: Int?
    private let progress: (@Sendable (IndexProgress) -> Void)?
    private let cancellation = Cancellation()

    /// Set by the task's cancellation, looked at by the build.
    private final class Cancellation: Sendable {
        private let flag = Atomic<Bool>(false)
        var isRequested: Bool { flag.load(ordering: .relaxed) }
        func request() { flag.store(true, ordering: .relaxed) }
    }

    init(
        _ collection: Collection, threads: Int?, memoryLimit: Int?, progress: (@Sendable (IndexProgress) -> Void)?
    ) throws(NeedletailError) {
        if let threads, !(1 ... 1_024).contains(threads) {
            throw NeedletailError(.invalidArgument, "\(threads) threads are not possible: from 1 to 1,024 are", actual: threads)
        }
        if let memoryLimit, memoryLimit < 1 {
            throw NeedletailError(.invalidArgument, "a memory limit of \(memoryLimit) bytes is not possible: it must be above 0", actual: memoryLimit)
        }
        guard collection.pinned == nil else {
            throw NeedletailError(.readOnly, "a snapshot cannot be written: index the collection of the database itself")
        }
        guard !collection.database.environment.isReadOnly else {
            throw NeedletailError(
                .readOnly, "\(collection.database.path) was opened for reading only; open it for writing to index it", path: collection.database.path)
        }
        self.collection = collection
        self.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
        self.memoryLimit = memoryLimit
        self.progress = progress
    }

    /// Builds an index afresh and installs it.
    func create(_ description: IndexDescription) async throws(NeedletailError) -> IndexInformation {
        try await onOwnThread { () throws(NeedletailError) in
            let start = ContinuousClock.now
            let table = try collection.table()
            let installed = try storage { () throws(StorageError) in try table.indexes() }
            let version = installed.first { $0.descriptor.name == IndexParameters.name }?.descriptor.version ?? 0
            let built = try building { () throws(HNSWBuildError) in try builder(table, description).build() }
            let unlinked = table.deletedCount(in: 0 ..< built.header.count)
            let measured = try measure(built, table, unlinkedCount: unlinked)
            try install(
                built, calibration: measured, measuredCount: built.header.count - unlinked, unlinkedCount: unlinked, start: start,
                expectedVersion: version, table)
        }
        return try information()
    }

    /// Brings the tail into the index and takes deleted records out.
    func optimize() async throws(NeedletailError) -> OptimizeReport {
        let (merged, repaired) = try await onOwnThread { () throws(NeedletailError) in
            let start = ContinuousClock.now
            let table = try collection.table()
            guard let index = try ReadView.of(table, collection).graph() else { throw collection.noIndex() }
            let before = index.information(table)
            // Slots behind it are looked through by every search, even if all of their records have been deleted.
            guard index.coveredCount < table.slotCount || before.deletedCount > 0 else { return (0, 0) }
            let header = index.parameters.header
            let description = IndexDescription.hnsw(
                m: header.m, efConstruction: header.efConstruction, quantization: before.quantization, seed: header.seed)
            // Recall changes slowly with the number of records: a fifth more, fewer or replaced is worth a new measurement.
            let known = index.parameters.measuredCount
            let hasChanged = max(abs(table.liveCount - known), before.tailCount) > known / 5
            let built = try building { () throws(HNSWBuildError) in
                try builder(table, description).merge(into: index.graph, remeasures: hasChanged)
            }
            let unlinked = table.deletedCount(in: 0 ..< built.header.count)
            let live = built.header.count - unlinked
            let isStale = hasChanged || built.isFresh
            let points = isStale ? try measure(built, table, unlinkedCount: unlinked) : header.calibration
            try install(
                built, calibration: points, measuredCount: isStale ? live : known, unlinkedCount: unlinked, start: start,
                expectedVersion: index.snapshot.descriptor.version, table)
            return (before.tailCount, before.deletedCount)
        }
        return OptimizeReport(mergedCount: merged, repairedCount: repaired, index: try information())
    }

    // MARK: Steps

    private func builder(_ table: TableSnapshot, _ description: IndexDescription) -> HNSWBuilder {
        let schema = collection.schema
        let source = HNSWSource(
            vectors: table.vectors, dimension: schema.dimension, metric: schema.metric.indexMetric,
            element: schema.element.indexElement, deleted: table.deleted)
        let options: HNSWOptions
        switch description {
        case .hnsw(let m, let efConstruction, let quantization, let seed):
            options = HNSWOptions(
                m: m, efConstruction: efConstruction, quantization: quantization.resolved(for: schema), seed: seed, threads: threads,
                memoryLimit: memoryLimit)
        }
        let (progress, cancellation) = (progress, cancellation)
        return HNSWBuilder(
            source, options: options,
            progress: progress.map { progress in { progress(IndexProgress($0, of: source.vectors.count)) } },
            isCancelled: { cancellation.isRequested })
    }

    /// Runs a step of the builder, and turns what it throws into the public error.
    private func building<R>(_ body: () throws(HNSWBuildError) -> R) throws(NeedletailError) -> R {
        do throws(HNSWBuildError) {
            return try body()
        } catch {
            switch error {
            case .cancelled: throw cancelled()
            case .memoryLimit(let needed, let limit):
                throw NeedletailError(
                    .invalidArgument, "the index needs \(NumberText.bytesNeeded(needed)) of memory to build, more than the limit of \(NumberText.count(limit)) bytes: raise it, or lower m",
                    expected: needed, actual: limit)
            case .outOfMemory(let byteCount):
                throw NeedletailError(.io, "the system has no \(NumberText.bytesNeeded(byteCount)) of memory left for the index: free some, or lower m")
            case .invalid(let reason): throw NeedletailError(.invalidArgument, reason)
            }
        }
    }

    private func measure(_ built: HNSWBuild, _ table: TableSnapshot, unlinkedCount: Int) throws(NeedletailError) -> [HNSWHeader.CalibrationPoint] {
        let graph: HNSWGraph
        do throws(HNSWError) { graph = try built.graph(vectors: table.vectors) } catch {
            preconditionFailure("what was just built is sound: \(error)")
        }
        let measurement = RecallMeasurement(
            graph: graph, deleted: table.deleted, liveCount: built.header.count - unlinkedCount, threads: threads)
        let (progress, cancellation) = (progress, cancellation)
        let points = measurement.points { done, total in
            progress?(IndexProgress(phase: .measuring, done: done, total: total))
            return !cancellation.isRequested
        }
        guard let points else { throw cancelled() }
        return points
    }

    private func install(
        _ built: HNSWBuild, calibration: [HNSWHeader.CalibrationPoint], measuredCount: Int, unlinkedCount: Int,
        start: ContinuousClock.Instant, expectedVersion: UInt64, _ table: TableSnapshot
    ) throws(NeedletailError) {
        guard !cancellation.isRequested else { throw cancelled() }
        progress?(IndexProgress(phase: .installing, done: 0, total: built.header.count))
        var header = built.header
        header.calibration = calibration
        let report = IndexBuildReport(
            seconds: (ContinuousClock.now - start) / .seconds(1), threads: threads, memoryByteCount: built.peakByteCount)
        let parameters = IndexParameters(header: header, build: report, measuredCount: measuredCount, unlinkedCount: unlinkedCount)
        let descriptor = IndexDescriptor(
            name: IndexParameters.name, kind: IndexParameters.kind, coveredCount: header.count, parameters: try parameters.encoded())
        let (collection, content) = (collection, built.contents)
        try withExtendedLifetime((built, table)) { () throws(NeedletailError) in
            try storage { () throws(StorageError) in
                try collection.database.environment.writeBlocking { transaction throws(StorageError) in
                    let writer = try transaction.table(collection.name)
                    // A collection that was dropped and made anew has other slots.
                    guard writer.descriptor.id == collection.tableID else { throw collection.droppedWhileWriting() }
                    try writer.installIndex(descriptor, arrays: content, expectedVersion: expectedVersion)
                }
            }
        }
        progress?(IndexProgress(phase: .installing, done: header.count, total: header.count))
    }

    private func information() throws(NeedletailError) -> IndexInformation {
        guard let information = try collection.index() else {
            throw NeedletailError(.indexConflict, "the index of collection '\(collection.name)' was dropped as soon as it was installed")
        }
        return information
    }

    private func cancelled() -> NeedletailError {
        NeedletailError(.cancelled, "the build of the index of collection '\(collection.name)' was cancelled; nothing was changed")
    }

    // MARK: The thread

    /// Runs `body` on a thread of its own, as the only build of the collection's index in this process; the task's cancellation
    /// reaches it.
    private func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws(NeedletailError) -> R) async throws(NeedletailError) -> R {
        let registry = collection.database.indexes
        guard registry.beginBuild(collection.tableID) else {
            throw NeedletailError(
                .indexConflict, "the index of collection '\(collection.name)' is being built already: wait for that build, or cancel it")
        }
        let cancellation = cancellation
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<R, NeedletailError>, Never>) in
                let thread = Thread {
                    let result: Result<R, NeedletailError>
                    do throws(NeedletailError) { result = .success(try body()) } catch { result = .failure(error) }
                    continuation.resume(returning: result)
                }
                thread.name = "needletail-index"
                thread.stackSize = 8 << 20
                thread.start()
            }
        } onCancel: {
            cancellation.request()
        }
        registry.endBuild(collection.tableID)
        return try result.get()
    }
}

extension IndexProgress {
    /// A part of a build, as the share of the `count` slots that are linked.
    fileprivate init(_ progress: HNSWBuildProgress, of count: Int) {
        switch progress.phase {
        case .encode, .order, .repair: self.init(phase: .preparing, done: progress.done, total: progress.total)
        case .upper: self.init(phase: .building, done: progress.done, total: count)
        // What is not inserted here was before.
        case .insert, .connect: self.init(phase: .building, done: count - progress.total + progress.done, total: count)
        }
    }
}
