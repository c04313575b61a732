/// A word, literal or symbol of a filter or a statement.
package struct Token: Sendable, Equatable {
    /// What the token is, with its content.
    package enum Kind: Sendable, Equatable {
        /// An unquoted name or keyword, as written.
        case word(String)
        /// A name in double quotes, without them.
        case quotedName(String)
        /// A string in single quotes, without them.
        case string(String)
        /// A number without its sign, as written.
        case number(String)
        case symbol(Symbol)
        /// A `?` of a statement, with the number behind it if there is one.
        case parameter(Int?)
        case end
    }

    /// The symbols of filters and of SQL statements; `==` is read as `=`, `<>` as `!=`.
    package enum Symbol: String, Sendable {
        case leftParenthesis = "(", rightParenthesis = ")", leftBracket = "[", rightBracket = "]"
        case comma = ",", semicolon = ";", period = ".", star = "*", minus = "-", plus = "+"
        case equal = "=", notEqual = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
        case l2Distance = "<->", cosineDistance = "<=>", negativeDot = "<#>"
    }

    package var kind: Kind
    /// Where the token stands in the text, in bytes.
    package var range: Range<Int>

    /// Whether this is the unquoted word, in any case. `keyword` is in capitals.
    package func isWord(_ keyword: String) -> Bool {
        guard case .word(let word) = kind else { return false }
        return word.utf8.count == keyword.utf8.count && word.uppercased() == keyword
    }
}

/// The tokens of a text, one at a time with one token of lookahead (``current``).
///
/// Blanks, line breaks and comments from `--` to the end of the line stand between tokens and mean nothing.
/// One lexer serves filters and statements, so that a condition is read alike in both.
package struct TokenStream: Sendable {
    /// The text in UTF-8.
    package let text: [UInt8]
    /// The token that the parser looks at; `.end` after the last.
    package private(set) var current: Token
    private var offset = 0

    /// The longest text that is read, in bytes: a bound on the memory and time that input from outside can cost.
    package static let maximumByteCount = 1 << 20
    /// The largest number that a parameter may have.
    package static let maximumParameter = 99_999

    /// Reads the first token.
    package init(_ string: String) throws(NeedletailError) {
        text = Array(string.utf8)
        current = Token(kind: .end, range: 0 ..< 0)
        guard text.count <= Self.maximumByteCount else {
            throw NeedletailError(
                .tooLarge, "the text has \(text.count) bytes; at most \(Self.maximumByteCount) are read",
                expected: Self.maximumByteCount, actual: text.count)
        }
        try advance()
    }

    /// Goes on to the next token.
    package mutating func advance() throws(NeedletailError) {
        skipBlanksAndComments()
        let start = offset
        let kind = try read()
        current = Token(kind: kind, range: start ..< offset)
    }

    /// Goes on if the current token is this word, and says whether it was.
    package mutating func take(word: String) throws(NeedletailError) -> Bool {
        guard current.isWord(word) else { return false }
        try advance()
        return true
    }

    /// Goes on if the current token is this symbol, and says whether it was.
    package mutating func take(_ symbol: Token.Symbol) throws(NeedletailError) -> Bool {
        guard current.kind == .symbol(symbol) else { return false }
        try advance()
        return true
    }

    /// Goes on past the symbol, which must come here; `context` completes "expected ')' …".
    package mutating func expect(_ symbol: Token.Symbol, _ context: String) throws(NeedletailError) {
        guard try take(symbol) else { throw unexpected("'\(symbol.rawValue)' \(context)") }
    }

    /// The error that something else was expected here. A word near to one of `candidates` is taken for a misspelling of it.
    package func unexpected(_ expected: String, candidates: [String] = []) -> NeedletailError {
        var message = "expected \(expected), found \(currentText)"
        if case .word(let word) = current.kind, let guess = TextDiagnostic.nearest(to: word, among: candidates) {
            message += "; did you mean \(guess)?"
        }
        return error(message)
    }

    /// An error that points at the current token, or at another byte.
    package func error(_ message: String, at byteOffset: Int? = nil) -> NeedletailError {
        TextDiagnostic.error(message, in: text, at: byteOffset ?? current.range.lowerBound)
    }

    /// The current token for a message, shortened.
    private var currentText: String {
        if current.kind == .end { return "the end" }
        let text = String(decoding: text[current.range], as: UTF8.self)
        let shown = text.count > 40 ? text.prefix(37) + "…" : text[...]
        // What carries its own quotes needs no others.
        return shown.hasPrefix("'") || shown.hasPrefix("\"") ? String(shown) : "'\(shown)'"
    }
}

// MARK: - The lexer

extension TokenStream {
    private func byte(_ ahead: Int = 0) -> UInt8? {
        offset + ahead < text.count ? text[offset + ahead] : nil
    }

    private mutating func skipBlanksAndComments() {
        while let byte = byte() {
            switch byte {
            case UInt8(ascii: " "), 9, 10, 11, 12, 13:
                offset += 1
            case UInt8(ascii: "-") where self.byte(1) == UInt8(ascii: "-"):
                while let byte = self.byte(), byte != 10 { offset += 1 }
            default:
                return
            }
        }
    }

    private mutating func read() throws(NeedletailError) -> Token.Kind {
        guard let first = byte() else { return .end }
        switch first {
        case UInt8(ascii: "'"):
            return .string(try quoted(by: first, what: "string"))
        case UInt8(ascii: "\""):
            let start = offset
            let name = try quoted(by: first, what: "name")
            guard !name.isEmpty else { throw error("a name in double quotes is empty", at: start) }
            return .quotedName(name)
        case _ where Self.isDigit(first) || (first == UInt8(ascii: ".") && Self.isDigit(byte(1))):
            return .number(try number())
        case _ where Self.isLetter(first):
            return .word(try word())
        case UInt8(ascii: "?"):
            return .parameter(try parameterNumber())
        default:
            return .symbol(try symbol(first))
        }
    }

    /// The content between two quotes; a doubled quote stands for one.
    private mutating func quoted(by quote: UInt8, what: String) throws(NeedletailError) -> String {
        let start = offset
        var content: [UInt8] = []
        offset += 1
        while let byte = byte() {
            offset += 1
            if byte == quote {
                guard self.byte() == quote else { return String(decoding: content, as: UTF8.self) }
                offset += 1
            }
            content.append(byte)
        }
        throw error("the \(what) that begins here has no closing \(Character(Unicode.Scalar(quote)))", at: start)
    }

    private mutating func number() throws(NeedletailError) -> String {
        let start = offset
        while Self.isDigit(byte()) { offset += 1 }
        if byte() == UInt8(ascii: ".") {
            offset += 1
            while Self.isDigit(byte()) { offset += 1 }
        }
        if byte() == UInt8(ascii: "e") || byte() == UInt8(ascii: "E") {
            offset += 1
            if byte() == UInt8(ascii: "-") || byte() == UInt8(ascii: "+") { offset += 1 }
            guard Self.isDigit(byte()) else { throw error("the exponent of the number has no digits", at: start) }
            while Self.isDigit(byte()) { offset += 1 }
        }
        // "10px" and "2024-01-01" without quotes: the second is caught by the parser at the minus.
        if let next = byte(), Self.isLetter(next) {
            throw error("a number is followed by a letter; a string is written in single quotes", at: start)
        }
        return String(decoding: text[start ..< offset], as: UTF8.self)
    }

    private mutating func word() throws(NeedletailError) -> String {
        let start = offset
        while let byte = byte(), Self.isLetter(byte) || Self.isDigit(byte) { offset += 1 }
        let word = String(decoding: text[start ..< offset], as: UTF8.self)
        // Editors and web pages turn straight quotes into these.
        if let position = word.unicodeScalars.firstIndex(where: { "‘’‚“”„".unicodeScalars.contains($0) }) {
            throw error(
                "\(word.unicodeScalars[position]) is a typographic quote; write ' around a string, \" around a name",
                at: start + word.utf8.distance(from: word.startIndex, to: position))
        }
        return word
    }

    private mutating func parameterNumber() throws(NeedletailError) -> Int? {
        let start = offset
        offset += 1
        guard Self.isDigit(byte()) else { return nil }
        while Self.isDigit(byte()) { offset += 1 }
        guard let number = Int(String(decoding: text[start + 1 ..< offset], as: UTF8.self)), (1 ... Self.maximumParameter).contains(number) else {
            throw error("parameters are numbered from ?1 to ?\(Self.maximumParameter)", at: start)
        }
        return number
    }

    private mutating func symbol(_ first: UInt8) throws(NeedletailError) -> Token.Symbol {
        for length in [3, 2, 1] where offset + length <= text.count {
            let spelling = String(decoding: text[offset ..< offset + length], as: UTF8.self)
            let symbol: Token.Symbol? =
                switch spelling {
                case "==": .equal
                case "<>": .notEqual
                default: Token.Symbol(rawValue: spelling)
                }
            if let symbol {
                offset += length
                return symbol
            }
        }
        let hint =
            switch first {
            case UInt8(ascii: "&"): "; write AND"
            case UInt8(ascii: "|"): "; write OR"
            case UInt8(ascii: "!"): "; write NOT, or != between two values"
            case UInt8(ascii: "`"): "; a name is quoted by \""
            default: ""
            }
        throw error("the character '\(Character(Unicode.Scalar(first)))' means nothing here\(hint)", at: offset)
    }

    private static func isDigit(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(byte)
    }

    /// ASCII letters, the underscore, and everything beyond ASCII.
    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a") ... UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A") ... UInt8(ascii: "Z")).contains(byte)
            || byte == UInt8(ascii: "_") || byte >= 0x80
    }
}
