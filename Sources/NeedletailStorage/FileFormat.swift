import CLMDB
import Foundation

/// The format's name and version, in the database `meta`.
enum FileFormat {
    /// The version written here; a reader refuses a newer one.
    static let version: UInt32 = 2
    static let magic = Array("Needletail\0\0".utf8)

    static let formatKey = Array("format".utf8)
    static let uuidKey = Array("uuid".utf8)
    static let createdKey = Array("created".utf8)
    static let nextArrayKey = Array("next-array".utf8)

    static func write(_ transaction: Transaction) throws(StorageError) {
        let meta = transaction.databases.meta
        try stamp(transaction)
        let uuid = withUnsafeBytes(of: UUID().uuid) { Array($0) }
        try transaction.put(meta, transaction.key(uuidKey), uuid)
        let created = Int64(Date().timeIntervalSince1970 * 1_000_000)
        try transaction.put(meta, transaction.key(createdKey), withUnsafeBytes(of: created.littleEndian) { Array($0) })
    }

    private static func stamp(_ transaction: Transaction) throws(StorageError) {
        let versionBytes = withUnsafeBytes(of: version.littleEndian) { Array($0) }
        try transaction.put(transaction.databases.meta, transaction.key(formatKey), magic + versionBytes)
    }

    /// Brings a file of an earlier version up to this one; the start of the first write transaction on it.
    static func upgrade(_ transaction: Transaction) throws(StorageError) {
        // Another process may have been first.
        guard try check(transaction) < version else { return }
        try transaction.moveStates()
        try stamp(transaction)
    }

    /// The file's version, one that is known here.
    static func check(_ transaction: Transaction) throws(StorageError) -> UInt32 {
        guard let bytes = try transaction.get(transaction.databases.meta, transaction.key(formatKey)),
              bytes.count >= 16, bytes.prefix(12).elementsEqual(magic)
        else {
            throw StorageError(.notADatabase, "\(transaction.path) is an LMDB file, but not a Needletail database", path: transaction.path)
        }
        let found = bytes.littleEndian32(12)
        guard found <= version else {
            throw StorageError(
                .newerFormat,
                "\(transaction.path) has format version \(found), this program knows versions up to \(version); update Needletail",
                path: transaction.path, expected: Int(version), actual: Int(found))
        }
        guard found > 0 else { throw transaction.corrupt("its format version is 0") }
        return found
    }
}

/// Looks at a file without LMDB, so that a file that is not ours is refused before anything touches it.
struct FileProbe {
    var exists = false
    var byteCount = 0

    private static let lmdbMagic: UInt32 = 0xBEEF_C0DE

    init(path: String, calls: LMDBCalls) throws(StorageError) {
        var status = stat()
        let code = calls.status(path: path, &status)
        if code == ENOENT { return }
        guard code == 0 else { throw .system(code, doing: "opening", path: path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notADatabase, "\(path) is not a file, so not a Needletail database", path: path)
        }
        exists = true
        byteCount = Int(status.st_size)
        // A file of no bytes is what a creation leaves that was cut off at once.
        guard byteCount > 0 else { return }
        var start: [UInt8] = []
        let readCode = calls.readStart(path: path, count: 152, into: &start)
        guard readCode == 0 else { throw .system(readCode, doing: "opening", path: path) }
        guard start.count >= 32, start.withUnsafeBytes({ $0.littleEndian32(16) }) == Self.lmdbMagic else {
            throw StorageError(.notADatabase, "\(path) is not a Needletail database", path: path)
        }
        guard start.withUnsafeBytes({ $0.littleEndian32(20) }) == 1 else {
            throw .system(MDB_VERSION_MISMATCH, doing: "opening", path: path)
        }
        // LMDB would ask the system for so large a map and be refused, as if memory were short.
        if start.count == 152 { try Self.checkPageCount(start.withUnsafeBytes { $0.littleEndian64(136) }, path: path) }
    }

    /// Refuses a last page that no address space reaches: a damaged file may name any.
    static func checkPageCount(_ lastPage: UInt64, path: String) throws(StorageError) {
        guard lastPage < 1 << 36 else {
            throw StorageError(.corrupt, "\(path) is damaged: its page count is impossible; restore it from a backup", path: path)
        }
    }
}
