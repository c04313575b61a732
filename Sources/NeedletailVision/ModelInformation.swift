/// Which model made an embedding: what a collection records, so that a query through another model can be refused.
///
/// Two models give comparable embeddings only if their ``checksum`` is equal; name and version are for people.
public struct ModelInformation: Sendable, Hashable, Codable {
    /// The model's name: from its settings, else that of its architecture, else the name of its folder or file.
    public let name: String
    /// The model's version from its settings; empty where they give none.
    public let version: String
    /// The SHA-256 of the weights file, in hexadecimal, as `sha256sum` prints it.
    public let checksum: String
    /// The number of components of an embedding.
    public let dimension: Int
    /// The metric that embeddings are to be compared by: `cosine`.
    public let metric: String

    /// Makes a description from its parts.
    public init(name: String, version: String, checksum: String, dimension: Int, metric: String = "cosine") {
        self.name = name
        self.version = version
        self.checksum = checksum
        self.dimension = dimension
        self.metric = metric
    }
}
