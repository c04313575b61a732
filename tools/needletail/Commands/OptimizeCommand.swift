import ArgumentParser
import Needletail

struct OptimizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "optimize", abstract: "Bring indexes up to date with what was loaded and deleted since they were built.",
        discussion: """
            Examples:
              needletail optimize sift.ntl
              needletail optimize sift.ntl sift --threads 1

            Records that came after a collection's index are brought into it, and deleted ones are taken out, without building it anew; \
            an ivfpq index is trained anew where records have become other ones than those it was trained on, or many times as many. \
            Searches and writes go on meanwhile. Ctrl-C ends it with nothing changed.
            """)

    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Argument(help: "The collection (default: all that have an index).")
    var collection: String?

    @Option(help: ArgumentHelp("Threads that work (default: all cores).", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("The most memory it may take, as 512MiB or 4GiB (default: no limit).", valueName: "bytes"))
    var memoryLimit: ByteCountOption?

    @Flag(help: "Print one JSON object a collection and line.")
    var json = false

    func run() async throws {
        let database = try Database.existing(database, mode: .readWrite)
        var collections: [Needletail.Collection] = []
        if let collection {
            collections = [try database.collection(collection)]
        } else {
            for name in try database.collectionNames() {
                let candidate = try database.collection(name)
                if try candidate.index() != nil { collections.append(candidate) }
            }
            if collections.isEmpty, !json { print("\(self.database) has no index yet: 'needletail index' makes one.") }
        }
        for collection in collections { try await optimize(collection) }
    }

    private func optimize(_ collection: Needletail.Collection) async throws {
        let bar = IndexProgressBar()
        let merge = Task {
            try await collection.optimize(threads: threads, memoryLimit: memoryLimit?.byteCount, progress: { bar.update($0) })
        }
        let interrupt = Interrupt(note: "the index of '\(collection.name)' stays as it is") { merge.cancel() }
        defer { withExtendedLifetime(interrupt) {} }
        let result = await merge.result
        bar.finish()
        let report = try result.get()
        if json {
            print(JSONText.object([
                ("collection", JSONText.string(collection.name)), ("merged", String(report.mergedCount)),
                ("repaired", String(report.repairedCount)),
                ("retraining", try report.retraining.map { try CollectionReport.json($0) } ?? "null"), ("index", try CollectionReport.json(report.index)),
            ]))
        } else if let reason = report.retraining {
            print("Trained the index of '\(collection.name)' anew, since \(reason): \(IndexReport.summary(of: report.index)), "
                + "in \(Format.seconds(report.index.build.seconds)).")
        } else if report.mergedCount == 0, report.repairedCount == 0 {
            print("The index of '\(collection.name)' is up to date.")
        } else {
            print("Brought the index of '\(collection.name)' up to date: \(Format.counted(report.mergedCount, "record")) merged, "
                + "\(Format.count(report.repairedCount)) deleted taken out, in \(Format.seconds(report.index.build.seconds)).")
        }
    }
}
