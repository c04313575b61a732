import Needletail

/// A result with one value a line, for rows that are too wide for a table.
package struct ResultLines: Sendable {
    /// The lines of each row.
    package let records: [[String]]

    package init(_ result: QueryResult, width: Int?) {
        let names = result.columns.map { TextWidth.printable($0.name) }
        let nameWidth = names.reduce(0) { max($0, TextWidth.of($1)) }
        records = result.rows.map { row in
            row.indices.map { position in
                let padding = String(repeating: " ", count: nameWidth - TextWidth.of(names[position]))
                let line = "\(padding)\(names[position]) = \(TextWidth.printable(ResultText.cell(row[position], column: result.columns[position])))"
                return width.map { TextWidth.fit(line, width: $0) } ?? line
            }
        }
    }
}
