/// A picture in memory: red, green, blue, eight bits each, row after row from the top left, without padding.
public struct PixelImage: Sendable, Hashable {
    /// The number of pixels in a row.
    public let width: Int
    /// The number of rows.
    public let height: Int
    /// `width × height × 3` bytes: the pixel in column `x` of row `y` begins at `(y × width + x) × 3`.
    public let pixels: [UInt8]

    /// Makes a picture from its pixels.
    ///
    /// - Precondition: both sides are positive and `pixels.count == width × height × 3`.
    public init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        precondition(pixels.count == width * height * 3, "a picture of \(width) × \(height) has \(width * height * 3) bytes, not \(pixels.count)")
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}
