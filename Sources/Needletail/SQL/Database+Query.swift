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
    ///   throws, with the place in the statement that it is about; `cancelled` if the task was.
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
    /// - Throws: `syntax`. Names and types are looked up when it runs, since collections may change in between.
    public func prepare(_ statement: String) throws(NeedletailError) -> PreparedStatement {
        PreparedStatement(database: self, text: statement)
    }
}

/// A statement that has been read, and can be run with different parameters, by any number of tasks at once.
public struct PreparedStatement: Sendable {
    let database: Database
    /// The statement as it was given.
    public let text: String

    /// How many parameters it takes.
    public var parameterCount: Int { 0 }

    /// Whether it only reads: then ``read(_:options:)`` can run it, too.
    public var isReadOnly: Bool { true }

    /// Runs the statement with a parameter for each `?`.
    public func run(_ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()) async throws(NeedletailError) -> QueryResult {
        try await run(parameters: parameters, options: options)
    }

    /// Runs the statement with a list of parameters.
    public func run(
        parameters: [any QueryParameter], options: QueryOptions = QueryOptions()
    ) async throws(NeedletailError) -> QueryResult {
        throw NeedletailError(.syntax, "not yet")
    }

    /// Runs a statement that only reads, without waiting: searches are plain functions, and so is this. `image('…')` needs ``run(_:options:)``.
    public func read(_ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()) throws(NeedletailError) -> QueryResult {
        throw NeedletailError(.syntax, "not yet")
    }
}
