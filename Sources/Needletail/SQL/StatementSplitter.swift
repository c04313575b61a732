/// Cuts text that arrives piece by piece (lines of a shell, of a file, of a pipe) into statements.
///
/// A semicolon ends a statement, unless it stands in a string, a quoted name or a comment.
/// ```swift
/// var splitter = StatementSplitter()
/// splitter.append("SELECT id FROM photos -- not yet; still\nLIMIT 3; DROP")
/// while let statement = splitter.next() { print(statement.line, statement.text) }
/// print(splitter.pending)      // statement: " DROP" waits for its semicolon
/// ```
public struct StatementSplitter: Sendable {
    /// A statement, without its semicolon.
    public struct Statement: Sendable, Hashable {
        /// The statement, with what stands around it.
        public var text: String
        /// The line of all the text appended at which its first word stands, counted from 1.
        public var line: Int

        /// Makes a statement.
        public init(text: String, line: Int) {
            self.text = text
            self.line = line
        }
    }

    /// What the text appended so far leaves open.
    public enum Pending: Sendable, Hashable {
        /// Nothing: what comes next begins a statement.
        case nothing
        /// A statement that waits for its semicolon.
        case statement
        /// A string without its closing `'`.
        case string
        /// A name without its closing `"`.
        case quotedName
    }

    private enum State { case plain, string, quotedName, comment }

    /// What has not yet been cut off, and how far it has been looked at.
    private var bytes: [UInt8] = []
    private var offset = 0
    /// Where the statement that is being read begins in `bytes`.
    private var start = 0
    private var state = State.plain
    private var line = 1
    /// The line of the first word of the statement that is being read, if there has been one.
    private var statementLine: Int?
    private var complete: [Statement] = []
    private var taken = 0

    /// Begins with no text.
    public init() {}

    /// Adds text, such as a line with its line break.
    public mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        // A dash at the end may begin a comment: it is looked at when its successor has come, or by `finish`.
        scan(isFinal: false)
        bytes.removeSubrange(..<start)
        offset -= start
        start = 0
    }

    /// The next complete statement; `nil` where none is complete. Statements of blanks and comments only are passed over.
    public mutating func next() -> Statement? {
        guard taken < complete.count else {
            complete.removeAll()
            taken = 0
            return nil
        }
        taken += 1
        return complete[taken - 1]
    }

    /// Takes what is left as a statement, as at the end of a file, and begins anew.
    public mutating func finish() -> Statement? {
        scan(isFinal: true)
        endStatement(endingAt: bytes.count)
        let rest = complete.popLast()
        let line = line
        self = StatementSplitter(continuing: complete, taken: taken, line: line)
        return rest
    }

    /// What waits for more text.
    public var pending: Pending {
        switch state {
        case .string: .string
        case .quotedName: .quotedName
        case .plain, .comment: statementLine == nil && offset == bytes.count ? .nothing : .statement
        }
    }

    /// Whether a text is one or more complete statements, each with its semicolon, or nothing at all.
    public static func isComplete(_ text: String) -> Bool {
        var splitter = StatementSplitter()
        splitter.append(text)
        return splitter.pending == .nothing
    }

    /// The statements of a text; the last one needs no semicolon.
    public static func statements(in text: String) -> [Statement] {
        var splitter = StatementSplitter()
        splitter.append(text)
        var statements: [Statement] = []
        while let statement = splitter.next() { statements.append(statement) }
        if let rest = splitter.finish() { statements.append(rest) }
        return statements
    }

    private init(continuing complete: [Statement], taken: Int, line: Int) {
        self.complete = complete
        self.taken = taken
        self.line = line
    }
}

extension StatementSplitter {
    private mutating func scan(isFinal: Bool) {
        while offset < bytes.count {
            let byte = bytes[offset]
            switch state {
            case .comment:
                if byte == UInt8(ascii: "\n") { state = .plain }
            case .string:
                // A doubled quote closes and opens again, which comes to the same.
                if byte == UInt8(ascii: "'") { state = .plain }
            case .quotedName:
                if byte == UInt8(ascii: "\"") { state = .plain }
            case .plain:
                switch byte {
                case UInt8(ascii: ";"):
                    endStatement(endingAt: offset)
                    start = offset + 1
                case UInt8(ascii: "-"):
                    if offset + 1 == bytes.count, !isFinal { return }
                    if offset + 1 < bytes.count, bytes[offset + 1] == UInt8(ascii: "-") { state = .comment } else { beginStatement() }
                case UInt8(ascii: "'"):
                    beginStatement()
                    state = .string
                case UInt8(ascii: "\""):
                    beginStatement()
                    state = .quotedName
                case UInt8(ascii: " "), 9 ... 13:
                    break
                default:
                    beginStatement()
                }
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
            offset += 1
        }
    }

    private mutating func beginStatement() {
        if statementLine == nil { statementLine = line }
    }

    private mutating func endStatement(endingAt end: Int) {
        guard let first = statementLine else { return }
        complete.append(Statement(text: String(decoding: bytes[start ..< end], as: UTF8.self), line: first))
        statementLine = nil
    }
}
