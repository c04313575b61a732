/// A tail segment that a transaction changes: its columns taken apart, put together again when the body ends.
final class MutableSegment {
    private struct Column {
        var validity: [UInt8]
        /// `width` bytes a row; empty for a list column.
        var values: [UInt8]
        var width: Int
        var lists: [[UInt32]]
    }

    let firstSlot: UInt32
    let count: Int
    private(set) var isDirty = false
    private let norms: [UInt8]
    private let vectors: [UInt8]
    private var keys: Column
    private var columns: [Column]

    init(_ value: UnsafeRawBufferPointer, firstSlot: UInt32, table: TableDescriptor, transaction: Transaction) throws(StorageError) {
        let source = try TailSegment(value, firstSlot: firstSlot, table: table, transaction: transaction).source
        self.firstSlot = firstSlot
        let count = source.count
        self.count = count
        func bytes(_ start: UnsafeRawPointer, _ count: Int) -> [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }
        func column(_ source: ColumnSource, _ type: ColumnType) -> Column {
            let validity = bytes(source.validity, (count + 7) / 8)
            guard type == .stringList else {
                return Column(validity: validity, values: bytes(source.values, count * type.width), width: type.width, lists: [])
            }
            var lists: [[UInt32]] = []
            var position = 0
            for row in 0 ..< count {
                let length = source.listCount(row)
                lists.append((position ..< position + length).map {
                    source.codes?.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) ?? 0
                })
                position += length
            }
            return Column(validity: validity, values: [], width: 4, lists: lists)
        }
        norms = bytes(source.norms, 4 * count)
        vectors = bytes(source.vectors, table.vectorByteCount * count)
        keys = column(source.keys, .int)
        columns = zip(source.columns, table.columns).map { column($0, $1.type) }
    }

    /// The integer key of a row, nil for a string key.
    func integerKey(_ row: Int) -> Int64? {
        guard keys.validity[row >> 3] >> UInt8(row & 7) & 1 == 1 else { return nil }
        return keys.values.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 8 * row, as: Int64.self)) }
    }

    func set(_ row: Int, _ position: Int, _ cell: EncodedCell) {
        isDirty = true
        let mask: UInt8 = 1 << UInt8(row & 7)
        if cell.isNull { columns[position].validity[row >> 3] &= ~mask } else { columns[position].validity[row >> 3] |= mask }
        switch cell {
        case .list(let codes): columns[position].lists[row] = codes
        case .null where columns[position].values.isEmpty: columns[position].lists[row] = []
        case .null: store(0, row, position)
        case .bits(let bits): store(bits, row, position)
        }
    }

    private func store(_ bits: UInt64, _ row: Int, _ position: Int) {
        let width = columns[position].width
        for byte in 0 ..< width { columns[position].values[row * width + byte] = UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte)) }
    }

    func write(_ transaction: Transaction, _ table: TableDescriptor, _ generation: UInt64) throws(StorageError) {
        var memory: [UnsafeMutableRawPointer] = []
        defer { for block in memory { block.deallocate() } }
        func place(_ bytes: [UInt8]) -> UnsafeMutableRawPointer {
            let block = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
            bytes.withUnsafeBytes { if let base = $0.baseAddress { block.copyMemory(from: base, byteCount: $0.count) } }
            memory.append(block)
            return block
        }
        func source(_ column: Column, _ type: ColumnType) -> ColumnSource {
            let validity = UnsafePointer(place(column.validity).assumingMemoryBound(to: UInt8.self))
            guard type == .stringList else { return ColumnSource(values: place(column.values), validity: validity) }
            let counts = column.lists.flatMap { list in withUnsafeBytes(of: UInt32(list.count).littleEndian) { Array($0) } }
            let codes = column.lists.flatMap { list in list.flatMap { code in withUnsafeBytes(of: code.littleEndian) { Array($0) } } }
            return ColumnSource(values: place(counts), validity: validity, codes: UnsafeRawPointer(place(codes)))
        }
        let rows = RowSource(
            count: count, norms: place(norms), vectors: place(vectors), stride: table.vectorByteCount, keys: source(keys, .int),
            columns: zip(columns, table.columns).map { source($0, $1.type) })
        let bytes = TailSegment.encode(rows, first: 0, count: count, firstSlot: firstSlot, table: table, generation: generation)
        try transaction.put(transaction.databases.tails, transaction.key(table.id, firstSlot), bytes)
        isDirty = false
    }
}
