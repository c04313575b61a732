import ArgumentParser
import Foundation
import Needletail

struct ShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Ask a database in SQL: at a terminal, or by statements from a file or a pipe.",
        discussion: """
            Examples:
              needletail shell photos.ntl
              needletail shell photos.ntl < script.sql
              needletail shell photos.ntl -c ".mode json" \\
                -c "SELECT id, distance FROM photos ORDER BY embedding <=> image('q.jpg') LIMIT 5"

            Statements end with a semicolon; lines that begin with a dot are commands to the shell, which .help lists. From a file or a \
            pipe, the first error ends it, with the line in the message. Ctrl-C cancels the running statement, and not the shell.
            """)

    @Argument(help: "The database file; a new one is made by what is put into it.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Option(name: [.customShort("c"), .customLong("command")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Run this statement or dot-command rather than those of standard input. May be repeated.", valueName: "statement"))
    var commands: [String] = []

    @Option(help: "How rows are printed: table, json, csv, line or sheet.")
    var mode: OutputMode = .table

    @Option(help: ArgumentHelp("The model behind image('…'): a .safetensors file or its folder (default: the built-in one).", valueName: "file"), completion: .file())
    var model: String?

    func run() async throws {
        try await Self.run(database: database, commands: commands, mode: mode, model: model)
    }

    @MainActor
    private static func run(database: String, commands: [String], mode: OutputMode, model: String?) async throws {
        let isInteractive = commands.isEmpty && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        let shell = try Shell(path: database, isInteractive: isInteractive)
        shell.settings.mode = mode
        shell.images.model = model
        do {
            if isInteractive {
                try await shell.interact()
            } else if commands.isEmpty {
                try await shell.run(.standardInput) { readLine() }
            } else {
                for command in commands where !shell.isLeaving {
                    var lines = command.split(separator: "\n", omittingEmptySubsequences: false)[...]
                    try await shell.run(Shell.Source(showsLine: lines.count > 1)) { lines.popFirst().map(String.init) }
                }
            }
        } catch {
            // What came before the failure is printed before its message; the failure is told, not what closing may add.
            try? shell.close()
            try? Terminal.finishOutput()
            throw (error as? PlacedFailure)?.failure ?? error
        }
        try shell.close()
    }
}

extension OutputMode: ExpressibleByArgument {}
