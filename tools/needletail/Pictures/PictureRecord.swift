import Foundation
import Needletail
import NeedletailVision

/// A picture as a record of a collection.
struct PictureRecord: Sendable {
    let record: Record

    /// What is stored of every picture. What tells most to a reader of results comes first.
    static let fields: [Field] = [
        Field("description", .string), Field("category", .string), Field("folder", .string), Field("width", .int), Field("height", .int),
        Field("bytes", .int), Field("modified", .timestamp), Field("path", .string),
    ]

    /// The longest side of the thumbnail that is kept: some 4 KB as JPEG.
    private static let thumbnailSide = 128
    private static let thumbnailQuality = 80

    /// Decodes and embeds a picture, on the calling thread.
    init(_ file: PictureFile, _ embedder: ImageEmbedder) throws(VisionError) {
        let decoded = try ImageDecoder.decode(contentsOf: file.path, options: embedder.preprocessing.decodeOptions)
        var fields: [String: Value] = [
            "folder": .string(file.folder), "width": .int(Int64(decoded.originalWidth)), "height": .int(Int64(decoded.originalHeight)),
            "bytes": .int(Int64(file.byteCount)), "modified": .timestamp(Timestamp(microsecondsSince1970: file.modified)),
            "path": .string(file.path),
        ]
        if let description = PictureDescription.of(pictureAt: file.path) { fields["description"] = .string(description) }
        if let category = file.category { fields["category"] = .string(category) }
        record = Record(
            id: .string(file.recordID), vector: try embedder.embed(decoded.image), fields: fields,
            attachment: try ImageEncoder.jpeg(decoded.image.thumbnail(maximumSide: Self.thumbnailSide), quality: Self.thumbnailQuality))
    }
}
