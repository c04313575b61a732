import CLMDB
import Foundation

/// A process's read transaction as LMDB's table shows it.
package struct ReaderInformation: Sendable, Hashable {
    package var processID: Int
    /// The commit it reads; nil for a slot kept but not reading.
    package var transactionID: UInt64?
    /// How many commits have come since: a large number means pages that cannot be reused.
    package var age: UInt64?
}

/// What the file and its map look like.
package struct EnvironmentInformation: Sendable {
    package var path: String
    package var formatVersion: Int
    /// Address space reserved.
    package var mapByteCount: Int
    /// The file's length.
    package var fileByteCount: Int
    /// Pages in use by the last commit.
    package var usedByteCount: Int
    /// Pages inside the file that wait to be used again.
    package var freeByteCount: Int
    /// Bytes of the file that are in memory; nil where the system does not tell.
    package var residentByteCount: Int?
    package var pageByteCount: Int
    package var lastTransactionID: UInt64
    package var readers: [ReaderInformation]
    package var tableCount: Int
}

extension Environment {
    /// Sizes, readers, versions; reads the list of free pages.
    package var information: EnvironmentInformation {
        get throws(StorageError) { try whileOpen { () throws(StorageError) in try readInformation() } }
    }

    private func readInformation() throws(StorageError) -> EnvironmentInformation {
        let calls = core.calls
        let snapshot = try snapshot()
        let environment = calls.information(core.handle)
        var status = stat()
        let code = calls.status(descriptor: core.descriptor, &status)
        guard code == 0 else { throw .system(code, doing: "looking at the file", path: path) }
        let (freePages, version) = try snapshot.inner.lock.withLock { () throws(StorageError) in
            (try FreeList.pageCount(snapshot.inner.transaction), try FileFormat.check(snapshot.inner.transaction))
        }
        let pages = Int(environment.me_last_pgno) + 1
        let last = UInt64(environment.me_last_txnid)
        return EnvironmentInformation(
            path: path, formatVersion: Int(version), mapByteCount: Int(environment.me_mapsize),
            fileByteCount: Int(status.st_size), usedByteCount: (pages - freePages) * core.pageByteCount,
            freeByteCount: freePages * core.pageByteCount,
            residentByteCount: calls.residentByteCount(
                core.descriptor, count: Int(status.st_size), pageByteCount: Int(sysconf(Int32(_SC_PAGESIZE)))),
            pageByteCount: core.pageByteCount, lastTransactionID: last,
            readers: core.readers(last), tableCount: try snapshot.tableNames().count)
    }
}

extension EnvironmentCore {
    /// LMDB gives the reader table as text only: process, thread and transaction, or `-`.
    func readers(_ last: UInt64) -> [ReaderInformation] {
        calls.readerLines(handle).compactMap { line in
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
            guard fields.count == 3, let process = Int(fields[0]) else { return nil }
            let transaction = UInt64(fields[2])
            return ReaderInformation(processID: process, transactionID: transaction, age: transaction.map { last - min($0, last) })
        }
    }
}
