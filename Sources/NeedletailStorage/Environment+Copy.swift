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
            try FileCopy(of: core.handle, from: core.path, to: path, core.calls).run(compacting: compacting)
        }
    }
}

/// A copy of a database file in the making.
struct FileCopy {
    private let handle: OpaquePointer
    private let source: String
    private let path: String
    private let calls: LMDBCalls
    private let partPath: String

    init(of handle: OpaquePointer, from source: String, to path: String, _ calls: LMDBCalls) {
        self.handle = handle
        self.source = source
        self.path = path
        self.calls = calls
        partPath = "\(path)-part-\(getpid())"
    }

    func run(compacting: Bool) throws(StorageError) {
        guard access(path, F_OK) != 0 else {
            throw StorageError(.invalidArgument, "\(path) exists already; remove it first, or choose another name for the copy", path: path)
        }
        try write(compacting: compacting)
        // A link, unlike a rename, fails where somebody has made the file meanwhile.
        let code = link(partPath, path) == 0 ? 0 : errno
        let renamed = code == EPERM || code == ENOTSUP || code == EOPNOTSUPP ? (rename(partPath, path) == 0 ? 0 : errno) : code
        unlink(partPath)
        try check(renamed, "naming the copy")
        try check(calls.syncFolder(of: path), "naming the copy")
    }

    /// Writes a compacted copy and puts it in the place of the file that it is made of, whose owner and permissions it gets.
    /// `prepare` is run when nothing can fail any more but the change of names.
    func replaceSource(prepare: () throws(StorageError) -> Void) throws(StorageError) {
        var status = stat()
        try check(calls.status(path: path, &status), "compacting")
        try write(compacting: true)
        do throws(StorageError) {
            try check(chmod(partPath, status.st_mode & 0o7777) == 0 ? 0 : errno, "compacting")
            // Only a superuser may give a file away; where that fails, it belongs to whoever compacts it.
            _ = chown(partPath, status.st_uid, status.st_gid)
            try prepare()
            try check(rename(partPath, path) == 0 ? 0 : errno, "compacting")
        } catch {
            unlink(partPath)
            throw error
        }
        try check(calls.syncFolder(of: path), "compacting")
    }

    private func write(compacting: Bool) throws(StorageError) {
        let descriptor = open(partPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let code = errno
            guard code != ENOENT else { throw StorageError(.notFound, "\(path) cannot be made: its folder does not exist", path: path) }
            throw .system(code, doing: "making the copy", path: path)
        }
        do throws(StorageError) {
            let flags = compacting ? UInt32(MDB_CP_COMPACT) : 0
            try check(mdb_env_copyfd2(handle, descriptor, flags), "copying \(source)")
            try check(fsync(descriptor) == 0 ? 0 : errno, "writing the copy")
        } catch {
            close(descriptor)
            unlink(partPath)
            throw error
        }
        close(descriptor)
    }

    private func check(_ code: Int32, _ doing: String) throws(StorageError) {
        guard code == 0 else { throw .system(code, doing: doing, path: path) }
    }
}
