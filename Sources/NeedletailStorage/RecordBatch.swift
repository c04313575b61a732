import Foundation

/// A record's external id. Strings are compared by their bytes, as the file does, and not as Unicode would have it.
package enum RecordKey: Hashable, Sendable, CustomStringConvertible {
    case int(Int64), string(String)

    package static func == (a: RecordKey, b: RecordKey) -> Bool {
        switch (a, b) {
        case (.int(let a), .int(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .int(let value): hasher.combine(value)
        case .string(let value):
            var value = value
            value.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    package var description: String {
        switch self {
        case .int(let value): String(value)
        case .string(let value): "'\(value)'"
        }
    }
}

/// The values of one column of a batch; `nil` is null.
package enum ColumnValues: Sendable {
    case bool([Bool?]), int([Int64?]), double([Double?]), timestamp([Int64?]), string([String?]), stringList([[String]?])

    package var type: ColumnType {
        switch self {
        case .bool: .bool
        case .int: .int
        case .double: .double
        case .timestamp: .timestamp
        case .string: .string
        case .stringList: .stringList
        }
    }

    package var count: Int {
        switch self {
        case .bool(let values): values.count
        case .int(let values), .timestamp(let values): values.count
        case .double(let values): values.count
        case .string(let values): values.count
        case .stringList(let values): values.count
        }
    }

    func selecting(_ rows: [Int]) -> ColumnValues {
        switch self {
        case .bool(let values): .bool(rows.map { values[$0] })
        case .int(let values): .int(rows.map { values[$0] })
        case .double(let values): .double(rows.map { values[$0] })
        case .timestamp(let values): .timestamp(rows.map { values[$0] })
        case .string(let values): .string(rows.map { values[$0] })
        case .stringList(let values): .stringList(rows.map { values[$0] })
        }
    }
}

/// One value of one row.
package enum CellValue: Sendable, Hashable {
    case null, bool(Bool), int(Int64), double(Double), timestamp(Int64), string(String), stringList([String])
}

/// Rows to append. Built and used inside the write closure: it points at the caller's memory.
package struct RecordBatch {
    /// The keys of a batch.
    package enum Keys {
        case range(Range<Int64>), ints([Int64]), keys([RecordKey])

        package var count: Int {
            switch self {
            case .range(let range): range.count
            case .ints(let values): values.count
            case .keys(let values): values.count
            }
        }

        subscript(row: Int) -> RecordKey {
            switch self {
            case .range(let range): .int(range.lowerBound + Int64(row))
            case .ints(let values): .int(values[row])
            case .keys(let values): values[row]
            }
        }
    }

    package var keys: Keys
    /// Row `i` stands at `vectors + i * vectorStride`.
    package var vectors: UnsafeRawPointer
    package var vectorStride: Int
    /// One opaque number a row, computed by the layer above from the metric.
    package var norms: [Float]
    /// By column position; `nil` = all null. May be shorter than the table's columns.
    package var columns: [ColumnValues?]
    /// JSON, one a row.
    package var payloads: [Data?]?
    package var attachments: [Data?]?
    package var count: Int

    package init(
        keys: Keys, vectors: UnsafeRawPointer, vectorStride: Int, norms: [Float], columns: [ColumnValues?] = [],
        payloads: [Data?]? = nil, attachments: [Data?]? = nil
    ) {
        self.keys = keys
        self.vectors = vectors
        self.vectorStride = vectorStride
        self.norms = norms
        self.columns = columns
        self.payloads = payloads
        self.attachments = attachments
        count = keys.count
    }
}

/// What an append does with a key that exists.
package enum OnDuplicate: Sendable {
    /// Throws `.duplicateKey`, nothing is written.
    case fail
    /// The old row is deleted; of two in one batch the later stays.
    case replace
    /// The new row is left out; of two in one batch the earlier stays.
    case skip
}
