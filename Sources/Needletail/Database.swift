import Foundation
import NeedletailStorage
import Synchronization

/// A database: one file (and its lock file) with any number of collections.
///
/// Open it once and share it: a database is safe to use from any number of tasks, several processes may open one
/// file, and readers never wait for writers. It is closed when the last reference goes.
///
/// ```swift
/// let database = try Database(path: "photos.ntl")
/// let photos = try await database.createCollection("photos", schema: Schema(dimension: 3, metric: .cosine))
/// try await photos.insert(Record(id: "a", vector: [1, 0, 0]))
/// let nearest = try photos.search(near: [0.9, 0.1, 0], k: 1)
/// ```
public final class Database: Sendable {
    /// How a file is opened.
    public enum Mode: Sendable, Hashable {
        /// Only to read; the file must exist.
        case readOnly
        /// To read and write; the file must exist.
        case readWrite
        /// To read and write; the file is made if it does not exist.
        case create
    }

    /// Settings that few programs need to change.
    public struct Options: Sendable, Hashable {
        /// Address space reserved for the file, in bytes: the size it can grow to. Costs nothing until it is used.
        /// The default is 1 TiB, less where the system does not grant that.
        public var maximumByteCount: Int
        /// How many snapshots of the file may be open at once, over all processes.
        public var maximumReaders: Int
        /// How long a write waits for another process that is writing before it throws ``NeedletailError/Code/busy``.
        public var busyTimeout: Duration

        /// Makes settings.
        public init(maximumByteCount: Int = 1 << 40, maximumReaders: Int = 512, busyTimeout: Duration = .seconds(60)) {
            self.maximumByteCount = maximumByteCount
            self.maximumReaders = maximumReaders
            self.busyTimeout = busyTimeout
        }
    }

    /// The path the database was opened with.
    public let path: String
    /// How it was opened.
    public let mode: Mode
    let environment: Environment
    let indexes = IndexRegistry()
    /// What is known of the columns of collections.
    let statistics = StatisticsRegistry()
    /// Their schemas.
    let schemas = SchemaCache()
    /// The queries that collections were allowed to keep.
    let queries = QuerySampleRegistry()

    /// Opens a database file.
    ///
    /// - Throws: ``NeedletailError`` with `io` where the file or its folder is missing, `notADatabase`, `newerFormat`, `readOnly`.
    /// - Complexity: Some system calls, whatever the size of the file: nothing is loaded.
    public init(path: String, mode: Mode = .create, options: Options = Options()) throws(NeedletailError) {
        guard options.maximumByteCount >= 1 << 20, options.maximumReaders >= 1 else {
            throw NeedletailError(.invalidArgument, "a database needs room for at least 1 MiB and one reader")
        }
        self.path = path
        self.mode = mode
        environment = try storage { () throws(StorageError) in
            try Environment(
                path: path,
                options: Environment.Options(
                    readOnly: mode == .readOnly, create: mode == .create, mapByteCount: options.maximumByteCount,
                    maximumReaders: options.maximumReaders, busyTimeout: options.busyTimeout))
        }
    }

    /// Closes the file. Calls that follow throw `closed`; snapshots that are still held stay readable.
    public func close() { environment.close() }

    /// The names of the collections, sorted.
    public func collectionNames() throws(NeedletailError) -> [String] {
        try snapshot().collectionNames()
    }

    /// The collection of this name.
    ///
    /// - Throws: `unknownCollection`, with the names there are.
    public func collection(_ name: String) throws(NeedletailError) -> Collection {
        try Collection(named: name, in: self, snapshot: newestSnapshot(), pinned: false)
    }

    /// Makes a collection.
    ///
    /// - Throws: `collectionExists`, or `invalidArgument` for a schema or name that is not possible.
    public func createCollection(_ name: String, schema: Schema) async throws(NeedletailError) -> Collection {
        try schema.validate()
        guard !name.isEmpty, name.utf8.count <= 200, !name.utf8.contains(0) else {
            throw NeedletailError(.invalidArgument, "'\(name)' cannot name a collection: a name has 1 to 200 bytes")
        }
        let descriptor = TableDescriptor(
            name: name, vectorByteCount: schema.vectorByteCount,
            columns: schema.fields.map { ColumnDescriptor(name: $0.name, type: $0.type.columnType, indexed: $0.isIndexed) },
            userInfo: try schema.encoded())
        let created = try await storage { () async throws(StorageError) in
            try await environment.write { transaction throws(StorageError) in try transaction.createTable(descriptor) }
        }
        return Collection(database: self, name: name, schema: schema, tableID: created.id, pinned: nil)
    }

    /// Removes a collection and all its records. The space is used again by later writes.
    ///
    /// - Throws: `unknownCollection`.
    public func dropCollection(_ name: String) async throws(NeedletailError) {
        try await storage { () async throws(StorageError) in
            try await environment.write { transaction throws(StorageError) in try transaction.dropTable(name) }
        }
    }

    /// One consistent view of the whole file, which later commits do not change.
    ///
    /// While it is held, the space that its records take cannot be used again: do not keep it for long.
    public func snapshot() throws(NeedletailError) -> Snapshot {
        Snapshot(database: self, snapshot: try newestSnapshot())
    }

    /// Waits until all that was written with ``Durability/relaxed`` is on the disk.
    public func sync() throws(NeedletailError) {
        try storage { () throws(StorageError) in try environment.sync() }
    }

    func newestSnapshot() throws(NeedletailError) -> NeedletailStorage.Snapshot {
        try storage { () throws(StorageError) in try environment.snapshot() }
    }
}

/// One consistent view of a database.
public struct Snapshot: Sendable {
    let database: Database
    let snapshot: NeedletailStorage.Snapshot

    /// The names of the collections, sorted.
    public func collectionNames() throws(NeedletailError) -> [String] {
        try storage { () throws(StorageError) in try snapshot.tableNames() }.sorted()
    }

    /// The collection of this name, whose reading methods see the snapshot whatever is written later.
    ///
    /// - Throws: `unknownCollection`.
    public func collection(_ name: String) throws(NeedletailError) -> Collection {
        try Collection(named: name, in: database, snapshot: snapshot, pinned: true)
    }
}

extension Schema {
    func encoded() throws(NeedletailError) -> Data {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return try encoder.encode(self)
        } catch {
            throw NeedletailError(.invalidArgument, "the schema cannot be written as JSON: \(error)")
        }
    }

    init(decoding data: Data, collection: String, path: String) throws(NeedletailError) {
        do {
            self = try JSONDecoder().decode(Schema.self, from: data)
        } catch {
            throw NeedletailError(
                .corrupt, "the schema of collection '\(collection)' in \(path) cannot be read: \(error). Restore the file from a backup", path: path)
        }
    }

    /// Whether the vectors and columns of a table are what the schema says, as they are unless the file is damaged.
    func describes(_ table: TableDescriptor) -> Bool {
        (1 ... Schema.maximumDimension).contains(dimension) && vectorByteCount == table.vectorByteCount
            && fields.map(\.type.columnType) == table.columns.map(\.type)
    }
}

/// Schemas decoded once: a statement asks for its collection anew each time, and parsing JSON would be most of a fast one.
final class SchemaCache: Sendable {
    private let known = Mutex<[UInt32: (encoded: Data, schema: Schema)]>([:])

    /// The schema of a table, checked against it.
    func schema(of table: TableDescriptor, path: String) throws(NeedletailError) -> Schema {
        if let known = known.withLock({ $0[table.id] }), known.encoded == table.userInfo { return known.schema }
        let schema = try Schema(decoding: table.userInfo, collection: table.name, path: path)
        guard schema.describes(table) else {
            throw NeedletailError(
                .corrupt, "the schema of collection '\(table.name)' in \(path) contradicts its table. Restore the file from a backup", path: path)
        }
        known.withLock { $0[table.id] = (table.userInfo, schema) }
        return schema
    }
}

extension FieldType {
    var columnType: ColumnType {
        switch self {
        case .bool: .bool
        case .int: .int
        case .double: .double
        case .timestamp: .timestamp
        case .string: .string
        case .strings: .stringList
        }
    }
}

/// Runs `body`, and turns what storage throws into the public error.
func storage<R>(_ body: () throws(StorageError) -> R) throws(NeedletailError) -> R {
    do throws(StorageError) { return try body() } catch { throw NeedletailError(error) }
}

/// The same for what waits.
func storage<R: Sendable>(_ body: () async throws(StorageError) -> R) async throws(NeedletailError) -> R {
    do throws(StorageError) { return try await body() } catch { throw NeedletailError(error) }
}
