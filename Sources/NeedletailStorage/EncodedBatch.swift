import Foundation

/// A batch's keys and columns in the form in which they are stored: the ``RowSource`` that a table appends.
final class EncodedBatch {
    private var allocations: [UnsafeMutableRawPointer] = []
    private(set) var source: RowSource

    deinit {
        for allocation in allocations { allocation.deallocate() }
    }

    private static func allocate(_ byteCount: Int, _ allocations: inout [UnsafeMutableRawPointer]) -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(8, byteCount), alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(8, byteCount))
        allocations.append(memory)
        return memory
    }

    /// `code` gives a string's dictionary code, adding it where it is new.
    init(
        _ batch: RecordBatch, table: TableDescriptor, code: (Int, String) throws(StorageError) -> UInt32
    ) throws(StorageError) {
        let count = batch.count
        var allocations: [UnsafeMutableRawPointer] = []
        let norms = Self.allocate(4 * count, &allocations)
        batch.norms.withUnsafeBytes { if let base = $0.baseAddress { norms.copyMemory(from: base, byteCount: 4 * count) } }
        let keys = Self.keys(batch.keys, &allocations)
        var columns: [ColumnSource] = []
        do throws(StorageError) {
            for position in table.columns.indices {
                let values = position < batch.columns.count ? batch.columns[position] : nil
                columns.append(try Self.column(values, count: count, type: table.columns[position].type, &allocations) {
                    text throws(StorageError) in try code(position, text)
                })
            }
        } catch {
            for allocation in allocations { allocation.deallocate() }
            throw error
        }
        self.allocations = allocations
        source = RowSource(
            count: count, norms: norms, vectors: batch.vectors, stride: batch.vectorStride, keys: keys, columns: columns)
    }

    private static func keys(_ keys: RecordBatch.Keys, _ allocations: inout [UnsafeMutableRawPointer]) -> ColumnSource {
        let count = keys.count
        let values = allocate(8 * count, &allocations).assumingMemoryBound(to: Int64.self)
        let validity = allocate((count + 7) / 8, &allocations).assumingMemoryBound(to: UInt8.self)
        switch keys {
        case .range(let range):
            for row in 0 ..< count { values[row] = range.lowerBound + Int64(row) }
            validity.update(repeating: 0xFF, count: (count + 7) / 8)
        case .ints(let ints):
            for row in 0 ..< count { values[row] = ints[row] }
            validity.update(repeating: 0xFF, count: (count + 7) / 8)
        case .keys(let keys):
            for row in 0 ..< count {
                guard case .int(let id) = keys[row] else { continue }
                values[row] = id
                Bits.set(validity, row, true)
            }
        }
        return ColumnSource(values: values, validity: validity)
    }

    private static func column(
        _ values: ColumnValues?, count: Int, type: ColumnType, _ allocations: inout [UnsafeMutableRawPointer],
        code: (String) throws(StorageError) -> UInt32
    ) throws(StorageError) -> ColumnSource {
        let width = type == .stringList ? 4 : type.width
        let memory = allocate(width * count, &allocations)
        let validity = allocate((count + 7) / 8, &allocations).assumingMemoryBound(to: UInt8.self)
        func fill<T, U: BitwiseCopyable>(_ values: [T?], _ convert: (T) throws(StorageError) -> U) throws(StorageError) {
            for row in 0 ..< count {
                guard let value = values[row] else { continue }
                memory.storeBytes(of: try convert(value), toByteOffset: row * width, as: U.self)
                Bits.set(validity, row, true)
            }
        }
        var codes: UnsafeRawPointer?
        switch values {
        case nil: break
        case .bool(let values): try fill(values) { value throws(StorageError) in UInt8(value ? 1 : 0) }
        case .int(let values), .timestamp(let values): try fill(values) { value throws(StorageError) in value.littleEndian }
        case .double(let values): try fill(values) { value throws(StorageError) in value.bitPattern.littleEndian }
        case .string(let values): try fill(values) { value throws(StorageError) in try code(value).littleEndian }
        case .stringList(let values):
            var all: [UInt32] = []
            try fill(values) { list throws(StorageError) in
                for text in list { all.append(try code(text).littleEndian) }
                return UInt32(list.count).littleEndian
            }
            let stored = allocate(4 * all.count, &allocations)
            all.withUnsafeBytes { if let base = $0.baseAddress { stored.copyMemory(from: base, byteCount: $0.count) } }
            codes = UnsafeRawPointer(stored)
        }
        return ColumnSource(values: memory, validity: validity, codes: codes)
    }
}

extension RecordBatch {
    /// The batch with only the given rows, the vectors gathered into memory that `body` may use.
    func withRows<R>(_ rows: [Int], vectorByteCount: Int, _ body: (RecordBatch) throws(StorageError) -> R) throws(StorageError) -> R {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, rows.count * vectorByteCount), alignment: 64)
        defer { memory.deallocate() }
        for (target, row) in rows.enumerated() {
            (memory + target * vectorByteCount).copyMemory(from: vectors + row * vectorStride, byteCount: vectorByteCount)
        }
        return try body(RecordBatch(
            keys: .keys(rows.map { keys[$0] }), vectors: memory, vectorStride: vectorByteCount, norms: rows.map { norms[$0] },
            columns: columns.map { $0?.selecting(rows) }, payloads: payloads.map { all in rows.map { all[$0] } },
            attachments: attachments.map { all in rows.map { all[$0] } }))
    }

    /// Throws where the batch does not fit the table or the format.
    func validate(for table: TableDescriptor) throws(StorageError) {
        func mismatch(_ what: String, _ actual: Int) -> StorageError {
            StorageError(.invalidArgument, "a batch of \(count) records has \(actual) \(what)", expected: count, actual: actual)
        }
        guard count == keys.count else { throw mismatch("keys", keys.count) }
        guard norms.count == count else { throw mismatch("norms", norms.count) }
        guard vectorStride >= table.vectorByteCount || count <= 1 else {
            throw StorageError(.invalidArgument, "vectors \(vectorStride) bytes apart overlap: each has \(table.vectorByteCount)")
        }
        guard columns.count <= table.columns.count else {
            throw StorageError(.invalidArgument, "a batch has \(columns.count) columns, collection '\(table.name)' only \(table.columns.count)")
        }
        for (descriptor, values) in zip(table.columns, columns) {
            guard let values else { continue }
            guard values.type == descriptor.type else {
                throw StorageError(.invalidArgument, "column '\(descriptor.name)' holds \(descriptor.type), not \(values.type)")
            }
            guard values.count == count else { throw mismatch("values of '\(descriptor.name)'", values.count) }
            try Self.validate(values, of: descriptor)
        }
        if let payloads {
            guard payloads.count == count else { throw mismatch("payloads", payloads.count) }
            for (row, payload) in payloads.enumerated() { try RecordValue.validate(payload, row: row) }
        }
        if let attachments {
            guard attachments.count == count else { throw mismatch("attachments", attachments.count) }
            for (row, attachment) in attachments.enumerated() { try RecordValue.validate(attachment, row: row) }
        }
        if case .keys(let keys) = keys {
            for (row, key) in keys.enumerated() { try key.validate(row: row) }
        }
    }

    private static func validate(_ values: ColumnValues, of descriptor: ColumnDescriptor) throws(StorageError) {
        switch values {
        case .string(let strings):
            for (row, string) in strings.enumerated() {
                if let string { try ColumnLimit.validate(string, of: descriptor, row: row) }
            }
        case .stringList(let lists):
            for (row, list) in lists.enumerated() {
                if let list { try ColumnLimit.validate(list, of: descriptor, row: row) }
            }
        default: break
        }
    }
}

/// What a column's values may be.
enum ColumnLimit {
    static let maximumStringByteCount = 1 << 20

    static func validate(_ string: String, of descriptor: ColumnDescriptor, row: Int?) throws(StorageError) {
        guard string.utf8.count <= maximumStringByteCount else {
            throw StorageError(.tooLarge, "a string in column '\(descriptor.name)' has at most \(maximumStringByteCount) bytes, not \(string.utf8.count); put long text into the payload",
                               row: row, expected: maximumStringByteCount, actual: string.utf8.count)
        }
    }

    static func validate(_ list: [String], of descriptor: ColumnDescriptor, row: Int?) throws(StorageError) {
        guard list.count <= listChunkCapacity else {
            throw StorageError(.tooLarge, "a list in column '\(descriptor.name)' has at most \(listChunkCapacity) strings, not \(list.count)",
                               row: row, expected: listChunkCapacity, actual: list.count)
        }
        for string in list { try validate(string, of: descriptor, row: row) }
    }
}

/// Values of the database `records`: (table, slot, kind) → bytes.
enum RecordValue {
    static let stringKey: UInt8 = 0
    static let payload: UInt8 = 1
    static let attachment: UInt8 = 2
    static let maximumByteCount = 256 << 20

    static func validate(_ data: Data?, row: Int?) throws(StorageError) {
        guard let data, data.count > maximumByteCount else { return }
        throw StorageError(.tooLarge, "a payload or attachment has at most \(maximumByteCount) bytes, not \(data.count)",
                           row: row, expected: maximumByteCount, actual: data.count)
    }
}
