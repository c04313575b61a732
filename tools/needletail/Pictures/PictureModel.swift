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
}

extension EmbeddingModel {
    init(_ model: ModelInformation) {
        self.init(name: model.name, version: model.version, checksum: model.checksum)
    }
}
