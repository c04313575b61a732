extension StatementParser {
    /// What follows `CREATE`.
    mutating func create() throws(NeedletailError) -> Statement {
        if try tokens.take(word: "COLLECTION") { return .createCollection(try createCollection()) }
        if try tokens.take(word: "INDEX") { return .createIndex(try createIndex()) }
        throw collectionOrIndex("after CREATE")
    }

    /// What follows `DROP`.
    mutating func drop() throws(NeedletailError) -> Statement {
        if try tokens.take(word: "COLLECTION") {
            let ifExists = try takeIfExists()
            return .dropCollection(DropStatement(ifExists: ifExists, collection: try name("the name of a collection")))
        }
        guard try tokens.take(word: "INDEX") else { throw collectionOrIndex("after DROP") }
        let ifExists = try takeIfExists()
        try expect(word: "ON", "and the name of the collection: it has one index at the most")
        return .dropIndex(DropStatement(ifExists: ifExists, collection: try name("the name of a collection")))
    }

    private func collectionOrIndex(_ context: String) -> NeedletailError {
        if tokens.current.isWord("TABLE") { return tokens.error("expected COLLECTION or INDEX \(context): a table is a COLLECTION here") }
        return tokens.unexpected("COLLECTION or INDEX \(context)", candidates: ["COLLECTION", "INDEX"])
    }

    private mutating func takeIfExists() throws(NeedletailError) -> Bool {
        guard try tokens.take(word: "IF") else { return false }
        try expect(word: "EXISTS", "after IF")
        return true
    }

    private mutating func createCollection() throws(NeedletailError) -> CreateCollectionStatement {
        var ifNotExists = false
        if try tokens.take(word: "IF") {
            try expect(word: "NOT", "EXISTS after IF")
            try expect(word: "EXISTS", "after IF NOT")
            ifNotExists = true
        }
        let name = try name("the name of a collection")
        try tokens.expect(.leftParenthesis, "and the columns, such as (embedding VECTOR(384), label STRING)")
        var columns: [CreateCollectionStatement.Column] = []
        repeat {
            let column = try definition()
            if columns.contains(where: { $0.name == column.name }) { throw tokens.error("\(column.name) is defined twice", at: column.name.offset) }
            columns.append(column)
        } while try tokens.take(.comma)
        guard try tokens.take(.rightParenthesis) else { throw tokens.unexpected("',' or ')' after a column", candidates: ["INDEXED"]) }
        if tokens.current.isWord("USING") {
            throw tokens.error("the metric is a setting: WITH (metric = cosine); an index is made by CREATE INDEX")
        }
        let settings = try settingsClause()
        return CreateCollectionStatement(ifNotExists: ifNotExists, name: name, columns: columns, settings: settings)
    }

    private mutating func definition() throws(NeedletailError) -> CreateCollectionStatement.Column {
        let name = try name("the name of a column")
        if name.content == "id" { throw tokens.error("every record has an id: leave it out", at: name.offset) }
        let typeOffset = tokens.current.range.lowerBound
        guard case .word(let word) = tokens.current.kind else { throw tokens.unexpected("a type, such as VECTOR(384), INT or STRING") }
        try tokens.advance()
        if word.uppercased() == "VECTOR" { return .init(name: name, kind: try vectorType()) }
        var typeName = word
        if try tokens.take(.leftBracket) {
            try tokens.expect(.rightBracket, "after [")
            typeName += "[]"
        }
        guard let type = FieldType(name: typeName) else {
            let types = ["VECTOR"] + FieldType.allCases.map { $0.rawValue.uppercased() }
            let guess = TextDiagnostic.nearest(to: typeName, among: types).map { "; did you mean \($0)?" }
            throw tokens.error("there is no type \(typeName)" + (guess ?? ": there are " + types.joined(separator: ", ")), at: typeOffset)
        }
        return .init(name: name, kind: .field(type, isIndexed: try tokens.take(word: "INDEXED")))
    }

    private mutating func vectorType() throws(NeedletailError) -> CreateCollectionStatement.Column.Kind {
        try tokens.expect(.leftParenthesis, "and the dimension: VECTOR(384)")
        let token = tokens.current
        guard case .number(let digits) = token.kind else { throw tokens.unexpected("the dimension, a whole number") }
        guard let dimension = Int(digits), (1 ... Schema.maximumDimension).contains(dimension) else {
            throw tokens.error("a dimension of \(digits) is not possible: it must be 1 to \(Schema.maximumDimension)")
        }
        try tokens.advance()
        try tokens.expect(.rightParenthesis, "after the dimension")
        guard case .word(let word) = tokens.current.kind else { return .vector(dimension: dimension, .f32) }
        guard let element = ElementType(rawValue: word.lowercased()) else {
            throw tokens.unexpected("F32, F16, I8, ',' or ')' after the dimension", candidates: ElementType.allCases.map { $0.rawValue.uppercased() })
        }
        try tokens.advance()
        return .vector(dimension: dimension, element)
    }

    private mutating func createIndex() throws(NeedletailError) -> CreateIndexStatement {
        try expect(word: "ON", "and the name of a collection")
        let collection = try name("the name of a collection")
        guard try tokens.take(word: "USING") else {
            let settings = try settingsClause()
            return CreateIndexStatement(collection: collection, method: nil, settings: settings)
        }
        var method = try name("HNSW or IVFPQ")
        method.content = method.content.lowercased()
        let isNext = try tokens.take(word: "WITH") || tokens.current.kind == .symbol(.leftParenthesis)
        return CreateIndexStatement(collection: collection, method: method, settings: isNext ? try settings("of the index") : [])
    }
}
