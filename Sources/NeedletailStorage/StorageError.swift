import CLMDB
import Foundation

/// What went wrong in the storage layer: a stable code, a sentence naming culprit and remedy, the facts as values.
package struct StorageError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. The layer above maps each to its public code.
    package enum Code: Sendable, Hashable {
        /// The file is not a Needletail database.
        case notADatabase
        /// The file was written by a newer format version.
        case newerFormat
        /// The file is damaged.
        case corrupt
        /// Opened for reading only, or the file or folder cannot be written.
        case readOnly
        /// The reserved address space is used up.
        case mapFull
        /// The disk is full.
        case diskFull
        /// Another process held the write lock for longer than the busy timeout.
        case busy
        /// The operating system or LMDB reported an error.
        case ioError
        /// A record with this key exists.
        case duplicateKey
        /// No table has this name.
        case unknownTable
        /// A table of this name exists already.
        case tableExists
        /// What was asked for does not exist (a file, a slot, a code).
        case notFound
        /// Something is larger than the format allows.
        case tooLarge
        /// An argument is out of range.
        case invalidArgument
        /// The environment was closed.
        case closed
        /// An index was changed by somebody else while a new version of it was built.
        case indexConflict
    }

    package var code: Code
    package var message: String
    /// `errno` or LMDB's error number, where one was the cause.
    package var systemCode: Int32?
    package var path: String?
    package var key: RecordKey?
    package var row: Int?
    package var expected: Int?
    package var actual: Int?

    package init(
        _ code: Code, _ message: String, systemCode: Int32? = nil, path: String? = nil, key: RecordKey? = nil,
        row: Int? = nil, expected: Int? = nil, actual: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.systemCode = systemCode
        self.path = path
        self.key = key
        self.row = row
        self.expected = expected
        self.actual = actual
    }

    package var description: String { message }

    /// The typed error for a result code of LMDB or an `errno`; `doing` completes "while …".
    static func system(_ result: Int32, doing: String, path: String) -> StorageError {
        func error(_ code: Code, _ message: String) -> StorageError {
            StorageError(code, message, systemCode: result, path: path)
        }
        switch result {
        case MDB_MAP_FULL:
            return error(.mapFull, "\(path): the address space reserved for this database is used up (while \(doing)); delete records, or open it with a larger map")
        case MDB_MAP_RESIZED:
            return error(.mapFull, "\(path): another process has grown the database beyond the address space reserved here; close it and open it with a larger map")
        case MDB_TXN_FULL:
            return error(.tooLarge, "\(path): the transaction changes too much at once; split it into several")
        case MDB_READERS_FULL:
            return error(.busy, "\(path): too many readers at once; close some, or remove a stale lock file when nobody uses the database")
        case MDB_PANIC:
            return error(.ioError, "\(path): an earlier write to the file failed in a way that cannot be recovered from while it is open (while \(doing)); close it and open it again, what was committed before is there")
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND:
            return error(.corrupt, "\(path): the file is damaged (\(LMDBCalls.text(of: result)), while \(doing)); restore it from a backup")
        case MDB_INVALID:
            return error(.notADatabase, "\(path) is not a Needletail database")
        case MDB_VERSION_MISMATCH:
            return error(.newerFormat, "\(path) was written by another version of LMDB's file format; open it with the program that made it")
        case ENOSPC, EDQUOT:
            return error(.diskFull, "\(path): the disk is full (while \(doing)); free some space and try again, nothing was changed")
        case EACCES, EPERM, EROFS:
            return error(.readOnly, "\(path): cannot be written (\(LMDBCalls.text(of: result)), while \(doing)); open it for reading only, or change its permissions and its folder's")
        case ENOENT:
            return error(.notFound, "\(path) does not exist")
        default:
            return error(.ioError, "\(path): \(LMDBCalls.text(of: result)) (while \(doing))")
        }
    }
}
