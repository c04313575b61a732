import CLMDB
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

#if canImport(Darwin)
private typealias MincorePage = CChar
#else
private typealias MincorePage = UInt8
#endif

/// Every call to LMDB and to the file system goes through here, so that a test can make the n-th one fail.
///
/// Methods return LMDB's code or an `errno`, 0 for success; ``Transaction`` and ``EnvironmentCore`` turn them into errors.
/// Where LMDB frees a handle even on failure, an injected failure frees it too: what follows is the same in both cases.
final class LMDBCalls: Sendable {
    private let faults: FaultPlan?

    init(faults: FaultPlan?) { self.faults = faults }

    /// The code that this call must fail with, if a test asked for it.
    @inline(__always)
    private func fault(_ call: FaultPlan.Call) -> Int32? {
        guard let faults else { return nil }
        return faults.next(call)
    }

    static func text(of code: Int32) -> String { String(cString: mdb_strerror(code)) }

    // MARK: Environment

    func open(
        path: String, mapByteCount: Int, maximumReaders: Int, flags: UInt32, environment: inout OpaquePointer?
    ) -> Int32 {
        if let code = fault(.open) { return code }
        var handle: OpaquePointer?
        var code = mdb_env_create(&handle)
        guard code == 0, let handle else { return code }
        code = mdb_env_set_mapsize(handle, mapByteCount)
        if code == 0 { code = mdb_env_set_maxreaders(handle, UInt32(clamping: maximumReaders)) }
        if code == 0 { code = mdb_env_set_maxdbs(handle, 16) }
        if code == 0 { code = mdb_env_open(handle, path, flags, 0o644) }
        if code == 0 { environment = handle } else { mdb_env_close(handle) }
        return code
    }

    func close(_ environment: OpaquePointer) { mdb_env_close(environment) }

    func information(_ environment: OpaquePointer) -> MDB_envinfo {
        var information = MDB_envinfo()
        mdb_env_info(environment, &information)
        return information
    }

    func pageByteCount(_ environment: OpaquePointer) -> Int {
        var stat = MDB_stat()
        mdb_env_stat(environment, &stat)
        return Int(stat.ms_psize)
    }

    func fileDescriptor(_ environment: OpaquePointer) -> Int32 {
        var descriptor: Int32 = -1
        mdb_env_get_fd(environment, &descriptor)
        return descriptor
    }

    func setNoSync(_ environment: OpaquePointer, _ on: Bool) {
        mdb_env_set_flags(environment, UInt32(MDB_NOSYNC), on ? 1 : 0)
    }

    func adoptMapSize(_ environment: OpaquePointer) -> Int32 { mdb_env_set_mapsize(environment, 0) }

    func sync(_ environment: OpaquePointer) -> Int32 {
        if let code = fault(.sync) { return code }
        return mdb_env_sync(environment, 1)
    }

    func clearStaleReaders(_ environment: OpaquePointer) -> Int {
        var dead: Int32 = 0
        mdb_reader_check(environment, &dead)
        return Int(dead)
    }

    /// LMDB's text lines about the reader table.
    func readerLines(_ environment: OpaquePointer) -> [String] {
        final class Lines { var all: [String] = [] }
        let lines = Lines()
        _ = withExtendedLifetime(lines) {
            mdb_reader_list(environment, { text, context in
                guard let text, let context else { return 0 }
                Unmanaged<Lines>.fromOpaque(context).takeUnretainedValue().all.append(String(cString: text))
                return 0
            }, Unmanaged.passUnretained(lines).toOpaque())
        }
        return lines.all
    }

    // MARK: Transactions

    func begin(
        _ environment: OpaquePointer, parent: OpaquePointer?, readOnly: Bool, transaction: inout OpaquePointer?
    ) -> Int32 {
        if let code = fault(readOnly ? .beginRead : .beginWrite) { return code }
        return mdb_txn_begin(environment, parent, readOnly ? UInt32(MDB_RDONLY) : 0, &transaction)
    }

    func commit(_ transaction: OpaquePointer) -> Int32 {
        if let code = fault(.commit) {
            mdb_txn_abort(transaction)
            return code
        }
        return mdb_txn_commit(transaction)
    }

    func abort(_ transaction: OpaquePointer) { mdb_txn_abort(transaction) }

    func transactionID(_ transaction: OpaquePointer) -> UInt64 { UInt64(mdb_txn_id(transaction)) }

    func openDatabase(_ transaction: OpaquePointer, name: String, create: Bool, database: inout MDB_dbi) -> Int32 {
        if let code = fault(.openDatabase) { return code }
        return mdb_dbi_open(transaction, name, create ? UInt32(MDB_CREATE) : 0, &database)
    }

    func statistics(_ transaction: OpaquePointer, _ database: MDB_dbi, _ stat: inout MDB_stat) -> Int32 {
        mdb_stat(transaction, database, &stat)
    }

    // MARK: Data

    @inline(__always)
    func get(_ transaction: OpaquePointer, _ database: MDB_dbi, _ key: inout MDB_val, _ value: inout MDB_val) -> Int32 {
        if let code = fault(.get) { return code }
        return mdb_get(transaction, database, &key, &value)
    }

    @inline(__always)
    func put(
        _ transaction: OpaquePointer, _ database: MDB_dbi, _ key: inout MDB_val, _ value: inout MDB_val, _ flags: UInt32
    ) -> Int32 {
        if let code = fault(.put) { return code }
        return mdb_put(transaction, database, &key, &value, flags)
    }

    func delete(_ transaction: OpaquePointer, _ database: MDB_dbi, _ key: inout MDB_val) -> Int32 {
        if let code = fault(.delete) { return code }
        return mdb_del(transaction, database, &key, nil)
    }

    func openCursor(_ transaction: OpaquePointer, _ database: MDB_dbi, _ cursor: inout OpaquePointer?) -> Int32 {
        if let code = fault(.openCursor) { return code }
        return mdb_cursor_open(transaction, database, &cursor)
    }

    func closeCursor(_ cursor: OpaquePointer) { mdb_cursor_close(cursor) }

    @inline(__always)
    func move(_ cursor: OpaquePointer, _ key: inout MDB_val, _ value: inout MDB_val, _ operation: MDB_cursor_op) -> Int32 {
        if let code = fault(.move) { return code }
        return mdb_cursor_get(cursor, &key, &value, operation)
    }

    @inline(__always)
    func put(_ cursor: OpaquePointer, _ key: inout MDB_val, _ value: inout MDB_val, _ flags: UInt32) -> Int32 {
        if let code = fault(.put) { return code }
        return mdb_cursor_put(cursor, &key, &value, flags)
    }

    func delete(_ cursor: OpaquePointer) -> Int32 {
        if let code = fault(.delete) { return code }
        return mdb_cursor_del(cursor, 0)
    }

    // MARK: Files

    /// Device, inode and length of a file.
    func status(path: String, _ result: inout stat) -> Int32 {
        if let code = fault(.status) { return code }
        return stat(path, &result) == 0 ? 0 : errno
    }

    func status(descriptor: Int32, _ result: inout stat) -> Int32 {
        fstat(descriptor, &result) == 0 ? 0 : errno
    }

    /// The first bytes of a file, fewer where it is shorter.
    func readStart(path: String, count: Int, into bytes: inout [UInt8]) -> Int32 {
        if let code = fault(.readFile) { return code }
        let descriptor = Self.openFile(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno }
        defer { _ = Self.closeFile(descriptor) }
        bytes = [UInt8](repeating: 0, count: count)
        let read = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, 0) }
        guard read >= 0 else { return errno }
        bytes.removeLast(count - read)
        return 0
    }

    /// Exactly so many bytes of an open file, nil where it has not so many.
    func read(_ descriptor: Int32, offset: Int, count: Int) -> [UInt8]? {
        if fault(.readFile) != nil { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        let read = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, off_t(offset)) }
        return read == count ? bytes : nil
    }

    /// Makes a new file's name durable.
    func syncFolder(of path: String) -> Int32 {
        if let code = fault(.sync) { return code }
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = Self.openFile(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno }
        defer { _ = Self.closeFile(descriptor) }
        // Some file systems refuse to sync a folder; there the name is as durable as they make it.
        return fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno
    }

    /// How many of a file's bytes are in memory, whoever read them; nil where the system does not tell.
    func residentByteCount(_ descriptor: Int32, count: Int, pageByteCount: Int) -> Int? {
        // A gibibyte at a time, so that the answer's one byte a page stays small.
        let window = 1 << 30
        var resident = 0
        for offset in stride(from: 0, to: count, by: window) {
            let length = min(window, count - offset)
            guard let map = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, off_t(offset)), map != MAP_FAILED else { return nil }
            defer { munmap(map, length) }
            var pages = [UInt8](repeating: 0, count: (length + pageByteCount - 1) / pageByteCount)
            let code = pages.withUnsafeMutableBytes { mincore(map, length, $0.baseAddress?.assumingMemoryBound(to: MincorePage.self)) }
            guard code == 0 else { return nil }
            resident += pages.lazy.filter { $0 & 1 == 1 }.count * pageByteCount
        }
        return min(resident, count)
    }

    func remove(path: String) { unlink(path) }

    /// `flock` without waiting: 0, or EWOULDBLOCK where another process holds the lock.
    func tryLock(_ descriptor: Int32, exclusive: Bool) -> Int32 {
        if let code = fault(.lock) { return code }
        return flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 ? 0 : errno
    }

    func unlock(_ descriptor: Int32) { _ = flock(descriptor, LOCK_UN) }

    /// Gives the file blocks beyond its end, so that a later small write cannot fail for want of space.
    /// 0 also where the system does not know how.
    func allocate(_ descriptor: Int32, offset: Int, count: Int) -> Int32 {
        if let code = fault(.allocate) { return code }
        #if os(Linux)
        // The length stays as it is, and still tells how far the data reach.
        let code = nt_allocate_blocks(descriptor, offset, count)
        return code == ENOSPC || code == EDQUOT || code == EIO ? code : 0
        #else
        return 0
        #endif
    }

    func pause(microseconds: Int) { usleep(UInt32(microseconds)) }

    private static func openFile(_ path: String, _ flags: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.open(path, flags)
        #elseif canImport(Musl)
        Musl.open(path, flags)
        #else
        Darwin.open(path, flags)
        #endif
    }

    private static func closeFile(_ descriptor: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.close(descriptor)
        #elseif canImport(Musl)
        Musl.close(descriptor)
        #else
        Darwin.close(descriptor)
        #endif
    }
}
