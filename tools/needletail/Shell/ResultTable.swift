import Needletail

/// A result in aligned columns.
package struct ResultTable: Sendable {
    /// Header, rule and rows.
    package let lines: [String]
    /// Such as `3 rows; exact scan of 120 records`.
    package let summary: String
    /// What is not to be seen in the lines.
    package let notes: [String]

    /// - Parameter width: that of the terminal, if there is one: wide columns are cut, and the last ones left out where even that
    ///   does not make them fit.
    package init(_ result: QueryResult, width: Int?) {
        let cells = result.rows.map { row in zip(row, result.columns).map { ResultText.cell($0, column: $1) } }
        var count = result.columns.count
        var lines = Self.table(result, cells, count).lines(width: width)
        // The rule is as wide as the widest row.
        while let width, count > 1, lines.prefix(2).contains(where: { TextWidth.of($0) > width }) {
            count -= 1
            lines = Self.table(result, cells, count).lines(width: width)
        }
        self.lines = lines
        summary = Format.counted(result.rows.count, "row") + (result.plan.map { "; \($0)" } ?? "")
        let hidden = result.columns.dropFirst(count).map(\.name)
        notes = hidden.isEmpty ? [] : ["No room for \(TextWidth.printable(hidden.joined(separator: ", "))): see .mode line."]
    }

    private static func table(_ result: QueryResult, _ cells: [[String]], _ count: Int) -> Table {
        var table = Table(result.columns.prefix(count).map { column in
            switch column.kind {
            // The ends of paths tell them apart.
            case .id: .init(column.name, cut: .start, minimum: 20)
            case .vector: .init(column.name, minimum: 12)
            case .value(.int), .value(.double): .init(column.name, alignment: .right, minimum: .max)
            case .value(.bool), .value(.timestamp): .init(column.name, minimum: .max)
            case .value(.string), .value(.strings): .init(column.name, minimum: 12)
            }
        })
        table.rows = cells.map { Array($0.prefix(count)) }
        return table
    }
}
