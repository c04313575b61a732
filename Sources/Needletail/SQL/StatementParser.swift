// The grammar of statements, in EBNF as ISO 14977 has it. Keywords are read in any case; `filter`, `name` (there: field), `value`,
// `string`, `number`, `word` and `digits` are those of a filter.
//
//     statement  = select | explain | insert | update | delete | create | drop ;
//     explain    = "EXPLAIN", { "ANALYZE" | "VERIFY" }, select ;
//     select     = "SELECT", [ "DISTINCT", "WITHIN", operand ], column, { ",", column }, "FROM", name, [ where ],
//                  [ "GROUP", "BY", name ], [ "ORDER", "BY", order ], { "LIMIT", operand | "OFFSET", operand }, [ with ] ;
//     column     = "*" | ( name | "COUNT", "(", "*", ")" ), [ "AS", name ] ;
//     order      = distance, [ "ASC" ]                               (* the nearest first *)
//                | ( name | "COUNT", "(", "*", ")" ), [ "ASC" | "DESC" ] ;
//     distance   = name, ( "<->" | "<=>" | "<#>" ), vector ;         (* L2, cosine, negative inner product *)
//     vector     = "[", number, { ",", number }, "]" | record | image | parameter
//                | string ;                                          (* '[0.1, 0.2]' *)
//     record     = "RECORD", "(", ( string | number | parameter ), ")" ;
//     image      = "IMAGE", "(", ( string | parameter ), ")" ;
//     where      = "WHERE", filter ;                                 (* any value in it may be a parameter *)
//     predicate  = ( distance | "DISTANCE" ), ( "<" | "<=" ), operand ;   (* one more, joined to others by AND alone *)
//     insert     = "INSERT", [ "OR", ( "REPLACE" | "IGNORE" ) ], "INTO", name, names, "VALUES", row, { ",", row } ;
//     names      = "(", name, { ",", name }, ")" ;
//     row        = "(", operand, { ",", operand }, ")" ;
//     operand    = value | "NULL" | vector | "[", [ string, { ",", string } ], "]" | parameter ;
//     update     = "UPDATE", name, "SET", name, "=", operand, { ",", name, "=", operand }, [ where ] ;
//     delete     = "DELETE", "FROM", name, [ where ] ;
//     create     = "CREATE", "COLLECTION", [ "IF", "NOT", "EXISTS" ], name, "(", definition, { ",", definition }, ")", [ with ]
//                | "CREATE", "INDEX", "ON", name, [ "USING", word, [ [ "WITH" ], settings ] ] ;
//     definition = name, "VECTOR", "(", digits, ")", [ "F32" | "F16" | "I8" ]
//                | name, word, [ "[", "]" ], [ "INDEXED" ] ;         (* the word is a type of field *)
//     drop       = "DROP", "COLLECTION", [ "IF", "EXISTS" ], name
//                | "DROP", "INDEX", [ "IF", "EXISTS" ], "ON", name ;
//     with       = "WITH", settings ;
//     settings   = "(", setting, { ",", setting }, ")" ;
//     setting    = word, [ "=", ( word | operand ) ] ;               (* a word alone is set to TRUE *)
//     parameter  = "?", [ digits ] ;                                 (* by itself: one more than the greatest before it *)
//
// The parser descends recursively and looks one token ahead. Only conditions nest, and `FilterParser` bounds how deep.

/// Reads one statement.
package struct StatementParser {
    var tokens: TokenStream
    var operands = OperandParser()

    private static let verbs = ["SELECT", "EXPLAIN", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP"]

    /// Reads the whole text, which is one statement with or without its semicolon.
    package static func parse(_ text: String) throws(NeedletailError) -> (statement: Statement, parameterCount: Int) {
        var parser = StatementParser(tokens: try TokenStream(text))
        let statement = try parser.statement()
        if try parser.tokens.take(.semicolon), parser.tokens.current.kind != .end {
            throw parser.tokens.error("a second statement begins here: run one at a time")
        }
        guard parser.tokens.current.kind == .end else { throw parser.tokens.unexpected("the end of the statement") }
        return (statement, parser.operands.parameterCount)
    }

    private mutating func statement() throws(NeedletailError) -> Statement {
        if try tokens.take(word: "SELECT") { return .select(try select()) }
        if try tokens.take(word: "EXPLAIN") { return .explain(try explain()) }
        if try tokens.take(word: "INSERT") { return .insert(try insert()) }
        if try tokens.take(word: "UPDATE") { return .update(try update()) }
        if try tokens.take(word: "DELETE") { return .delete(try delete()) }
        if try tokens.take(word: "CREATE") { return try create() }
        if try tokens.take(word: "DROP") { return try drop() }
        throw tokens.unexpected("a statement (SELECT, EXPLAIN, INSERT, UPDATE, DELETE, CREATE or DROP)", candidates: Self.verbs)
    }
}

// MARK: - What all statements share

extension StatementParser {
    /// Goes on past a keyword, which must come here; `context` completes "expected FROM …".
    mutating func expect(word: String, _ context: String) throws(NeedletailError) {
        guard try tokens.take(word: word) else { throw tokens.unexpected("\(word) \(context)", candidates: [word]) }
    }

    /// A name; `what` says of what.
    mutating func name(_ what: String) throws(NeedletailError) -> Name {
        let token = tokens.current
        switch token.kind {
        case .quotedName(let name):
            try tokens.advance()
            return Name(name, at: token.range.lowerBound)
        case .word(let word) where !FilterParser.reservedWords.contains(word.uppercased()):
            try tokens.advance()
            return Name(word, at: token.range.lowerBound)
        case .word(let word):
            throw tokens.error("expected \(what), found the keyword \(word.uppercased()); as a name it is written in double quotes")
        case .string(let text):
            throw tokens.error("expected \(what), found a string; a name stands bare or in double quotes: \(Filter.name(text))")
        default:
            throw tokens.unexpected(what)
        }
    }

    /// `WHERE` and its condition, if it is here.
    mutating func condition() throws(NeedletailError) -> Condition? {
        guard try tokens.take(word: "WHERE") else { return nil }
        var parser = FilterParser()
        parser.context = ConditionContext(operands: operands)
        let filter = try parser.filter(&tokens)
        guard let context = parser.context else { return nil }
        operands = context.operands
        return try context.condition(filter, tokens)
    }

    /// `WITH (…)`, if it is here.
    mutating func settingsClause() throws(NeedletailError) -> [Setting] {
        guard try tokens.take(word: "WITH") else { return [] }
        return try settings("after WITH")
    }

    /// Settings in parentheses.
    mutating func settings(_ context: String) throws(NeedletailError) -> [Setting] {
        try tokens.expect(.leftParenthesis, "and the settings \(context)")
        var settings: [Setting] = []
        repeat {
            let name = try name("the name of a setting")
            if settings.contains(where: { $0.name == name }) { throw tokens.error("\(name.content) is set twice", at: name.offset) }
            guard try tokens.take(.equal) else {
                settings.append(Setting(name: name, value: Operand(.value(.bool(true)), at: name.offset)))
                continue
            }
            let token = tokens.current
            if case .word(let word) = token.kind, !FilterParser.reservedWords.contains(word.uppercased()) {
                try tokens.advance()
                settings.append(Setting(name: name, value: Operand(.value(.string(word.lowercased())), at: token.range.lowerBound)))
            } else {
                settings.append(Setting(name: name, value: try operands.operand(&tokens)))
            }
        } while try tokens.take(.comma)
        guard try tokens.take(.rightParenthesis) else { throw tokens.unexpected("'=', ',' or ')' in the settings") }
        return settings
    }
}
