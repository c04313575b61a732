/// How a picture is decoded.
public struct DecodeOptions: Sendable, Hashable {
    /// The largest number of pixels (width × height) that is decoded. It is checked against the file's header,
    /// before memory for the pixels is taken, so that a small file that claims to be huge does no harm.
    public var maximumPixels: Int
    /// The largest file that is read, in bytes.
    public var maximumByteCount: Int
    /// The short side, in pixels, that the picture will be shrunk to later, if that is known.
    ///
    /// A JPEG of more than a megapixel is then decoded at 1/2, 1/4 or 1/8 of its size, which is several times faster,
    /// as long as its short side stays at least twice this long. `nil` decodes every pixel.
    public var targetShortSide: Int?

    /// Makes options; the defaults decode every pixel of pictures up to 100 megapixels and 1 GiB.
    public init(maximumPixels: Int = 100_000_000, maximumByteCount: Int = 1 << 30, targetShortSide: Int? = nil) {
        self.maximumPixels = maximumPixels
        self.maximumByteCount = maximumByteCount
        self.targetShortSide = targetShortSide
    }
}
