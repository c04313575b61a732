import ArgumentParser
import Foundation
import Needletail

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a database as of its newest commit, while others read and write it.",
        discussion: """
            Examples:
              needletail backup photos.ntl photos-monday.ntl
              needletail backup photos.ntl small.ntl --compact

            The copy is a database like any other, and takes its name when all of it is on the disk. Copying the file by other means is \
            safe only while nobody writes it.
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Argument(help: "The copy, which must not exist yet.", completion: .file(extensions: ["ntl"]))
    var copy: String

    @Flag(help: "Leave out the space that is free inside the file: a smaller copy, which takes longer.")
    var compact = false

    @Flag(help: "Print what was copied as JSON.")
    var json = false

    func run() async throws {
        let database = try Database.existing(database, mode: .readOnly)
        let start = ContinuousClock.now
        try database.backup(to: copy, compacting: compact)
        let seconds = (ContinuousClock.now - start).seconds
        // What was written is looked at as a user would: a copy that cannot be opened must not be called one.
        let information = try Database(path: copy, mode: .readOnly).information()
        let before = try database.information().fileByteCount
        if json {
            print(JSONText.object([
                ("copy", JSONText.string(copy)), ("bytes", String(information.fileByteCount)), ("original_bytes", String(before)),
                ("collections", String(information.collections.count)), ("seconds", JSONText.number((seconds * 1000).rounded() / 1000)),
            ]))
        } else {
            print("Copied \(Format.counted(information.collections.count, "collection")) to \(copy): "
                + "\(Format.bytes(information.fileByteCount))\(compact ? " (\(Format.bytes(before)) before)" : ""), in \(Format.seconds(seconds)).")
        }
    }
}
