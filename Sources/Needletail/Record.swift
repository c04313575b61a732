import Foundation

/// One record: an id, a vector, metadata.
public struct Record: Sendable, Hashable {
    /// The id, unique in its collection.
    public var id: RecordID
    /// The vector, `dimension` components. Empty where it was not asked for.
    public var vector: [Float]
    /// Values by field name; a field that is absent is null.
    public var fields: [String: Value]
    /// A JSON document that filters do not see; returned as it was given.
    public var payload: Data?
    /// Bytes that go with the record, such as a small JPEG thumbnail.
    public var attachment: Data?

    /// Makes a record.
    public init(
        id: RecordID, vector: [Float], fields: [String: Value] = [:], payload: Data? = nil, attachment: Data? = nil
    ) {
        self.id = id
        self.vector = vector
        self.fields = fields
        self.payload = payload
        self.attachment = attachment
    }
}

/// Many records by column, the quickest form for bulk loading.
///
/// Every array that is given has one element a record.
public struct RecordBatch: Sendable {
    /// The ids of a batch.
    public enum IDs: Sendable {
        /// Consecutive integers.
        case range(Range<Int64>)
        /// Any ids.
        case list([RecordID])

        /// How many there are.
        public var count: Int {
            switch self {
            case .range(let range):
                // A range of most of the integers has more elements than `Int` can count.
                let (count, overflow) = Int(range.upperBound).subtractingReportingOverflow(Int(range.lowerBound))
                return overflow ? .max : count
            case .list(let list): return list.count
            }
        }

        /// The id of record `row`.
        public subscript(row: Int) -> RecordID {
            switch self {
            case .range(let range): .int(range.lowerBound + Int64(row))
            case .list(let list): list[row]
            }
        }
    }

    /// The values of one field; `nil` is null.
    public enum Column: Sendable {
        case bool([Bool?])
        case int([Int64?])
        case double([Double?])
        case timestamp([Timestamp?])
        case string([String?])
        case strings([[String]?])

        /// How many values there are.
        public var count: Int {
            switch self {
            case .bool(let values): values.count
            case .int(let values): values.count
            case .double(let values): values.count
            case .timestamp(let values): values.count
            case .string(let values): values.count
            case .strings(let values): values.count
            }
        }

        /// The type of field it fits.
        public var type: FieldType {
            switch self {
            case .bool: .bool
            case .int: .int
            case .double: .double
            case .timestamp: .timestamp
            case .string: .string
            case .strings: .strings
            }
        }
    }

    /// Where the vectors lie.
    enum Vectors: @unchecked Sendable {
        case array([Float])
        /// Rows of floats in memory of the caller, who promised to keep it until the insert returns.
        case memory(UnsafeRawPointer, rowByteStride: Int)
    }

    /// One id a record.
    public var ids: IDs
    /// Values by field name; a field that is absent is null in every record.
    public var columns: [String: Column]
    /// JSON documents, one a record, or none at all.
    public var payloads: [Data?]?
    /// Attachments, one a record, or none at all.
    public var attachments: [Data?]?
    var vectors: Vectors

    /// A batch whose vectors are in `vectors`, row after row (`count × dimension`).
    public init(ids: IDs, vectors: [Float], columns: [String: Column] = [:], payloads: [Data?]? = nil, attachments: [Data?]? = nil) {
        self.ids = ids
        self.vectors = .array(vectors)
        self.columns = columns
        self.payloads = payloads
        self.attachments = attachments
    }

    /// A batch whose vectors are read where they lie, such as in a mapped file.
    ///
    /// Row `i` is `dimension` 32-bit floats at `address + i × rowByteStride`, both multiples of 4. The memory must hold
    /// `ids.count` rows and stay valid and unchanged until the insert returns.
    public init(ids: IDs, unsafeVectors address: UnsafeRawPointer, rowByteStride: Int, columns: [String: Column] = [:], payloads: [Data?]? = nil, attachments: [Data?]? = nil) {
        self.ids = ids
        self.vectors = .memory(address, rowByteStride: rowByteStride)
        self.columns = columns
        self.payloads = payloads
        self.attachments = attachments
    }

    /// How many records the batch has.
    public var count: Int { ids.count }
}

/// What to do with a record whose id exists.
public enum ConflictPolicy: Sendable, Hashable {
    /// Throw ``NeedletailError/Code/duplicateID``, and write nothing.
    case fail
    /// Replace the record.
    case replace
    /// Keep the record that is there.
    case skip
}

/// When a write counts as done.
public enum Durability: Sendable, Hashable {
    /// When it is on the disk: it survives a power cut.
    case full
    /// When the operating system has it: it survives the death of the process. A power cut before ``Database/sync()``
    /// (or the next full write) may damage the file, so use it only for a load that can be repeated from its source.
    case relaxed
}
