import Foundation
import Needletail

/// Facts about a database, as lines for a person.
struct InformationReport {
    let information: DatabaseInformation

    init(_ information: DatabaseInformation) { self.information = information }

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
            if let recall = IndexReport.recall(of: index) { lines.append(row("", recall)) }
            if let drift = IndexReport.drift(of: index) { lines.append(row("", drift)) }
            if let changes = IndexReport.changes(since: index) { lines.append(row("", changes)) }
        } else if let problem = collection.indexProblem {
            lines.append(row("index", problem))
        }
        if let model = schema.model { lines.append(row("model", model.description)) }
        let width = schema.fields.reduce(0) { max($0, TextWidth.of($1.name)) }
        for (position, field) in schema.fields.enumerated() {
            let name = field.name + String(repeating: " ", count: width - TextWidth.of(field.name))
            lines.append(row(position == 0 ? "fields" : "", "\(name)  \(field.type)\(field.isIndexed ? ", indexed" : "")"))
        }
        return lines
    }

    private func row(_ name: String, _ value: String) -> String {
        "  " + name + String(repeating: " ", count: max(1, 11 - name.count)) + value
    }
}
