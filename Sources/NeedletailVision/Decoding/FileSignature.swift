/// What the first bytes of a file say it is. Names are never asked: people rename files, and cameras and browsers lie.
enum FileSignature: Equatable {
    /// A format that can be decoded.
    case picture(PictureFormat)
    /// A format that is known and cannot be decoded, by its usual name.
    case other(String)
    /// Anything else.
    case unknown

    /// How many bytes are looked at.
    static let byteCount = 32

    init(_ bytes: UnsafeRawBufferPointer) {
        func has(_ pattern: StaticString, at offset: Int = 0) -> Bool {
            guard bytes.count >= offset + pattern.utf8CodeUnitCount else { return false }
            return (0 ..< pattern.utf8CodeUnitCount).allSatisfy { bytes[offset + $0] == pattern.utf8Start[$0] }
        }
        func has(_ pattern: [UInt8]) -> Bool { bytes.starts(with: pattern) }

        if has([0xFF, 0xD8, 0xFF]) {
            self = .picture(.jpeg)
        } else if has([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .picture(.png)
        } else if has("RIFF"), has("WEBP", at: 8) {
            self = .picture(.webp)
        } else if has("GIF8") {
            self = .other("GIF")
        } else if has("BM") {
            self = .other("BMP")
        } else if has([0x49, 0x49, 0x2A, 0]) || has([0x4D, 0x4D, 0, 0x2A]) || has([0x49, 0x49, 0x2B, 0]) || has([0x4D, 0x4D, 0, 0x2B]) {
            self = .other("TIFF or camera raw")
        } else if has("ftyp", at: 4) {
            let isAVIF = has("avif", at: 8) || has("avis", at: 8)
            let isHEIC = has("hei", at: 8) || has("hev", at: 8) || has("mif1", at: 8) || has("msf1", at: 8)
            self = .other(isAVIF ? "AVIF" : isHEIC ? "HEIC" : "video (MP4 or QuickTime)")
        } else if has([0xFF, 0x0A]) || has([0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]) {
            self = .other("JPEG XL")
        } else if has([0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]) {
            self = .other("JPEG 2000")
        } else if has("8BPS") {
            self = .other("Photoshop")
        } else if has("%PDF") {
            self = .other("PDF")
        } else if has([0, 0, 1, 0]) {
            self = .other("icon")
        } else if has("<svg") {
            self = .other("SVG")
        } else {
            self = .unknown
        }
    }
}
