/// A statement that has been read, and can be run with different parameters by any number of tasks at once.
///
/// ``run(_:options:)`` runs every statement and waits where it must: for the disk, or for `image('…')`. A search waits for nothing,
/// and so ``read(_:options:)`` runs what only reads as a plain function, for loops in which a suspension would cost more than
/// the search.
public struct PreparedStatement: Sendable {
    let database: Database
    /// The statement as it was given.
    public let text: String
    package let statement: Statement
    /// How many parameters it takes: the greatest number of a `?`.
    public let parameterCount: Int

    /// Whether it only reads.
    public var isReadOnly: Bool {
        switch statement {
        case .select, .explain: true
        default: false
        }
    }

    /// Runs the statement.
    ///
    /// - Parameters:
    ///   - parameters: One for each `?`.
    ///   - options: What `image('…')` means, and how much of the machine the statement may take.
    /// - Throws: As ``Database/query(_:_:options:)``.
    @discardableResult
    public func run(_ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()) async throws(NeedletailError) -> QueryResult {
        try await run(parameters: parameters, options: options)
    }

    /// Runs the statement with a list of parameters.
    ///
    /// - Throws: As ``Database/query(_:_:options:)``.
    @discardableResult
    public func run(
        parameters: [any QueryParameter], options: QueryOptions = QueryOptions()
    ) async throws(NeedletailError) -> QueryResult {
        var run = try StatementRun(self, parameters, options)
        try run.checkCancellation()
        switch statement {
        case .select(let select):
            try await run.resolveImages(of: select)
            return try run.select(select)
        case .explain(let explain):
            try await run.resolveImages(of: explain.select)
            return try run.explain(explain)
        case .insert(let insert):
            return try await run.insert(insert)
        case .update(let update):
            return try await run.update(update)
        case .delete(let delete):
            return try await run.delete(delete)
        case .createCollection(let create):
            return try await run.createCollection(create)
        case .dropCollection(let drop):
            return try await run.dropCollection(drop)
        case .createIndex(let create):
            return try await run.createIndex(create)
        case .dropIndex(let drop):
            return try await run.dropIndex(drop)
        }
    }

    /// Runs a statement that only reads, without waiting.
    ///
    /// - Throws: As ``Database/query(_:_:options:)``; `readOnly` for a statement that writes, `invalidArgument` for one with
    ///   `image('…')`, whose model may take its time.
    public func read(_ parameters: any QueryParameter..., options: QueryOptions = QueryOptions()) throws(NeedletailError) -> QueryResult {
        try read(parameters: parameters, options: options)
    }

    /// Runs a statement that only reads with a list of parameters, on a snapshot if you say on which.
    ///
    /// - Throws: As ``read(_:options:)``.
    public func read(
        parameters: [any QueryParameter], options: QueryOptions = QueryOptions(), on snapshot: Snapshot? = nil
    ) throws(NeedletailError) -> QueryResult {
        var run = try StatementRun(self, parameters, options)
        run.snapshot = snapshot
        try run.checkCancellation()
        switch statement {
        case .select(let select): return try run.select(select)
        case .explain(let explain): return try run.explain(explain)
        default: throw NeedletailError(.readOnly, "only SELECT and EXPLAIN can be read: run the statement by the database, which waits for the disk")
        }
    }
}

/// The statement in one line, which reads back as an equal statement.
extension PreparedStatement: CustomStringConvertible {
    /// The statement in one line.
    public var description: String { statement.description }
}
