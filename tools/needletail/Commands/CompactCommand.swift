import ArgumentParser
import Needletail

struct CompactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact", abstract: "Give the space that is free inside a database back to the disk.",
        discussion: """
            Example:
              needletail compact photos.ntl

            Nobody else may have the database open. A smaller file takes its place once all of it is written, so there must be room \
            for both. While others use the database, `needletail backup --compact` makes a small copy of it.
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Flag(help: "Print the sizes as JSON.")
    var json = false

    func run() async throws {
        let start = ContinuousClock.now
        let (before, after) = try Database.compact(path: database)
        let seconds = (ContinuousClock.now - start).seconds
        if json {
            print(JSONText.object([
                ("bytes", String(after)), ("original_bytes", String(before)), ("seconds", JSONText.number((seconds * 1000).rounded() / 1000)),
            ]))
        } else {
            print("Compacted \(database): \(Format.bytes(after)), \(Format.bytes(before)) before, in \(Format.seconds(seconds)).")
        }
    }
}
