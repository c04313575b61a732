import CLMDB
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension Environment {
    /// Replaces a file that nobody has open by a copy of it without free pages.
    ///
    /// Whoever opens the file meanwhile waits. The file is replaced by one rename, so a crash leaves either the old one or the new.
    ///
    /// - Returns: the bytes before and after.
    package static func compact(path: String) throws(StorageError) -> (before: Int, after: Int) {
        // That it is ours, readable and writable is found out as at any opening, and left as after any closing.
        try Environment(path: path, options: Options(create: false)).close()
        return try FileRegistry.shared.withClosedFile(path) { calls throws(StorageError) in
            let lock = try LockFile(of: path)
            defer { lock.close() }
            let before = try byteCount(path, calls)
            var handle: OpaquePointer?
            let code = calls.open(
                path: path, mapByteCount: max(before, 1 << 20), maximumReaders: 1, flags: UInt32(MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK),
                environment: &handle)
            guard code == 0, let handle else { throw .system(code, doing: "compacting", path: path) }
            defer { calls.close(handle) }
            try FileCopy(of: handle, from: path, to: path, calls).replaceSource { () throws(StorageError) in try lock.empty() }
            return (before, try byteCount(path, calls))
        }
    }

    private static func byteCount(_ path: String, _ calls: LMDBCalls) throws(StorageError) -> Int {
        var status = stat()
        let code = calls.status(path: path, &status)
        guard code == 0 else { throw .system(code, doing: "compacting", path: path) }
        return Int(status.st_size)
    }
}

/// LMDB's lock file, locked for this process alone.
///
/// Every process that has a database open holds a shared lock on the first byte of its lock file, by `fcntl`, and takes an exclusive
/// one for a moment to find out whether it is the first. So an exclusive lock proves that nobody has the file open, and makes whoever
/// opens it wait. Such a lock belongs to the process: it must not have the file open itself (``FileRegistry/withClosedFile(_:_:)``).
private struct LockFile {
    private let descriptor: Int32
    private let path: String

    init(of path: String) throws(StorageError) {
        self.path = path
        descriptor = open(path + "-lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system(errno, doing: "compacting", path: path + "-lock") }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_len = 1
        guard fcntl(descriptor, F_SETLK, &lock) == 0 else {
            let code = errno
            close()
            guard code == EAGAIN || code == EACCES else { throw .system(code, doing: "compacting", path: path) }
            throw StorageError(
                .busy, "\(path) is open in another process; close it there, then compact it, or make a copy (needletail backup --compact)", path: path)
        }
    }

    /// Forgets the transactions of the old file, whose numbers those of the new one do not follow. Whoever waits to open the file
    /// finds the lock file empty, and begins anew (``EnvironmentCore``).
    func empty() throws(StorageError) {
        guard ftruncate(descriptor, 0) == 0 else { throw .system(errno, doing: "compacting", path: path) }
    }

    func close() { _ = closeDescriptor(descriptor) }
}

/// The function of the C library: `close` is a method above.
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }
