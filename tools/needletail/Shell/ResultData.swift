import Needletail

/// Results for programs: every value whole, and nothing beside the rows.
package enum ResultData {
    /// One object a row.
    package static func jsonLines(_ result: QueryResult) -> [String] {
        result.rows.map { row in
            JSONText.object(zip(result.columns, row).map { ($0.name, json($1, column: $0)) })
        }
    }

    /// As RFC 4180 has it: the names first, lines that end in CR LF. Null is nothing, an empty string is `""`; vectors and lists are
    /// JSON.
    package static func csv(_ result: QueryResult) -> String {
        var text = record(result.columns.map { quoted($0.name) })
        for row in result.rows {
            text += record(zip(result.columns, row).map { column, value in
                switch value {
                case .value(.null): ""
                case .value(.string(let text)): quoted(text)
                case .value(.timestamp(let instant)): instant.iso8601
                default: quoted(json(value, column: column))
                }
            })
        }
        return text
    }

    private static func json(_ value: QueryValue, column: QueryColumn) -> String {
        switch value {
        case .vector(let vector): JSONText.list(vector.map { JSONText.number($0) })
        case .value(.double(let number)) where ResultText.isDistance(column): JSONText.number(Float(number))
        case .value(let value): JSONText.value(value)
        }
    }

    private static func record(_ cells: [String]) -> String { cells.joined(separator: ",") + "\r\n" }

    private static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && !text.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\r" || $0 == "\n" }
            && text.first != " " && text.last != " "
        return isPlain ? text : "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
}
