import Needletail

/// What the columns of a table are, judged from a sample of its rows.
///
/// Types widen as rows disagree: integers to doubles, timestamps to strings, and whatever else does not fit together
/// to strings. Objects and lists that no field can hold stay JSON and go into the record's payload.
package struct TypeInference {
    /// What is known of one column.
    private struct Observation {
        var kinds: Set<Kind> = []
        /// How many of its lists of numbers have which length.
        var lengths: [Int: Int] = [:]
    }

    private enum Kind { case bool, int, double, timestamp, string, strings, numbers, other }

    /// What becomes of a column.
    package enum Meaning: Sendable, Hashable {
        /// A field. `isMixed` says that values of several types were seen, which are to become strings.
        case field(FieldType, isMixed: Bool)
        /// Lists of numbers, all of this length.
        case vector(dimension: Int)
        /// JSON that no field type holds.
        case payload
    }

    /// The columns' names in order of their first appearance.
    package private(set) var columns: [String] = []
    private var observations: [String: Observation] = [:]

    package init() {}

    /// Takes note of `row`; `names` are the reader's columns. `isUntyped` values are text, to be judged by its form.
    package mutating func observe(_ row: TableRow, names: [String], isUntyped: Bool) {
        for (name, value) in zip(names, row.values) {
            if observations[name] == nil {
                observations[name] = Observation()
                columns.append(name)
            }
            guard let (kind, length) = Self.kind(of: value, isUntyped: isUntyped) else { continue }
            observations[name]?.kinds.insert(kind)
            if let length { observations[name]?.lengths[length, default: 0] += 1 }
        }
    }

    /// What `column` is; a column of nulls only is a string field.
    package func meaning(of column: String) -> Meaning {
        guard let observation = observations[column], let first = observation.kinds.first else { return .field(.string, isMixed: false) }
        let kinds = observation.kinds
        if kinds == [.numbers] {
            guard observation.lengths.count == 1, let length = observation.lengths.keys.first else { return .payload }
            return .vector(dimension: length)
        }
        if kinds.contains(.numbers) || kinds.contains(.other) { return .payload }
        if kinds == [.int, .double] { return .field(.double, isMixed: false) }
        if kinds == [.timestamp, .string] { return .field(.string, isMixed: false) }
        guard kinds.count == 1 else { return .field(.string, isMixed: true) }
        switch first {
        case .bool: return .field(.bool, isMixed: false)
        case .int: return .field(.int, isMixed: false)
        case .double: return .field(.double, isMixed: false)
        case .timestamp: return .field(.timestamp, isMixed: false)
        case .strings: return .field(.strings, isMixed: false)
        case .string, .numbers, .other: return .field(.string, isMixed: false)
        }
    }

    /// The first column of number lists that have one length. Where there is none, the first of whose
    /// lists more than half have one length: the others are errors, to be told of by their lines.
    package var firstVectorColumn: String? {
        if let column = columns.first(where: { if case .vector = meaning(of: $0) { true } else { false } }) { return column }
        return columns.first { column in
            guard let lengths = observations[column]?.lengths, let most = lengths.values.max() else { return false }
            return most * 2 > lengths.values.reduce(0, +)
        }
    }

    /// The length that most of the column's lists of numbers have; `nil` where there are none.
    package func dimension(of column: String) -> Int? {
        observations[column]?.lengths.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    private static func kind(of value: JSONValue, isUntyped: Bool) -> (Kind, length: Int?)? {
        switch value {
        case .null: nil
        case .bool: (.bool, nil)
        case .int: (.int, nil)
        case .double: (.double, nil)
        case .string(let text):
            if isUntyped { kind(of: .reading(text), isUntyped: false) } else { (Timestamp(iso8601: text) == nil ? .string : .timestamp, nil) }
        case .strings: (.strings, nil)
        case .numbers(let numbers): (.numbers, numbers.count)
        case .other: (.other, nil)
        }
    }
}

extension JSONValue {
    /// The value that a cell of text stands for: `true`, a number, a JSON list, or the text itself.
    ///
    /// Only a number's usual form counts: `007` and `+1` are more likely codes, and stay text.
    package static func reading(_ text: String) -> JSONValue {
        guard let first = text.utf8.first else { return .string(text) }
        switch first {
        case UInt8(ascii: "["), UInt8(ascii: "-"), UInt8(ascii: "0") ... UInt8(ascii: "9"):
            guard let value = try? JSONCursor.value(of: text) else { return .string(text) }
            // A list of neither strings nor numbers is no list to us.
            if case .other = value { return .string(text) }
            return value
        case UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "f"), UInt8(ascii: "F"):
            switch text.lowercased() {
            case "true": return .bool(true)
            case "false": return .bool(false)
            default: return .string(text)
            }
        default: return .string(text)
        }
    }
}
