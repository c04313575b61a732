/// The rows of a `.jsonl` file: one JSON object a line. Empty lines are passed over.
package struct JSONLinesReader {
    package var path: String { lines.file.path }
    /// The names seen so far, in order of their first appearance; it grows as rows are read.
    package private(set) var columns: [String] = []
    private var positions: [String: Int] = [:]
    private let verbatim: Set<String>
    private var lines: LineReader

    /// - Parameter verbatim: members whose lists are kept as they are written; as vectors, their numbers would lose digits.
    package init(path: String, verbatim: Set<String> = []) throws(InputError) {
        self.verbatim = verbatim
        lines = LineReader(try MappedFile(path: path))
    }

    /// Bytes read so far and altogether, for the progress bar.
    package var progress: (done: Int, total: Int) { (lines.offset, lines.file.bytes.count) }

    /// The next row, `nil` at the end. After an error, the next call goes on with the next line.
    package mutating func next() throws(InputError) -> TableRow? {
        while let text = lines.next() {
            if text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            var row = TableRow(line: lines.line, values: Array(repeating: .null, count: columns.count))
            var expected = 0
            do throws(JSONSyntaxError) {
                try JSONCursor.members(of: text, verbatim: verbatim) { name, value throws(JSONSyntaxError) in
                    // Rows nearly always name their members in one order, so the next column is tried first.
                    let position = expected < columns.count && columns[expected] == name ? expected : self.position(of: name)
                    expected = position + 1
                    if position >= row.values.count { row.values.append(.null) }
                    row.values[position] = value
                }
            } catch {
                throw InputError(path, .line(row.line), "malformed JSON at byte \(error.offset) of the line: \(error.message); mend the line, or pass over such lines with --skip-bad")
            }
            return row
        }
        return nil
    }

    private mutating func position(of name: String) -> Int {
        if let position = positions[name] { return position }
        columns.append(name)
        positions[name] = columns.count - 1
        return columns.count - 1
    }

    /// The number of rows in the file, found by counting the lines that are not blank.
    package static func countRows(path: String) throws(InputError) -> Int {
        var lines = LineReader(try MappedFile(path: path))
        var count = 0
        while let text = lines.next() {
            if !text.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { count += 1 }
        }
        return count
    }
}
