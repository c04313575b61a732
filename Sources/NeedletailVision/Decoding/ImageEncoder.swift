import Foundation

/// Encodes pictures.
public enum ImageEncoder {
    /// The picture as a baseline JPEG file, 4:2:0.
    ///
    /// - Parameter quality: libjpeg's scale, 1 ... 100; 80 suits thumbnails.
    /// - Throws: ``VisionError`` if `quality` is out of range or a side is longer than JPEG's 65,500.
    public static func jpeg(_ image: PixelImage, quality: Int = 80) throws(VisionError) -> Data {
        throw VisionError(.invalidArgument, "not yet implemented")
    }
}
