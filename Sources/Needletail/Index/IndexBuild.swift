import Foundation
import NeedletailIndex
import NeedletailStorage
import Synchronization

/// One build of a collection's index, or one merge of what has changed into it.
///
/// It runs on threads of its own, since work of minutes would keep Swift's cooperative ones from everything else: from a
/// snapshot, in memory, then one write transaction that installs what was built. Until that commit the file knows nothing of it.
struct IndexBuild: Sendable {
    let collection: Collection
    let threads: Int
    let memoryLimit: Int?
    let progress: (@Sendable (IndexProgress) -> Void)?
    private let cancellation = Cancellation()
    var isCancelled: Bool { cancellation.isRequested }

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
            let version = installed.first { IndexParameters.isIndex($0.descriptor) }?.descriptor.version ?? 0
            let built: Built
            if let request = ListRequest(description) {
                built = try buildLists(request, table)
            } else {
                built = try buildGraph(description, table)
            }
            try install(built, start: start, expectedVersion: version, table)
        }
        return try information()
    }

    /// Brings the tail into the index and takes deleted records out.
    func optimize() async throws(NeedletailError) -> OptimizeReport {
        let done = try await onOwnThread { () throws(NeedletailError) -> (merged: Int, repaired: Int, retraining: RetrainingReason?) in
            let start = ContinuousClock.now
            let table = try collection.table()
            guard let index = try ReadView.of(table, collection).index() else { throw collection.noIndex() }
            let before = index.information(table)
            let built: Built?
            switch index {
            case .graph(let graph): built = try mergeGraph(graph, before, table)
            case .lists(let lists): built = try mergeLists(lists, before, table)
            }
            guard let built else { return (0, 0, nil) }
            try install(built, start: start, expectedVersion: index.snapshot.descriptor.version, table)
            return (before.tailCount, built.repairedCount, built.retraining)
        }
        return OptimizeReport(mergedCount: done.merged, repairedCount: done.repaired, retraining: done.retraining, index: try information())
    }

    // MARK: Steps

    /// What a build or a merge has come to, ready to be installed.
    struct Built {
        var content: IndexParameters.Content
        var measuredCount: Int
        var peakByteCount: Int
        /// What it took to measure recall.
        var measuringSeconds: Double?
        var warnings: [String] = []
        /// Deleted records that a merge took out.
        var repairedCount = 0
        /// Why lists were trained anew in a merge.
        var retraining: RetrainingReason?
        /// Valid as long as `owner`.
        var arrays: [IndexArrayContent]
        var owner: AnyObject
    }

    private func install(
        _ built: Built, start: ContinuousClock.Instant, expectedVersion: UInt64, _ table: TableSnapshot
    ) throws(NeedletailError) {
        guard !isCancelled else { throw cancelled() }
        let report = IndexBuildReport(
            seconds: (ContinuousClock.now - start) / .seconds(1), measuringSeconds: built.measuringSeconds, threads: threads,
            memoryByteCount: built.peakByteCount, warnings: built.warnings.isEmpty ? nil : built.warnings)
        let parameters = IndexParameters(content: built.content, build: report, measuredCount: built.measuredCount)
        try withExtendedLifetime((built.owner, table)) { () throws(NeedletailError) in
            try install(parameters, built.arrays, expectedVersion: expectedVersion)
        }
    }

    /// - Parameter arrays: What they point to must live until it returns.
    func install(_ parameters: IndexParameters, _ arrays: [IndexArrayContent], expectedVersion: UInt64) throws(NeedletailError) {
        let collection = collection
        let descriptor = try parameters.descriptor()
        progress?(IndexProgress(phase: .installing, done: 0, total: descriptor.coveredCount))
        try storage { () throws(StorageError) in
            try collection.database.environment.writeBlocking { transaction throws(StorageError) in
                let writer = try transaction.table(collection.name)
                // A collection that was dropped and made anew has other slots.
                guard writer.descriptor.id == collection.tableID else { throw collection.droppedWhileWriting() }
                let old = try writer.indexes().first(where: IndexParameters.isIndex)
                guard old?.version ?? 0 == expectedVersion else { throw collection.indexChangedMeanwhile() }
                let replaces = old?.name == descriptor.name
                try writer.installIndex(descriptor, arrays: arrays, expectedVersion: replaces ? expectedVersion : 0)
                if let old, !replaces { try writer.dropIndex(old.name) }
            }
        }
        progress?(IndexProgress(phase: .installing, done: descriptor.coveredCount, total: descriptor.coveredCount))
    }

    /// Recall changes slowly with the number of records: a fifth more, fewer or replaced is worth a new measurement.
    func hasChanged(since measuredCount: Int, _ before: IndexInformation, _ table: TableSnapshot) -> Bool {
        max(abs(table.liveCount - measuredCount), before.tailCount) > measuredCount / 5
    }

    /// Tells how far a measurement is, and whether it is still wanted.
    func continues(_ done: Int, _ total: Int) -> Bool {
        progress?(IndexProgress(phase: .measuring, done: done, total: total))
        return !isCancelled
    }

    func tooMuchMemory(_ needed: Int, _ limit: Int, _ remedy: String) -> NeedletailError {
        NeedletailError(
            .invalidArgument, "the index needs \(NumberText.bytesNeeded(needed)) of memory to build, more than the limit of \(NumberText.count(limit)) bytes: raise it, or \(remedy)",
            expected: needed, actual: limit)
    }

    private func information() throws(NeedletailError) -> IndexInformation {
        guard let information = try collection.index() else {
            throw NeedletailError(.indexConflict, "the index of collection '\(collection.name)' was dropped as soon as it was installed")
        }
        return information
    }

    func cancelled() -> NeedletailError {
        NeedletailError(.cancelled, "the build of the index of collection '\(collection.name)' was cancelled; nothing was changed")
    }

    // MARK: The thread

    /// Runs `body` on a thread of its own, as the only build of the collection's index in this process; the task's cancellation
    /// reaches it.
    func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws(NeedletailError) -> R) async throws(NeedletailError) -> R {
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
