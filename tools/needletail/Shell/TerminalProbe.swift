#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Finds out how the terminal shows pictures: by what it says of itself in the environment, else by asking it.
package enum TerminalProbe {
    /// How long a terminal may take to answer; the slowest are at the other end of the world.
    private static let patience: Int32 = 700

    package struct Answer: Sendable, Hashable {
        /// `nil` where it shows none.
        package var pictures: PictureProtocol?
        package var cell: CellSize

        package init(pictures: PictureProtocol?, cell: CellSize) {
            self.pictures = pictures
            self.cell = cell
        }
    }

    /// - Parameter ask: sends a question to the terminal and gives back all that it answers.
    package static func run(environment: [String: String], ask: (String) -> String = ask) -> Answer {
        // Inside of tmux and screen the environment tells of the terminal around them, which does not see what is drawn.
        let isMultiplexed = environment["TMUX"] != nil || environment["STY"] != nil
        let reply = ask((isMultiplexed ? "" : kittyQuestion) + "\u{1B}[16t\u{1B}[c")
        let named = isMultiplexed ? nil : named(by: environment)
        return Answer(pictures: named ?? protocolTold(by: reply), cell: cell(in: reply) ?? .usual)
    }

    private static func named(by environment: [String: String]) -> PictureProtocol? {
        if environment["KITTY_WINDOW_ID"] != nil || environment["TERM"]?.contains("kitty") == true { return .kitty }
        switch environment["TERM_PROGRAM"] {
        case "ghostty": return .kitty
        case "iTerm.app", "WezTerm": return .iTerm2
        default: return environment["LC_TERMINAL"] == "iTerm2" ? .iTerm2 : nil
        }
    }

    /// Asks whether a picture of one pixel could be shown, without showing it.
    private static let kittyQuestion = "\u{1B}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\u{1B}\\"

    private static func protocolTold(by reply: String) -> PictureProtocol? {
        if reply.contains("\u{1B}_Gi=31;OK") { return .kitty }
        // Primary device attributes: 4 stands for sixels.
        guard let start = reply.range(of: "\u{1B}[?")?.upperBound, let end = reply[start...].firstIndex(of: "c") else { return nil }
        return reply[start ..< end].split(separator: ";").dropFirst().contains("4") ? .sixel : nil
    }

    /// `ESC [ 6 ; height ; width t`.
    private static func cell(in reply: String) -> CellSize? {
        guard let start = reply.range(of: "\u{1B}[6;")?.upperBound, let end = reply[start...].firstIndex(of: "t") else { return nil }
        let parts = reply[start ..< end].split(separator: ";").compactMap { Int($0) }
        guard parts.count == 2, (2 ... 200).contains(parts[0]), (2 ... 200).contains(parts[1]) else { return nil }
        return CellSize(width: parts[1], height: parts[0])
    }

    /// Asks the terminal behind standard input; empty where it is silent. The question must end in one for the device attributes,
    /// which every terminal answers: that answer is the last.
    package static func ask(_ question: String) -> String {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return "" }
        var raw = before
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        guard tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 else { return "" }
        // What comes too late is thrown away with the mode: it must not look like typing.
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        Terminal.write(question, to: STDOUT_FILENO)
        var reply: [UInt8] = []
        var poll = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        while reply.count < 4096, waitForInput(&poll) {
            var bytes = [UInt8](repeating: 0, count: 256)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            guard count > 0 else { break }
            reply += bytes[..<count]
            let text = String(decoding: reply, as: UTF8.self)
            if let start = text.range(of: "\u{1B}[?")?.upperBound, text[start...].contains("c") { break }
        }
        return String(decoding: reply, as: UTF8.self)
    }

    private static func waitForInput(_ descriptor: inout pollfd) -> Bool {
        while true {
            let ready = poll(&descriptor, 1, patience)
            if ready < 0, errno == EINTR { continue }
            return ready > 0
        }
    }
}
