/// What names a record within its collection: an integer or a string of at most 480 bytes of UTF-8.
///
/// Literals work: `let id: RecordID = 42`, `"cats/0017.jpg"`. The integer `1` and the string `"1"` are two different ids.
/// Strings are the same id only if their bytes are: the two spellings of "é" are two ids.
public enum RecordID: Hashable, Sendable {
    case int(Int64)
    case string(String)

    /// Whether two ids are the same type and the same number or bytes.
    public static func == (a: RecordID, b: RecordID) -> Bool { a.key == b.key }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) { hasher.combine(key) }

    /// The id for any integer that fits into 64 bits; `nil` for others.
    public init?(exactly value: some BinaryInteger) {
        guard let value = Int64(exactly: value) else { return nil }
        self = .int(value)
    }

    /// The integer, if this is one.
    public var intValue: Int64? {
        if case .int(let value) = self { value } else { nil }
    }

    /// The string, if this is one.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }
}

extension RecordID: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// An integer id.
    public init(integerLiteral value: Int64) { self = .int(value) }
    /// A string id.
    public init(stringLiteral value: String) { self = .string(value) }
}

/// Integers come before strings; each in their own order, strings by their UTF-8 bytes, as the file keeps them.
extension RecordID: Comparable {
    /// Integers before strings, each in their own order.
    public static func < (a: RecordID, b: RecordID) -> Bool {
        switch (a, b) {
        case (.int(let a), .int(let b)): a < b
        case (.int, .string): true
        case (.string, .int): false
        case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
        }
    }
}

/// The bare number or string, as a person would write it in a path or a table.
extension RecordID: CustomStringConvertible {
    /// The number or the string, bare.
    public var description: String {
        switch self {
        case .int(let value): String(value)
        case .string(let value): value
        }
    }
}

/// A number or a string, without a wrapper.
extension RecordID: Codable {
    /// Reads a number or a string.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Int64.self) {
            self = .int(value)
        } else {
            self = .string(try container.decode(String.self))
        }
    }

    /// Writes a number or a string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .int(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        }
    }
}
