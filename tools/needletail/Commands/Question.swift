import Foundation
import Needletail
import NeedletailVision

/// What a search is near to, ready to be asked.
struct Question {
    enum Subject {
        case vector([Float])
        case record(RecordID)
    }

    let subject: Subject
    /// As the user wrote it.
    let text: String
    /// A small JPEG of the picture asked with.
    let picture: Data?

    /// Exactly one of `vector`, `image` and `like` is given.
    init(_ collection: Needletail.Collection, vector: VectorOption?, image: String?, like: String?, model: String?) throws {
        if let vector {
            text = vector.text
            picture = nil
            subject = .vector(try vector.components())
        } else if let image {
            let embedder = try PictureModel.embedder(for: collection, named: model, option: "--model")
            let decoded = try ImageDecoder.decode(contentsOf: image, options: embedder.preprocessing.decodeOptions).image
            text = image
            picture = try ImageEncoder.jpeg(decoded.thumbnail(maximumSide: 320), quality: 85)
            subject = .vector(try embedder.embed(decoded))
        } else {
            let id = try Self.record(named: like ?? "", in: collection)
            text = id.description
            picture = try collection.attachment(of: id)
            subject = .record(id)
        }
    }

    /// The record meant by `text`: its id as a string or a number, or a path from here to a picture that was loaded.
    private static func record(named text: String, in collection: Needletail.Collection) throws -> RecordID {
        var candidates: [RecordID] = [.string(text)]
        if let number = Int64(text) { candidates.insert(.int(number), at: 0) }
        if let path = Path.absolute(text) {
            candidates.append(.string(PictureFile(path: path, relativePath: "", byteCount: 0, modified: 0).recordID))
        }
        for candidate in candidates where candidate.fitsAnID {
            if try collection.get(candidate, select: .none) != nil { return candidate }
        }
        throw ToolFailure(.badData, "collection '\(collection.name)' has no record with the id \(text)")
    }
}

extension RecordID {
    /// Whether the id is of a length that a record can have.
    fileprivate var fitsAnID: Bool { stringValue.map { !$0.isEmpty && $0.utf8.count <= 480 } ?? true }
}
