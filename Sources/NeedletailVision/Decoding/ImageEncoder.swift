import CNeedletailCodecs
import Foundation

/// Encodes pictures.
public enum ImageEncoder {
    /// The picture as a baseline JPEG file, 4:2:0.
    ///
    /// - Parameter quality: libjpeg's scale, 1 ... 100; 80 suits thumbnails.
    /// - Throws: ``VisionError`` if `quality` is out of range or a side is longer than JPEG's 65,500.
    public static func jpeg(_ image: PixelImage, quality: Int = 80) throws(VisionError) -> Data {
        guard (1 ... 100).contains(quality) else {
            throw VisionError(.invalidArgument, "JPEG quality \(quality) is not in 1 ... 100")
        }
        var status = nt_codec_status()
        var block: UnsafeMutablePointer<UInt8>?
        var byteCount = 0
        nt_jpeg_encode(image.pixels, image.width, image.height, Int32(quality), &block, &byteCount, &status)
        guard status.code == NT_CODEC_OK, let block else {
            var error = VisionError(status, name: "a picture of \(image.width) × \(image.height) pixels")
            error.path = nil
            throw error
        }
        return Data(bytesNoCopy: block, count: byteCount, deallocator: .free)
    }
}
