import Foundation

/// One array of an index: rows of one length in chunks, read as ``ChunkedRows``.
package struct IndexArrayDescriptor: Codable, Sendable, Hashable {
    /// Bytes of a row.
    package let stride: Int
    /// Rows; 0 for an array that this index does without.
    package let count: Int
    /// log2 of the rows of a chunk.
    package let shift: Int
    /// The array's number in the file.
    package internal(set) var id: UInt32

    /// Chunks that the rows take.
    package var chunkCount: Int { ChunkedRows.chunkCount(rows: count, shift: shift) }

    /// Bytes of a chunk's rows.
    func payloadByteCount(_ chunk: Int) -> Int { ChunkedRows.rowCount(chunk: chunk, rows: count, shift: shift) * stride }
}

/// A search index of a table: what storage knows of it. Stored as JSON in the catalog.
package struct IndexDescriptor: Codable, Sendable, Hashable {
    /// Unique in its table.
    package var name: String
    /// What the arrays mean, such as `hnsw`.
    package var kind: String
    /// The index covers the slots below it; those behind it are scanned.
    package var coveredCount: Int
    /// Opaque to storage: the layer above keeps the index's header here.
    package var parameters: Data

    // Assigned when the index is installed.

    package internal(set) var arrays: [IndexArrayDescriptor] = []
    /// Another one with each install, and never the same twice in a file: 0 = never installed.
    package internal(set) var version: UInt64 = 0

    package init(name: String, kind: String, coveredCount: Int, parameters: Data) {
        self.name = name
        self.kind = kind
        self.coveredCount = coveredCount
        self.parameters = parameters
    }

    static let maximumNameByteCount = 255
    static let maximumKindByteCount = 64
    static let maximumArrayCount = 64
    static let maximumStride = 16 << 20
    static let maximumParametersByteCount = 16 << 20

    /// Whether a descriptor read from a file can be true of a table; what it says is then safe to reckon with.
    func isConsistent(slotCount: Int) -> Bool {
        version > 0 && !name.isEmpty && 0 ... slotCount ~= coveredCount && arrays.count <= Self.maximumArrayCount
            && Set(arrays.map(\.id)).count == arrays.count
            && arrays.allSatisfy {
                $0.id > 0 && 1 ... Self.maximumStride ~= $0.stride && 0 ... Int(UInt32.max) ~= $0.count
                    && $0.shift == ChunkedRows.shift(stride: $0.stride)
            }
    }
}

/// What an install writes of one array.
///
/// Pointers stay valid until the write returns; each leads to the rows of its chunk, `1 << shift` of them but for the last,
/// without gap.
package struct IndexArrayContent: @unchecked Sendable {
    package var stride: Int
    package var count: Int
    /// One a chunk of ``ChunkedRows/shift(stride:)``; nil = unchanged since the installed version that is replaced: its
    /// stored chunk stays. That is valid only where the array had the same stride, and the chunk as many rows, before.
    package var chunks: [UnsafeRawPointer?]
    /// Whether rows lie here and there: then a chunk is a pointer to pointers, one for each of its rows.
    package var areScattered = false
    /// Called with the number of a chunk as soon as that has been copied, so that its memory can be given back: what is written
    /// takes as much until the commit.
    package var release: (@Sendable (_ chunk: Int) -> Void)?
    /// What has the memory that the pointers lead to, where the caller does not keep it.
    private var owner: (any AnyObject & Sendable)?

    package init(
        stride: Int, count: Int, chunks: [UnsafeRawPointer?], owner: (any AnyObject & Sendable)? = nil,
        release: (@Sendable (_ chunk: Int) -> Void)? = nil
    ) {
        self.stride = stride
        self.count = count
        self.chunks = chunks
        self.owner = owner
        self.release = release
    }

    /// An array whose rows lie here and there, at `rows[0 ..< count]`; chunks that `isKept` says yes to stay as they are stored.
    package init(
        stride: Int, count: Int, rows: UnsafePointer<UnsafeRawPointer>, owner: any AnyObject & Sendable, isKept: (_ rows: Range<Int>) -> Bool = { _ in false }
    ) {
        let shift = ChunkedRows.shift(stride: stride)
        let chunks = (0 ..< ChunkedRows.chunkCount(rows: count, shift: shift)).map { chunk -> UnsafeRawPointer? in
            let numbers = chunk << shift ..< min((chunk + 1) << shift, count)
            return isKept(numbers) ? nil : UnsafeRawPointer(rows + numbers.lowerBound)
        }
        self.init(stride: stride, count: count, chunks: chunks, owner: owner)
        areScattered = true
    }

    /// An array of which all chunks are written.
    package init(rows: ChunkedRows) {
        stride = rows.stride
        count = rows.count
        chunks = (0 ..< rows.chunkCount).map { rows.pointers[$0] }
    }
}

/// The catalog's entries of indexes: `x` + table number (big-endian) + name → the index's descriptor as JSON.
extension Transaction {
    private func indexKeyBytes(_ table: UInt32, _ name: String) -> [UInt8] {
        [0x78] + withUnsafeBytes(of: table.bigEndian) { Array($0) } + Array(name.utf8)
    }

    /// The stored descriptors of a table's indexes, in byte order of their names.
    func forEachIndex(of table: UInt32, _ body: (_ name: UnsafeRawBufferPointer, _ json: UnsafeRawBufferPointer) throws(StorageError) -> Void) throws(StorageError) {
        let prefix = indexKeyBytes(table, "")
        var cursor = try Cursor(self, databases.catalog)
        var found = try cursor.seek(key(prefix))
        while found, cursor.key.starts(with: prefix) {
            try body(UnsafeRawBufferPointer(rebasing: cursor.key.dropFirst(prefix.count)), cursor.value)
            found = try cursor.next()
        }
    }

    /// The table's indexes. `slotCount`: as many slots as the table has.
    func indexes(of table: TableDescriptor, slotCount: Int, _ cache: IndexDescriptorCache) throws(StorageError) -> [IndexDescriptor] {
        var indexes: [IndexDescriptor] = []
        try forEachIndex(of: table.id) { name, json throws(StorageError) in
            guard let index = cache.descriptor(table.id, name, json), index.isConsistent(slotCount: slotCount) else {
                throw corrupt("the description of index '\(String(decoding: name, as: UTF8.self))' of collection '\(table.name)'")
            }
            indexes.append(index)
        }
        return indexes
    }

    func putIndex(_ index: IndexDescriptor, of table: UInt32) throws(StorageError) {
        let json: Data
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            json = try encoder.encode(index)
        } catch {
            throw StorageError(.invalidArgument, "the index '\(index.name)' cannot be described as JSON: \(error)", path: path)
        }
        try put(databases.catalog, key(indexKeyBytes(table, index.name)), Array(json))
    }

    /// Deletes a table's indexes, or the one of a name, with their arrays; whether there was one.
    ///
    /// A description that is damaged does not say which arrays are its index's, or says it wrongly: then what goes is what
    /// nothing else in the file owns.
    func removeIndexes(
        of table: TableDescriptor, named wanted: String? = nil, slotCount: Int, _ core: EnvironmentCore
    ) throws(StorageError) -> Bool {
        var found: [(name: [UInt8], index: IndexDescriptor?)] = []
        try forEachIndex(of: table.id) { name, json throws(StorageError) in
            guard wanted.map({ $0 == String(decoding: name, as: UTF8.self) }) ?? true else { return }
            let index = core.indexDescriptors.descriptor(table.id, name, json)
            found.append((Array(name), index.flatMap { $0.isConsistent(slotCount: slotCount) ? $0 : nil }))
        }
        for (name, index) in found {
            for array in index?.arrays ?? [] { try deleteAll(databases.chunks, prefix: array.id) }
            let prefix = indexKeyBytes(table.id, "")
            try delete(databases.catalog, key(prefix + name))
        }
        if found.contains(where: { $0.index == nil }) { try removeUnownedChunks(core) }
        return !found.isEmpty
    }

    /// Deletes the arrays that no table and no index owns; none where another description is damaged, which might own some.
    private func removeUnownedChunks(_ core: EnvironmentCore) throws(StorageError) {
        var owned: Set<UInt32> = []
        do throws(StorageError) {
            for name in try tableNames() {
                let table = try core.descriptors.descriptor(name, self)
                owned.formUnion(table.arrays)
                for index in try indexes(of: table, slotCount: Int(UInt32.max), core.indexDescriptors) { owned.formUnion(index.arrays.map(\.id)) }
            }
        } catch {
            guard error.code == .corrupt else { throw error }
            return
        }
        var unowned: [UInt32] = []
        do {
            var cursor = try Cursor(self, databases.chunks)
            var found = try cursor.first()
            while found {
                let array = cursor.key.count >= 4 ? cursor.key.bigEndian32(0) : 0
                if !owned.contains(array) { unowned.append(array) }
                guard array < .max else { break }
                found = try cursor.seek(key(array + 1))
            }
        }
        for array in unowned { try deleteAll(databases.chunks, prefix: array) }
    }
}

/// Descriptors decoded once: a snapshot is made after each commit, and parsing JSON each time would be most of it.
final class IndexDescriptorCache: @unchecked Sendable {
    private struct Place: Hashable {
        var table: UInt32
        var name: [UInt8]
    }

    private let lock = Lock()
    private var entries: [Place: (bytes: [UInt8], descriptor: IndexDescriptor)] = [:]

    /// nil where the bytes do not parse, or describe an index of another name.
    func descriptor(_ table: UInt32, _ name: UnsafeRawBufferPointer, _ json: UnsafeRawBufferPointer) -> IndexDescriptor? {
        let place = Place(table: table, name: Array(name))
        if let entry = lock.withLock({ entries[place] }), entry.bytes.elementsEqual(json) { return entry.descriptor }
        let copy = Array(json)
        guard let descriptor = try? JSONDecoder().decode(IndexDescriptor.self, from: Data(copy)), descriptor.name.utf8.elementsEqual(name)
        else { return nil }
        lock.withLock { entries[place] = (copy, descriptor) }
        return descriptor
    }
}
