import Foundation
import NeedletailStorage

/// A batch that was checked and brought into the form that storage takes, before the writer's turn comes.
struct EncodedBatch: Sendable {
    enum Vectors: @unchecked Sendable {
        case floats([Float])
        case bytes([UInt8])
        case memory(UnsafeRawPointer, rowByteStride: Int)
    }

    var count: Int
    var keys: NeedletailStorage.RecordBatch.Keys
    var vectors: Vectors
    var vectorByteCount: Int
    var norms: [Float]
    var columns: [ColumnValues?]
    var payloads: [Data?]?
    var attachments: [Data?]?

    /// Hands the batch to storage. Returns how many records were written.
    func append(to table: TableWriter, _ policy: OnDuplicate) throws(StorageError) -> Int {
        func append(_ rows: UnsafeRawPointer, _ stride: Int) throws(StorageError) -> Int {
            let before = table.slotCount
            try table.append(
                NeedletailStorage.RecordBatch(
                    keys: keys, vectors: rows, vectorStride: stride, norms: norms, columns: columns,
                    payloads: payloads, attachments: attachments),
                onDuplicate: policy)
            return table.slotCount - before
        }
        func array<T>(_ values: [T]) throws(StorageError) -> Int {
            // A batch is never empty, so there is a base address.
            let result = values.withUnsafeBytes { bytes -> Result<Int, StorageError> in
                guard let base = bytes.baseAddress else { return .success(0) }
                do throws(StorageError) { return .success(try append(base, vectorByteCount)) } catch { return .failure(error) }
            }
            return try result.get()
        }
        switch vectors {
        case .floats(let values): return try array(values)
        case .bytes(let values): return try array(values)
        case .memory(let address, let stride): return try append(address, stride)
        }
    }
}

/// Checks batches against a schema and encodes them.
struct BatchEncoder {
    let schema: Schema

    func encode(_ records: [Record]) throws(NeedletailError) -> EncodedBatch {
        var vectors: [Float] = []
        vectors.reserveCapacity(records.count * schema.dimension)
        for (row, record) in records.enumerated() {
            guard record.vector.count == schema.dimension else { throw mismatch(record.vector.count, id: record.id, row: row) }
            vectors.append(contentsOf: record.vector)
        }
        var columns: [ColumnValues?] = []
        let known = Set(schema.fields.map(\.name))
        for (row, record) in records.enumerated() {
            for name in record.fields.keys where !known.contains(name) {
                do throws(NeedletailError) { _ = try schema.position(of: name) } catch {
                    throw located(error, id: record.id, row: row)
                }
            }
        }
        for field in schema.fields { columns.append(try column(field, of: records)) }
        return try finish(
            ids: .list(records.map(\.id)), vectors: .array(vectors), columns: columns,
            payloads: records.contains { $0.payload != nil } ? records.map(\.payload) : nil,
            attachments: records.contains { $0.attachment != nil } ? records.map(\.attachment) : nil)
    }

    func encode(_ batch: RecordBatch) throws(NeedletailError) -> EncodedBatch {
        guard batch.count < Int(UInt32.max) else {
            throw NeedletailError(
                .tooLarge, "a batch of \(batch.count) records is too large: a collection has at most 4,294,967,294", expected: Int(UInt32.max) - 1,
                actual: batch.count)
        }
        if case .array(let floats) = batch.vectors, floats.count != batch.count * schema.dimension {
            throw NeedletailError(
                .dimensionMismatch,
                "\(floats.count) floats are not \(batch.count) vectors of dimension \(schema.dimension)",
                expected: batch.count * schema.dimension, actual: floats.count)
        }
        var columns = [ColumnValues?](repeating: nil, count: schema.fields.count)
        for (name, column) in batch.columns {
            let position = try schema.position(of: name)
            let field = schema.fields[position]
            guard column.type == field.type else {
                throw NeedletailError(.typeMismatch, "field '\(name)' is of type \(field.type.rawValue), the batch gives \(column.type.rawValue)")
            }
            guard column.count == batch.count else {
                throw NeedletailError(
                    .invalidArgument, "field '\(name)' has \(column.count) values for \(batch.count) records", expected: batch.count, actual: column.count)
            }
            switch column {
            case .bool(let values): columns[position] = .bool(values)
            case .int(let values): columns[position] = .int(values)
            case .double(let values): columns[position] = .double(values)
            case .timestamp(let values): columns[position] = .timestamp(values.map { $0?.microsecondsSince1970 })
            case .string(let values): columns[position] = .string(values)
            case .strings(let values): columns[position] = .stringList(values)
            }
        }
        for (what, count) in [("payloads", batch.payloads?.count), ("attachments", batch.attachments?.count)] {
            if let count, count != batch.count {
                throw NeedletailError(.invalidArgument, "there are \(count) \(what) for \(batch.count) records", expected: batch.count, actual: count)
            }
        }
        return try finish(ids: batch.ids, vectors: batch.vectors, columns: columns, payloads: batch.payloads, attachments: batch.attachments)
    }

    private func finish(
        ids: RecordBatch.IDs, vectors: RecordBatch.Vectors, columns: [ColumnValues?], payloads: [Data?]?, attachments: [Data?]?
    ) throws(NeedletailError) -> EncodedBatch {
        if let payloads { try check(payloads, ids) }
        let (encoded, norms) = try VectorEncoder(schema: schema, ids: ids).encode(vectors)
        let keys: NeedletailStorage.RecordBatch.Keys =
            switch ids {
            case .range(let range): .range(range)
            case .list(let list): .keys(list.map(\.key))
            }
        return EncodedBatch(
            count: ids.count, keys: keys, vectors: encoded, vectorByteCount: schema.vectorByteCount, norms: norms,
            columns: columns, payloads: payloads, attachments: attachments)
    }

    /// A payload must be JSON, so that every reader can rely on it.
    private func check(_ payloads: [Data?], _ ids: RecordBatch.IDs) throws(NeedletailError) {
        for (row, payload) in payloads.enumerated() {
            if let payload { try Self.requireJSON(payload, of: ids[row], row: row) }
        }
    }

    static func requireJSON(_ payload: Data, of id: RecordID, row: Int? = nil) throws(NeedletailError) {
        do {
            _ = try JSONSerialization.jsonObject(with: payload, options: [.fragmentsAllowed])
        } catch {
            throw NeedletailError(.invalidArgument, "the payload of record \(id) is not JSON: \(error.localizedDescription)", row: row)
        }
    }

    private func mismatch(_ count: Int, id: RecordID, row: Int) -> NeedletailError {
        NeedletailError(
            .dimensionMismatch,
            "the vector of record \(id) has \(count) components, the collection's dimension is \(schema.dimension)",
            expected: schema.dimension, actual: count, row: row)
    }

    private func located(_ error: NeedletailError, id: RecordID, row: Int) -> NeedletailError {
        var error = error
        error.message = "record \(id): " + error.message
        error.row = row
        return error
    }

    /// One field of all records; `nil` when all are null.
    private func column(_ field: Field, of records: [Record]) throws(NeedletailError) -> ColumnValues? {
        func gather<T>(_ convert: (CellValue) -> T?) throws(NeedletailError) -> [T?]? {
            var values: [T?] = []
            values.reserveCapacity(records.count)
            var any = false
            for (row, record) in records.enumerated() {
                guard let value = record.fields[field.name], value != .null else {
                    values.append(nil)
                    continue
                }
                do throws(NeedletailError) {
                    values.append(convert(try value.cell(for: field)))
                } catch { throw located(error, id: record.id, row: row) }
                any = true
            }
            return any ? values : nil
        }
        switch field.type {
        case .bool: return try gather { if case .bool(let v) = $0 { v } else { nil } }.map { .bool($0) }
        case .int: return try gather { if case .int(let v) = $0 { v } else { nil } }.map { .int($0) }
        case .double: return try gather { if case .double(let v) = $0 { v } else { nil } }.map { .double($0) }
        case .timestamp: return try gather { if case .timestamp(let v) = $0 { v } else { nil } }.map { .timestamp($0) }
        case .string: return try gather { if case .string(let v) = $0 { v } else { nil } }.map { .string($0) }
        case .strings: return try gather { if case .stringList(let v) = $0 { v } else { nil } }.map { .stringList($0) }
        }
    }
}

extension Value {
    /// The value as a cell of `field`: the types must agree, but a whole number may stand for a double.
    func cell(for field: Field) throws(NeedletailError) -> CellValue {
        switch (self, field.type) {
        case (.null, _): return .null
        case (.bool(let value), .bool): return .bool(value)
        case (.int(let value), .int): return .int(value)
        case (.double(let value), .double): return .double(value)
        case (.int(let value), .double): return .double(Double(value))
        case (.timestamp(let value), .timestamp): return .timestamp(value.microsecondsSince1970)
        case (.string(let value), .string): return .string(value)
        case (.strings(let value), .strings): return .stringList(value)
        default:
            throw NeedletailError(.typeMismatch, "field '\(field.name)' is of type \(field.type.rawValue); \(self) is not")
        }
    }

    init(_ cell: CellValue) {
        switch cell {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .double(let value): self = .double(value)
        case .timestamp(let value): self = .timestamp(Timestamp(microsecondsSince1970: value))
        case .string(let value): self = .string(value)
        case .stringList(let value): self = .strings(value)
        }
    }
}

extension RecordID {
    var key: RecordKey {
        switch self {
        case .int(let value): .int(value)
        case .string(let value): .string(value)
        }
    }

    init(_ key: RecordKey) {
        switch key {
        case .int(let value): self = .int(value)
        case .string(let value): self = .string(value)
        }
    }
}
