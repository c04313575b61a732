import Foundation
import Needletail

/// Loads files into a collection, which it makes if it is absent.
///
/// Batches are committed one by one. In a file that the load itself makes they do not wait for the disk, and one sync
/// ends the load: the death of the process loses the last batch at most and leaves a sound file that `--resume` goes on
/// with; a power cut may cost the whole new file, which holds nothing yet that its source does not. In a file that was
/// there before, every batch is durable, because a power cut must not touch what others put in.
package struct Loader: Sendable {
    package struct Options: Sendable {
        package var plan = LoadPlan.Options()
        package var metric: Metric?
        package var element: ElementType?
        /// Rows in a transaction; `nil` for as many as make about 2 MiB.
        package var batchRows: Int?
        package var resumes = false
        /// Whether messages name options of the command line as remedies.
        package var namesOptions = true

        package init() {}
    }

    package let database: String
    package let collection: String
    package let files: [String]
    package let options: Options

    package init(database: String, collection: String, files: [String], options: Options) {
        self.database = database
        self.collection = collection
        self.files = files
        self.options = options
    }

    /// Loads.
    ///
    /// - Parameters:
    ///   - isCancelled: asked between batches; what is loaded stays.
    ///   - progress: told what is done, of how much, in which unit.
    package func run(
        isCancelled: () -> Bool = { false }, progress: (Int, Int, String) -> Void = { _, _, _ in }
    ) async throws -> LoadSummary {
        let start = ContinuousClock.now
        let isNewFile = !Path.exists(database)
        var database = isNewFile ? nil : try Database(path: self.database, mode: .readWrite)
        var collection = try database.flatMap { try $0.collectionNames().contains(self.collection) ? $0.collection(self.collection) : nil }
        // Everything that can be wrong with the files' form is found before anything is written.
        let plan = try LoadPlan(files: files, schema: collection?.schema, options: options.plan)
        let isNew = collection == nil
        if let collection {
            try check(plan, against: collection.schema)
        } else {
            let made = try database ?? Database(path: self.database, mode: .create)
            database = made
            do {
                collection = try await made.createCollection(self.collection, schema: schema(for: plan))
            } catch {
                if isNewFile { made.discard(self.database) }
                throw error
            }
        }
        guard let database, let collection else { preconditionFailure("both were opened or made above") }

        var summary = LoadSummary(collection: self.collection, schema: collection.schema, isNew: isNew)
        if isNew { summary.notes = plan.notes }
        do {
            try await load(plan, into: collection, durability: isNewFile ? .relaxed : .full, &summary, isCancelled: isCancelled, progress: progress)
        } catch {
            if isNewFile, summary.loaded == 0 {
                database.discard(self.database)
            } else if isNew, summary.loaded == 0 {
                try await database.dropCollection(self.collection)
            } else if summary.loaded > 0 {
                try database.sync()
                guard let failure = ToolFailure(error) else { throw error }
                throw ToolFailure(
                    failure.status,
                    failure.message + "\nneedletail: \(Format.counted(summary.loaded, "row")) before it were loaded"
                        + (options.namesOptions ? "; --resume goes on after them" : ""))
            }
            throw error
        }
        try database.sync()
        summary.seconds = (ContinuousClock.now - start).seconds
        return summary
    }

    // MARK: The collection

    private func schema(for plan: LoadPlan) -> Schema {
        let element: ElementType
        if let wanted = options.element {
            element = wanted
        } else {
            switch plan.component {
            case .f16: element = .f16
            case .i8: element = .i8
            case .f32, .f64, .u8, nil: element = .f32
            }
        }
        return Schema(dimension: plan.dimension, metric: options.metric ?? .l2, element: element, fields: plan.fields.map(\.field))
    }

    private func check(_ plan: LoadPlan, against schema: Schema) throws {
        guard plan.dimension == schema.dimension else {
            throw ToolFailure(
                .badData, "\(files[0]): vectors of \(plan.dimension) components; collection '\(collection)' holds vectors of \(schema.dimension)")
        }
        if let metric = options.metric, metric != schema.metric {
            throw ToolFailure(.usage, "--metric \(metric.rawValue): collection '\(collection)' exists and has metric \(schema.metric.rawValue); leave --metric out, or load into a new collection")
        }
        if let element = options.element, element != schema.element {
            throw ToolFailure(.usage, "--element \(element.rawValue): collection '\(collection)' exists and stores \(schema.element.rawValue); leave --element out, or load into a new collection")
        }
        for field in options.plan.fields where schema.field(field.name)?.type != field.type {
            throw ToolFailure(.usage, "--field \(field.name):\(field.type): collection '\(collection)' exists and has no such field; leave --field out, or load into a new collection")
        }
    }

    // MARK: The rows

    private func load(
        _ plan: LoadPlan, into collection: Needletail.Collection, durability: Durability, _ summary: inout LoadSummary,
        isCancelled: () -> Bool, progress: (Int, Int, String) -> Void
    ) async throws {
        var source = try RowSource(plan, skipsBadRows: options.plan.skipsBadRows)
        if options.resumes { summary.alreadyThere = try resume(&source, in: collection) }
        let batchRows = options.batchRows ?? Self.batchRows(for: collection.schema)
        // While one batch is written, the next is read.
        var upcoming = try source.next(limit: batchRows)
        while let batch = upcoming {
            async let writing = insert(batch, of: plan, into: collection, durability)
            let read = Result { isCancelled() ? nil : try source.next(limit: batchRows) }
            let written = try await writing
            for error in written.bad { try source.skip(error) }
            summary.loaded += written.inserted
            summary.alreadyThere += batch.count - written.inserted - written.bad.count
            if let total = plan.rowCount {
                progress(summary.loaded + summary.alreadyThere + source.skipped.count, total, "rows")
            } else {
                progress(source.bytesRead, plan.byteCount, "bytes")
            }
            upcoming = try read.get()
        }
        summary.isCancelled = !source.isAtEnd
        summary.skipped = source.skipped
    }

    /// Rows in a transaction: the power of two whose vectors take 1 to 2 MiB, so that whole blocks are filled.
    ///
    /// A transaction's pages are written from memory that the processor's cache then still holds, and that the next one
    /// uses again: a million SIFT vectors take 0.4 s of processor time so, and 0.8 s in batches of 32 MiB.
    private static func batchRows(for schema: Schema) -> Int {
        let fitting = min(8192, max(32, (2 << 20) / schema.vectorByteCount))
        return 1 << (Int.bitWidth - 1 - fitting.leadingZeroBitCount)
    }

    /// Passes over the rows that are there. Numbered rows came in order, so those below the count are done; a batch
    /// with other ids is compared with the collection when it is inserted.
    private func resume(_ source: inout RowSource, in collection: Needletail.Collection) throws -> Int {
        let count = try collection.count()
        guard source.plan.idColumn == nil, count > 0, try collection.get(.int(Int64(count - 1)), select: .none) != nil else { return 0 }
        try requireFirstRow(of: source.plan, in: collection)
        return try source.skip(rows: count)
    }

    /// Throws where the first row is not the one that was loaded first: a new file alone, whose rows would be passed over.
    private func requireFirstRow(of plan: LoadPlan, in collection: Needletail.Collection) throws {
        // Where the row cannot be read, the load itself says so.
        guard var probe = try? RowSource(plan, skipsBadRows: options.plan.skipsBadRows), let batch = try? probe.next(limit: 1), batch.count > 0, let record = try collection.get(batch.id(ofRow: 0), select: .none) else { return }
        let vector = batch.allFloats.prefix(record.vector.count)
        // Half precision rounds; what was stored as it was is equal.
        let isSame = vector.count == record.vector.count && zip(vector, record.vector).allSatisfy { abs($0 - $1) <= max(abs($0), 1e-4) * 2e-3 }
        guard isSame else {
            throw ToolFailure(
                .badData,
                "\(files[0]): its first row is not the one that collection '\(self.collection)' began with. Numbered rows count through all files: "
                    + "with --resume, name the files loaded before first, and the new ones behind them; or give the rows ids of their own (--id-field)")
        }
    }

    private struct Written: Sendable {
        var inserted = 0
        var bad: [InputError] = []
    }

    /// Inserts a batch; without its bad rows, if those are to be passed over.
    private func insert(
        _ batch: RowBatch, of plan: LoadPlan, into collection: Needletail.Collection, _ durability: Durability
    ) async throws -> Written {
        var batch = batch
        var written = Written()
        // Mapped vectors are read from their file, which the batch keeps mapped.
        defer { withExtendedLifetime(batch) {} }
        while batch.count > 0 {
            do throws(NeedletailError) {
                written.inserted = try await collection.insert(
                    batch.recordBatch(plan), onConflict: options.resumes ? .skip : .fail, durability: durability)
                break
            } catch {
                guard let row = error.row, row < batch.count else { throw error }
                var bad = [(row: row, reason: reason(error, of: plan))]
                guard options.plan.skipsBadRows else { throw inputError(bad[0], of: batch, error.code) }
                // The first bad row is often not the only one: those that can be seen go at once.
                switch error.code {
                case .invalidVector, .zeroVector:
                    bad += batch.unusableRows(needsDirection: collection.schema.metric == .cosine).filter { $0.row != row }
                case .duplicateID: bad += try takenRows(of: batch, in: collection).filter { $0.row != row }
                default: break
                }
                bad.sort { $0.row < $1.row }
                written.bad += bad.map { inputError($0, of: batch, error.code) }
                batch.remove(Set(bad.map(\.row)))
            }
        }
        return written
    }

    /// The rows whose ids the collection has, or a row before them.
    private func takenRows(of batch: RowBatch, in collection: Needletail.Collection) throws(NeedletailError) -> [(row: Int, reason: String)] {
        var seen: Set<RecordID> = []
        var taken: [(row: Int, reason: String)] = []
        for row in 0 ..< batch.count {
            let id = batch.id(ofRow: row)
            if seen.insert(id).inserted, try collection.get(id, select: .none) == nil { continue }
            taken.append((row, "a record with id \(id) exists in collection '\(self.collection)'"))
        }
        return taken
    }

    private func inputError(_ bad: (row: Int, reason: String), of batch: RowBatch, _ code: NeedletailError.Code) -> InputError {
        let (path, place) = batch.place(ofRow: bad.row)
        return InputError(path, place, status: ExitStatus(code), bad.reason)
    }

    private func reason(_ error: NeedletailError, of plan: LoadPlan) -> String {
        guard !options.plan.skipsBadRows, options.namesOptions else { return error.message }
        return switch error.code {
        // Another file's rows would be numbered from 0 too, and --resume with it alone would take them for those that are there.
        case .duplicateID where plan.idColumn == nil:
            error.message + " (rows are numbered through all files: --resume goes on after those that are there, "
                + "and new files come behind the ones loaded before)"
        case .duplicateID: error.message + " (--resume goes on after the rows that are there)"
        case .invalidVector, .zeroVector: error.message + " (--skip-bad passes over such rows)"
        default: error.message
        }
    }
}

extension RowBatch {
    /// The batch in the form that a collection takes. Mapped vectors stay where they are: the batch keeps the map alive.
    func recordBatch(_ plan: LoadPlan) -> RecordBatch {
        let ids: RecordBatch.IDs
        switch self.ids {
        case .numbers(let first): ids = .range(first ..< first + Int64(count))
        case .explicit(let list): ids = .list(list)
        }
        var columns: [String: RecordBatch.Column] = [:]
        for (planned, column) in zip(plan.fields, self.columns) { columns[planned.field.name] = column }
        if case .mapped(let file, let firstRow) = vectors, file.isMappedFloat, let base = file.pointer(toRow: firstRow) {
            return RecordBatch(ids: ids, unsafeVectors: base, rowByteStride: file.stride, columns: columns, payloads: payloads)
        }
        return RecordBatch(ids: ids, vectors: allFloats, columns: columns, payloads: payloads)
    }
}
