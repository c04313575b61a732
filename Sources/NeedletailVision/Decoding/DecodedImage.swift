/// A decoded picture and what its file said about it.
public struct DecodedImage: Sendable, Hashable {
    /// The pixels, upright: the EXIF orientation has been applied, transparency laid on white.
    public let image: PixelImage
    /// The width of the upright picture in the file; `image` is smaller after scaled decoding.
    public let originalWidth: Int
    /// The height of the upright picture in the file.
    public let originalHeight: Int
    /// The format of the file.
    public let format: PictureFormat
}

/// What a picture's header tells, without decoding it.
public struct PictureInformation: Sendable, Hashable {
    /// The width of the upright picture, in pixels.
    public let width: Int
    /// The height of the upright picture, in pixels.
    public let height: Int
    /// The format of the file.
    public let format: PictureFormat
    /// The EXIF orientation of the stored pixels, 1 ... 8; 1 is upright. `width` and `height` have it applied.
    public let orientation: Int
}
