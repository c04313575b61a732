import Needletail

/// Writing JSON: a text as a string literal, numbers as the shortest text that reads back the same.
package enum JSONText {
    package static func string(_ text: String) -> String {
        var result = "\""
        result.reserveCapacity(text.utf8.count + 2)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}" ..< "\u{20}", "\u{7F}" ... "\u{9F}", "\u{2028}", "\u{2029}":
                let code = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// JSON has no NaN and no infinity: they become null.
    package static func number(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }

    package static func number(_ value: Float) -> String {
        guard value.isFinite else { return "null" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }

    package static func list(_ elements: [String]) -> String { "[" + elements.joined(separator: ",") + "]" }

    /// An object whose members' values are JSON already.
    package static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { string($0.0) + ":" + $0.1 }.joined(separator: ",") + "}"
    }

    /// An object that is JSON already and has members, with some more at its end.
    package static func object(_ json: String, adding members: [(String, String)]) -> String {
        precondition(json.hasPrefix("{") && json.hasSuffix("}") && json.count > 2, "an object with members is added to, not \(json)")
        return json.dropLast() + "," + object(members).dropFirst()
    }

    package static func value(_ value: Value) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .double(let value): number(value)
        case .timestamp(let value): string(value.iso8601)
        case .string(let value): string(value)
        case .strings(let values): list(values.map(string))
        }
    }

    package static func id(_ id: RecordID) -> String {
        switch id {
        case .int(let value): String(value)
        case .string(let value): string(value)
        }
    }
}
