import Needletail

/// A result in aligned columns.
package struct ResultTable: Sendable {
    private let result: QueryResult
    private let cells: [[String]]

    package init(_ result: QueryResult) {
        self.result = result
        cells = result.rows.map { row in zip(row, result.columns).map { ResultText.cell($0, column: $1) } }
    }

    /// Header, rule and rows. Wide columns are cut, and the last ones left out where even that does not make them fit.
    package func lines(width: Int?) -> [String] { table(shownCount(width: width)).lines(width: width) }

    /// What is not to be seen in the lines.
    package func notes(width: Int?) -> [String] {
        let hidden = result.columns.dropFirst(shownCount(width: width)).map(\.name)
        guard !hidden.isEmpty else { return [] }
        return ["No room for \(TextWidth.printable(hidden.joined(separator: ", "))): see .mode line."]
    }

    /// Such as `3 rows; exact scan of 120 records`.
    package var summary: String {
        Format.counted(result.rows.count, "row") + (result.plan.map { "; \($0)" } ?? "")
    }

    private func shownCount(width: Int?) -> Int {
        guard let width else { return result.columns.count }
        var count = result.columns.count
        // The header and the rule are as wide as the widest row.
        while count > 1, table(count).lines(width: width).contains(where: { TextWidth.of($0) > width }) { count -= 1 }
        return count
    }

    private func table(_ count: Int) -> Table {
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
