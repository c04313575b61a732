/// Cuts lines into statements, which end at a semicolon, and dot-commands, which are lines of their own.
///
/// A semicolon inside a string, a quoted name or a comment ends nothing. Every byte is looked at once.
package struct StatementReader: Sendable {
    package enum Item: Sendable, Hashable {
        /// A statement without its semicolon, and the line that it begins on, counted from 1.
        case statement(String, line: Int)
        /// A line that begins with a dot, without blanks around it.
        case command(String, line: Int)
    }

    private enum Place { case plain, string, name }

    private var text = ""
    private var place = Place.plain
    /// Whether `text` has more than blanks and comments.
    private var isBegun = false
    private var firstLine = 0
    /// The number of lines read.
    package private(set) var lineCount = 0

    package init() {}

    /// Whether a statement has begun that has not ended: then the next line goes on with it.
    package var isInsideStatement: Bool { isBegun }

    /// Reads a line, without its end.
    package mutating func add(_ line: String) -> [Item] {
        lineCount += 1
        if !isBegun {
            let trimmed = line.trimmed
            if trimmed.hasPrefix(".") { return [.command(trimmed, line: lineCount)] }
            firstLine = lineCount
        }
        var items: [Item] = []
        let bytes = Array(line.utf8)
        var start = 0
        var offset = 0
        scan: while offset < bytes.count {
            let byte = bytes[offset]
            switch place {
            case .string: if byte == UInt8(ascii: "'") { place = .plain }
            case .name: if byte == UInt8(ascii: "\"") { place = .plain }
            case .plain:
                switch byte {
                case UInt8(ascii: "'"): (place, isBegun) = (.string, true)
                case UInt8(ascii: "\""): (place, isBegun) = (.name, true)
                case UInt8(ascii: "-") where offset + 1 < bytes.count && bytes[offset + 1] == UInt8(ascii: "-"):
                    break scan // A comment goes on to the end of the line.
                case UInt8(ascii: ";"):
                    text += String(decoding: bytes[start ..< offset], as: UTF8.self)
                    if isBegun { items.append(.statement(text, line: firstLine)) }
                    discard()
                    firstLine = lineCount
                    start = offset + 1
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
                default: isBegun = true
                }
            }
            offset += 1
        }
        if isBegun {
            // What stands before the statement on its line stays, so that columns are those of the line where it is the first.
            text += String(decoding: bytes[start...], as: UTF8.self) + "\n"
        } else {
            text = ""
        }
        return items
    }

    /// What is left at the end of the input, as if a semicolon followed.
    package mutating func finish() -> Item? {
        guard isBegun else { return nil }
        defer { discard() }
        while text.last == "\n" { text.removeLast() }
        return .statement(text, line: firstLine)
    }

    /// Forgets the statement that has begun.
    package mutating func discard() {
        text = ""
        place = .plain
        isBegun = false
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
