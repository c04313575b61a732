extension StatementRun {
    /// Runs `EXPLAIN`.
    func explain(_ explain: ExplainStatement) throws(NeedletailError) -> QueryResult {
        throw failure(.invalidArgument, "EXPLAIN is not possible yet", at: 0)
    }
}
