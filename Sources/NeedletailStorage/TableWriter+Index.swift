import CLMDB

/// Search indexes. An index is built outside of any transaction, from a snapshot; only its installation is one.
extension TableWriter {
    /// What one install may write: its pages are in memory until the commit.
    static var maximumInstallByteCount: Int { 64 << 30 }

    /// The table's indexes.
    package func indexes() throws(StorageError) -> [IndexDescriptor] {
        try transaction.indexes(of: descriptor, slotCount: slotCount, owner.core.indexDescriptors)
    }

    /// The names of the table's indexes, also of those whose description is damaged.
    package func indexNames() throws(StorageError) -> [String] {
        var names: [String] = []
        try transaction.forEachIndex(of: descriptor.id) { name, _ in names.append(String(decoding: name, as: UTF8.self)) }
        return names
    }

    /// Installs an index, or replaces the one of its name, in this transaction; returns it as stored.
    ///
    /// `expectedVersion` is the version that the build started from, 0 where there was none. The caller also compares the
    /// table's `id` with that of the snapshot it built from: a table dropped and made anew has other slots.
    /// All is checked, and the room for it found, before anything is written: a full disk throws before the first change.
    /// Until the commit LMDB holds what is written in memory, besides what the caller built it in. Summing the chunks is a
    /// twentieth of the time that the write lock is held, so it is not worth doing ahead.
    /// - Throws: `.indexConflict` where another version has been installed, or the index dropped, since the build started.
    @discardableResult
    package func installIndex(
        _ index: IndexDescriptor, arrays: [IndexArrayContent], expectedVersion: UInt64
    ) throws(StorageError) -> IndexDescriptor {
        let old = try indexes().first { $0.name == index.name }
        guard old?.version ?? 0 == expectedVersion else {
            throw StorageError(
                .indexConflict, "another process or task has changed index '\(index.name)' of collection '\(descriptor.name)' while it was built; build it again",
                path: transaction.path, expected: Int(clamping: expectedVersion), actual: Int(clamping: old?.version ?? 0))
        }
        try validate(index, arrays)
        var byteCount = 0, largest = 0
        for (position, content) in arrays.enumerated() {
            try check(content, replacing: old?.arrays.indices.contains(position) == true ? old?.arrays[position] : nil, index, position)
            let shift = ChunkedRows.shift(stride: content.stride)
            for (number, chunk) in content.chunks.enumerated() where chunk != nil {
                let rowCount = ChunkedRows.rowCount(chunk: number, rows: content.count, shift: shift)
                let pageCount = transaction.pageCount(payload: rowCount * content.stride)
                largest = max(largest, pageCount)
                byteCount += pageCount * transaction.pageByteCount + 64
            }
        }
        try owner.demandForIndex(byteCount, inRunsOf: max(1, largest), catalogByteCount: 2 * index.parameters.count + 512 * arrays.count)

        let kept = min(old?.arrays.count ?? 0, arrays.count)
        // One more for the version: the counter's numbers are never given twice.
        var next = try transaction.takeArrayNumbers(1 + arrays.count - kept)
        func take() -> UInt32 {
            defer { next += 1 }
            return next
        }
        var new = index
        new.name = old?.name ?? index.name
        new.version = UInt64(take())
        new.arrays = []
        for (position, content) in arrays.enumerated() {
            let id = position < kept ? old?.arrays[position].id ?? take() : take()
            new.arrays.append(IndexArrayDescriptor(
                stride: content.stride, count: content.count, shift: ChunkedRows.shift(stride: content.stride), id: id))
        }
        for (array, content) in zip(new.arrays, arrays) {
            for (number, chunk) in content.chunks.enumerated() {
                guard let chunk else { continue }
                try transaction.putIndexChunk(chunk, areScattered: content.areScattered, array, number, generation: new.version)
                content.release?(number)
            }
            try transaction.deleteChunks(of: array.id, from: array.chunkCount)
        }
        for array in (old?.arrays ?? []).dropFirst(kept) { try transaction.deleteAll(transaction.databases.chunks, prefix: array.id) }
        try transaction.putIndex(new, of: descriptor.id)
        return new
    }

    /// Removes an index, also one whose description is damaged; whether there was one.
    @discardableResult
    package func dropIndex(_ name: String) throws(StorageError) -> Bool {
        try transaction.removeIndexes(of: descriptor, named: name, slotCount: slotCount, owner.core)
    }

    private func validate(_ index: IndexDescriptor, _ arrays: [IndexArrayContent]) throws(StorageError) {
        func invalid(_ message: String) -> StorageError {
            StorageError(.invalidArgument, "index '\(index.name.prefix(40))' of collection '\(descriptor.name)': \(message)", path: transaction.path)
        }
        guard 1 ... IndexDescriptor.maximumNameByteCount ~= index.name.utf8.count else {
            throw invalid("a name has 1 to \(IndexDescriptor.maximumNameByteCount) bytes, not \(index.name.utf8.count)")
        }
        guard 1 ... IndexDescriptor.maximumKindByteCount ~= index.kind.utf8.count else {
            throw invalid("a kind has 1 to \(IndexDescriptor.maximumKindByteCount) bytes, not \(index.kind.utf8.count)")
        }
        guard 0 ... slotCount ~= index.coveredCount else {
            throw invalid("it covers \(index.coveredCount) slots of \(slotCount)")
        }
        guard arrays.count <= IndexDescriptor.maximumArrayCount else {
            throw invalid("it has \(arrays.count) arrays, at most \(IndexDescriptor.maximumArrayCount) are allowed")
        }
        guard index.parameters.count <= IndexDescriptor.maximumParametersByteCount else {
            throw invalid("its parameters take \(index.parameters.count) bytes, at most \(IndexDescriptor.maximumParametersByteCount) are allowed")
        }
    }

    /// Whether what is to be written of an array fits together, and with what is to be kept of the old one.
    private func check(
        _ content: IndexArrayContent, replacing old: IndexArrayDescriptor?, _ index: IndexDescriptor, _ position: Int
    ) throws(StorageError) {
        func invalid(_ message: String) -> StorageError {
            StorageError(.invalidArgument, "array \(position) of index '\(index.name)' of collection '\(descriptor.name)' \(message)", path: transaction.path)
        }
        guard 1 ... IndexDescriptor.maximumStride ~= content.stride, 0 ... Int(UInt32.max) ~= content.count else {
            throw invalid("has \(content.count) rows of \(content.stride) bytes")
        }
        let shift = ChunkedRows.shift(stride: content.stride)
        let chunkCount = ChunkedRows.chunkCount(rows: content.count, shift: shift)
        guard content.chunks.count == chunkCount else { throw invalid("has \(chunkCount) chunks, not \(content.chunks.count)") }
        for (number, chunk) in content.chunks.enumerated() where chunk == nil {
            let rowCount = ChunkedRows.rowCount(chunk: number, rows: content.count, shift: shift)
            guard let old, old.stride == content.stride, number < old.chunkCount,
                  ChunkedRows.rowCount(chunk: number, rows: old.count, shift: shift) == rowCount
            else { throw invalid("has no unchanged chunk \(number) of \(rowCount) rows to keep") }
            // What a later reader would refuse must not be carried into a new version.
            guard let value = try transaction.get(transaction.databases.chunks, transaction.key(old.id, UInt32(number))),
                  value.count == transaction.storedByteCount(payload: rowCount * content.stride)
            else { throw transaction.corrupt("chunk \(number) of array \(old.id), of index '\(index.name)' of collection '\(descriptor.name)'") }
        }
    }
}

extension WriteTransaction {
    /// Finds room for an index, which may be larger than what a transaction may change otherwise.
    func demandForIndex(_ byteCount: Int, inRunsOf pageCount: Int, catalogByteCount: Int) throws(StorageError) {
        guard byteCount <= TableWriter.maximumInstallByteCount else {
            throw StorageError(
                .tooLarge, "\(core.path): an index may write \(TableWriter.maximumInstallByteCount >> 30) GiB at most", path: core.path,
                expected: TableWriter.maximumInstallByteCount, actual: byteCount)
        }
        try demand(catalogByteCount + 32 * core.pageByteCount)
        try demand(byteCount, inRunsOf: pageCount)
    }
}

extension Transaction {
    /// Pages that a chunk takes.
    func pageCount(payload: Int) -> Int { (16 + storedByteCount(payload: payload) + pageByteCount - 1) / pageByteCount }

    /// Copies some of the bytes that rows have which lie one behind the other in `target`.
    private static func copy(_ rows: UnsafePointer<UnsafeRawPointer>, stride: Int, _ bytes: Range<Int>, to target: UnsafeMutableRawPointer) {
        var offset = bytes.lowerBound
        while offset < bytes.upperBound {
            let row = offset / stride, within = offset % stride, count = min(stride - within, bytes.upperBound - offset)
            (target + offset).copyMemory(from: rows[row] + within, byteCount: count)
            offset += count
        }
    }

    /// Stores a chunk: one copy, from where it was built into the page that LMDB writes.
    ///
    /// - Parameter rows: the rows, or where they are scattered a pointer to each.
    func putIndexChunk(_ rows: UnsafeRawPointer, areScattered: Bool, _ array: IndexArrayDescriptor, _ number: Int, generation: UInt64) throws(StorageError) {
        let payload = array.payloadByteCount(number)
        let byteCount = storedByteCount(payload: payload)
        let keyNumbers = (array.id, UInt32(number))
        let base = try reserve(databases.chunks, key(keyNumbers.0, keyNumbers.1), count: byteCount)
        let header = ChunkHeader(
            kind: .index, count: ChunkedRows.rowCount(chunk: number, rows: array.count, shift: array.shift), generation: generation)
        header.writeFields(to: base)
        var checksum = ChunkHeader.checksumOfHeader(base, keyNumbers)
        // Strip by strip, so that what has been copied is summed from the cache.
        let target = base + ChunkHeader.byteCount
        for offset in stride(from: 0, to: payload, by: Self.stripByteCount) {
            let count = min(Self.stripByteCount, payload - offset)
            if areScattered {
                Self.copy(rows.assumingMemoryBound(to: UnsafeRawPointer.self), stride: array.stride, offset ..< offset + count, to: target)
            } else {
                (target + offset).copyMemory(from: rows + offset, byteCount: count)
            }
            checksum = crc32c(checksum, target + offset, count)
        }
        let padding = byteCount - ChunkHeader.byteCount - payload
        if padding > 0 {
            (target + payload).initializeMemory(as: UInt8.self, repeating: 0, count: padding)
            checksum = crc32c(checksum, target + payload, padding)
        }
        base.storeBytes(of: checksum.littleEndian, toByteOffset: 16, as: UInt32.self)
    }

    private static var stripByteCount: Int { 64 << 10 }

    /// Deletes an array's chunks from a number on.
    func deleteChunks(of array: UInt32, from first: Int) throws(StorageError) {
        guard let first = UInt32(exactly: first) else { return }
        var cursor = try Cursor(self, databases.chunks)
        while try cursor.seek(key(array, first)), cursor.key.count == 8, cursor.key.bigEndian32(0) == array { try cursor.delete() }
    }
}
