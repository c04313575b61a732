import Needletail

/// What may stand in for the word before the cursor.
package struct Completion: Sendable, Hashable {
    /// How many characters (Unicode scalars) before the cursor are replaced.
    package var length: Int
    package var candidates: [String]
    /// What follows a candidate that is the only one.
    package var suffix = " "

    package init(length: Int, candidates: [String], suffix: String = " ") {
        self.length = length
        self.candidates = candidates
        self.suffix = suffix
    }

    /// What all candidates begin with.
    package var commonPrefix: String {
        guard var prefix = candidates.first else { return "" }
        for candidate in candidates { prefix = prefix.commonPrefix(with: candidate) }
        return prefix
    }

    /// The candidates in as many columns as fit, read from top to bottom.
    package static func columns(_ candidates: [String], width: Int) -> [String] {
        let cell = (candidates.map { TextWidth.of($0) }.max() ?? 0) + 2
        let perLine = max(1, width / max(1, cell))
        let lineCount = (candidates.count + perLine - 1) / perLine
        return (0 ..< lineCount).map { line in
            let row = stride(from: line, to: candidates.count, by: lineCount).map { candidates[$0] }
            return row.dropLast().map { TextWidth.padded($0, to: cell) }.joined() + (row.last ?? "")
        }
    }
}

extension String {
    func commonPrefix(with other: String) -> String {
        var end = startIndex
        var otherEnd = other.startIndex
        while end < endIndex, otherEnd < other.endIndex, self[end] == other[otherEnd] {
            end = index(after: end)
            otherEnd = other.index(after: otherEnd)
        }
        return String(self[..<end])
    }
}

/// Finds what fits at the end of a text that is being typed.
package struct CompletionSource: Sendable {
    /// Collection names, and the names of their fields.
    package var collections: [(name: String, fields: [String])]
    /// The names in the folder that a path leads to; those of folders end in a slash.
    package var files: @Sendable (String) -> [String]

    package init(collections: [(name: String, fields: [String])], files: @escaping @Sendable (String) -> [String] = { _ in [] }) {
        self.collections = collections
        self.files = files
    }

    /// The words of statements. Types and metrics come with them, as they are written where keywords are.
    package static let keywords = [
        "SELECT", "FROM", "WHERE", "ORDER", "BY", "GROUP", "LIMIT", "OFFSET", "ASC", "DESC", "DISTINCT", "AND", "OR", "NOT", "IN", "BETWEEN",
        "LIKE", "CONTAINS", "IS", "NULL", "TRUE", "FALSE", "AS", "COUNT", "EXPLAIN", "ANALYZE", "VERIFY", "INSERT", "INTO", "VALUES",
        "UPDATE", "SET", "DELETE", "CREATE", "DROP", "COLLECTION", "INDEX", "ON", "USING", "WITH", "WITHIN", "IF", "EXISTS", "REPLACE", "IGNORE", "RECALL",
        "VECTOR", "METRIC", "COSINE", "L2", "DOT", "BOOL", "INT", "DOUBLE", "TIMESTAMP", "STRING", "STRINGS", "INDEXED", "HNSW", "IVFPQ",
    ]

    private static let functions = ["image('", "record('"]

    /// Completes `text`, the input up to the cursor. `earlier` are the lines of the statement before it.
    package func complete(_ text: String, after earlier: String = "") -> Completion {
        if earlier.isEmpty, text.drop(while: { $0 == " " }).hasPrefix(".") { return completeCommand(text) }
        let statement = earlier + text
        if let (before, content) = openString(statement) {
            return before.lowercased().hasSuffix("image(") ? files(matching: content, suffix: "')") : Completion(length: 0, candidates: [])
        }
        let word = String(text.reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" }.reversed())
        let words = Self.words(statement.dropLast(word.count))
        let names: [String]
        switch words.last?.uppercased() {
        case "FROM", "INTO", "UPDATE", "COLLECTION": names = collections.map(\.name)
        case "ON" where words.contains { $0.uppercased() == "INDEX" }: names = collections.map(\.name)
        default:
            guard !word.isEmpty else { return Completion(length: 0, candidates: []) }
            return completeWord(word, fields: fields(of: Self.words(statement[...])))
        }
        let matching = names.filter { $0.lowercased().hasPrefix(word.lowercased()) }.map(Self.quoted)
        return Completion(length: word.unicodeScalars.count, candidates: matching.sorted())
    }

    private func completeWord(_ word: String, fields: [String]) -> Completion {
        let isLower = word.first?.isLowercase == true
        let folded = word.lowercased()
        var candidates = Set(fields.filter { $0.lowercased().hasPrefix(folded) }.map(Self.quoted))
        for keyword in Self.keywords where keyword.lowercased().hasPrefix(folded) { candidates.insert(isLower ? keyword.lowercased() : keyword) }
        for function in Self.functions where function.hasPrefix(folded) { candidates.insert(function) }
        let isFunction = candidates.count == 1 && candidates.first?.hasSuffix("'") == true
        return Completion(length: word.unicodeScalars.count, candidates: candidates.sorted(), suffix: isFunction ? "" : " ")
    }

    /// The fields of the collections that the statement names; of all where it names none yet.
    private func fields(of words: [String]) -> [String] {
        let named = collections.filter { words.contains($0.name) }
        return (named.isEmpty ? collections : named).flatMap(\.fields) + ["id", "distance", "score"]
    }

    // MARK: Commands and files

    private func completeCommand(_ text: String) -> Completion {
        let trimmed = text.drop { $0 == " " }
        guard let blank = trimmed.firstIndex(of: " ") else {
            let names = DotCommand.entries.map { $0.names[0] }.filter { $0.hasPrefix(trimmed.lowercased()) }
            return Completion(length: trimmed.unicodeScalars.count, candidates: names.sorted())
        }
        let arguments = trimmed[blank...].split(separator: " ", omittingEmptySubsequences: false).dropFirst()
        let last = String(arguments.last ?? "")
        guard let entry = try? DotCommand.entry(named: String(trimmed[..<blank])) else { return Completion(length: 0, candidates: []) }
        let isFirst = arguments.filter { !$0.isEmpty }.count <= (last.isEmpty ? 0 : 1)
        let words: [String]
        switch entry.names[0] {
        case ".open", ".read", ".output", ".model": return files(matching: last, suffix: " ")
        case ".import" where isFirst: return files(matching: last, suffix: " ")
        case ".import", ".schema", ".indexes": words = collections.map(\.name)
        case ".mode": words = OutputMode.allCases.map(\.rawValue)
        case ".timer", ".images": words = ["on", "off"]
        case ".help": words = DotCommand.entries.map { $0.names[0] }
        default: words = []
        }
        return Completion(length: last.unicodeScalars.count, candidates: words.filter { $0.hasPrefix(last) }.sorted())
    }

    private func files(matching path: String, suffix: String) -> Completion {
        let candidates = files(path)
        let isFolder = candidates.count == 1 && candidates[0].hasSuffix("/")
        return Completion(length: path.unicodeScalars.count, candidates: candidates.sorted(), suffix: isFolder ? "" : suffix)
    }

    /// The string at the end of a statement whose quote is not closed, and what stands before it.
    private func openString(_ statement: String) -> (before: Substring, content: String)? {
        guard statement.count(where: { $0 == "'" }) % 2 == 1, let quote = statement.lastIndex(of: "'") else { return nil }
        return (statement[..<quote], String(statement[statement.index(after: quote)...]))
    }

    // MARK: Words

    private static func words(_ text: Substring) -> [String] {
        text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
    }

    /// A name as a statement takes it: in double quotes unless it is a plain word.
    package static func quoted(_ name: String) -> String {
        let isPlain = name.first?.isNumber == false && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
        return isPlain ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
