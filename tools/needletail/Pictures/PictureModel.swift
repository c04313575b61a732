import Needletail
import NeedletailVision

/// The model that turns pictures into vectors.
enum PictureModel {
    static let builtInName = "needletail-mini"

    /// The model in the file or folder `name`; the built-in one for its name, or without one.
    static func embedder(named name: String?) throws -> ImageEmbedder {
        guard let name, name != builtInName || Path.exists(name) else { return try ImageEmbedder.builtIn() }
        return try ImageEmbedder(modelAt: name)
    }

    /// The model that may ask `collection`: an error where another one made its vectors.
    ///
    /// - Parameters:
    ///   - known: the embedder of that name, if it was read before.
    ///   - option: what the user names another model by.
    static func embedder(
        for collection: Needletail.Collection, named name: String?, known: ImageEmbedder? = nil, option: String
    ) throws -> ImageEmbedder {
        let embedder = try known ?? embedder(named: name)
        do {
            try collection.requireModel(EmbeddingModel(embedder.information))
        } catch {
            guard error.code == .modelMismatch else { throw error }
            throw ToolFailure(.badData, error.message + (name == nil ? " (name its file with \(option))" : ""))
        }
        guard embedder.information.dimension == collection.schema.dimension else {
            throw ToolFailure(
                .badData, "model \(embedder.information.name) makes vectors of \(embedder.information.dimension) components; "
                    + "collection '\(collection.name)' holds vectors of \(collection.schema.dimension): name the model that made them with \(option)")
        }
        return embedder
    }
}

extension EmbeddingModel {
    init(_ model: ModelInformation) {
        self.init(name: model.name, version: model.version, checksum: model.checksum)
    }
}
