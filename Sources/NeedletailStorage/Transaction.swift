import CLMDB

/// The named databases of a file; the order is that of ``DatabaseHandles``.
enum DatabaseName: Int, CaseIterable {
    case meta, catalog, chunks, tails, ids, records, dictionary

    var text: String { String(describing: self) }
}

/// LMDB's handles of the named databases, opened once.
struct DatabaseHandles: Sendable {
    var meta: MDB_dbi = 0
    var catalog: MDB_dbi = 0
    var chunks: MDB_dbi = 0
    var tails: MDB_dbi = 0
    var ids: MDB_dbi = 0
    var records: MDB_dbi = 0
    var dictionary: MDB_dbi = 0
}

/// LMDB's longest key.
let maximumKeyByteCount = 511

/// A read or write transaction: LMDB's calls on bytes, with typed errors.
///
/// One thread at a time: the one that writes, or whoever holds the snapshot's lock. Keys are built in a scratch buffer
/// that each use overwrites.
final class Transaction {
    let handle: OpaquePointer
    let calls: LMDBCalls
    let databases: DatabaseHandles
    let path: String
    let pageByteCount: Int
    private let scratch: UnsafeMutableRawPointer
    private var scratchCount = 0
    /// The first failed write: LMDB's transaction can then only be aborted.
    private(set) var failure: StorageError?

    init(_ handle: OpaquePointer, calls: LMDBCalls, databases: DatabaseHandles, path: String) {
        self.handle = handle
        self.calls = calls
        self.databases = databases
        self.path = path
        pageByteCount = calls.pageByteCount(mdb_txn_env(handle))
        scratch = .allocate(byteCount: maximumKeyByteCount + 1, alignment: 8)
    }

    deinit { scratch.deallocate() }

    var id: UInt64 { calls.transactionID(handle) }

    func error(_ code: Int32, _ doing: String) -> StorageError { .system(code, doing: doing, path: path) }

    func corrupt(_ what: String) -> StorageError {
        StorageError(.corrupt, "\(path) is damaged: \(what); run check, and restore from a backup", path: path)
    }

    private func failed(_ code: Int32, _ doing: String) -> StorageError {
        let failure = error(code, doing)
        if self.failure == nil { self.failure = failure }
        return failure
    }

    /// Marks the transaction as one that must not commit, because a change was left half done.
    func fail(_ error: StorageError) {
        if failure == nil { failure = error }
    }

    // MARK: Keys

    /// Starts a key with big-endian numbers, which LMDB's byte order then sorts by value.
    func key(_ a: UInt32) -> MDB_val {
        scratch.storeBytes(of: a.bigEndian, as: UInt32.self)
        scratchCount = 4
        return MDB_val(mv_size: 4, mv_data: scratch)
    }

    func key(_ a: UInt32, _ b: UInt32) -> MDB_val {
        scratch.storeBytes(of: a.bigEndian, as: UInt32.self)
        scratch.storeBytes(of: b.bigEndian, toByteOffset: 4, as: UInt32.self)
        return MDB_val(mv_size: 8, mv_data: scratch)
    }

    func key(_ a: UInt32, _ b: UInt32, _ c: UInt8) -> MDB_val {
        _ = key(a, b)
        scratch.storeBytes(of: c, toByteOffset: 8, as: UInt8.self)
        return MDB_val(mv_size: 9, mv_data: scratch)
    }

    func key(_ a: UInt32, tag: UInt8, _ b: UInt32) -> MDB_val {
        scratch.storeBytes(of: a.bigEndian, as: UInt32.self)
        scratch.storeBytes(of: tag, toByteOffset: 4, as: UInt8.self)
        scratch.storeBytes(of: b.bigEndian, toByteOffset: 5, as: UInt32.self)
        return MDB_val(mv_size: 9, mv_data: scratch)
    }

    /// A signed number in an order-preserving form: big-endian with the sign bit flipped.
    func key(_ a: UInt32, tag: UInt8, _ b: Int64) -> MDB_val {
        scratch.storeBytes(of: a.bigEndian, as: UInt32.self)
        scratch.storeBytes(of: tag, toByteOffset: 4, as: UInt8.self)
        scratch.storeBytes(of: (UInt64(bitPattern: b) ^ 1 << 63).bigEndian, toByteOffset: 5, as: UInt64.self)
        return MDB_val(mv_size: 13, mv_data: scratch)
    }

    /// A table or array number, a tag and bytes that the caller has checked to fit.
    func key(_ a: UInt32, tag: UInt8, _ bytes: UnsafeRawBufferPointer, suffix: (UInt8, UInt64, UInt8)? = nil) -> MDB_val {
        scratch.storeBytes(of: a.bigEndian, as: UInt32.self)
        scratch.storeBytes(of: tag, toByteOffset: 4, as: UInt8.self)
        precondition(bytes.count <= maximumKeyByteCount - 15, "the caller cuts long keys")
        if let base = bytes.baseAddress { (scratch + 5).copyMemory(from: base, byteCount: bytes.count) }
        var count = 5 + bytes.count
        if let suffix {
            scratch.storeBytes(of: suffix.0, toByteOffset: count, as: UInt8.self)
            scratch.storeBytes(of: suffix.1.bigEndian, toByteOffset: count + 1, as: UInt64.self)
            scratch.storeBytes(of: suffix.2, toByteOffset: count + 9, as: UInt8.self)
            count += 10
        }
        return MDB_val(mv_size: count, mv_data: scratch)
    }

    func key(_ bytes: [UInt8]) -> MDB_val {
        precondition(bytes.count <= maximumKeyByteCount, "the caller checks the length")
        bytes.withUnsafeBytes { if let base = $0.baseAddress { scratch.copyMemory(from: base, byteCount: $0.count) } }
        return MDB_val(mv_size: bytes.count, mv_data: scratch)
    }

    // MARK: Values

    /// The bytes stored under the key, in the map: valid while the transaction lives, in a write transaction until its next write.
    func get(_ database: MDB_dbi, _ key: MDB_val) throws(StorageError) -> UnsafeRawBufferPointer? {
        var key = key
        var value = MDB_val()
        let code = calls.get(handle, database, &key, &value)
        if code == MDB_NOTFOUND { return nil }
        guard code == 0 else { throw error(code, "reading") }
        return UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
    }

    func put(_ database: MDB_dbi, _ key: MDB_val, _ bytes: UnsafeRawBufferPointer, append: Bool = false) throws(StorageError) {
        var key = key
        var value = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        var code = calls.put(handle, database, &key, &value, append ? UInt32(MDB_APPEND) : 0)
        if append, code == MDB_KEYEXIST {
            // The key is not the database's last after all: another table's keys stand behind it.
            code = calls.put(handle, database, &key, &value, 0)
        }
        guard code == 0 else { throw failed(code, "writing") }
    }

    func put(_ database: MDB_dbi, _ key: MDB_val, _ bytes: [UInt8]) throws(StorageError) {
        let code = bytes.withUnsafeBytes { bytes in
            var key = key
            var value = MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            return calls.put(handle, database, &key, &value, 0)
        }
        guard code == 0 else { throw failed(code, "writing") }
    }

    /// Stores a 32-bit number unless the key exists; then the result is what is stored there.
    func putNew(_ database: MDB_dbi, _ key: MDB_val, _ number: UInt32) throws(StorageError) -> UInt32? {
        var key = key
        var number = number.littleEndian
        var existing: UInt32?
        let code = withUnsafeMutableBytes(of: &number) { bytes in
            var value = MDB_val(mv_size: 4, mv_data: bytes.baseAddress)
            let code = calls.put(handle, database, &key, &value, UInt32(MDB_NOOVERWRITE))
            if code == MDB_KEYEXIST, value.mv_size == 4, let data = value.mv_data {
                existing = UInt32(littleEndian: data.loadUnaligned(as: UInt32.self))
            }
            return code
        }
        if code == MDB_KEYEXIST {
            guard let existing else { throw corrupt("an id's slot has the wrong size") }
            return existing
        }
        guard code == 0 else { throw failed(code, "writing") }
        return nil
    }

    /// Room for a value of so many bytes, to be filled before the transaction's next call.
    func reserve(_ database: MDB_dbi, _ key: MDB_val, count: Int) throws(StorageError) -> UnsafeMutableRawPointer {
        var key = key
        var value = MDB_val(mv_size: count, mv_data: nil)
        var code = calls.put(handle, database, &key, &value, UInt32(MDB_RESERVE | MDB_APPEND))
        if code == MDB_KEYEXIST {
            value = MDB_val(mv_size: count, mv_data: nil)
            code = calls.put(handle, database, &key, &value, UInt32(MDB_RESERVE))
        }
        guard code == 0, let data = value.mv_data else { throw failed(code, "writing") }
        return data
    }

    /// Whether the key existed.
    @discardableResult
    func delete(_ database: MDB_dbi, _ key: MDB_val) throws(StorageError) -> Bool {
        var key = key
        let code = calls.delete(handle, database, &key)
        if code == MDB_NOTFOUND { return false }
        guard code == 0 else { throw failed(code, "deleting") }
        return true
    }

    func statistics(_ database: MDB_dbi) throws(StorageError) -> MDB_stat {
        var stat = MDB_stat()
        let code = calls.statistics(handle, database, &stat)
        guard code == 0 else { throw error(code, "reading") }
        return stat
    }
}

/// A position in a database's keys, in byte order. Closed when it goes.
struct Cursor: ~Copyable {
    private let transaction: Transaction
    private let handle: OpaquePointer
    private(set) var key = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var value = UnsafeRawBufferPointer(start: nil, count: 0)

    init(_ transaction: Transaction, _ database: MDB_dbi) throws(StorageError) {
        var handle: OpaquePointer?
        let code = transaction.calls.openCursor(transaction.handle, database, &handle)
        guard code == 0, let handle else { throw transaction.error(code, "reading") }
        self.transaction = transaction
        self.handle = handle
    }

    deinit { transaction.calls.closeCursor(handle) }

    private mutating func move(_ operation: MDB_cursor_op, _ target: MDB_val) throws(StorageError) -> Bool {
        var key = target
        var value = MDB_val()
        let code = transaction.calls.move(handle, &key, &value, operation)
        if code == MDB_NOTFOUND { return false }
        guard code == 0 else { throw transaction.error(code, "reading") }
        self.key = UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size)
        self.value = UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)
        return true
    }

    /// To the first key at or after `target`; false where there is none.
    mutating func seek(_ target: MDB_val) throws(StorageError) -> Bool { try move(MDB_SET_RANGE, target) }
    mutating func first() throws(StorageError) -> Bool { try move(MDB_FIRST, MDB_val()) }
    mutating func last() throws(StorageError) -> Bool { try move(MDB_LAST, MDB_val()) }
    mutating func next() throws(StorageError) -> Bool { try move(MDB_NEXT, MDB_val()) }
    mutating func previous() throws(StorageError) -> Bool { try move(MDB_PREV, MDB_val()) }

    /// Deletes the record under the cursor; ``next()`` then goes to the one behind it.
    mutating func delete() throws(StorageError) {
        let code = transaction.calls.delete(handle)
        guard code == 0 else {
            let error = transaction.error(code, "deleting")
            transaction.fail(error)
            throw error
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The big-endian number at `offset`.
    @inline(__always)
    func bigEndian32(_ offset: Int) -> UInt32 { UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }

    /// The number that ``Transaction/key(_:tag:_:)-(_,_,Int64)`` stored at `offset`.
    @inline(__always)
    func orderedInt64(_ offset: Int) -> Int64 {
        Int64(bitPattern: UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ 1 << 63)
    }

    @inline(__always)
    func littleEndian32(_ offset: Int) -> UInt32 { UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    @inline(__always)
    func littleEndian64(_ offset: Int) -> UInt64 { UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
}
