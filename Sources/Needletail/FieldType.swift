/// The type of a metadata field. Every field may also be null.
public enum FieldType: String, Codable, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// True or false.
    case bool
    /// A signed 64-bit integer.
    case int
    /// A 64-bit floating-point number.
    case double
    /// An instant with microseconds: ``Timestamp``.
    case timestamp
    /// A string; equal strings of one field are stored once.
    case string
    /// A list of strings, such as tags.
    case strings

    /// The type of this name, in any case, as in `--field NAME:TYPE`; `nil` where there is no such type.
    ///
    /// Besides the names of the cases, the usual words of SQL and of programming languages are understood:
    /// `boolean`, `integer`, `bigint`, `float`, `real`, `number`, `datetime`, `date`, `text`, `varchar`, `tags`, `text[]` and the like.
    public init?(name: some StringProtocol) {
        switch name.lowercased() {
        case "bool", "boolean": self = .bool
        case "int", "integer", "int64", "bigint", "long", "i64": self = .int
        case "double", "float", "float64", "real", "number", "f64": self = .double
        case "timestamp", "datetime", "date", "time", "timestamptz": self = .timestamp
        case "string", "str", "text", "varchar", "keyword": self = .string
        case "strings", "stringlist", "string_list", "list", "tags", "string[]", "text[]", "[string]": self = .strings
        default: return nil
        }
    }

    /// The name that tools and documents use.
    public var description: String { rawValue }
}
