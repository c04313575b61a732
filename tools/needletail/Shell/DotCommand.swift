/// A line that speaks to the shell and not to the database, such as `.mode csv`.
package enum DotCommand: Sendable, Hashable {
    case help(String?)
    case open(String)
    case collections
    case schema(String?)
    case indexes(String?)
    case info
    /// Without a mode, the one in force is told.
    case mode(OutputMode?, file: String?)
    case timer(Bool?)
    case images(Bool?)
    case model(String?)
    case importFile(String, collection: String)
    case read(String)
    /// Without a file, results go to the screen again.
    case output(String?)
    case quit

    /// What the help tells of a command. The first name is the one it shows; users of other shells try the others.
    package struct Entry: Sendable {
        package var names: [String]
        package var arguments: String
        package var summary: String
    }

    /// All commands, as the help lists them.
    package static let entries: [Entry] = [
        Entry(names: [".collections", ".tables"], arguments: "", summary: "List the collections"),
        Entry(names: [".schema"], arguments: "[COLLECTION]", summary: "Show what a collection's records hold"),
        Entry(names: [".indexes", ".indices"], arguments: "[COLLECTION]", summary: "Show the indexes and the recall they measured"),
        Entry(names: [".info"], arguments: "", summary: "Tell about the file, and what is known of the fields' values"),
        Entry(names: [".import"], arguments: "FILE COLLECTION", summary: "Load a .csv, .jsonl, .npy, .fvecs or .bvecs file"),
        Entry(names: [".mode"], arguments: "[table|json|csv|line|sheet]", summary: "How rows are printed; sheet [FILE] makes a page with pictures"),
        Entry(names: [".timer"], arguments: "on|off", summary: "Print how long each statement takes"),
        Entry(names: [".images"], arguments: "on|off", summary: "Show the records' pictures beside their rows"),
        Entry(names: [".model"], arguments: "[FILE]", summary: "The model behind image('…'); without a file, the built-in one"),
        Entry(names: [".output"], arguments: "[FILE]", summary: "Write results into a file; without one, on the screen again"),
        Entry(names: [".read"], arguments: "FILE", summary: "Run the statements in a file"),
        Entry(names: [".open"], arguments: "FILE", summary: "Go on with another database"),
        Entry(names: [".help"], arguments: "[COMMAND]", summary: "Show this list, or one line of it"),
        Entry(names: [".quit", ".exit"], arguments: "", summary: "Leave (so does Ctrl-D)"),
    ]

    /// Reads a command.
    ///
    /// - Throws: `ToolFailure` with `usage`, which names the nearest command, or how the command is written.
    package init(parsing line: String) throws(ToolFailure) {
        var words = try Self.words(line)
        // `.quit;` is what fingers type.
        if let last = words.last, last.hasSuffix(";") {
            words[words.count - 1] = String(last.dropLast())
            if words.last?.isEmpty == true { words.removeLast() }
        }
        guard let name = words.first, name != "." else { throw ToolFailure(.usage, "a command is missing behind the dot; .help lists them") }
        let arguments = Array(words.dropFirst())
        let entry = try Self.entry(named: name)
        func one() throws(ToolFailure) -> String? {
            guard arguments.count <= 1 else { throw Self.misuse(entry) }
            return arguments.first
        }
        func onOff() throws(ToolFailure) -> Bool? {
            guard let argument = try one() else { return nil }
            switch argument.lowercased() {
            case "on", "yes", "true", "1": return true
            case "off", "no", "false", "0": return false
            default: throw Self.misuse(entry)
            }
        }
        switch entry.names[0] {
        case ".help": self = .help(try one())
        case ".open":
            guard let path = try one() else { throw Self.misuse(entry) }
            self = .open(path)
        case ".schema": self = .schema(try one())
        case ".indexes": self = .indexes(try one())
        case ".mode":
            guard let name = arguments.first else {
                self = .mode(nil, file: nil)
                return
            }
            guard let mode = OutputMode(rawValue: name.lowercased()) else {
                let known = OutputMode.allCases.map(\.rawValue)
                let guess = Suggestion.nearest(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
                throw ToolFailure(.usage, "no mode is called '\(name)': there are \(known.joined(separator: ", "))\(guess)")
            }
            guard arguments.count == 1 || (arguments.count == 2 && mode == .sheet) else { throw Self.misuse(entry) }
            self = .mode(mode, file: arguments.count == 2 ? arguments[1] : nil)
        case ".timer": self = .timer(try onOff())
        case ".images": self = .images(try onOff())
        case ".model": self = .model(try one())
        case ".import":
            guard arguments.count == 2 else { throw Self.misuse(entry) }
            self = .importFile(arguments[0], collection: arguments[1])
        case ".read":
            guard let path = try one() else { throw Self.misuse(entry) }
            self = .read(path)
        case ".output": self = .output(try one())
        default:
            guard arguments.isEmpty else { throw Self.misuse(entry) }
            self = entry.names[0] == ".collections" ? .collections : entry.names[0] == ".info" ? .info : .quit
        }
    }

    /// The entry of a command by its name, another name for it, or the beginning of one that begins no other.
    package static func entry(named name: String) throws(ToolFailure) -> Entry {
        let name = name.lowercased()
        if let exact = entries.first(where: { $0.names.contains(name) }) { return exact }
        let begun = entries.filter { $0.names.contains { $0.hasPrefix(name) } }
        if begun.count == 1, name.count > 1 { return begun[0] }
        if begun.count > 1 {
            throw ToolFailure(.usage, "\(name) may be \(begun.map { $0.names[0] }.joined(separator: " or ")): write more of it")
        }
        let guess = Suggestion.nearest(to: name, among: entries.flatMap(\.names)).map { "did you mean \($0)?" } ?? ".help lists the commands"
        throw ToolFailure(.usage, "no command is called \(name); \(guess)")
    }

    private static func misuse(_ entry: Entry) -> ToolFailure {
        ToolFailure(.usage, "it is written \(entry.names[0]) \(entry.arguments)".trimmed)
    }

    /// The words of a line: separated by blanks, unless they stand in quotes of either kind, where a quote is doubled.
    private static func words(_ line: String) throws(ToolFailure) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = line[...]
        while let character = rest.popFirst() {
            if let open = quote {
                if character != open {
                    word?.append(character)
                } else if rest.first == open {
                    word?.append(rest.removeFirst())
                } else {
                    quote = nil
                }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let finished = word { words.append(finished) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let quote { throw ToolFailure(.usage, "a quote \(quote) is not closed") }
        if let word { words.append(word) }
        return words
    }
}

/// How rows are printed.
package enum OutputMode: String, Sendable, Hashable, CaseIterable {
    /// Aligned columns, cut to the terminal's width.
    case table
    /// One object a line.
    case json
    /// As RFC 4180 has it, with the names first.
    case csv
    /// One value a line, for wide rows.
    case line
    /// A page with the records' pictures.
    case sheet
}
