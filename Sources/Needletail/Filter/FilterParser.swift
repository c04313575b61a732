// The grammar of a filter, in EBNF as ISO 14977 has it. Keywords are read in any case.
//
//     filter     = disjunct, { "OR", disjunct } ;
//     disjunct   = conjunct, { "AND", conjunct } ;
//     conjunct   = "NOT", conjunct | "(", filter, ")" | predicate ;
//     predicate  = field, comparison, value
//                | value, comparison, field                          (* the same, mirrored *)
//                | field, [ "NOT" ], "IN", "(", [ value, { ",", value } ], ")"
//                | field, [ "NOT" ], "BETWEEN", value, "AND", value
//                | field, [ "NOT" ], "LIKE", string                  (* a prefix and one final % *)
//                | field, [ "NOT" ], "CONTAINS", string
//                | field, "IS", [ "NOT" ], "NULL"
//                | field                                             (* a bool field: field = TRUE *)
//                | "TRUE" | "FALSE" ;
//     comparison = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ;
//     value      = string | number | "TRUE" | "FALSE" | ( "TIMESTAMP" | "DATE" ), string ;
//     field      = word | '"', { character - '"' | '""' }, '"' ;     (* a keyword as a name needs the quotes *)
//     string     = "'", { character - "'" | "''" }, "'" ;
//     number     = [ "-" | "+" ], ( digits, [ ".", [ digits ] ] | ".", digits ), [ ( "e" | "E" ), [ "-" | "+" ], digits ]
//                | [ "-" | "+" ], "INFINITY" | "NAN" ;
//     word       = ( letter | "_" ), { letter | "_" | digit } ;      (* all beyond ASCII counts as a letter *)
//
// NOT binds more tightly than AND, AND more tightly than OR. A number without point and exponent is an integer of 64 bits.
// In a pattern, `\%`, `\_` and `\\` stand for the characters %, _ and \.
//
// The parser is a Pratt parser over `TokenStream`. It stops before the first token that cannot go on with the condition,
// so that a statement's parser can call it behind WHERE and read on at ORDER BY.

/// Reads a condition from a token stream.
package struct FilterParser {
    private var depth = 0
    /// What a statement adds to the grammar: `?` for a value, and distances. `nil` where a filter stands alone.
    var context: ConditionContext?

    /// How deep parentheses and NOTs may nest. Each level costs a few stack frames here and in all that walks the tree.
    package static let maximumDepth = 200

    package init() {}

    /// The words that end or connect a condition, and so are no names unless they are quoted.
    package static let reservedWords: Set<String> = [
        "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "CONTAINS", "IS", "NULL", "TRUE", "FALSE",
        "SELECT", "FROM", "WHERE", "ORDER", "BY", "LIMIT", "OFFSET", "GROUP", "HAVING", "EXPLAIN",
        "INSERT", "INTO", "VALUES", "UPDATE", "SET", "DELETE", "CREATE", "DROP", "AS", "ASC", "DESC",
    ]

    private static let operatorWords = ["IN", "BETWEEN", "LIKE", "CONTAINS", "IS", "NOT", "AND", "OR"]

    /// Reads one condition and leaves `tokens` at what follows it.
    package mutating func filter(_ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        var terms = [try conjunction(&tokens)]
        while try tokens.take(word: "OR") { terms.append(try conjunction(&tokens)) }
        return .any(of: terms)
    }

    private mutating func conjunction(_ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        var terms = [try conjunct(&tokens)]
        while try tokens.take(word: "AND") { terms.append(try conjunct(&tokens)) }
        return .all(of: terms)
    }

    private mutating func conjunct(_ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else {
            throw tokens.error("parentheses and NOTs nest deeper than \(Self.maximumDepth) levels")
        }
        if try tokens.take(word: "NOT") { return .not(try conjunct(&tokens)) }
        if try tokens.take(.leftParenthesis) {
            let inner = try filter(&tokens)
            guard try tokens.take(.rightParenthesis) else {
                throw tokens.unexpected("AND, OR or ')'", candidates: ["AND", "OR"])
            }
            return inner
        }
        return try predicate(&tokens)
    }
}

// MARK: - Predicates

extension FilterParser {
    private mutating func predicate(_ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        switch tokens.current.kind {
        case .quotedName(let name):
            let offset = tokens.current.range.lowerBound
            try tokens.advance()
            return try condition(on: name, at: offset, &tokens)
        case .word(let word) where !Self.reservedWords.contains(word.uppercased()):
            let offset = tokens.current.range.lowerBound
            let isTimestamp = tokens.current.isWord("TIMESTAMP") || tokens.current.isWord("DATE")
            try tokens.advance()
            if isTimestamp, case .string(let text) = tokens.current.kind {
                context?.literals.append(offset)
                return try mirroredComparison(try timestamp(text, &tokens), &tokens)
            }
            return try condition(on: word, at: offset, &tokens)
        case .word where tokens.current.isWord("TRUE") || tokens.current.isWord("FALSE"):
            let value = tokens.current.isWord("TRUE")
            let offset = tokens.current.range.lowerBound
            try tokens.advance()
            guard case .symbol(let symbol) = tokens.current.kind, Filter.Comparison(symbol) != nil else {
                return value ? .and([]) : .or([])
            }
            context?.literals.append(offset)
            return try mirroredComparison(.bool(value), &tokens)
        case .string, .number, .symbol(.minus), .symbol(.plus), .parameter:
            return try mirroredComparison(try value(&tokens), &tokens)
        case .word(let word):
            throw tokens.error("expected a condition, found the keyword \(word.uppercased()); a field of this name is written in double quotes")
        case .symbol, .end:
            throw tokens.unexpected("a condition such as price < 10")
        }
    }

    /// `10 > price`, which is `price < 10`.
    private mutating func mirroredComparison(_ value: Value, _ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        guard case .symbol(let symbol) = tokens.current.kind, let comparison = Filter.Comparison(symbol) else {
            throw tokens.unexpected("a comparison of the value with a field")
        }
        try tokens.advance()
        let name: String
        switch tokens.current.kind {
        case .quotedName(let quoted): name = quoted
        case .word(let word) where !Self.reservedWords.contains(word.uppercased()): name = word
        default: throw tokens.unexpected("the name of a field")
        }
        context?.fields.append(tokens.current.range.lowerBound)
        try tokens.advance()
        return .comparison(field: name, comparison.mirrored, value)
    }

    private mutating func condition(on field: String, at offset: Int, _ tokens: inout TokenStream) throws(NeedletailError) -> Filter {
        if let distance = try distanceCondition(on: field, at: offset, &tokens) { return distance }
        context?.fields.append(offset)
        if case .symbol(let symbol) = tokens.current.kind, let comparison = Filter.Comparison(symbol) {
            try tokens.advance()
            return .comparison(field: field, comparison, try value(&tokens, after: comparison))
        }
        if try tokens.take(word: "IS") {
            let negated = try tokens.take(word: "NOT")
            guard try tokens.take(word: "NULL") else {
                throw tokens.unexpected(negated ? "NULL" : "NULL or NOT NULL", candidates: ["NULL", "NOT"])
            }
            return negated ? .not(.isNull(field: field)) : .isNull(field: field)
        }
        let negated = try tokens.take(word: "NOT")
        guard let filter = try wordCondition(on: field, &tokens) else {
            if negated { throw tokens.unexpected("IN, BETWEEN, LIKE or CONTAINS", candidates: Self.operatorWords) }
            switch tokens.current.kind {
            case .word where !["AND", "OR"].contains(where: tokens.current.isWord) && !endsCondition(tokens.current),
                .quotedName, .string, .number, .symbol(.minus), .symbol(.plus):
                throw tokens.unexpected("an operator such as = after the field \(field)", candidates: Self.operatorWords)
            default:
                context?.literals.append(offset)
                return .comparison(field: field, .equal, .bool(true))
            }
        }
        return negated ? .not(filter) : filter
    }

    /// Whether a statement may go on with this word behind a complete condition.
    private func endsCondition(_ token: Token) -> Bool {
        ["ORDER", "LIMIT", "OFFSET", "GROUP", "WITH"].contains(where: token.isWord)
    }

    /// A condition whose operator is a word; `nil` if none is here.
    private mutating func wordCondition(on field: String, _ tokens: inout TokenStream) throws(NeedletailError) -> Filter? {
        if try tokens.take(word: "IN") { return .isIn(field: field, try list(&tokens)) }
        if try tokens.take(word: "BETWEEN") {
            let lower = try value(&tokens)
            guard try tokens.take(word: "AND") else {
                throw tokens.unexpected("AND and the upper bound of BETWEEN", candidates: ["AND"])
            }
            return .isBetween(field: field, lower: lower, upper: try value(&tokens))
        }
        if try tokens.take(word: "CONTAINS") {
            return .contains(field: field, try string(&tokens, "a string in single quotes after CONTAINS") ?? "")
        }
        if try tokens.take(word: "LIKE") {
            let token = tokens.current
            guard let pattern = try string(&tokens, "a pattern in single quotes after LIKE") else { return .hasPrefix(field: field, "") }
            guard let prefix = Self.prefix(ofPattern: pattern) else {
                throw tokens.error(Self.patternRule, at: token.range.lowerBound)
            }
            return .hasPrefix(field: field, prefix)
        }
        return nil
    }

    /// What is said of a pattern that asks for more than a prefix.
    static let patternRule =
        "LIKE takes a prefix and one final %, such as 'cat%' (\\% and \\_ stand for the characters themselves); for equality use ="

    private mutating func list(_ tokens: inout TokenStream) throws(NeedletailError) -> [Value] {
        try tokens.expect(.leftParenthesis, "and a list of values after IN")
        if try tokens.take(.rightParenthesis) { return [] }
        var values = [try value(&tokens)]
        while try tokens.take(.comma) { values.append(try value(&tokens)) }
        guard try tokens.take(.rightParenthesis) else { throw tokens.unexpected("',' or ')' in the list of IN") }
        return values
    }

    /// The prefix that a pattern asks for; `nil` if it asks for anything else.
    static func prefix(ofPattern pattern: String) -> String? {
        var prefix = String.UnicodeScalarView()
        var scalars = pattern.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "%": return scalars.isEmpty ? String(prefix) : nil
            case "_": return nil
            case "\\":
                guard let escaped = scalars.popFirst(), "%_\\".unicodeScalars.contains(escaped) else { return nil }
                prefix.append(escaped)
            default: prefix.append(scalar)
            }
        }
        return nil
    }
}

// MARK: - Literals

extension FilterParser {
    /// A literal. `comparison` is what it is compared by, for a better message. For a `?` it is null, which no literal is.
    mutating func value(_ tokens: inout TokenStream, after comparison: Filter.Comparison? = nil) throws(NeedletailError) -> Value {
        let token = tokens.current
        if try takeParameter(&tokens) { return .null }
        context?.literals.append(token.range.lowerBound)
        switch token.kind {
        case .string(let text):
            try tokens.advance()
            return .string(text)
        case .number(let digits):
            try tokens.advance()
            return try number(digits, negative: false, at: token, tokens)
        case .symbol(.minus), .symbol(.plus):
            return try signedNumber(&tokens)
        case .word(let word):
            try tokens.advance()
            switch word.uppercased() {
            case "TRUE": return .bool(true)
            case "FALSE": return .bool(false)
            case "INFINITY": return .double(.infinity)
            case "NAN": return .double(.nan)
            case "TIMESTAMP", "DATE":
                if case .string(let text) = tokens.current.kind { return try timestamp(text, &tokens) }
            case "NULL":
                let remedy =
                    switch comparison {
                    case .equal: "; write IS NULL"
                    case .notEqual: "; write IS NOT NULL"
                    default: "; IS NULL and IS NOT NULL test for it"
                    }
                throw tokens.error("nothing compares with NULL\(remedy)", at: token.range.lowerBound)
            default: break
            }
            throw tokens.error(
                "expected a value, found the name \(word); a string is written in single quotes: '\(word)'", at: token.range.lowerBound)
        case .quotedName(let name):
            throw tokens.error("\"\(name)\" is the name of a field; a string is written in single quotes: '\(name)'")
        case .symbol, .parameter, .end:
            throw tokens.unexpected("a value")
        }
    }

    private func signedNumber(_ tokens: inout TokenStream) throws(NeedletailError) -> Value {
        let sign = tokens.current
        let negative = sign.kind == .symbol(.minus)
        try tokens.advance()
        if try tokens.take(word: "INFINITY") { return .double(negative ? -.infinity : .infinity) }
        guard case .number(let digits) = tokens.current.kind else { throw tokens.unexpected("a number after the sign") }
        try tokens.advance()
        return try number(digits, negative: negative, at: sign, tokens)
    }

    private func number(
        _ digits: String, negative: Bool, at token: Token, _ tokens: TokenStream
    ) throws(NeedletailError) -> Value {
        let text = negative ? "-" + digits : digits
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains($0) }) else {
            guard let value = Double(digits), value.isFinite else {
                throw tokens.error("the number \(text) is out of the range of a double", at: token.range.lowerBound)
            }
            return .double(negative ? -value : value)
        }
        guard let value = Int64(text) else {
            throw tokens.error(
                "the integer \(text) does not fit into 64 bits; with .0 appended it is a floating-point number", at: token.range.lowerBound)
        }
        return .int(value)
    }

    private func timestamp(_ text: String, _ tokens: inout TokenStream) throws(NeedletailError) -> Value {
        guard let value = Timestamp(iso8601: text) else {
            throw tokens.error("'\(text)' is no date and time in ISO 8601, such as '2024-01-31' or '2024-01-31T12:00:00Z'")
        }
        try tokens.advance()
        return .timestamp(value)
    }

    /// A string; `nil` for a `?`.
    private mutating func string(_ tokens: inout TokenStream, _ expected: String) throws(NeedletailError) -> String? {
        if try takeParameter(&tokens) { return nil }
        context?.literals.append(tokens.current.range.lowerBound)
        guard case .string(let text) = tokens.current.kind else { throw tokens.unexpected(expected) }
        try tokens.advance()
        return text
    }
}

extension Filter.Comparison {
    /// The comparison that the symbol stands for, if it is one.
    package init?(_ symbol: Token.Symbol) {
        switch symbol {
        case .equal: self = .equal
        case .notEqual: self = .notEqual
        case .less: self = .less
        case .lessOrEqual: self = .lessOrEqual
        case .greater: self = .greater
        case .greaterOrEqual: self = .greaterOrEqual
        default: return nil
        }
    }
}
