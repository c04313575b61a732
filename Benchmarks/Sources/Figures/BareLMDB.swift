import CBareLMDB
import Foundation

/// LMDB with nothing on top: one durable transaction per value.
final class BareLMDB {
    private let environment: OpaquePointer
    private var database: MDB_dbi = 0

    init(path: String) throws {
        var opened: OpaquePointer?
        try BareLMDB.check(mdb_env_create(&opened))
        guard let opened else { throw Failure(code: ENOMEM) }
        environment = opened
        try BareLMDB.check(mdb_env_set_mapsize(environment, 1 << 40))
        try BareLMDB.check(mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_NOTLS), 0o644))
        try transaction { try BareLMDB.check(mdb_dbi_open($0, nil, UInt32(MDB_CREATE), &database)) }
    }

    deinit { mdb_env_close(environment) }

    /// Puts one value under an integer key, and commits.
    func put(_ key: UInt64, _ bytes: [UInt8]) throws {
        try transaction { transaction in
            try withUnsafeBytes(of: key.bigEndian) { keyBytes in
                try bytes.withUnsafeBytes { valueBytes in
                    var key = MDB_val(mv_size: keyBytes.count, mv_data: UnsafeMutableRawPointer(mutating: keyBytes.baseAddress))
                    var value = MDB_val(mv_size: valueBytes.count, mv_data: UnsafeMutableRawPointer(mutating: valueBytes.baseAddress))
                    try BareLMDB.check(mdb_put(transaction, database, &key, &value, 0))
                }
            }
        }
    }

    private func transaction(_ body: (OpaquePointer) throws -> Void) throws {
        var begun: OpaquePointer?
        try BareLMDB.check(mdb_txn_begin(environment, nil, 0, &begun))
        guard let begun else { throw Failure(code: ENOMEM) }
        do {
            try body(begun)
        } catch {
            mdb_txn_abort(begun)
            throw error
        }
        try BareLMDB.check(mdb_txn_commit(begun))
    }

    private static func check(_ code: Int32) throws {
        if code != 0 { throw Failure(code: code) }
    }

    struct Failure: Error, CustomStringConvertible {
        let code: Int32

        var description: String { "LMDB: " + String(cString: mdb_strerror(code)) }
    }
}
