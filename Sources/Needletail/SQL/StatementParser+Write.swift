extension StatementParser {
    /// What follows `INSERT`.
    mutating func insert() throws(NeedletailError) -> InsertStatement {
        var onConflict = ConflictPolicy.fail
        if try tokens.take(word: "OR") {
            if try tokens.take(word: "REPLACE") {
                onConflict = .replace
            } else {
                guard try tokens.take(word: "IGNORE") else { throw tokens.unexpected("REPLACE or IGNORE after OR", candidates: ["REPLACE", "IGNORE"]) }
                onConflict = .skip
            }
        }
        try expect(word: "INTO", "after INSERT")
        let collection = try name("the name of a collection")
        try tokens.expect(.leftParenthesis, "and the names of the columns, such as (id, embedding, label)")
        var columns: [Name] = []
        repeat {
            let column = try name("the name of a field")
            if columns.contains(column) { throw tokens.error("\(column) is named twice", at: column.offset) }
            columns.append(column)
        } while try tokens.take(.comma)
        guard try tokens.take(.rightParenthesis) else { throw tokens.unexpected("',' or ')' in the names of the columns") }
        try expect(word: "VALUES", "and the rows")
        var rows: [[Operand]] = []
        repeat { rows.append(try row(count: columns.count)) } while try tokens.take(.comma)
        return InsertStatement(onConflict: onConflict, collection: collection, columns: columns, rows: rows)
    }

    private mutating func row(count: Int) throws(NeedletailError) -> [Operand] {
        let offset = tokens.current.range.lowerBound
        try tokens.expect(.leftParenthesis, "and the values of a row")
        var row: [Operand] = []
        row.reserveCapacity(count)
        repeat { row.append(try operands.operand(&tokens)) } while try tokens.take(.comma)
        guard try tokens.take(.rightParenthesis) else { throw tokens.unexpected("',' or ')' in the row") }
        guard row.count == count else {
            throw tokens.error(
                "the row has \(NumberText.counted(row.count, "value")), but \(NumberText.counted(count, "column")) \(count == 1 ? "is" : "are") named", at: offset)
        }
        return row
    }

    /// What follows `UPDATE`.
    mutating func update() throws(NeedletailError) -> UpdateStatement {
        let collection = try name("the name of a collection")
        try expect(word: "SET", "and what is to change")
        var assignments: [UpdateStatement.Assignment] = []
        repeat {
            let field = try name("the name of a field")
            if assignments.contains(where: { $0.field == field }) { throw tokens.error("\(field) is set twice", at: field.offset) }
            guard try tokens.take(.equal) else { throw tokens.unexpected("= and a value") }
            assignments.append(UpdateStatement.Assignment(field: field, value: try operands.operand(&tokens)))
        } while try tokens.take(.comma)
        return UpdateStatement(collection: collection, assignments: assignments, condition: try finalCondition())
    }

    /// What follows `DELETE`.
    mutating func delete() throws(NeedletailError) -> DeleteStatement {
        try expect(word: "FROM", "and the name of a collection")
        return DeleteStatement(collection: try name("the name of a collection"), condition: try finalCondition())
    }

    /// `WHERE` as the last clause of a statement that changes records.
    private mutating func finalCondition() throws(NeedletailError) -> Condition? {
        let condition = try condition()
        switch tokens.current.kind {
        case .end, .symbol(.semicolon): break
        default:
            throw tokens.unexpected(condition == nil ? "WHERE or the end of the statement" : "AND, OR or the end of the statement", candidates: ["WHERE", "AND", "OR"])
        }
        if let radius = condition?.radius {
            throw tokens.error("records are changed by their fields: SELECT finds those within a distance", at: radius.bound.offset)
        }
        return condition
    }
}
