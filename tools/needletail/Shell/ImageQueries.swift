import Foundation
import Needletail
import NeedletailVision
import Synchronization

/// What `image('…')` means in a session: a picture's vector by the model that made the collection's, computed once.
final class ImageQueries: Sendable {
    private struct Key: Hashable {
        var path: String
        var modified: Date?
        var model: String
    }

    private struct State {
        /// The file of the model; `nil` for the built-in one.
        var model: String?
        var embedders: [String: ImageEmbedder] = [:]
        var pictures: [Key: (vector: [Float], thumbnail: Data)] = [:]
        var last: Data?
    }

    private let state = Mutex(State())

    /// The model that the user named; its file is read when it is first needed.
    var model: String? {
        get { state.withLock { $0.model } }
        set { state.withLock { $0.model = newValue } }
    }

    /// A small JPEG of the picture that was asked with last, and forgets it.
    func takeLast() -> Data? { state.withLock { $0.last.take() } }

    /// The picture's vector. What fails becomes an error of the library, which the statement adds the place to.
    func vector(of path: String, for collection: Needletail.Collection) throws -> [Float] {
        do {
            return try embedded(path, for: collection)
        } catch {
            guard !(error is NeedletailError), let failure = ToolFailure(error) else { throw error }
            let code: NeedletailError.Code =
                switch failure.status {
                case .io: .io
                case .usage: .invalidArgument
                default: .invalidVector
                }
            throw NeedletailError(code, failure.message)
        }
    }

    private func embedded(_ path: String, for collection: Needletail.Collection) throws -> [Float] {
        let path = Path.expandingHome(path)
        let embedder = try embedder(for: collection)
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let key = Key(path: path, modified: attributes?[.modificationDate] as? Date, model: embedder.information.checksum)
        if let known = state.withLock({ state in
            state.last = state.pictures[key]?.thumbnail
            return state.pictures[key]?.vector
        }) {
            return known
        }
        let picture = try ImageDecoder.decode(contentsOf: path, options: embedder.preprocessing.decodeOptions).image
        let vector = try embedder.embed(picture)
        let thumbnail = try ImageEncoder.jpeg(picture.thumbnail(maximumSide: 320), quality: 85)
        state.withLock { state in
            state.pictures[key] = (vector, thumbnail)
            state.last = thumbnail
        }
        return vector
    }

    private func embedder(for collection: Needletail.Collection) throws -> ImageEmbedder {
        let name = model
        let known = state.withLock { $0.embedders[name ?? ""] }
        let embedder = try PictureModel.embedder(for: collection, named: name, known: known, option: ".model FILE")
        state.withLock { $0.embedders[name ?? ""] = embedder }
        return embedder
    }
}
