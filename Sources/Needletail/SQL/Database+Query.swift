extension Database {
    /// Runs one statement.
    ///
    /// ```swift
    /// let result = try await database.query(
    ///     "SELECT id, label, distance FROM photos WHERE label = ? ORDER BY embedding <-> ? LIMIT 10", "cat", vector)
    /// ```
    /// - Parameters:
    ///   - statement: The statement; <doc:Statements> has the grammar. A semicolon may end it.
    ///   - parameters: What stands in for each `?`, in order.
    ///   - options: What `image('…')` means, and how much of the machine the statement may take.
    /// - Throws: `syntax` with ``NeedletailError/line`` and ``NeedletailError/column``, and what the method that does the work
    ///   throws, with the place in the statement that it is about; `cancelled` if the task was cancelled before the work was done.
    @discardableResult
    public func query(
        _ statement: String, _ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()
    ) async throws(NeedletailError) -> QueryResult {
        try await prepare(statement).run(parameters: parameters, options: options)
    }

    /// Reads a statement, to run it as often as you like with other parameters.
    ///
    /// ```swift
    /// let alike = try database.prepare("SELECT id, distance FROM photos WHERE label = ? ORDER BY embedding <-> ? LIMIT 10")
    /// let cats = try await alike.run("cat", vector)
    /// ```
    /// - Throws: `syntax`. Names and types are looked up when the statement runs, since collections may change in between.
    public func prepare(_ statement: String) throws(NeedletailError) -> PreparedStatement {
        let (parsed, parameterCount) = try StatementParser.parse(statement)
        return PreparedStatement(database: self, text: statement, statement: parsed, parameterCount: parameterCount)
    }
}

extension Snapshot {
    /// Runs a statement that reads on this snapshot, without waiting.
    ///
    /// - Throws: As ``Database/query(_:_:options:)``; `readOnly` for a statement that writes.
    public func query(
        _ statement: String, _ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()
    ) throws(NeedletailError) -> QueryResult {
        try database.prepare(statement).read(parameters: parameters, options: options, on: self)
    }
}
