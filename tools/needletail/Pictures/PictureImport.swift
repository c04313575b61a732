import Foundation
import Needletail
import NeedletailVision

/// Embeds the pictures of folders into a collection.
///
/// Pictures are decoded and embedded on all cores, each by one task, while one writer commits what is done: every
/// second, or every 64 pictures. So a crash costs a second of work, and a second run goes on.
struct PictureImport {
    let database: String
    let collection: String
    let folders: [String]
    let model: String?
    /// Pictures in work at once; `nil` for enough to keep all cores busy while a batch is committed.
    let concurrency: Int?

    private static let batchCount = 64
    private static let batchTime = Duration.seconds(1)

    /// - Parameters:
    ///   - isCancelled: asked before each picture; those in work are finished and kept.
    ///   - note: told what the user should know once.
    ///   - progress: told how many pictures are done, of how many.
    func run(
        isCancelled: () -> Bool, note: (String) -> Void, progress: (Int, Int) -> Void
    ) async throws -> PictureSummary {
        let start = ContinuousClock.now
        var summary = PictureSummary(collection: collection)
        let pictures = try walk(&summary)
        let embedder = try PictureModel.embedder(named: model)
        let collection = try await open(embedder, note: note)

        let pending = try pictures.filter { try !isUnchanged($0, in: collection) }
        summary.unchanged = pictures.count - pending.count
        try await embed(pending, by: embedder, into: collection, &summary, isCancelled: isCancelled, progress: progress)
        summary.failures.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        summary.seconds = (ContinuousClock.now - start).seconds
        return summary
    }

    /// The pictures of all folders; one that lies in two of them counts once.
    private func walk(_ summary: inout PictureSummary) throws -> [PictureFile] {
        var pictures: [PictureFile] = []
        var seen: Set<String> = []
        for folder in folders {
            let walk = try PictureWalk(folder: folder)
            pictures += walk.pictures.filter { seen.insert($0.path).inserted }
            summary.failures += walk.problems.map { PictureSummary.Failure(path: $0.path, reason: $0.message) }
        }
        guard !pictures.isEmpty || !summary.failures.isEmpty else {
            throw ToolFailure(.badData, "\(folders.joined(separator: ", ")): no .jpg, .png or .webp pictures in there")
        }
        return pictures
    }

    // MARK: The collection

    private func open(_ embedder: ImageEmbedder, note: (String) -> Void) async throws -> Needletail.Collection {
        let model = EmbeddingModel(embedder.information)
        let isNewFile = !Path.exists(self.database)
        let database = try Database(path: database, mode: .create)
        guard try database.collectionNames().contains(collection) else {
            if self.model == nil {
                note("made with the built-in model \(model.name), which is small; a larger one finds more: --model FOLDER (a MobileNetV2 or ViT as safetensors)")
            }
            do {
                return try await database.createCollection(
                    collection,
                    schema: Schema(dimension: embedder.information.dimension, metric: .cosine, fields: PictureRecord.fields, model: model))
            } catch {
                if isNewFile { database.discard(self.database) }
                throw error
            }
        }
        let existing = try database.collection(collection)
        do {
            try existing.requireModel(model)
        } catch {
            guard error.code == .modelMismatch, let own = existing.schema.model else { throw error }
            throw ToolFailure(
                .badData, "the vectors of collection '\(collection)' were made by \(own), not by \(model): "
                    + "name the first with --model, or load into a new collection")
        }
        guard existing.schema.dimension == embedder.information.dimension else {
            throw ToolFailure(
                .badData, "collection '\(collection)' holds vectors of \(existing.schema.dimension) components, model \(model.name) makes "
                    + "\(embedder.information.dimension): load into a new collection")
        }
        for field in PictureRecord.fields where existing.schema.field(field.name)?.type != field.type {
            throw ToolFailure(
                .badData, "collection '\(collection)' has no field \(field.name) of type \(field.type), as pictures need; load into a new collection")
        }
        return existing
    }

    /// Whether the picture was embedded before and has not changed since.
    private func isUnchanged(_ picture: PictureFile, in collection: Needletail.Collection) throws -> Bool {
        let known = try collection.get(.string(picture.recordID), select: ["path", "bytes", "modified"])
        guard let known else { return false }
        return known.fields["path"] == .string(picture.path) && known.fields["bytes"] == .int(Int64(picture.byteCount))
            && known.fields["modified"] == .timestamp(Timestamp(microsecondsSince1970: picture.modified))
    }

    // MARK: Embedding

    private enum Outcome: Sendable {
        case embedded(PictureRecord)
        case failed(PictureSummary.Failure)
    }

    private func embed(
        _ pending: [PictureFile], by embedder: ImageEmbedder, into collection: Needletail.Collection, _ summary: inout PictureSummary,
        isCancelled: () -> Bool, progress: (Int, Int) -> Void
    ) async throws {
        // Three for each core: while a batch is being committed, no new ones are handed out.
        let window = concurrency ?? 3 * ProcessInfo.processInfo.activeProcessorCount
        var results = (embedded: 0, failures: [PictureSummary.Failure](), isCancelled: false)
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            var rest = pending[...]
            var batch: [Record] = []
            var committed = ContinuousClock.now
            func commit() async throws {
                try await collection.insert(batch, onConflict: .replace)
                results.embedded += batch.count
                batch.removeAll(keepingCapacity: true)
                committed = .now
            }
            func handOut() {
                guard let picture = rest.popFirst() else { return }
                group.addTask { Self.outcome(picture, embedder) }
            }
            for _ in 0 ..< window { handOut() }
            while let outcome = try await group.next() {
                if !rest.isEmpty, isCancelled() {
                    results.isCancelled = true
                    rest = []
                }
                handOut()
                switch outcome {
                case .embedded(let picture): batch.append(picture.record)
                case .failed(let failure): results.failures.append(failure)
                }
                if batch.count >= Self.batchCount || (!batch.isEmpty && .now - committed >= Self.batchTime) { try await commit() }
                progress(results.embedded + batch.count + results.failures.count, pending.count)
            }
            if !batch.isEmpty { try await commit() }
        }
        summary.embedded = results.embedded
        summary.failures += results.failures
        summary.isCancelled = results.isCancelled
    }

    private static func outcome(_ picture: PictureFile, _ embedder: ImageEmbedder) -> Outcome {
        do throws(VisionError) {
            return .embedded(try PictureRecord(picture, embedder))
        } catch {
            return .failed(PictureSummary.Failure(path: picture.path, reason: error.message))
        }
    }
}
