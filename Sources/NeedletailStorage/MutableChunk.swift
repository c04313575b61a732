import CLMDB

/// A chunk that a transaction changes, copied out of the map; written back when the transaction's body ends.
///
/// So a chunk is copied, checked and summed once however many of its rows change.
final class MutableChunk {
    let key: (array: UInt32, number: UInt32)
    let base: UnsafeMutableRawPointer
    let capacityByteCount: Int
    /// Elements that it holds.
    var count: Int
    var isDirty = false

    /// A copy of the stored value, or zeros where there is none.
    init(_ key: (UInt32, UInt32), capacityByteCount: Int, kind: ChunkHeader.Kind, _ transaction: Transaction) throws(StorageError) {
        self.key = key
        self.capacityByteCount = capacityByteCount
        let stored = try transaction.get(transaction.databases.chunks, transaction.key(key.0, key.1))
        var header: ChunkHeader?
        if let stored {
            header = ChunkHeader(stored, kind: kind)
            // What is damaged must not get a fresh checksum.
            guard header != nil, stored.count <= capacityByteCount || stored.count <= transaction.minimumChunkByteCount,
                  ChunkHeader.isIntact(stored, key: key)
            else { throw transaction.corrupt("chunk \(key.1) of array \(key.0)") }
        }
        base = .allocate(byteCount: max(capacityByteCount, transaction.minimumChunkByteCount), alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: max(capacityByteCount, transaction.minimumChunkByteCount))
        if let stored, let source = stored.baseAddress { base.copyMemory(from: source, byteCount: stored.count) }
        count = header?.count ?? 0
    }

    deinit { base.deallocate() }

    var payload: UnsafeMutableRawPointer { base + ChunkHeader.byteCount }

    /// Sums and stores the chunk's first bytes, at least what makes LMDB give it pages of its own.
    func write(byteCount: Int, header: ChunkHeader, _ transaction: Transaction) throws(StorageError) {
        let byteCount = max(byteCount, transaction.minimumChunkByteCount)
        header.write(to: base, byteCount: byteCount, key: key)
        try transaction.put(
            transaction.databases.chunks, transaction.key(key.array, key.number), UnsafeRawBufferPointer(start: base, count: byteCount))
        isDirty = false
    }
}

extension Transaction {
    /// A chunk must stand in pages of its own, whose data start at 16 bytes: a smaller value LMDB would put, unaligned,
    /// among others. This is the most that fits one page.
    var minimumChunkByteCount: Int { pageByteCount - 16 }
}
