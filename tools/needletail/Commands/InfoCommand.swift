import ArgumentParser
import Needletail

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Tell what is in a database file.",
        discussion: """
            Example:
              needletail info photos.ntl

            Of each field it tells how many records have no value, about how many values there are, the least and the greatest, and which are \
            common: what the planner reckons with, from a sample of the records.
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Flag(help: "Print everything as one JSON object.")
    var json = false

    func run() async throws {
        let report = try InformationReport(Database.existing(database, mode: .readOnly))
        if json {
            print(try report.json)
        } else {
            for line in report.lines { print(TextWidth.printable(line)) }
        }
    }
}
