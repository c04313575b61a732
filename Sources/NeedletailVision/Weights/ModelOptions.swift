/// What a model's files may leave open, or say wrongly. `nil` leaves a setting to the files, and where they are silent to the
/// defaults that ``ImageEmbedder/init(modelAt:options:)`` describes.
public struct ModelOptions: Sendable, Hashable {
    /// How a MobileNet's convolutions pad.
    public var padding: Padding?
    /// The number of attention heads of a vision transformer.
    public var headCount: Int?
    /// How pictures are prepared.
    public var preprocessing: Preprocessing?

    /// Makes options; by default everything is left to the files.
    public init(padding: Padding? = nil, headCount: Int? = nil, preprocessing: Preprocessing? = nil) {
        self.padding = padding
        self.headCount = headCount
        self.preprocessing = preprocessing
    }
}
