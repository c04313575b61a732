import ArgumentParser
import Foundation

/// The command line.
@main
struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "needletail",
        abstract: "Vector search in a file: load vectors or pictures, find the most alike.",
        discussion: """
            Example:
              needletail images photos.ntl photos ~/Pictures
              needletail search photos.ntl photos --image query.jpg --sheet result.html
            """,
        version: "0.1.0",
        subcommands: [
            CreateCommand.self, LoadCommand.self, ImagesCommand.self, IndexCommand.self, SearchCommand.self, BenchCommand.self,
            InfoCommand.self, CheckCommand.self, OptimizeCommand.self, ShellCommand.self,
            BackupCommand.self, CompactCommand.self,
        ])

    /// Runs the command, and turns whatever fails into a line on standard error and an exit status.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try Terminal.finishOutput()
        } catch {
            end(error)
        }
    }

    private static func end(_ error: any Error) -> Never {
        if let failure = ToolFailure(error) {
            Terminal.warn(failure.message)
            Foundation.exit(failure.status.rawValue)
        }
        let status = exitCode(for: error)
        guard !status.isSuccess else { exit(withError: error) }
        if error is ExitCode { Foundation.exit(status.rawValue) }
        // The parser's own message: ours begin with the tool's name.
        let message = fullMessage(for: error)
        Terminal.warn(message.hasPrefix("Error: ") ? String(message.dropFirst(7)) : message)
        Foundation.exit(status.rawValue)
    }
}
