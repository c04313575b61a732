import ArgumentParser
import Foundation
import Needletail

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure how fast a collection is searched, and how much of the truth is found.",
        discussion: """
            Examples:
              needletail bench sift.ntl sift --queries query.fvecs \\
                --truth truth.ivecs --ef 16,32,64,128
              needletail bench sift.ntl sift --queries query.fvecs \\
                --truth truth.ivecs --recall 0.95,0.99 --threads 2 --json

              needletail bench sift.ntl sift --queries query.fvecs \\
                --truth truth.ivecs --nprobe 8,16,32 --batch 1000

            Each thread asks one query at a time; with --batch, so many are asked at once, with all threads, and a time is that of \
            a batch. All queries are asked once to warm up, which also measures recall@k; then they are \
            asked over and over for a second or more. The truth's numbers are rows of the loaded file, which 'load' makes ids of. \
            With --where, or without --truth, the truth is computed first, by comparing every record.
            """)

    @OptionGroup var target: CollectionArguments

    @Option(help: ArgumentHelp("The vectors to ask with: .fvecs, .bvecs or .npy.", valueName: "file"), completion: .file(extensions: ["fvecs", "bvecs", "npy"]))
    var queries: String

    @Option(help: ArgumentHelp("The true nearest of each query, by row.", valueName: "file.ivecs"), completion: .file(extensions: ["ivecs"]))
    var truth: String?

    @Option(name: .customShort("k"), help: ArgumentHelp("How many to find.", valueName: "n"))
    var k = 10

    @Option(name: .customLong("ef"), help: ArgumentHelp("Settings of efSearch to measure, each at least k.", valueName: "a,b,…"))
    var efSearch: NumberList<Int>?

    @Option(help: ArgumentHelp("Settings of nprobe to measure, each at most the index's nlist.", valueName: "a,b,…"))
    var nprobe: NumberList<Int>?

    @Option(name: .customLong("refine"), help: ArgumentHelp("Rows for each of the k that a search with --nprobe compares in full precision (default: by calibration).", valueName: "n"))
    var refineFactor: Int?

    @Option(help: ArgumentHelp("Recalls to aim at, each measured with the setting that the index was calibrated to.", valueName: "a,b,…"))
    var recall: NumberList<Double>?

    @Flag(help: "Measure the exact scan.")
    var exact = false

    @Option(name: .customLong("where"), help: ArgumentHelp("Only records that match this filter take part.", valueName: "filter"))
    var filter: String?

    @Option(help: ArgumentHelp("Threads that ask, each one query at a time.", valueName: "n"))
    var threads = 1

    @Option(help: ArgumentHelp("Queries that are asked at once (default: one at a time, by each thread).", valueName: "n"))
    var batch: Int?

    @Option(help: ArgumentHelp("The least time to measure each setting for.", valueName: "s"))
    var seconds = 1.0

    @Flag(help: "Print one JSON object a setting and line.")
    var json = false

    func validate() throws {
        if k < 1 { throw ValidationError("-k must be at least 1.") }
        if !(1 ... 1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1,024.") }
        if !(seconds > 0 && seconds <= 86_400) { throw ValidationError("--seconds must be above 0 and at most 86,400.") }
        for value in efSearch?.values ?? [] where value < k {
            throw ValidationError("--ef \(value) cannot find \(k): it must be at least -k.")
        }
        for value in nprobe?.values ?? [] where value < 1 { throw ValidationError("--nprobe must be at least 1.") }
        if refineFactor != nil, nprobe == nil { throw ValidationError("--refine goes with --nprobe.") }
        if let batch, batch < 1 { throw ValidationError("--batch must be at least 1.") }
        for target in recall?.values ?? [] where !(target > 0 && target <= 1) {
            throw ValidationError("--recall must be above 0 and at most 1.")
        }
    }

    /// What is to be measured, in the order of the options; the index at its default recall if nothing is asked for.
    private var settings: [BenchmarkSetting] {
        let asked = (efSearch?.values ?? []).map { BenchmarkSetting.efSearch($0) }
            + (nprobe?.values ?? []).map { .nprobe($0, refineFactor: refineFactor) } + (recall?.values ?? []).map { .recall($0) }
            + (exact ? [.exact] : [])
        return asked.isEmpty ? [.recall(0.95)] : asked
    }

    func run() async throws {
        let database = try Database.existing(target.database, mode: .readOnly)
        let collection = try database.collection(target.collection)
        let filter = try filter.map { try Filter(parsing: $0) }
        // Known before minutes of measuring.
        let kind = try collection.index()?.kind
        for (option, isGiven, wanted) in [("--ef", efSearch != nil, "hnsw"), ("--nprobe", nprobe != nil, "ivfpq")] where isGiven && kind != wanted {
            let found = kind.map { "an index of kind \($0), and \(option) is for \(wanted)" } ?? "no index for \(option) to set"
            throw ToolFailure(.usage, "collection '\(collection.name)' has \(found): make one with 'needletail index', or leave \(option) out")
        }
        let queries = try BenchmarkQueries(path: queries, collection: collection)
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let truth: BenchmarkTruth
        if let path = self.truth, filter == nil {
            truth = try BenchmarkTruth(path: path, k: k, queries: queries, collection: collection)
        } else {
            truth = try BenchmarkTruth(searching: collection, for: queries, k: k, filter: filter, threads: cores)
        }
        let benchmark = Benchmark(
            collection: collection, queries: queries, truth: truth, k: k, filter: filter, threads: threads, seconds: seconds,
            batchCount: batch)
        var measured: [BenchmarkResult] = []
        for setting in settings {
            let result = try benchmark.run(setting)
            if json {
                print(result.json)
                // A script that follows along sees each line when it is measured.
                try Terminal.finishOutput()
            } else {
                if Terminal.standardErrorIsTerminal { Terminal.warn(result.line) }
                measured.append(result)
            }
        }
        guard !json else { return }
        for line in BenchmarkResult.table(measured).lines(width: Terminal.width(of: FileHandle.standardOutput.fileDescriptor)) { print(line) }
    }
}

/// Numbers separated by commas.
package struct NumberList<Number: LosslessStringConvertible & Sendable>: ExpressibleByArgument, Sendable {
    package let values: [Number]

    package init?(argument: String) {
        var values: [Number] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let value = Number(String(part.filter { $0 != " " })) else { return nil }
            values.append(value)
        }
        guard !values.isEmpty else { return nil }
        self.values = values
    }
}
