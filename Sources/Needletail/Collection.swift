import Foundation
import NeedletailIndex
import NeedletailStorage

/// A collection of records: vectors of one dimension with typed metadata.
///
/// A value that can be copied and shared between tasks freely. Reading methods are plain functions on the newest
/// commit (or on one snapshot, if the collection came from ``Snapshot/collection(_:)``); writing methods are `async`
/// and return when the change is durable. Writes of many tasks at once share one sync of the disk.
public struct Collection: Sendable {
    /// The largest number of neighbours one search may ask for.
    public static let maximumK = 1_000_000

    /// Records of a write that may run on the caller's thread: so few take less than a sync of the disk.
    private static let smallWriteCount = 16

    let database: Database
    /// The collection's name.
    public let name: String
    /// What its records hold.
    public let schema: Schema
    let tableID: UInt32
    let pinned: NeedletailStorage.Snapshot?

    init(database: Database, name: String, schema: Schema, tableID: UInt32, pinned: NeedletailStorage.Snapshot?) {
        self.database = database
        self.name = name
        self.schema = schema
        self.tableID = tableID
        self.pinned = pinned
    }

    init(named name: String, in database: Database, snapshot: NeedletailStorage.Snapshot, pinned: Bool) throws(NeedletailError) {
        let found = try storage { () throws(StorageError) in try snapshot.table(name) }
        guard let table = found else {
            let names = try storage { () throws(StorageError) in try snapshot.tableNames() }.sorted()
            let known = names.isEmpty ? "it has none yet" : "there are: " + names.joined(separator: ", ")
            throw NeedletailError(.unknownCollection, "\(database.path) has no collection '\(name)'; \(known)", path: database.path)
        }
        let schema = try database.schemas.schema(of: table.descriptor, path: database.path)
        self.init(database: database, name: name, schema: schema, tableID: table.descriptor.id, pinned: pinned ? snapshot : nil)
    }

    /// The records as a reader sees them now.
    func table() throws(NeedletailError) -> TableSnapshot {
        let snapshot: NeedletailStorage.Snapshot
        if let pinned { snapshot = pinned } else { snapshot = try database.newestSnapshot() }
        let found = try storage { () throws(StorageError) in try snapshot.table(name) }
        guard let found, found.descriptor.id == tableID else { throw dropped() }
        return found
    }

    /// Runs `body` on the collection's records in a write transaction.
    ///
    /// - Parameter count: How many records it changes: few are written on the caller's thread where nobody else writes.
    func write<R: Sendable>(
        _ durability: Durability, count: Int = .max, _ body: @escaping @Sendable (TableWriter) throws(StorageError) -> R
    ) async throws(NeedletailError) -> R {
        guard pinned == nil else {
            throw NeedletailError(.readOnly, "a snapshot cannot be written: write to the collection of the database itself")
        }
        let (name, tableID) = (name, tableID)
        return try await storage { () async throws(StorageError) in
            try await database.environment.write(
                durability: durability == .full ? .full : .relaxed, isSmall: count <= Self.smallWriteCount
            ) { transaction throws(StorageError) in
                let writer = try transaction.table(name)
                guard writer.descriptor.id == tableID else { throw droppedWhileWriting() }
                return try body(writer)
            }
        }
    }

    func droppedWhileWriting() -> StorageError {
        StorageError(.unknownTable, "collection '\(name)' of \(database.path) was dropped and made anew: ask the database for it again")
    }

    func indexChangedMeanwhile() -> StorageError {
        StorageError(
            .indexConflict, "another process or task has changed the index of collection '\(name)' while it was built; build it again", path: database.path)
    }

    private func dropped() -> NeedletailError {
        NeedletailError(.unknownCollection, "collection '\(name)' of \(database.path) was dropped meanwhile", path: database.path)
    }

    /// Checks that vectors made by `model` may be compared with those of the collection.
    ///
    /// A collection that does not know its model lets every one pass.
    /// - Throws: `modelMismatch`, naming both models and the remedy.
    public func requireModel(_ model: EmbeddingModel) throws(NeedletailError) {
        guard let own = schema.model, own.checksum != model.checksum else { return }
        throw NeedletailError(
            .modelMismatch,
            "the vectors of collection '\(name)' were made by \(own), the query by \(model): their distances mean nothing. "
                + "Use the first model for the query, or embed the pictures again with the second into a new collection")
    }
}
