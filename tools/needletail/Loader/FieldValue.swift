import Needletail

extension RecordBatch.Column {
    /// The column without the rows at `positions`.
    package func removing(_ positions: Set<Int>) -> RecordBatch.Column {
        func kept<T>(_ values: [T]) -> [T] { values.enumerated().filter { !positions.contains($0.offset) }.map(\.element) }
        return switch self {
        case .bool(let values): .bool(kept(values))
        case .int(let values): .int(kept(values))
        case .double(let values): .double(kept(values))
        case .timestamp(let values): .timestamp(kept(values))
        case .string(let values): .string(kept(values))
        case .strings(let values): .strings(kept(values))
        }
    }
}

extension Value {
    /// The JSON value as a value of `type`.
    ///
    /// - Parameter becomesText: whether values of other types become strings, in a column found to be mixed.
    /// - Returns: `nil` where the value is not of that type.
    package init?(_ value: JSONValue, as type: FieldType, isUntyped: Bool, becomesText: Bool) {
        if value == .null {
            self = .null
            return
        }
        if isUntyped, case .string(let text) = value, type != .string {
            // The text of a cell: what it reads as must be of the type.
            self.init(.reading(text), as: type, isUntyped: false, becomesText: false)
            return
        }
        switch (type, value) {
        case (.bool, .bool(let value)): self = .bool(value)
        case (.int, .int(let value)): self = .int(value)
        case (.int, .double(let value)):
            guard let whole = Int64(exactly: value) else { return nil }
            self = .int(whole)
        case (.double, .int(let value)): self = .double(Double(value))
        case (.double, .double(let value)): self = .double(value)
        case (.timestamp, .string(let text)):
            guard let instant = Timestamp(iso8601: text) else { return nil }
            self = .timestamp(instant)
        case (.string, .string(let text)): self = .string(text)
        case (.strings, .strings(let texts)): self = .strings(texts)
        case (.string, _) where becomesText: self = .string(value.text)
        default: return nil
        }
    }
}

extension JSONValue {
    /// The value as text: strings bare, all else in JSON.
    package var text: String {
        if case .string(let text) = self { text } else { json }
    }

    /// The value in JSON.
    package var json: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let value): JSONText.number(value)
        case .string(let text): JSONText.string(text)
        case .numbers(let numbers): JSONText.list(numbers.map { JSONText.number($0) })
        case .strings(let texts): JSONText.list(texts.map(JSONText.string))
        case .other(let text): text
        }
    }
}
