import Foundation
import Testing

/// Plays a whole session in a terminal of tmux, where there is one; takes some ten seconds.
@Suite("Recorded session")
struct ShellSessionTests {
    @Test("a newcomer's first ten minutes, as the article shows them")
    func session() throws {
        let program = try #require(ToolRun.program)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let script = Process()
        let output = Pipe()
        script.executableURL = root.appendingPathComponent("tools/shell-session")
        script.arguments = [program.path]
        script.standardOutput = output
        try withoutBlockedSignals { try script.run() }
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        script.waitUntilExit()
        guard script.terminationStatus != 77 else { return print("tmux is missing: the session is not played") }
        let screen = String(decoding: bytes, as: UTF8.self)
        #expect(script.terminationStatus == 0)
        #expect(screen.contains("there is no field 'familly'; did you mean family?"), "\(screen)")
        #expect(screen.contains("no command is called .colections; did you mean .collections?"))
        #expect(screen.contains("Stopped."), "\(screen)")
        #expect(screen.contains("Built an index of 'shades': hnsw") && screen.contains("Images stay off: "))
        #expect(screen.components(separatedBy: "Error: ").count == 3, "only the two mistakes are errors:\n\(screen)")
    }
}
