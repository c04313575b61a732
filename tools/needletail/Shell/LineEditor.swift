@preconcurrency import CEditLine // `stdin` and its like are variables, which it brings along.
#if canImport(Glibc)
@preconcurrency import Glibc
#elseif canImport(Musl)
@preconcurrency import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Lines typed at a terminal, with editing, history and completion by libedit.
///
/// There is one at a time: libedit calls back without a context that Swift could use. While a line is edited, Ctrl-C is a key like
/// others; between lines the terminal is as it was.
@MainActor
final class LineEditor {
    enum Input {
        case line(String)
        /// Ctrl-C; whether something had been typed.
        case interrupted(hadText: Bool)
        /// Ctrl-D, or the terminal has gone.
        case end
    }

    /// What is completed: told the text up to the cursor, it answers how much of its end is replaced, and by what.
    typealias Completer = (String) -> Completion

    private static var current: LineEditor?

    private let editor: OpaquePointer
    private let list: OpaquePointer
    private let file: HistoryFile?
    private let complete: Completer
    private var prompt: UnsafeMutablePointer<CChar>?
    /// Set by Ctrl-C, with whether there was text.
    private var interruption: Bool?

    /// Lines kept from one session to the next.
    private static let historyCount = 1_000

    /// `nil` where libedit cannot work with the terminal.
    init?(history file: HistoryFile?, complete: @escaping Completer) {
        Self.useUnicode()
        guard let list = nt_history_open(Int32(Self.historyCount)) else { return nil }
        guard let editor = el_init("needletail", stdin, stdout, stderr) else {
            history_end(list)
            return nil
        }
        self.editor = editor
        self.list = list
        self.file = file
        self.complete = complete
        file?.load(into: list)

        _ = nt_el_set_signal(editor, 1)
        _ = nt_el_set_prompt(editor) { _ in
            // A pointer may not leave an actor, its bits may.
            UnsafeMutablePointer(bitPattern: MainActor.assumeIsolated { UInt(bitPattern: LineEditor.current?.prompt) })
        }
        _ = nt_el_set_editor(editor, "emacs")
        _ = nt_el_set_history(editor, list)
        _ = nt_el_add_function(editor, "nt-complete", "Complete the word") { _, _ in
            MainActor.assumeIsolated { LineEditor.current?.completeWord() ?? UInt8(CC_NORM) }
        }
        _ = nt_el_add_function(editor, "nt-interrupt", "Clear the line") { _, _ in
            MainActor.assumeIsolated { LineEditor.current?.interrupt() ?? UInt8(CC_NORM) }
        }
        _ = nt_el_add_function(editor, "nt-suspend", "Stop the process") { _, _ in
            raise(SIGTSTP)
            return UInt8(CC_REFRESH)
        }
        // What users of other shells expect, and libedit leaves unbound: the search backwards, and words by Ctrl and arrows.
        for (key, function) in [
            ("^I", "nt-complete"), ("^C", "nt-interrupt"), ("^Z", "nt-suspend"), ("^R", "em-inc-search-prev"),
            ("\\e[1;5C", "em-next-word"), ("\\e[1;5D", "ed-prev-word"), ("\\e[3~", "ed-delete-next-char"),
            ("\\e[H", "ed-move-to-beg"), ("\\e[F", "ed-move-to-end"), ("\\e[1~", "ed-move-to-beg"), ("\\e[4~", "ed-move-to-end"),
        ] {
            _ = nt_el_bind(editor, key, function)
        }
        // The user's own keys, from ~/.editrc.
        _ = el_source(editor, nil)
        _ = nt_el_set_edit_mode(editor, "-isig")
        Self.current = self
    }

    /// Puts the terminal back and lets go of libedit.
    func close() {
        guard Self.current === self else { return }
        Self.current = nil
        el_end(editor)
        history_end(list)
        free(prompt)
        prompt = nil
    }

    /// Waits for a line.
    func read(prompt text: String) -> Input {
        free(prompt)
        prompt = strdup(text)
        interruption = nil
        el_resize(editor)
        // Before the prompt: what is typed as soon as it stands is for the editor, not the terminal.
        _ = nt_el_prepare_terminal(editor)
        var count: Int32 = 0
        let line = el_gets(editor, &count)
        if let hadText = interruption { return .interrupted(hadText: hadText) }
        guard let line, count > 0 else {
            Terminal.write("\n", to: STDOUT_FILENO)
            return .end
        }
        var text = String(cString: line)
        while text.last?.isNewline == true { text.removeLast() }
        return .line(text)
    }

    /// Adds an entry to the history, and to its file at once: a session that is killed loses nothing.
    func remember(_ entry: String) {
        let entry = entry.trimmed
        guard !entry.isEmpty else { return }
        _ = nt_history_enter(list, entry)
        file?.save(list)
    }

    /// libedit takes bytes apart by the locale: without one it would take ü for two characters.
    private static func useUnicode() {
        setlocale(LC_CTYPE, "")
        for name in ["C.UTF-8", "en_US.UTF-8", "UTF-8"] where nt_longest_character() < 4 { setlocale(LC_CTYPE, name) }
    }

    // MARK: Keys

    private func interrupt() -> UInt8 {
        guard let line = el_line(editor) else { return UInt8(CC_NORM) }
        let hadText = line.pointee.lastchar > line.pointee.buffer
        interruption = hadText
        // Below the last row of the line, which the cursor may stand above.
        let width = max(1, Terminal.width(of: STDOUT_FILENO) ?? 80)
        let promptWidth = prompt.map { TextWidth.of(String(cString: $0)) } ?? 0
        func row(upTo end: UnsafePointer<CChar>) -> Int {
            (promptWidth + TextWidth.of(String(decoding: bytes(line.pointee.buffer, end), as: UTF8.self))) / width
        }
        let below = row(upTo: line.pointee.lastchar) - row(upTo: line.pointee.cursor)
        fflush(stdout)
        Terminal.write((below > 0 ? "\u{1B}[\(below)B" : "") + "^C\n", to: STDOUT_FILENO)
        return UInt8(CC_NEWLINE)
    }

    private func completeWord() -> UInt8 {
        guard let line = el_line(editor) else { return UInt8(CC_NORM) }
        let before = String(decoding: bytes(line.pointee.buffer, line.pointee.cursor), as: UTF8.self)
        // A tab at the beginning of a line indents: statements of several lines are pasted with them.
        if before.allSatisfy({ $0 == " " }), !before.isEmpty || Self.current?.prompt.map({ $0[0] == 32 }) == true {
            return el_insertstr(editor, "    ") < 0 ? UInt8(CC_ERROR) : UInt8(CC_REFRESH)
        }
        let completion = complete(before)
        switch completion.candidates.count {
        case 0: return UInt8(CC_REFRESH_BEEP)
        case 1: return replace(completion.length, by: completion.candidates[0] + completion.suffix)
        default:
            let common = completion.commonPrefix
            if common.unicodeScalars.count > completion.length { return replace(completion.length, by: common) }
            show(completion.candidates)
            return UInt8(CC_REDISPLAY)
        }
    }

    private func replace(_ length: Int, by text: String) -> UInt8 {
        el_deletestr(editor, Int32(clamping: length))
        return el_insertstr(editor, text) < 0 ? UInt8(CC_ERROR) : UInt8(CC_REFRESH)
    }

    /// The candidates in columns, below the line.
    private func show(_ candidates: [String]) {
        let width = Terminal.width(of: STDOUT_FILENO) ?? 80
        let lines = Completion.columns(candidates, width: width)
        fflush(stdout)
        Terminal.write("\n" + lines.map { $0 + "\n" }.joined(), to: STDOUT_FILENO)
    }

    private func bytes(_ start: UnsafePointer<CChar>, _ end: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: end - start)
    }
}
