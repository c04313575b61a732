import Foundation
import Needletail

/// Facts about a database and the values of its fields, as lines for a person and as JSON.
struct InformationReport {
    private let information: DatabaseInformation
    /// By collection, of those that have fields. What cannot be read of one keeps nobody from the rest.
    private let statistics: [String: Result<[FieldStatistics], NeedletailError>]

    init(_ database: Database) throws(NeedletailError) {
        information = try database.information()
        var statistics: [String: Result<[FieldStatistics], NeedletailError>] = [:]
        for collection in information.collections where !collection.schema.fields.isEmpty {
            do throws(NeedletailError) {
                statistics[collection.name] = .success(try database.collection(collection.name).statistics())
            } catch {
                statistics[collection.name] = .failure(error)
            }
        }
        self.statistics = statistics
    }

    /// The facts as one JSON object, with the statistics of each collection's fields by its name.
    var json: String {
        get throws {
            let fields = information.collections.compactMap { collection -> (String, String)? in
                guard case .success(let fields)? = statistics[collection.name] else { return nil }
                return (collection.name, JSONText.list(fields.map(FieldReport.json)))
            }
            return JSONText.object(try CollectionReport.json(information), adding: [("statistics", JSONText.object(fields))])
        }
    }

    var lines: [String] {
        var lines = [
            information.path,
            row("format", "version \(information.formatVersion), pages of \(Format.bytes(information.pageByteCount))"),
            row("file", Format.bytes(information.fileByteCount)
                + " (\(Format.bytes(information.usedByteCount)) used, \(Format.bytes(information.freeByteCount)) free for later writes)"),
            row("mapped", Format.bytes(information.mappedByteCount) + " of address space, the size that the file can grow to"),
        ]
        if let resident = information.residentByteCount { lines.append(row("in memory", Format.bytes(resident))) }
        lines.append(row("commits", Format.count(Int(clamping: information.transactionID))))
        // The snapshot that this very command holds is none of the user's concern.
        let own = Int(ProcessInfo.processInfo.processIdentifier)
        lines += information.readers.filter { $0.processID != own }.map { reader in
            row("reader", "process \(reader.processID), \(reader.commitsBehind == 0 ? "at the newest commit" : "\(Format.counted(Int(clamping: reader.commitsBehind), "commit")) behind")")
        }
        if information.collections.isEmpty { lines.append("no collections yet") }
        for collection in information.collections { lines += describe(collection) }
        return lines
    }

    private func describe(_ collection: CollectionInformation) -> [String] {
        let schema = collection.schema
        var lines = ["", "collection \(collection.name)"]
        let deleted = collection.deletedCount > 0 ? " (and \(Format.count(collection.deletedCount)) deleted, whose space is not used again yet)" : ""
        lines.append(row("records", Format.count(collection.count) + deleted))
        lines.append(row("vectors", "\(schema.vectorName): \(Format.counted(schema.dimension, "dimension")), \(schema.metric.rawValue), \(schema.element.rawValue), \(Format.bytes(collection.vectorByteCount))"))
        if let index = collection.index {
            lines.append(row("index", IndexReport.summary(of: index)))
            lines += IndexReport.recall(of: index).map { row("", $0) }
            if let drift = IndexReport.drift(of: index) { lines.append(row("", drift)) }
            if let changes = IndexReport.changes(since: index) { lines.append(row("", changes)) }
        } else if let problem = collection.indexProblem {
            lines.append(row("index", problem))
        }
        if let model = schema.model { lines.append(row("model", model.description)) }
        return lines + describeFields(of: collection)
    }

    /// A line for each field: its name, its type, and what is known of its values.
    private func describeFields(of collection: CollectionInformation) -> [String] {
        let fields = collection.schema.fields
        var known: [FieldStatistics] = [], problem: String?
        switch statistics[collection.name] {
        case .success(let statistics): known = statistics
        case .failure(let error): problem = error.message
        case nil: break
        }
        let types = fields.map { "\($0.type)\($0.isIndexed ? ", indexed" : "")" }
        let nameWidth = fields.reduce(0) { max($0, TextWidth.of($1.name)) }, typeWidth = types.reduce(0) { max($0, TextWidth.of($1)) }
        var lines = zip(fields, types).enumerated().map { position, field in
            let cells = TextWidth.padded(field.0.name, to: nameWidth) + "  " + TextWidth.padded(field.1, to: typeWidth)
            // The collection may have been dropped and made anew since its schema was read.
            let values = known.first { $0.name == field.0.name }.map { "  " + FieldReport.summary(of: $0) } ?? ""
            return row(position == 0 ? "fields" : "", (cells + values).trimmed)
        }
        if let sample = known.first.flatMap({ FieldReport.sample(of: $0) }) { lines.append(row("", sample)) }
        if let problem { lines.append(row("", "what is known of their values cannot be read: \(problem)")) }
        return lines
    }

    private func row(_ name: String, _ value: String) -> String {
        "  " + name + String(repeating: " ", count: max(1, 11 - name.count)) + value
    }
}
