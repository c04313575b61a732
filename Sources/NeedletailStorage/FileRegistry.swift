/// What tells one file from another, whatever path leads to it.
struct FileIdentity: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
}

/// The open files of this process.
///
/// LMDB must not open one file twice in a process: closing the second handle would drop the first one's locks. So every
/// ``Environment`` on the same file shares one ``EnvironmentCore``, found here by device and inode. A core counts its
/// users, which are environments and snapshots; the last one to go closes the file, under the registry's lock, so that
/// nobody opens it anew at the same time.
final class FileRegistry: @unchecked Sendable {
    static let shared = FileRegistry()

    private let lock = Lock()
    private var cores: [FileIdentity: EnvironmentCore] = [:]
    /// Files that must not be opened now.
    private var closed: Set<FileIdentity> = []

    /// The core of the file, opened if it is not open yet; the caller has become one of its users.
    func open(path: String, options: Environment.Options) throws(StorageError) -> EnvironmentCore {
        lock.lock()
        defer { lock.unlock() }
        let calls = LMDBCalls(faults: options.faults)
        if let identity = try EnvironmentCore.identity(of: path, calls: calls) {
            guard !closed.contains(identity) else {
                throw StorageError(.busy, "\(path) is being compacted by this process; open it again in a moment", path: path)
            }
            guard let core = cores[identity] else { return try openAnew(path, options, calls) }
            guard options.readOnly || !core.isReadOnly else {
                throw StorageError(.invalidArgument, "\(path) is open for reading only in this process; close it there before opening it for writing", path: path)
            }
            core.users += 1
            return core
        }
        return try openAnew(path, options, calls)
    }

    private func openAnew(_ path: String, _ options: Environment.Options, _ calls: LMDBCalls) throws(StorageError) -> EnvironmentCore {
        var options = options
        // An address space of 47 bits holds 127 maps of 1 TiB: many open files must not take it from all else in the process.
        if cores.count >= 64 { options.mapByteCount = min(options.mapByteCount, 64 << 30) }
        let core = try EnvironmentCore(path: path, options: options, calls: calls)
        core.users = 1
        cores[core.identity] = core
        return core
    }

    /// Runs `body` while nobody in this process has the file open, or can open it.
    func withClosedFile<R>(_ path: String, _ body: (LMDBCalls) throws(StorageError) -> R) throws(StorageError) -> R {
        let calls = LMDBCalls(faults: nil)
        guard let identity = try EnvironmentCore.identity(of: path, calls: calls) else {
            throw StorageError(.notFound, "\(path) does not exist", path: path)
        }
        try lock.withLock { () throws(StorageError) in
            guard cores[identity] == nil, closed.insert(identity).inserted else {
                throw StorageError(.busy, "\(path) is open in this process; close it first, and let go of its snapshots", path: path)
            }
        }
        defer { _ = lock.withLock { closed.remove(identity) } }
        return try body(calls)
    }

    /// One more snapshot of a core that has users.
    func beginReading(_ core: EnvironmentCore) {
        lock.withLock {
            precondition(core.users > 0, "a closed file has no new users")
            core.users += 1
            core.readCount += 1
        }
    }

    func endReading(_ core: EnvironmentCore) {
        lock.withLock { core.readCount -= 1 }
        release(core)
    }

    /// Another process has grown the file beyond the map: adopts its size. False while snapshots live here, since the
    /// map would move under them, and while a write runs.
    func adoptGrownMap(_ core: EnvironmentCore, ownReads: Int) -> Bool {
        lock.withLock { core.readCount == ownReads && core.calls.adoptMapSize(core.handle) == 0 }
    }

    /// One user less; the last closes the file.
    func release(_ core: EnvironmentCore) {
        lock.withLock {
            core.users -= 1
            guard core.users == 0 else { return }
            cores[core.identity] = nil
            core.closeFile()
        }
    }
}
