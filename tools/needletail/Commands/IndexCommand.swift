import ArgumentParser
import Foundation
import Needletail

struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Build an index, which makes searches of many records fast.",
        discussion: """
            Examples:
              needletail index sift.ntl sift --type hnsw
              needletail index sift.ntl sift --type hnsw --m 32 --ef-construction 400
              needletail index sift.ntl sift --drop

            The index is built from a snapshot on all cores, and installed when it is ready; one that is there is replaced. Ctrl-C ends \
            the build with nothing changed. Records that are loaded later are found all the same, compared one by one; 'optimize' \
            brings them into the index.
            """)

    @OptionGroup var target: CollectionArguments

    @Option(help: "The kind of index: hnsw.")
    var type: IndexType?

    @Option(help: ArgumentHelp("Links of a record, 2 to 64 (default: 16).", valueName: "n"))
    var m: Int?

    @Option(help: ArgumentHelp("Candidates that a record's links are chosen from, m to 2,000 (default: 200).", valueName: "n"))
    var efConstruction: Int?

    @Option(help: "The short form of vectors that a search reads on its way (default: automatic, which is rabitq from 256 dimensions on, below that sq8, or none for i8).")
    var quantization: Quantization?

    @Option(help: ArgumentHelp("Where random levels come from (default: 0); with one thread, the same seed builds the same index.", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Threads that build (default: all cores).", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("The most memory the build may take, as 512MiB or 4GiB (default: no limit).", valueName: "bytes"))
    var memoryLimit: ByteCountOption?

    @Flag(help: "Remove the collection's index.")
    var drop = false

    @Flag(help: "Print what was built as JSON.")
    var json = false

    func validate() throws {
        guard drop else {
            if type == nil { throw ValidationError("Say which kind of index: --type hnsw.") }
            return
        }
        let builds = type != nil || m != nil || efConstruction != nil || quantization != nil || seed != nil || threads != nil || memoryLimit != nil
        if builds { throw ValidationError("--drop goes without the options of a build.") }
    }

    func run() async throws {
        let database = try Database.existing(target.database, mode: .readWrite)
        let collection = try database.collection(target.collection)
        if drop {
            try await collection.dropIndex()
            print(json ? JSONText.object([("collection", JSONText.string(collection.name)), ("dropped", "true")])
                : "Dropped the index of '\(collection.name)'.")
            return
        }
        let description = IndexDescription.hnsw(
            m: m ?? 16, efConstruction: efConstruction ?? 200, quantization: quantization ?? .automatic, seed: seed ?? 0)
        let bar = IndexProgressBar()
        let build = Task {
            try await collection.createIndex(
                description, threads: threads, memoryLimit: memoryLimit?.byteCount, progress: { bar.update($0) })
        }
        let interrupt = Interrupt(note: "nothing is changed") { build.cancel() }
        defer { withExtendedLifetime(interrupt) {} }
        let result = await build.result
        bar.finish()
        let index = try result.get()
        if json {
            print(try CollectionReport.json(index))
        } else {
            print("Built an index of '\(collection.name)': \(IndexReport.summary(of: index)), in \(Format.seconds(index.build.seconds)) "
                + "with \(Format.counted(index.build.threads, "thread")) and \(Format.bytes(index.build.memoryByteCount)) of memory.")
        }
    }
}

/// The kinds of index.
enum IndexType: String, ExpressibleByArgument, CaseIterable {
    case hnsw
}

extension Quantization: ExpressibleByArgument {}

/// A number of bytes: `1048576`, `512MiB`, `4GiB`, `4G`.
package struct ByteCountOption: ExpressibleByArgument, Sendable, Hashable {
    package let byteCount: Int

    package init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number > 0 else { return nil }
        let shift: Int
        switch argument.dropFirst(digits.count).lowercased() {
        case "", "b": shift = 0
        case "k", "kib": shift = 10
        case "m", "mib": shift = 20
        case "g", "gib": shift = 30
        case "t", "tib": shift = 40
        default: return nil
        }
        guard number <= Int.max >> shift else { return nil }
        byteCount = number << shift
    }
}
