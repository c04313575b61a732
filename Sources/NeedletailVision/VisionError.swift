/// What went wrong with a picture or a model, where, and what to do about it.
///
/// Programs decide by ``code``, which never changes meaning; people read ``message``, which may be reworded.
public struct VisionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. Names are stable across versions.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// An argument is out of its range.
        case invalidArgument
        /// The file or folder does not exist.
        case notFound
        /// The operating system reported an error on reading.
        case io
        /// The content is of no picture format that can be decoded here.
        case unsupportedFormat
        /// The file ends before the picture does.
        case truncated
        /// The file is damaged.
        case corrupt
        /// The picture has more pixels, or the file more bytes, than the limit allows.
        case tooLarge
        /// There is not enough memory.
        case outOfMemory
        /// The model's architecture is not one that can be run here.
        case unsupportedModel
        /// The weights file is no valid safetensors file.
        case invalidModel
        /// The weights lack a tensor that the architecture needs.
        case missingTensor
        /// The weights hold a tensor that the architecture has no use for.
        case surplusTensor
        /// A tensor is not of the shape that the architecture needs.
        case shapeMismatch
    }

    /// The kind of failure.
    public var code: Code
    /// A sentence that names the culprit and the remedy.
    public var message: String
    /// The file concerned, or the name given to bytes in memory.
    public var path: String?
    /// The picture's width in pixels, where its header could be read.
    public var width: Int?
    /// The picture's height in pixels, where its header could be read.
    public var height: Int?
    /// The key of the tensor concerned.
    public var tensor: String?
    /// The shape that was expected of the tensor.
    public var expectedShape: [Int]?
    /// The shape that was found.
    public var actualShape: [Int]?

    /// Makes an error; facts that do not apply stay `nil`.
    public init(
        _ code: Code, _ message: String, path: String? = nil, width: Int? = nil, height: Int? = nil,
        tensor: String? = nil, expectedShape: [Int]? = nil, actualShape: [Int]? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.width = width
        self.height = height
        self.tensor = tensor
        self.expectedShape = expectedShape
        self.actualShape = actualShape
    }

    /// The message.
    public var description: String { message }
}
