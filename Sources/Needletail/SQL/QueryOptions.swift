/// What a program may add to a statement: how pictures become vectors, and how much of the machine a statement may take.
public struct QueryOptions: Sendable {
    /// Turns the name of a picture into its vector.
    ///
    /// The collection that is searched comes along, so that the model can be the one that made its vectors:
    /// ``Collection/requireModel(_:)`` checks it.
    public typealias ImageResolver = @Sendable (_ name: String, _ collection: Collection) async throws -> [Float]

    /// What `image('…')` means. Without it, `image` is an error: this library knows no pictures, `NeedletailVision` does.
    public var resolveImage: ImageResolver?
    /// How many threads a statement may take: one for a search, all cores for `CREATE INDEX`, unless you say otherwise.
    public var threads: Int?
    /// The most memory that `CREATE INDEX` may take, in bytes.
    public var memoryLimit: Int?
    /// When `INSERT`, `UPDATE` and `DELETE` count as done.
    public var durability: Durability
    /// Called now and then while `CREATE INDEX` runs, on no particular thread.
    public var indexProgress: (@Sendable (IndexProgress) -> Void)?

    /// Makes options; the defaults suit most.
    public init(
        resolveImage: ImageResolver? = nil, threads: Int? = nil, memoryLimit: Int? = nil, durability: Durability = .full,
        indexProgress: (@Sendable (IndexProgress) -> Void)? = nil
    ) {
        self.resolveImage = resolveImage
        self.threads = threads
        self.memoryLimit = memoryLimit
        self.durability = durability
        self.indexProgress = indexProgress
    }
}
