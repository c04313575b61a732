/// One value of `tails`: the rows that one transaction added and that do not fill a block yet, by column.
///
/// After the 48-byte header (kind 5; elements = rows; its key is table and first slot), without padding:
/// norms (f32 a row), vectors, then the key column and each column of the table as validity bits (bytes, bit 0 first,
/// 1 = present) and values. A list column has a u32 count a row, then a u32 total and so many u32 dictionary codes.
struct TailSegment {
    let firstSlot: Int
    let source: RowSource

    /// Reads a segment where it stands; checks its checksum and that it holds what its row count needs.
    init(_ value: UnsafeRawBufferPointer, firstSlot: UInt32, table: TableDescriptor, transaction: Transaction) throws(StorageError) {
        func damaged() -> StorageError { transaction.corrupt("the tail segment at slot \(firstSlot) of collection '\(table.name)'") }
        guard let header = ChunkHeader(value, kind: .tail), header.count > 0, header.count < table.blockRows,
              ChunkHeader.isIntact(value, key: (table.id, firstSlot)), let base = value.baseAddress
        else { throw damaged() }
        let count = header.count
        var offset = ChunkHeader.byteCount
        func take(_ byteCount: Int) throws(StorageError) -> UnsafeRawPointer {
            guard byteCount <= value.count - offset else { throw damaged() }
            defer { offset += byteCount }
            return base + offset
        }
        let norms = try take(4 * count)
        let vectors = try take(table.vectorByteCount * count)
        func column(_ type: ColumnType) throws(StorageError) -> ColumnSource {
            let validity = try take((count + 7) / 8)
            guard type == .stringList else {
                return ColumnSource(values: try take(count * type.width), validity: validity.assumingMemoryBound(to: UInt8.self))
            }
            let counts = try take(4 * count)
            let total = Int(try take(4).loadUnaligned(as: UInt32.self))
            let codes = try take(4 * total)
            var sum = 0
            for row in 0 ..< count { sum += Int(counts.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)) }
            guard sum == total else { throw damaged() }
            return ColumnSource(values: counts, validity: validity.assumingMemoryBound(to: UInt8.self), codes: codes)
        }
        let keys = try column(.int)
        var columns: [ColumnSource] = []
        for descriptor in table.columns { columns.append(try column(descriptor.type)) }
        guard offset == value.count else { throw damaged() }
        self.firstSlot = Int(firstSlot)
        source = RowSource(count: count, norms: norms, vectors: vectors, stride: table.vectorByteCount, keys: keys, columns: columns)
    }

    /// The bytes of a segment made of a source's rows `first ..< first + count`.
    static func encode(_ source: RowSource, first: Int, count: Int, firstSlot: UInt32, table: TableDescriptor, generation: UInt64) -> [UInt8] {
        let bitBytes = (count + 7) / 8
        var ranges: [(first: Int, count: Int)] = []
        var byteCount = ChunkHeader.byteCount + count * (4 + table.vectorByteCount) + bitBytes + 8 * count
        for (position, column) in table.columns.enumerated() {
            byteCount += bitBytes
            if column.type == .stringList {
                let range = source.columns[position].codeRange(first: first, count: count)
                ranges.append(range)
                byteCount += 4 * count + 4 + 4 * range.count
            } else {
                ranges.append((0, 0))
                byteCount += column.type.width * count
            }
        }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, written in
            guard let start = buffer.baseAddress else { return }
            let base = UnsafeMutableRawPointer(start)
            var offset = ChunkHeader.byteCount
            func append(_ bytes: UnsafeRawPointer, _ count: Int) {
                (base + offset).copyMemory(from: bytes, byteCount: count)
                offset += count
            }
            func appendBits(_ bits: UnsafePointer<UInt8>) {
                let target = (base + offset).assumingMemoryBound(to: UInt8.self)
                target.initialize(repeating: 0, count: bitBytes)
                Bits.copy(from: bits, at: first, to: target, at: 0, count: count)
                offset += bitBytes
            }
            append(source.norms + 4 * first, 4 * count)
            source.copyVectors(first: first, count: count, byteCount: table.vectorByteCount, to: base + offset)
            offset += table.vectorByteCount * count
            appendBits(source.keys.validity)
            append(source.keys.values + 8 * first, 8 * count)
            for (position, column) in table.columns.enumerated() {
                let columnSource = source.columns[position]
                appendBits(columnSource.validity)
                guard column.type == .stringList else {
                    append(columnSource.values + column.type.width * first, column.type.width * count)
                    continue
                }
                append(columnSource.values + 4 * first, 4 * count)
                (base + offset).storeBytes(of: UInt32(ranges[position].count).littleEndian, as: UInt32.self)
                offset += 4
                if let codes = columnSource.codes { append(codes + 4 * ranges[position].first, 4 * ranges[position].count) }
            }
            ChunkHeader(kind: .tail, count: count, generation: generation).write(to: base, byteCount: byteCount, key: (table.id, firstSlot))
            written = byteCount
        }
    }
}

/// Rows by column, wherever they stand: a batch handed in, or a tail segment in the map. Nothing need be aligned.
struct RowSource {
    var count: Int
    var norms: UnsafeRawPointer
    var vectors: UnsafeRawPointer
    var stride: Int
    var keys: ColumnSource
    var columns: [ColumnSource]

    func copyVectors(first: Int, count: Int, byteCount: Int, to target: UnsafeMutableRawPointer) {
        guard stride != byteCount else {
            target.copyMemory(from: vectors + first * stride, byteCount: count * byteCount)
            return
        }
        for row in 0 ..< count {
            (target + row * byteCount).copyMemory(from: vectors + (first + row) * stride, byteCount: byteCount)
        }
    }
}

/// One column's values of a ``RowSource``.
struct ColumnSource {
    /// `width` bytes a row; of a list column a u32 count a row.
    var values: UnsafeRawPointer
    var validity: UnsafePointer<UInt8>
    /// Of a list column: all rows' dictionary codes, one after the other.
    var codes: UnsafeRawPointer?

    func isPresent(_ row: Int) -> Bool { validity[row >> 3] >> UInt8(row & 7) & 1 == 1 }

    func listCount(_ row: Int) -> Int { Int(values.loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self)) }

    /// Where the codes of some rows of a list column stand.
    func codeRange(first: Int, count: Int) -> (first: Int, count: Int) {
        var before = 0
        for row in 0 ..< first { before += listCount(row) }
        var inside = 0
        for row in first ..< first + count { inside += listCount(row) }
        return (before, inside)
    }
}

/// Bits in bytes, the lowest first.
enum Bits {
    /// Sets bits of the target where the source has them; the target's must be 0 before.
    static func copy(from source: UnsafePointer<UInt8>, at first: Int, to target: UnsafeMutablePointer<UInt8>, at start: Int, count: Int) {
        var done = 0
        if first & 7 == 0, start & 7 == 0 {
            let whole = count / 8
            UnsafeMutableRawPointer(target + start / 8).copyMemory(from: source + first / 8, byteCount: whole)
            done = whole * 8
        }
        while done < count {
            let from = first + done, to = start + done
            target[to >> 3] |= (source[from >> 3] >> UInt8(from & 7) & 1) << UInt8(to & 7)
            done += 1
        }
    }

    static func set(_ target: UnsafeMutablePointer<UInt8>, _ position: Int, _ on: Bool) {
        let mask: UInt8 = 1 << UInt8(position & 7)
        if on { target[position >> 3] |= mask } else { target[position >> 3] &= ~mask }
    }

    static func test(_ bits: UnsafePointer<UInt8>, _ position: Int) -> Bool {
        bits[position >> 3] >> UInt8(position & 7) & 1 == 1
    }
}
