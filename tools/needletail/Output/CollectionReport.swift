import Foundation
import Needletail

/// What a collection is, in words and in JSON.
enum CollectionReport {
    /// Such as `128 dimensions, cosine, f32, 3 fields`.
    static func summary(of schema: Schema) -> String {
        "\(Format.counted(schema.dimension, "dimension")), \(schema.metric.rawValue), \(schema.element.rawValue), "
            + (schema.fields.isEmpty ? "no fields" : Format.counted(schema.fields.count, "field"))
    }

    static func json(name: String, schema: Schema, count: Int) throws -> String {
        JSONText.object([
            ("collection", JSONText.string(name)),
            ("count", String(count)),
            ("schema", try json(schema)),
        ])
    }

    /// A value as its type writes it, on one line.
    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
