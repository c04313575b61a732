import ArgumentParser
import Needletail

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Tell what is in a database file.",
        discussion: """
            Example:
              needletail info photos.ntl
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Flag(help: "Print everything as one JSON object.")
    var json = false

    func run() async throws {
        let information = try Database.existing(database, mode: .readOnly).information()
        if json {
            print(try CollectionReport.json(information))
        } else {
            for line in InformationReport(information).lines { print(TextWidth.printable(line)) }
        }
    }
}
