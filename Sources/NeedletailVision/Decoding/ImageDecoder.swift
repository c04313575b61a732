import Foundation

/// Decodes picture files. All functions may be called from many threads at once.
public enum ImageDecoder {
    /// Decodes the picture file at `path`.
    ///
    /// - Throws: ``VisionError`` naming the file, if it cannot be read, is of another format, is damaged, ends early, or is larger than `options` allow.
    public static func decode(contentsOf path: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> DecodedImage {
        throw VisionError(.unsupportedFormat, "not yet implemented", path: path)
    }

    /// Decodes a picture in memory; `name` stands for it in error messages.
    public static func decode(_ bytes: Data, name: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> DecodedImage {
        throw VisionError(.unsupportedFormat, "not yet implemented", path: name)
    }

    /// Decodes a picture in memory; `name` stands for it in error messages.
    public static func decode(_ bytes: UnsafeRawBufferPointer, name: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> DecodedImage {
        throw VisionError(.unsupportedFormat, "not yet implemented", path: name)
    }

    /// Reads size and format of the picture file at `path`, without decoding it.
    public static func probe(contentsOf path: String) throws(VisionError) -> PictureInformation {
        throw VisionError(.unsupportedFormat, "not yet implemented", path: path)
    }

    /// Reads size and format of a picture in memory, without decoding it.
    public static func probe(_ bytes: Data, name: String) throws(VisionError) -> PictureInformation {
        throw VisionError(.unsupportedFormat, "not yet implemented", path: name)
    }
}
