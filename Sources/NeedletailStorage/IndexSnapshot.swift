/// One index at one commit: its arrays, read where they lie in the map. Keeps its snapshot alive.
///
/// The table's vectors belong to the ``TableSnapshot``, which this does not hold: whoever uses both holds both.
package final class IndexSnapshot: @unchecked Sendable {
    package let descriptor: IndexDescriptor
    private let tableName: String
    private let inner: SnapshotCore
    private let lock = Lock()
    private var tables: [Int: UnsafeMutablePointer<UnsafeRawPointer>] = [:]

    init(_ descriptor: IndexDescriptor, tableName: String, _ inner: SnapshotCore) {
        self.descriptor = descriptor
        self.tableName = tableName
        self.inner = inner
    }

    deinit {
        for pointers in tables.values { pointers.deallocate() }
    }

    /// The array at a position; resolved at the first call. Valid as long as this object.
    /// - Throws: `.invalidArgument` where there is no such position, `.corrupt` where chunks are missing or of the wrong length.
    package func array(_ position: Int) throws(StorageError) -> ChunkedRows {
        guard descriptor.arrays.indices.contains(position) else {
            throw StorageError(
                .invalidArgument, "index '\(descriptor.name)' of collection '\(tableName)' has no array \(position)",
                expected: descriptor.arrays.count, actual: position)
        }
        let array = descriptor.arrays[position]
        lock.lock()
        defer { lock.unlock() }
        let pointers: UnsafeMutablePointer<UnsafeRawPointer>
        if let known = tables[position] { pointers = known } else {
            pointers = .allocate(capacity: max(1, array.chunkCount))
            do throws(StorageError) {
                try resolve(array, pointers)
            } catch {
                pointers.deallocate()
                throw error
            }
            tables[position] = pointers
        }
        return ChunkedRows(
            pointers: UnsafePointer(pointers), chunkCount: array.chunkCount, shift: array.shift, stride: array.stride, count: array.count)
    }

    /// Finds the chunks by their keys and lengths, which stand in the tree's leaves: a chunk's own header would be a page
    /// to read from the disk for each of them, before the first query of a file just opened. `check` reads headers and sums.
    private func resolve(_ array: IndexArrayDescriptor, _ pointers: UnsafeMutablePointer<UnsafeRawPointer>) throws(StorageError) {
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let transaction = inner.transaction
        var next = 0
        func damaged() -> StorageError {
            transaction.corrupt("chunk \(next) of array \(array.id), of index '\(descriptor.name)' of collection '\(tableName)'")
        }
        try transaction.forEachChunk(of: array.id) { number, value throws(StorageError) in
            guard next < array.chunkCount, Int(number) == next, let base = value.baseAddress,
                  value.count == transaction.storedByteCount(payload: array.payloadByteCount(next))
            else { throw damaged() }
            pointers[next] = base + ChunkHeader.byteCount
            next += 1
        }
        guard next == array.chunkCount else { throw damaged() }
    }
}

extension Transaction {
    /// Bytes of a chunk's value: header and payload, and what makes LMDB give it pages of its own.
    func storedByteCount(payload: Int) -> Int { max(ChunkHeader.byteCount + payload, minimumChunkByteCount) }
}
