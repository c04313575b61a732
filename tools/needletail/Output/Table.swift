/// Rows of text in aligned columns, no wider than the terminal.
package struct Table: Sendable {
    package struct Column: Sendable {
        package enum Alignment: Sendable { case left, right }

        package var title: String
        package var alignment: Alignment
        package var cut: TextWidth.Cut
        /// The column is not made narrower than this to make room for others; `.max` never cuts it.
        package var minimum: Int

        package init(_ title: String, alignment: Alignment = .left, cut: TextWidth.Cut = .end, minimum: Int = 8) {
            self.title = title
            self.alignment = alignment
            self.cut = cut
            self.minimum = minimum
        }
    }

    package var columns: [Column]
    package var rows: [[String]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    private static let gap = 2

    /// The lines, header first. `width` is the terminal's; `nil` where there is none: then nothing is cut.
    package func lines(width: Int?) -> [String] {
        let cells = rows.map { $0.map { TextWidth.printable($0) } }
        let titles = columns.map { TextWidth.printable($0.title) }
        var widths = columns.indices.map { column in
            cells.reduce(TextWidth.of(titles[column])) { max($0, TextWidth.of($1[column])) }
        }
        if let width { shrink(&widths, to: width) }
        var lines = [line(titles, widths)]
        lines.append(widths.map { String(repeating: "─", count: $0) }.joined(separator: String(repeating: " ", count: Self.gap)))
        lines += cells.map { line($0, widths) }
        return lines
    }

    /// Takes columns from the widest until all fit, or until none may shrink further.
    private func shrink(_ widths: inout [Int], to total: Int) {
        var surplus = widths.reduce(0, +) + Self.gap * max(0, widths.count - 1) - total
        while surplus > 0 {
            let candidates = widths.indices.filter { widths[$0] > columns[$0].minimum }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
            surplus -= 1
        }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (position, cell) in cells.enumerated() {
            let text = TextWidth.fit(cell, width: widths[position], cut: columns[position].cut)
            let padding = String(repeating: " ", count: max(0, widths[position] - TextWidth.of(text)))
            if position > 0 { line += String(repeating: " ", count: Self.gap) }
            line += columns[position].alignment == .left ? text + padding : padding + text
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
