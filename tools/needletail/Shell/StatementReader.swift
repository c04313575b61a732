import Needletail

/// Cuts lines into statements, which end at a semicolon, and dot-commands, which are lines of their own between them.
package struct StatementReader: Sendable {
    package enum Item: Sendable, Hashable {
        /// A statement without its semicolon; the line that it begins on, counted from 1, and how many characters of that line stand
        /// before it.
        case statement(String, line: Int, offset: Int = 0)
        /// A line that begins with a dot, without blanks around it.
        case command(String, line: Int)
    }

    private var splitter = StatementSplitter()
    /// The lines before the first that `splitter` knows of.
    private var linesBefore = 0
    /// How many characters stand before the statement that waits for its semicolon, on its first line.
    private var offset = 0
    /// The number of lines read.
    package private(set) var lineCount = 0

    package init() {}

    /// Whether a statement has begun that has not ended: then the next line goes on with it.
    package var isInsideStatement: Bool { splitter.pending != .nothing }

    /// What the prompt of the next line shows is open: a quote, or nothing.
    package var openQuote: Character? {
        switch splitter.pending {
        case .string: "'"
        case .quotedName: "\""
        case .nothing, .statement: nil
        }
    }

    /// Reads a line, without its end.
    package mutating func add(_ line: String) -> [Item] {
        lineCount += 1
        let trimmed = isInsideStatement ? "" : line.trimmed
        guard !trimmed.hasPrefix(".") else {
            splitter.append("\n")
            return [.command(trimmed, line: lineCount)]
        }
        if !isInsideStatement { offset = 0 }
        splitter.append(line + "\n")
        var items: [Item] = []
        while let statement = splitter.next() {
            items.append(item(statement))
            // What follows begins behind the semicolon.
            let lastLine = statement.text.split(separator: "\n", omittingEmptySubsequences: false).last ?? ""
            offset = lastLine.count + 1 + (lastLine.count == statement.text.count ? offset : 0)
        }
        return items
    }

    /// What is left at the end of the input, as if a semicolon followed.
    package mutating func finish() -> Item? {
        defer { discard() }
        return splitter.finish().map(item)
    }

    /// Forgets the statement that has begun.
    package mutating func discard() {
        splitter = StatementSplitter()
        linesBefore = lineCount
    }

    private func item(_ statement: StatementSplitter.Statement) -> Item {
        let (text, isCut) = Self.withoutLeadingLines(statement.text)
        return .statement(text, line: linesBefore + statement.line, offset: isCut ? 0 : offset)
    }

    /// The text from the line on that has the first word: errors count lines from the statement's beginning.
    private static func withoutLeadingLines(_ text: String) -> (text: String, isCut: Bool) {
        var rest = text[...]
        while let end = rest.firstIndex(where: \.isNewline) {
            let line = rest[..<end].drop { $0.isWhitespace }
            guard line.isEmpty || line.hasPrefix("--") else { break }
            rest = rest[rest.index(after: end)...]
        }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return (String(rest), rest.startIndex != text.startIndex)
    }
}

extension StringProtocol {
    /// The text without the blanks around it.
    var trimmed: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
