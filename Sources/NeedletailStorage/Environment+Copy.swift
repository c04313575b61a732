import CLMDB
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension Environment {
    /// Writes the newest commit into a file of its own, while readers and writers go on.
    ///
    /// The copy grows under another name beside its place and gets its own when all of it is on the disk, so there is either a whole
    /// copy or none. As any reader does, it keeps pages from being used again while it runs.
    ///
    /// - Parameters:
    ///   - path: where no file may be yet.
    ///   - compacting: whether free pages are left out and the others renumbered: smaller, and slower to write.
    package func copy(to path: String, compacting: Bool) throws(StorageError) {
        try whileOpen { () throws(StorageError) in
            // Where readers and writers exclude each other by the file's own lock, a snapshot is what holds it.
            let snapshot = try core.snapshots.current(core)
            defer { withExtendedLifetime(snapshot) {} }
            try FileCopy(core, to: path).run(compacting: compacting)
        }
    }
}

/// A copy of a database file in the making.
private struct FileCopy {
    private let core: EnvironmentCore
    private let path: String
    private let partPath: String

    init(_ core: EnvironmentCore, to path: String) {
        self.core = core
        self.path = path
        partPath = "\(path)-part-\(getpid())"
    }

    func run(compacting: Bool) throws(StorageError) {
        guard access(path, F_OK) != 0 else {
            throw StorageError(.invalidArgument, "\(path) exists already; remove it first, or choose another name for the copy", path: path)
        }
        let descriptor = open(partPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let code = errno
            guard code != ENOENT else { throw StorageError(.notFound, "\(path) cannot be made: its folder does not exist", path: path) }
            throw .system(code, doing: "making the copy", path: path)
        }
        do throws(StorageError) {
            let flags = compacting ? UInt32(MDB_CP_COMPACT) : 0
            try check(mdb_env_copyfd2(core.handle, descriptor, flags), "copying \(core.path)")
            try check(fsync(descriptor) == 0 ? 0 : errno, "writing the copy")
        } catch {
            close(descriptor)
            unlink(partPath)
            throw error
        }
        close(descriptor)
        // A link, unlike a rename, fails where somebody has made the file meanwhile.
        let code = link(partPath, path) == 0 ? 0 : errno
        let renamed = code == EPERM || code == ENOTSUP || code == EOPNOTSUPP ? (rename(partPath, path) == 0 ? 0 : errno) : code
        unlink(partPath)
        try check(renamed, "naming the copy")
        try check(core.calls.syncFolder(of: path), "naming the copy")
    }

    private func check(_ code: Int32, _ doing: String) throws(StorageError) {
        guard code == 0 else { throw .system(code, doing: doing, path: path) }
    }
}
