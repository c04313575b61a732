import Foundation
import NeedletailStorage

/// Facts about a database file.
public struct DatabaseInformation: Sendable, Hashable, Codable {
    /// The file's path.
    public var path: String
    /// The version of the file format, as in FORMAT.md.
    public var formatVersion: Int
    /// Bytes the file takes on disk.
    public var fileByteCount: Int
    /// Bytes in use by records and indexes; the rest of the file is free for later writes.
    public var usedByteCount: Int
    /// Bytes inside the file that later writes will use again.
    public var freeByteCount: Int
    /// Address space reserved for the file: the size it can grow to.
    public var mappedByteCount: Int
    /// Bytes of the file that are in memory now, read by whatever process; `nil` where the system does not tell.
    /// None of them is dirty: the map is never written.
    public var residentByteCount: Int?
    /// The page size of the file.
    public var pageByteCount: Int
    /// The number of the newest commit.
    public var transactionID: UInt64
    /// Snapshots that some process holds. One that is far behind keeps the space of old records from being used again.
    public var readers: [Reader]
    /// The collections, by name.
    public var collections: [CollectionInformation]

    /// A snapshot that some process holds.
    public struct Reader: Sendable, Hashable, Codable {
        /// The process.
        public var processID: Int
        /// The commit it sees.
        public var transactionID: UInt64
        /// How many commits came after it.
        public var commitsBehind: UInt64
    }
}

/// Facts about a collection.
public struct CollectionInformation: Sendable, Hashable, Codable {
    /// The collection's name.
    public var name: String
    /// What its records hold.
    public var schema: Schema
    /// The number of records.
    public var count: Int
    /// Records that were deleted, whose space is not used again before the collection is compacted.
    public var deletedCount: Int
    /// Bytes that the vectors of all slots take.
    public var vectorByteCount: Int
    /// The collection's index, if it has one that can be used.
    public var index: IndexInformation?
    /// Why the index cannot be used, if so.
    public var indexProblem: String?
}

/// Something that is wrong inside a file.
public struct CheckFinding: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The collection concerned; `nil` for the file as a whole.
    public var collection: String?
    /// What is wrong.
    public var problem: String

    /// The finding in one line.
    public var description: String { collection.map { "collection '\($0)': \(problem)" } ?? problem }
}

extension Database {
    /// Facts about the file and its collections.
    public func information() throws(NeedletailError) -> DatabaseInformation {
        let facts = try storage { () throws(StorageError) in try environment.information }
        let snapshot = try newestSnapshot()
        var collections: [CollectionInformation] = []
        for name in try storage({ () throws(StorageError) in try snapshot.tableNames() }).sorted() {
            guard let table = try storage({ () throws(StorageError) in try snapshot.table(name) }) else { continue }
            let collection = try Collection(named: name, in: self, snapshot: snapshot, pinned: true)
            let schema = collection.schema
            var information = CollectionInformation(
                name: name, schema: schema, count: table.liveCount, deletedCount: table.slotCount - table.liveCount,
                vectorByteCount: table.slotCount * schema.vectorByteCount)
            do throws(NeedletailError) { information.index = try collection.index() } catch { information.indexProblem = error.message }
            collections.append(information)
        }
        return DatabaseInformation(
            path: path, formatVersion: facts.formatVersion, fileByteCount: facts.fileByteCount, usedByteCount: facts.usedByteCount,
            freeByteCount: facts.freeByteCount, mappedByteCount: facts.mapByteCount, residentByteCount: facts.residentByteCount,
            pageByteCount: facts.pageByteCount, transactionID: facts.lastTransactionID,
            readers: facts.readers.compactMap { reader in
                guard let transactionID = reader.transactionID else { return nil }
                return DatabaseInformation.Reader(
                    processID: reader.processID, transactionID: transactionID, commitsBehind: reader.age ?? 0)
            },
            collections: collections)
    }

    /// Reads the whole file and reports everything that is wrong: checksums, counts, ids, dictionaries, indexes.
    ///
    /// - Parameter progress: Called now and then with the share that is done, 0 to 1; not on any particular thread.
    /// - Returns: What was found; empty if the file is sound.
    /// - Complexity: Reads every byte in use once.
    public func check(progress: (@Sendable (Double) -> Void)? = nil) throws(NeedletailError) -> [CheckFinding] {
        let findings = try storage { () throws(StorageError) in try environment.check(progress: progress) }
        return findings.map { CheckFinding(collection: $0.table.isEmpty ? nil : $0.table, problem: $0.message) } + (try checkSearchIndexes())
    }

    /// What does not hold of indexes, beyond the checksums of their bytes: that every record can be found, above all.
    private func checkSearchIndexes() throws(NeedletailError) -> [CheckFinding] {
        let snapshot = try newestSnapshot()
        var findings: [CheckFinding] = []
        for name in try storage({ () throws(StorageError) in try snapshot.tableNames() }).sorted() {
            do throws(NeedletailError) {
                let collection = try Collection(named: name, in: self, snapshot: snapshot, pinned: true)
                let table = try collection.table()
                guard let index = try ReadView.of(table, collection).index() else { continue }
                findings += index.violations(table).map { CheckFinding(collection: name, problem: "the index: " + $0) }
            } catch {
                findings.append(CheckFinding(collection: name, problem: error.message))
            }
        }
        return findings
    }
}
