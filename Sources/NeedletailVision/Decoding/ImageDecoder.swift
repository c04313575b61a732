import CNeedletailCodecs
import Foundation

/// Decodes picture files: JPEG (also progressive, gray, CMYK), PNG (all colour types and depths), WebP.
///
/// The result is always upright, opaque 8-bit RGB: the EXIF orientation is applied, transparency is laid on white,
/// 16-bit samples keep their high byte, colour profiles and gamma are passed over. A file that is damaged or ends early is
/// an error, never a half-grey picture. All functions may be called from many threads at once.
public enum ImageDecoder {
    /// Decodes the picture file at `path`.
    ///
    /// ```swift
    /// let picture = try ImageDecoder.decode(contentsOf: "cat.jpg", options: DecodeOptions(targetShortSide: 256))
    /// print(picture.originalWidth, picture.image.width)
    /// ```
    ///
    /// - Throws: ``VisionError`` naming the file, if it cannot be read, is of another format, is damaged, ends early, or is
    ///   larger than `options` allow.
    public static func decode(contentsOf path: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> DecodedImage {
        let bytes = try PictureFile.read(path, maximumByteCount: options.maximumByteCount)
        return try bytes.withUnsafeBytes { bytes in Result { () throws(VisionError) in try decode(bytes, name: path, options: options) } }.get()
    }

    /// Decodes a picture in memory; `name` stands for it in error messages.
    ///
    /// - Throws: ``VisionError``, as ``decode(contentsOf:options:)`` does.
    public static func decode(_ bytes: Data, name: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> DecodedImage {
        try bytes.withUnsafeBytes { bytes in Result { () throws(VisionError) in try decode(bytes, name: name, options: options) } }.get()
    }

    /// Decodes a picture in memory; `name` stands for it in error messages.
    ///
    /// - Throws: ``VisionError``, as ``decode(contentsOf:options:)`` does.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, name: String, options: DecodeOptions = DecodeOptions()
    ) throws(VisionError) -> DecodedImage {
        let format = try format(of: bytes, name: name)
        let codec = Codec(bytes: bytes, format: format, name: name)
        let header = try codec.header()
        let (pixelCount, overflows) = header.width.multipliedReportingOverflow(by: header.height)
        guard !overflows, pixelCount <= options.maximumPixels, header.width <= longestSide, header.height <= longestSide else {
            throw VisionError(
                .tooLarge,
                "\(name) has \(header.width) × \(header.height) pixels; the limit is \(options.maximumPixels) in all and \(longestSide) a side. "
                    + "Shrink the picture, or raise maximumPixels",
                path: name, width: header.width, height: header.height)
        }
        let denominator = format == .jpeg ? options.denominator(width: header.width, height: header.height) : 1
        let pixels = try codec.pixels(header, denominator: denominator)
        let isTurned = header.orientation >= 5
        return DecodedImage(
            image: pixels.upright(from: header.orientation), originalWidth: isTurned ? header.height : header.width,
            originalHeight: isTurned ? header.width : header.height, format: format)
    }

    /// Reads size and format of the picture file at `path`, without decoding it.
    ///
    /// - Throws: ``VisionError`` if the file cannot be read, is of another format, or its header is damaged.
    public static func probe(contentsOf path: String) throws(VisionError) -> PictureInformation {
        let bytes = try PictureFile.read(path, maximumByteCount: DecodeOptions().maximumByteCount)
        return try bytes.withUnsafeBytes { bytes in Result { () throws(VisionError) in try probe(bytes, name: path) } }.get()
    }

    /// Reads size and format of a picture in memory, without decoding it; `name` stands for it in error messages.
    ///
    /// - Throws: ``VisionError`` if the bytes are of another format, or the header is damaged.
    public static func probe(_ bytes: Data, name: String) throws(VisionError) -> PictureInformation {
        try bytes.withUnsafeBytes { bytes in Result { () throws(VisionError) in try probe(bytes, name: name) } }.get()
    }

    /// Reads size and format of a picture in memory, without decoding it; `name` stands for it in error messages.
    ///
    /// - Throws: ``VisionError`` if the bytes are of another format, or the header is damaged.
    public static func probe(_ bytes: UnsafeRawBufferPointer, name: String) throws(VisionError) -> PictureInformation {
        let format = try format(of: bytes, name: name)
        let header = try Codec(bytes: bytes, format: format, name: name).header()
        let isTurned = header.orientation >= 5
        return PictureInformation(
            width: isTurned ? header.height : header.width, height: isTurned ? header.width : header.height, format: format,
            orientation: header.orientation)
    }

    /// No picture has a longer side; it bounds what a single row can take.
    static let longestSide = 1_000_000

    /// The format of the picture whose first bytes these are.
    static func format(of bytes: UnsafeRawBufferPointer, name: String) throws(VisionError) -> PictureFormat {
        guard !bytes.isEmpty else { throw VisionError(.truncated, "\(name) is empty; get the file again", path: name) }
        switch FileSignature(bytes) {
        case .picture(let format): return format
        case .other(let kind):
            throw VisionError(
                .unsupportedFormat, "\(name) is a \(kind) file, which cannot be decoded; convert it to JPEG, PNG or WebP", path: name)
        case .unknown:
            throw VisionError(.unsupportedFormat, "\(name) is not a picture; JPEG, PNG and WebP files can be decoded", path: name)
        }
    }
}

extension DecodeOptions {
    /// Below this many pixels, decoding all of them is as fast as decoding some.
    private static let scalingThreshold = 1_000_000

    /// The largest of 8, 4, 2 by which a JPEG's sides may be divided in decoding, else 1.
    func denominator(width: Int, height: Int) -> Int {
        guard let targetShortSide, targetShortSide > 0, width * height > Self.scalingThreshold else { return 1 }
        let shortSide = min(width, height)
        return [8, 4, 2].first { shortSide / $0 >= 2 * targetShortSide } ?? 1
    }
}
