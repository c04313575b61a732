import Foundation
import Needletail

extension Shell {
    /// Talks with a person at a terminal until they leave.
    func interact() async throws {
        var reader = StatementReader()
        var begun: [String] = []
        // What completion looks at: the lines of the statement before the one being typed.
        let earlier = Earlier()
        let editor = LineEditor(history: HistoryFile()) { [weak self] text in
            self?.completions.complete(text, after: earlier.text) ?? Completion(length: 0, candidates: [])
        }
        guard let editor else { throw ToolFailure(.io, "the terminal cannot be used for editing; statements are taken from a pipe or a file") }
        defer { editor.close() }
        output.write(greeting)
        output.flush()
        var wasInterrupted = false
        while !isLeaving {
            earlier.text = begun.map { $0 + "\n" }.joined()
            switch editor.read(prompt: prompt(reader)) {
            case .end: return
            case .interrupted(let hadText):
                guard hadText || reader.isInsideStatement || !wasInterrupted else { return }
                if !hadText, !reader.isInsideStatement { Terminal.write("Once more, Ctrl-D or .quit leaves.\n", to: STDOUT_FILENO) }
                wasInterrupted = !hadText && !reader.isInsideStatement
                reader.discard()
                begun = []
            case .line(let line):
                wasInterrupted = false
                if begun.isEmpty, let word = Self.command(meantBy: line) {
                    editor.remember(line)
                    try await runTyped(.command(word, line: 1))
                    continue
                }
                if !begun.isEmpty, reader.openQuote == nil, Self.speaksToShell(line) {
                    Terminal.write("A statement has begun: a semicolon ends it, Ctrl-C gives it up.\n", to: STDOUT_FILENO)
                    continue
                }
                begun.append(line)
                let items = reader.add(line)
                if !reader.isInsideStatement {
                    editor.remember(Self.entry(begun))
                    begun = []
                }
                for item in items where !isLeaving { try await runTyped(item) }
            }
        }
    }

    /// The lines of the statement that has begun, for completion.
    private final class Earlier {
        var text = ""
    }

    /// As wide as the prompt of the first line, so that lines stand below each other; an open quote is shown.
    private func prompt(_ reader: StatementReader) -> String {
        guard reader.isInsideStatement else { return "needletail> " }
        return reader.openQuote.map { "      \($0)...> " } ?? "       ...> "
    }

    /// Several lines as one entry of the history; those with a comment keep their line ends, which end the comment.
    private static func entry(_ lines: [String]) -> String {
        lines.contains { $0.contains("--") } ? lines.joined(separator: "\n") : lines.map(\.trimmed).joined(separator: " ")
    }

    /// The words by which users of other shells leave or ask for help.
    private static func command(meantBy line: String) -> String? {
        switch line.trimmed.lowercased() {
        case "quit", "exit", "\\q", "quit;", "exit;": ".quit"
        case "help", "?", "\\?", "\\h", "help;": ".help"
        case "\\d", "\\dt", "show tables;", "show collections;": ".collections"
        case "\\timing": ".timer"
        default: nil
        }
    }

    /// Whether a line is meant for the shell although a statement has begun, of which it cannot be a part.
    private static func speaksToShell(_ line: String) -> Bool {
        if command(meantBy: line) != nil { return true }
        let text = line.trimmed
        return text.hasPrefix(".") && text.dropFirst().first?.isLetter == true
    }

    // MARK: Completion

    private var completions: CompletionSource {
        var collections: [(name: String, fields: [String])] = []
        for name in (try? database.collectionNames()) ?? [] {
            guard let schema = try? database.collection(name).schema else { continue }
            collections.append((name, [schema.vectorName] + schema.fields.map(\.name)))
        }
        return CompletionSource(collections: collections, files: Self.files)
    }

    /// The paths that `path` is the beginning of.
    private nonisolated static func files(beginning path: String) -> [String] {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let beginning = path.dropFirst(folder.count)
        let place = folder.isEmpty ? "." : Path.expandingHome(folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        return names.filter { $0.hasPrefix(beginning) && (!$0.hasPrefix(".") || beginning.hasPrefix(".")) }.map { name in
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: place + "/" + name, isDirectory: &isFolder)
            return folder + name + (isFolder.boolValue ? "/" : "")
        }
    }
}
