/// Vectors by slot: block `b` holds rows from `b << blockShift` on, a row's vector stands at
/// `pointers[b] + (slot & mask) * stride`, its norm, a Float32, at `pointers[b] + (1 << blockShift) * stride + (slot & mask) * 4`.
///
/// Valid as long as the ``TableSnapshot`` it came from. Blocks are 64-byte aligned.
package struct VectorBlocks: @unchecked Sendable {
    package let pointers: UnsafePointer<UnsafeRawPointer>
    package let blockCount: Int
    package let blockShift: Int
    package let stride: Int
    /// Rows; the last block may hold fewer than it has room for.
    package let count: Int

    package init(pointers: UnsafePointer<UnsafeRawPointer>, blockCount: Int, blockShift: Int, stride: Int, count: Int) {
        self.pointers = pointers
        self.blockCount = blockCount
        self.blockShift = blockShift
        self.stride = stride
        self.count = count
    }

    /// The vector of a row.
    @inline(__always)
    package func vector(_ slot: Int) -> UnsafeRawPointer {
        pointers[slot >> blockShift] + (slot & ((1 << blockShift) - 1)) * stride
    }

    /// The norm of a row.
    @inline(__always)
    package func norm(_ slot: Int) -> Float {
        let mask = (1 << blockShift) - 1
        return (pointers[slot >> blockShift] + (mask + 1) * stride).load(fromByteOffset: (slot & mask) * 4, as: Float.self)
    }
}

/// The vectors and norms of the rows behind the last sealed block, in a block's layout but in memory.
///
/// Snapshots share it while the tail only grows: a newer one fills in rows behind those an older one can see.
final class TailBuffer: @unchecked Sendable {
    let sealedCount: UInt64
    let generation: UInt64
    let base: UnsafeMutableRawPointer
    private let lock = Lock()
    private var filled = 0

    init(_ table: TableDescriptor, _ state: TableState) {
        sealedCount = state.sealedCount
        generation = state.tailGeneration
        base = .allocate(byteCount: table.blockByteCount, alignment: 64)
    }

    deinit { base.deallocate() }

    /// Fills in the rows up to `count` from the segments; the caller holds the snapshot's lock.
    func fill(upTo count: Int, _ table: TableDescriptor, _ transaction: Transaction) throws(StorageError) {
        lock.lock()
        defer { lock.unlock() }
        guard filled < count else { return }
        let sealed = Int(sealedCount)
        try transaction.forEachTailSegment(of: table, from: sealed + filled, to: sealed + count) { segment throws(StorageError) in
            let first = segment.firstSlot - sealed
            guard first == filled, first + segment.source.count <= count else {
                throw transaction.corrupt("the tail of collection '\(table.name)' has a gap at slot \(segment.firstSlot)")
            }
            let source = segment.source
            source.copyVectors(first: 0, count: source.count, byteCount: table.vectorByteCount, to: base + first * table.vectorByteCount)
            (base + table.blockRows * table.vectorByteCount + 4 * first).copyMemory(from: source.norms, byteCount: 4 * source.count)
            filled = first + source.count
        }
        guard filled >= count else { throw transaction.corrupt("the tail of collection '\(table.name)' lacks rows") }
    }
}

extension Transaction {
    /// Visits the tail segments of a table that start in a range of slots, in order.
    func forEachTailSegment(
        of table: TableDescriptor, from: Int, to: Int, _ body: (TailSegment) throws(StorageError) -> Void
    ) throws(StorageError) {
        guard from < to else { return }
        var cursor = try Cursor(self, databases.tails)
        var found = try cursor.seek(key(table.id, UInt32(from)))
        while found, cursor.key.count == 8, cursor.key.bigEndian32(0) == table.id {
            let slot = cursor.key.bigEndian32(4)
            guard slot < to else { return }
            try body(TailSegment(cursor.value, firstSlot: slot, table: table, transaction: self))
            found = try cursor.next()
        }
    }

    /// Visits the chunks of an array in order: chunk number and value.
    func forEachChunk(of array: UInt32, _ body: (UInt32, UnsafeRawBufferPointer) throws(StorageError) -> Void) throws(StorageError) {
        var cursor = try Cursor(self, databases.chunks)
        var found = try cursor.seek(key(array, 0))
        while found, cursor.key.count == 8, cursor.key.bigEndian32(0) == array {
            try body(cursor.key.bigEndian32(4), cursor.value)
            found = try cursor.next()
        }
    }
}
