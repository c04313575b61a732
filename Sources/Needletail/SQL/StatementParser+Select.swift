extension StatementParser {
    private static let columnExample = "a column: a field, id, distance, COUNT(*) or *"

    /// What follows `EXPLAIN`.
    mutating func explain() throws(NeedletailError) -> ExplainStatement {
        var (analyze, verify) = (false, false)
        while true {
            if try tokens.take(word: "ANALYZE") { analyze = true } else if try tokens.take(word: "VERIFY") { verify = true } else { break }
        }
        guard try tokens.take(word: "SELECT") else {
            throw tokens.unexpected("SELECT: only searches have a plan", candidates: ["SELECT", "ANALYZE", "VERIFY"])
        }
        return ExplainStatement(analyze: analyze, verify: verify, select: try select())
    }

    /// What follows `SELECT`.
    mutating func select() throws(NeedletailError) -> SelectStatement {
        var collapse: Operand?
        if tokens.current.isWord("DISTINCT") {
            try tokens.advance()
            guard try tokens.take(word: "WITHIN") else {
                throw tokens.unexpected(
                    "WITHIN and a distance: SELECT DISTINCT WITHIN 0.05 … leaves out near-duplicates; the values of a field are SELECT field, COUNT(*) … GROUP BY field",
                    candidates: ["WITHIN"])
            }
            collapse = try operands.operand(&tokens)
        }
        let columns = try columns()
        guard try tokens.take(word: "FROM") else {
            if case .symbol(let symbol) = tokens.current.kind, Metric(symbol) != nil {
                throw tokens.error("a distance stands behind ORDER BY; the column distance gives it back")
            }
            throw tokens.unexpected("',' or FROM and the name of a collection", candidates: ["FROM"])
        }
        var select = SelectStatement(collapse: collapse, columns: columns, collection: try name("the name of a collection"))
        try clauses(of: &select)
        return select
    }

    private mutating func columns() throws(NeedletailError) -> [SelectColumn] {
        var columns: [SelectColumn] = []
        repeat { columns.append(try column()) } while try tokens.take(.comma)
        if columns.count == 1, columns[0].source.content == .all { return [] }
        return columns
    }

    private mutating func column() throws(NeedletailError) -> SelectColumn {
        let offset = tokens.current.range.lowerBound
        if try tokens.take(.star) { return SelectColumn(source: Located(.all, at: offset)) }
        var source = SelectColumn.Source.count
        if !(try count()) {
            let isQuoted = if case .quotedName = tokens.current.kind { true } else { false }
            let name = try name(Self.columnExample).content
            if !isQuoted, tokens.current.kind == .symbol(.leftParenthesis) {
                throw tokens.error("there is no function \(name): COUNT(*) is the only one of a column", at: offset)
            }
            source = .name(name)
        }
        let alias = try tokens.take(word: "AS") ? try name("a name for the column").content : nil
        return SelectColumn(source: Located(source, at: offset), alias: alias)
    }

    /// Goes past `COUNT(*)`, if it is here. `count` alone is a name.
    private mutating func count() throws(NeedletailError) -> Bool {
        guard tokens.current.isWord("COUNT") else { return false }
        let before = tokens
        try tokens.advance()
        guard try tokens.take(.leftParenthesis) else {
            tokens = before
            return false
        }
        guard try tokens.take(.star) else {
            throw tokens.unexpected("*: COUNT(*) counts records, COUNT(*) … WHERE field IS NOT NULL those that have a field")
        }
        try tokens.expect(.rightParenthesis, "after COUNT(*")
        return true
    }
}

// MARK: - Clauses

extension StatementParser {
    /// The clauses behind the collection, in their order.
    private enum Clause: Int, CaseIterable {
        case `where`, groupBy, orderBy, limit, with

        var words: String {
            switch self {
            case .where: "WHERE"
            case .groupBy: "GROUP BY"
            case .orderBy: "ORDER BY"
            case .limit: "LIMIT"
            case .with: "WITH"
            }
        }
    }

    private static let clauseWords = ["WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "WITH"]

    private mutating func clauses(of select: inout SelectStatement) throws(NeedletailError) {
        var last: Clause?
        while tokens.current.kind != .end, tokens.current.kind != .symbol(.semicolon) {
            guard let clause = clause() else {
                if tokens.current.isWord("HAVING") { throw tokens.error("HAVING is not supported") }
                if tokens.current.isWord("JOIN") || tokens.current.kind == .symbol(.comma) {
                    throw tokens.error("a statement reads one collection: there are no joins")
                }
                throw tokens.unexpected("WHERE, GROUP BY, ORDER BY, LIMIT, OFFSET, WITH or the end of the statement", candidates: Self.clauseWords)
            }
            if let last, clause.rawValue < last.rawValue { throw tokens.error("\(clause.words) must stand before \(last.words)") }
            if clause == last, clause != .limit { throw tokens.error("a second \(clause.words)") }
            last = clause
            try read(clause, into: &select)
        }
    }

    private func clause() -> Clause? {
        guard case .word(let word) = tokens.current.kind else { return nil }
        switch word.uppercased() {
        case "WHERE": return .where
        case "GROUP": return .groupBy
        case "ORDER": return .orderBy
        case "LIMIT", "OFFSET": return .limit
        case "WITH": return .with
        default: return nil
        }
    }

    private mutating func read(_ clause: Clause, into select: inout SelectStatement) throws(NeedletailError) {
        switch clause {
        case .where:
            select.condition = try condition()
        case .groupBy:
            try tokens.advance()
            try expect(word: "BY", "after GROUP")
            select.groupBy = try name("the field to group by")
            if tokens.current.kind == .symbol(.comma) { throw tokens.error("GROUP BY takes one field") }
        case .orderBy:
            try tokens.advance()
            try expect(word: "BY", "after ORDER")
            select.order = try order()
            if tokens.current.kind == .symbol(.comma) { throw tokens.error("ORDER BY takes one distance or field") }
        case .limit:
            let isLimit = tokens.current.isWord("LIMIT")
            guard (isLimit ? select.limit : select.offset) == nil else { throw tokens.error("a second \(isLimit ? "LIMIT" : "OFFSET")") }
            try tokens.advance()
            let count = try count(isLimit ? "LIMIT" : "OFFSET")
            if isLimit { select.limit = count } else { select.offset = count }
        case .with:
            select.settings = try settingsClause()
        }
    }

    private mutating func count(_ clause: String) throws(NeedletailError) -> Operand {
        switch tokens.current.kind {
        case .number, .parameter: break
        default: throw tokens.unexpected("a number after \(clause)")
        }
        let operand = try operands.operand(&tokens)
        if case .value(.double) = operand.content { throw tokens.error("\(clause) takes a whole number", at: operand.offset) }
        return operand
    }

    private mutating func order() throws(NeedletailError) -> SelectOrder {
        if try count() { return .count(isDescending: try isDescending()) }
        let name = try name("embedding <-> and a vector, or the name of a field")
        guard case .symbol(let symbol) = tokens.current.kind, let metric = Metric(symbol) else {
            if tokens.current.kind == .symbol(.less) || tokens.current.kind == .symbol(.minus) || tokens.current.kind == .symbol(.lessOrEqual) {
                throw tokens.unexpected("<-> (L2), <=> (cosine) or <#> (negative inner product) and a vector")
            }
            return .field(name, isDescending: try isDescending())
        }
        let offset = tokens.current.range.lowerBound
        try tokens.advance()
        let distance = Distance(vectorName: name, metric: Located(metric, at: offset), query: try operands.vector(&tokens))
        let end = tokens.current.range.lowerBound
        if try isDescending() { throw tokens.error("a search finds the nearest: the farthest first is not possible", at: end) }
        return .distance(distance)
    }

    private mutating func isDescending() throws(NeedletailError) -> Bool {
        if try tokens.take(word: "DESC") { return true }
        _ = try tokens.take(word: "ASC")
        return false
    }
}
