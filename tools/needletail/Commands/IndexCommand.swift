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
              needletail index sift.ntl sift --type ivfpq
              needletail index sift.ntl sift --type ivfpq --nlist 2048 --bytes-per-vector 21
              needletail index sift.ntl sift --drop

            hnsw, a graph, is the faster one to search. ivfpq, lists of short codes, is built in a small part of the time and takes a \
            tenth of the space or less; what is not said of it is chosen from the number of records and their dimension. The index is built from a snapshot on all cores, and installed when it is ready; one that is there is replaced. Ctrl-C ends \
            the build with nothing changed. Records that are loaded later are found all the same, compared one by one; 'optimize' \
            brings them into the index.
            """)

    @OptionGroup var target: CollectionArguments

    @Option(help: "The kind of index: hnsw or ivfpq.")
    var type: IndexType?

    @OptionGroup(title: "Options of hnsw")
    var graph: GraphOptions

    @OptionGroup(title: "Options of ivfpq")
    var lists: ListOptions

    @Option(help: ArgumentHelp("Where random choices come from (default: 0); the same seed builds the same index, hnsw with one thread only.", valueName: "n"))
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
            guard let type else { throw ValidationError("Say which kind of index: --type hnsw or --type ivfpq.") }
            if type == .hnsw, let name = lists.given.first { throw ValidationError("\(name) is for --type ivfpq.") }
            if lists.rabitqBits != nil, lists.code != .rabitq { throw ValidationError("--rabitq-bits is for --code rabitq.") }
            if lists.bits != nil, lists.code == .rabitq { throw ValidationError("--pq-bits is for --code pq.") }
            if type == .ivfpq, let name = graph.given.first { throw ValidationError("\(name) is for --type hnsw.") }
            return
        }
        let builds = type != nil || !graph.given.isEmpty || !lists.given.isEmpty || seed != nil || threads != nil || memoryLimit != nil
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
        let description = type == .ivfpq ? lists.description(seed: seed ?? 0) : graph.description(seed: seed ?? 0)
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
        for warning in index.build.warnings ?? [] { Terminal.warn("warning: \(warning)") }
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
    case hnsw, ivfpq
}

/// What can be said of a graph.
struct GraphOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Links of a record, 2 to 64 (default: 16).", valueName: "n"))
    var m: Int?

    @Option(help: ArgumentHelp("Candidates that a record's links are chosen from, m to 2,000 (default: 200).", valueName: "n"))
    var efConstruction: Int?

    @Option(help: "The short form of vectors that a search reads on its way (default: automatic, which is rabitq from 128 dimensions on, below that sq8; for i8 rabitq from 256 on, below that none).")
    var quantization: Quantization?

    /// The options that are given.
    var given: [String] {
        [m.map { _ in "--m" }, efConstruction.map { _ in "--ef-construction" }, quantization.map { _ in "--quantization" }].compactMap { $0 }
    }

    func description(seed: UInt64) -> IndexDescription {
        .hnsw(m: m ?? 16, efConstruction: efConstruction ?? 200, quantization: quantization ?? .automatic, seed: seed)
    }
}

/// What can be said of lists.
struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Lists, at most as many as records (default: about 1.5 times the root of their number).", valueName: "n"))
    var nlist: Int?

    @Option(help: "What stands for a vector in its list: pq or rabitq (default: pq).")
    var code: ListCode?

    @Option(name: .customLong("pq-subspaces"), help: ArgumentHelp("Parts that a vector is cut into (default: a quarter of the dimension).", valueName: "n"))
    var subspaces: Int?

    @Option(name: .customLong("pq-bits"), help: ArgumentHelp("Bits of a part's code: 4 or 8 (default: 4).", valueName: "n"))
    var bits: Int?

    @Option(help: ArgumentHelp("Bits of a component under --code rabitq: 1, 2 or 4 (default: 1).", valueName: "n"))
    var rabitqBits: Int?

    @Option(help: ArgumentHelp("What a vector may take in the lists, 5 bytes beside its code, instead of --pq-subspaces or --rabitq-bits.", valueName: "n"))
    var bytesPerVector: Int?

    @Flag(help: "Rotate vectors so that parts fit their codes better (OPQ).")
    var rotate = false

    @Flag(help: "Keep lists of like length.")
    var balanced = false

    /// The options that are given.
    var given: [String] {
        [
            nlist.map { _ in "--nlist" }, code.map { _ in "--code" }, rabitqBits.map { _ in "--rabitq-bits" }, subspaces.map { _ in "--pq-subspaces" }, bits.map { _ in "--pq-bits" },
            bytesPerVector.map { _ in "--bytes-per-vector" }, rotate ? "--rotate" : nil, balanced ? "--balanced" : nil,
        ].compactMap { $0 }
    }

    func description(seed: UInt64) -> IndexDescription {
        .ivfpq(
            nlist: nlist, code: code ?? .pq, subspaces: subspaces, bits: code == .rabitq ? rabitqBits : bits, bytesPerVector: bytesPerVector, rotation: rotate, balanced: balanced, seed: seed)
    }
}

extension Quantization: ExpressibleByArgument {}
extension ListCode: ExpressibleByArgument {}

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
