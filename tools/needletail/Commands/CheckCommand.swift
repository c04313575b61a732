import ArgumentParser
import Needletail
import Synchronization

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Read a whole database file and report what is damaged.",
        discussion: """
            Example:
              needletail check photos.ntl

            Verifies every checksum, and that counts, ids, records and dictionaries agree. Exit status 0 if the file is sound, 65 if not.
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Flag(help: "Print one JSON object a finding and line.")
    var json = false

    func run() async throws {
        let database = try Database.existing(database, mode: .readOnly)
        let start = ContinuousClock.now
        let progress = Mutex(ProgressBar("checking", total: 1000, unit: "permille"))
        let findings = try database.check { share in
            progress.withLock { $0.update(Int(share * 1000)) }
        }
        progress.withLock { $0.finish() }
        for finding in findings {
            if json {
                print(try CollectionReport.json(finding))
            } else {
                print(TextWidth.printable(finding.description))
            }
        }
        guard findings.isEmpty else {
            throw ToolFailure(.badData, "\(self.database): \(Format.counted(findings.count, "finding")); restore the file from a backup, or load it anew")
        }
        if !json {
            print("\(self.database) is sound: everything in it was read and agrees (\(Format.seconds((ContinuousClock.now - start).seconds))).")
        }
    }
}
