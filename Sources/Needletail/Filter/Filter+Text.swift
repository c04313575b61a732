extension Filter {
    /// Reads a filter from text, such as `label IN ('cat', 'dog') AND taken >= '2024-01-01'`.
    ///
    /// - Conditions: `= != < <= > >=` (also `==` and `<>`), `IN (…)`, `BETWEEN a AND b`, `LIKE 'prefix%'`, `CONTAINS 'x'` for a list,
    ///   each of the last four also after `NOT`; `IS NULL`, `IS NOT NULL`; the name of a bool field alone.
    /// - `NOT`, `AND`, `OR` bind in this order, the tightest first; parentheses group.
    /// - Names stand bare or in `"double quotes"`, strings in `'single quotes'`; a quote within is doubled.
    /// - Numbers are written `-3`, `2.5`, `1e-3`, `INFINITY`; timestamps as strings in ISO 8601, or `TIMESTAMP '2024-01-31T12:00Z'`.
    /// - Keywords are read in any case. `--` begins a comment that ends with the line.
    ///
    /// - Throws: `syntax` with the ``NeedletailError/position`` of the culprit, and a message that shows it;
    ///   `tooLarge` for a text above 1 MiB.
    public init(parsing text: String) throws(NeedletailError) {
        var tokens = try TokenStream(text)
        var parser = FilterParser()
        self = try parser.filter(&tokens)
        guard tokens.current.kind == .end else {
            throw tokens.unexpected("AND, OR or the end of the filter", candidates: ["AND", "OR"])
        }
    }
}

/// The filter as text that ``init(parsing:)`` reads back to an equal filter.
///
/// It does so for every filter that text, operators, ``all(of:)`` or ``any(of:)`` can make. A tree put together by hand with an
/// `and` directly below an `and`, or of one term, comes back flat; NaN equals nothing, itself included.
extension Filter: CustomStringConvertible {
    /// The filter as text, which parses back to an equal filter.
    public var description: String {
        description(literal: Self.literal)
    }

    /// The filter as text, with its literals, in order, as `literal` writes them. Of `LIKE` it is given the whole pattern.
    func description(literal: (Value) -> String) -> String {
        var text = ""
        write(to: &text, within: .or, literal)
        return text
    }

    /// How tightly the surroundings bind: what binds less tightly needs parentheses.
    private enum Binding: Int { case or, and, not }

    private func write(to text: inout String, within surroundings: Binding, _ literal: (Value) -> String) {
        switch self {
        case .comparison(let field, let comparison, let value):
            text += "\(Self.name(field)) \(comparison.rawValue) \(literal(value))"
        case .isIn(let field, _), .isBetween(let field, _, _), .contains(let field, _), .hasPrefix(let field, _):
            text += Self.name(field) + wordCondition(literal)
        case .isNull(let field):
            text += "\(Self.name(field)) IS NULL"
        case .not(.isNull(let field)):
            text += "\(Self.name(field)) IS NOT NULL"
        case .not(let inner):
            switch inner {
            case .isIn(let field, _), .isBetween(let field, _, _), .contains(let field, _), .hasPrefix(let field, _):
                text += Self.name(field) + " NOT" + inner.wordCondition(literal)
            default:
                text += "NOT "
                inner.write(to: &text, within: .not, literal)
            }
        case .and(let terms):
            Self.write(terms, joinedBy: " AND ", empty: "TRUE", as: .and, within: surroundings, to: &text, literal)
        case .or(let terms):
            Self.write(terms, joinedBy: " OR ", empty: "FALSE", as: .or, within: surroundings, to: &text, literal)
        }
    }

    private static func write(
        _ terms: [Filter], joinedBy word: String, empty: String, as binding: Binding, within surroundings: Binding, to text: inout String,
        _ literal: (Value) -> String
    ) {
        guard !terms.isEmpty else {
            text += empty
            return
        }
        let parentheses = binding.rawValue < surroundings.rawValue
        if parentheses { text += "(" }
        for (position, term) in terms.enumerated() {
            if position > 0 { text += word }
            term.write(to: &text, within: binding, literal)
        }
        if parentheses { text += ")" }
    }

    /// The operator and what follows it, for the conditions that `NOT` may precede within.
    private func wordCondition(_ literal: (Value) -> String) -> String {
        switch self {
        case .isIn(_, let values):
            " IN (" + values.map(literal).joined(separator: ", ") + ")"
        case .isBetween(_, let lower, let upper):
            " BETWEEN \(literal(lower)) AND \(literal(upper))"
        case .contains(_, let string):
            " CONTAINS \(literal(.string(string)))"
        case .hasPrefix(_, let prefix):
            " LIKE " + literal(.string(Self.escapedPattern(prefix) + "%"))
        case .comparison, .isNull, .not, .and, .or:
            ""
        }
    }

    /// A field's name, in quotes unless it is a plain ASCII word and no keyword.
    package static func name(_ name: String) -> String {
        let isWord = name.utf8.enumerated().allSatisfy { position, byte in
            (UInt8(ascii: "a") ... UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A") ... UInt8(ascii: "Z")).contains(byte)
                || byte == UInt8(ascii: "_") || (position > 0 && (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(byte))
        }
        if isWord, !name.isEmpty, !FilterParser.reservedWords.contains(name.uppercased()) { return name }
        return "\"" + doubled("\"", in: name) + "\""
    }

    /// A value as a literal of a filter or statement.
    package static func literal(_ value: Value) -> String {
        switch value {
        case .null: "NULL"
        case .bool(let value): value ? "TRUE" : "FALSE"
        case .int(let value): String(value)
        case .double(let value):
            value.isFinite ? String(value) : value.isNaN ? "NAN" : value < 0 ? "-INFINITY" : "INFINITY"
        case .timestamp(let value): "TIMESTAMP '\(value.iso8601)'"
        case .string(let value): quoted(value)
        case .strings(let values): "(" + values.map(quoted).joined(separator: ", ") + ")"
        }
    }

    private static func quoted(_ string: String) -> String { "'" + doubled("'", in: string) + "'" }

    private static func escapedPattern(_ prefix: String) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in prefix.unicodeScalars {
            if scalar == "%" || scalar == "_" || scalar == "\\" { escaped.append("\\") }
            escaped.append(scalar)
        }
        return String(escaped)
    }

    // By scalars and not by characters: a quote followed by a combining mark is one character, but still ends the string.
    private static func doubled(_ quote: Unicode.Scalar, in string: String) -> String {
        var doubled = String.UnicodeScalarView()
        for scalar in string.unicodeScalars {
            if scalar == quote { doubled.append(quote) }
            doubled.append(scalar)
        }
        return String(doubled)
    }
}
