import NeedletailStorage

extension Database {
    /// Writes a copy of the database, as of its newest commit, into a file of its own. Readers and writers go on meanwhile.
    ///
    /// The copy is a database like any other. It takes its name when all of it is on the disk: there is either a whole copy or none,
    /// also when the disk is full.
    ///
    /// - Parameters:
    ///   - path: Where no file may be yet.
    ///   - compacting: Whether space that is free inside the file is left out of the copy. That takes longer.
    /// - Throws: `invalidArgument` where `path` exists, `diskFull`, `readOnly` and `io` for what the system refuses.
    /// - Complexity: Reads and writes every byte of the file, or with `compacting` every byte in use, on the calling thread.
    public func backup(to path: String, compacting: Bool = false) throws(NeedletailError) {
        try storage { () throws(StorageError) in try environment.copy(to: path, compacting: compacting) }
    }
}
