/// What an import of pictures did.
struct PictureSummary: Sendable {
    struct Failure: Sendable, Hashable {
        var path: String
        var reason: String

        /// Path and reason, on one line; most reasons name the path themselves.
        var description: String { TextWidth.printable(reason.hasPrefix(path) ? reason : "\(path): \(reason)") }
    }

    var collection: String
    var embedded = 0
    /// Passed over, since they were embedded before.
    var unchanged = 0
    var failures: [Failure] = []
    var seconds = 0.0
    var isCancelled = false

    var text: String {
        var text = "Embedded \(Format.counted(embedded, "picture")) into '\(collection)' in \(Format.seconds(seconds))"
        if embedded > 0, seconds > 0 { text += ", \(Format.short(Double(embedded) / seconds)) pictures/s" }
        if unchanged > 0 { text += "; \(Format.count(unchanged)) were there already" }
        if !failures.isEmpty { text += "; \(Format.count(failures.count)) could not be loaded" }
        return text + "."
    }

    var json: String {
        JSONText.object([
            ("collection", JSONText.string(collection)), ("embedded", String(embedded)), ("already_there", String(unchanged)),
            ("failed", JSONText.list(failures.map { JSONText.object([("path", JSONText.string($0.path)), ("reason", JSONText.string($0.reason))]) })),
            ("seconds", JSONText.number((seconds * 1000).rounded() / 1000)),
        ])
    }
}
