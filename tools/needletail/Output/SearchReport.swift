import Foundation
import Needletail

/// Results of a search, in the forms that the tool prints.
package struct SearchReport {
    package let schema: Schema
    /// The fields to show, in order.
    package let fields: [String]
    package let results: SearchResults
    package let seconds: Double

    package init(schema: Schema, fields: [String], results: SearchResults, seconds: Double) {
        self.schema = schema
        self.fields = fields
        self.results = results
        self.seconds = seconds
    }

    /// One object a hit: `{"rank":1,"id":…,"distance":…,"fields":{…}}`. Fields without a value are left out;
    /// distances have the digits of a `Float`, which they are computed as.
    package var jsonLines: [String] {
        results.hits.enumerated().map { position, hit in
            let values = fields.compactMap { name in hit.fields[name].map { (name, JSONText.value($0)) } }
            return JSONText.object([
                ("rank", String(position + 1)), ("id", JSONText.id(hit.id)), ("distance", JSONText.number(Float(hit.distance))),
                ("fields", JSONText.object(values)),
            ])
        }
    }

    /// The rows as a table, and the summary below it.
    ///
    /// Columns that tell nothing (all empty, or the id again) are left out, and the last ones where the terminal is
    /// too narrow for them: the summary names those.
    package func table(width: Int?) -> [String] {
        guard !results.hits.isEmpty else { return ["Nothing found; \(results.plan), \(Self.time(seconds))."] }
        var shown = fields.filter { name in
            results.hits.contains { hit in hit.fields[name].map { Self.text($0) != hit.id.description } ?? false }
        }
        var hidden: [String] = []
        var lines = table(shown).lines(width: width)
        while let width, !shown.isEmpty, lines.contains(where: { TextWidth.of($0) > width }) {
            hidden.insert(shown.removeLast(), at: 0)
            lines = table(shown).lines(width: width)
        }
        lines.append("\(Format.counted(results.hits.count, "record")); \(results.plan), \(Self.time(seconds)).")
        if !hidden.isEmpty { lines.append("No room for \(TextWidth.printable(hidden.joined(separator: ", "))): see --fields and --json.") }
        return lines
    }

    private func table(_ shown: [String]) -> Table {
        var table = Table([
            .init("#", alignment: .right, minimum: .max), .init("id", cut: .start, minimum: 24),
            .init("distance", alignment: .right, minimum: .max),
        ])
        for name in shown {
            switch schema.field(name)?.type {
            case .int, .double: table.columns.append(.init(name, alignment: .right, minimum: .max))
            case .bool, .timestamp: table.columns.append(.init(name, minimum: .max))
            case .string, .strings, nil: table.columns.append(.init(name, minimum: 12))
            }
        }
        table.rows = results.hits.enumerated().map { position, hit in
            [String(position + 1), hit.id.description, Format.decimal(hit.distance, digits: 4)]
                + shown.map { hit.fields[$0].map(Self.text) ?? "" }
        }
        return table
    }

    private static func time(_ seconds: Double) -> String {
        seconds < 1 ? "\(Format.decimal(seconds * 1000, digits: seconds < 0.01 ? 2 : 0)) ms" : Format.seconds(seconds)
    }

    private static func text(_ value: Value) -> String {
        switch value {
        case .null: ""
        case .strings(let texts): texts.joined(separator: ", ")
        // To the second, in UTC, as 2024-01-31 12:00:00: what is finer serves no reader of a table.
        case .timestamp(let instant): String(instant.iso8601.prefix { $0 != "." && $0 != "Z" }).replacing("T", with: " ")
        default: value.description
        }
    }

    /// The results as a page, with the thumbnails that the records carry.
    func sheet(_ collection: Needletail.Collection, database: String, question: Question, filter: String?) throws -> ResultSheet {
        var facts: [(name: String, value: String)] = []
        if let filter { facts.append(("where", filter)) }
        facts.append(("metric", schema.metric.rawValue))
        facts.append(("plan", results.plan.description))
        facts.append(("time", Self.time(seconds)))
        var hits: [ResultSheet.Hit] = []
        for (position, hit) in results.hits.enumerated() {
            hits.append(
                ResultSheet.Hit(
                    rank: position + 1, id: hit.id.description, distance: Format.decimal(hit.distance, digits: 3),
                    fields: fields.compactMap { name in hit.fields[name].map { (name, Self.text($0)) } },
                    thumbnail: try collection.attachment(of: hit.id)))
        }
        return ResultSheet(
            collection: collection.name, database: database, question: question.text, picture: question.picture, facts: facts, hits: hits)
    }
}
