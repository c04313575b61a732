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

    /// Gives the space that is free inside a database file back to the disk, in place. Nobody may have the file open.
    ///
    /// A copy without free space takes the file's place when all of it is on the disk: the file is whole at every moment. Deleted records keep their
    /// places in blocks that hold others too; only what dropped collections, deleted indexes and larger values left behind goes.
    ///
    /// - Parameter path: The file.
    /// - Returns: Its bytes before and after.
    /// - Throws: `busy` where this or another process has it open, `diskFull` where there is no room for the copy, `io`, `readOnly`.
    /// - Complexity: Reads and writes every byte in use, on the calling thread.
    @discardableResult
    public static func compact(path: String) throws(NeedletailError) -> (before: Int, after: Int) {
        try storage { () throws(StorageError) in try Environment.compact(path: path) }
    }
}
