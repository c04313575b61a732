import CNeedletailCodecs

/// One picture file in memory, read through the C library of its format.
struct Codec {
    let bytes: UnsafeRawBufferPointer
    let format: PictureFormat
    let name: String

    /// Size and orientation of the stored pixels. Both sides are at least 1.
    struct Header {
        var width: Int
        var height: Int
        var orientation: Int
    }

    func header() throws(VisionError) -> Header {
        var header = nt_picture_header()
        var status = nt_codec_status()
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        switch format {
        case .jpeg: nt_jpeg_header(start, bytes.count, &header, &status)
        case .png: nt_png_header(start, bytes.count, &header, &status)
        case .webp: nt_webp_header(start, bytes.count, &header, &status)
        }
        guard status.code == NT_CODEC_OK else { throw VisionError(status, name: name) }
        return Header(width: header.width, height: header.height, orientation: Int(header.orientation))
    }

    /// The pixels as they are stored, their sides divided by `denominator` (JPEG only) and rounded up.
    func pixels(_ header: Header, denominator: Int) throws(VisionError) -> PixelImage {
        let width = (header.width + denominator - 1) / denominator, height = (header.height + denominator - 1) / denominator
        var status = nt_codec_status()
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { pixels, filled in
            switch format {
            case .jpeg: nt_jpeg_decode(start, bytes.count, UInt32(denominator), pixels.baseAddress, width, height, &status)
            case .png: nt_png_decode(start, bytes.count, pixels.baseAddress, width, height, &status)
            case .webp: nt_webp_decode(start, bytes.count, pixels.baseAddress, width, height, &status)
            }
            filled = status.code == NT_CODEC_OK ? width * height * 3 : 0
        }
        guard status.code == NT_CODEC_OK else {
            var error = VisionError(status, name: name)
            error.width = header.width
            error.height = header.height
            throw error
        }
        return PixelImage(width: width, height: height, pixels: pixels)
    }
}

extension VisionError {
    /// The error of a codec, with the file's name and a remedy.
    init(_ status: nt_codec_status, name: String) {
        let reason = withUnsafeBytes(of: status.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        switch status.code {
        case NT_CODEC_UNSUPPORTED:
            self.init(.unsupportedFormat, "\(name) cannot be decoded (\(reason)); convert it to a plain JPEG, PNG or WebP", path: name)
        case NT_CODEC_TRUNCATED:
            self.init(.truncated, "\(name) ends before its picture does (\(reason)); get the file again", path: name)
        case NT_CODEC_TOO_LARGE:
            self.init(.tooLarge, "\(name) is too large (\(reason)); shrink the picture", path: name)
        case NT_CODEC_NO_MEMORY:
            self.init(.outOfMemory, "there is not enough memory for \(name) (\(reason)); shrink the picture", path: name)
        default:
            self.init(.corrupt, "\(name) is damaged (\(reason)); get the file again", path: name)
        }
    }
}

extension PixelImage {
    /// The picture turned upright, if its pixels are stored with this EXIF orientation.
    func upright(from orientation: Int) -> PixelImage {
        guard (2 ... 8).contains(orientation) else { return self }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, filled in
            nt_orient_rgb8(pixels, width, height, Int32(orientation), target.baseAddress)
            filled = pixels.count
        }
        return PixelImage(width: orientation >= 5 ? height : width, height: orientation >= 5 ? width : height, pixels: turned)
    }
}
