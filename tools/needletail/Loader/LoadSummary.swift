import Needletail

/// What a load did.
package struct LoadSummary: Sendable {
    package var collection: String
    package var schema: Schema
    /// Whether the load made the collection.
    package var isNew: Bool
    /// What the user should know.
    package var notes: [String] = []
    package var loaded = 0
    /// Rows that `--resume` found in the collection.
    package var alreadyThere = 0
    package var skipped = SkippedRows()
    package var seconds = 0.0
    package var isCancelled = false

    package init(collection: String, schema: Schema, isNew: Bool) {
        self.collection = collection
        self.schema = schema
        self.isNew = isNew
    }

    package var text: String {
        if loaded == 0, alreadyThere > 0, skipped.count == 0 {
            return "Nothing to load: all \(Format.counted(alreadyThere, "row")) were in '\(collection)' already."
        }
        var text = "Loaded \(Format.counted(loaded, "row")) into '\(collection)' (\(CollectionReport.summary(of: schema)))"
        text += " in \(Format.seconds(seconds))"
        if loaded > 0, seconds > 0 { text += ", \(Format.short(Double(loaded) / seconds)) rows/s" }
        if alreadyThere > 0 { text += "; \(Format.count(alreadyThere)) were there already" }
        if skipped.count > 0 { text += "; passed over \(Format.counted(skipped.count, "bad row"))" }
        return text + "."
    }

    package var json: String {
        JSONText.object([
            ("collection", JSONText.string(collection)), ("loaded", String(loaded)), ("already_there", String(alreadyThere)),
            ("skipped", String(skipped.count)), ("dimension", String(schema.dimension)), ("metric", JSONText.string(schema.metric.rawValue)),
            ("element", JSONText.string(schema.element.rawValue)),
            ("fields", JSONText.object(schema.fields.map { ($0.name, JSONText.string($0.type.rawValue)) })),
            ("seconds", JSONText.number((seconds * 1000).rounded() / 1000)),
        ])
    }
}
