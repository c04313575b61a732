import ArgumentParser
import Foundation
import Needletail

struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Load vectors and their metadata from files.",
        discussion: """
            Examples:
              needletail load sift.ntl sift base.fvecs --metric l2
              needletail load docs.ntl docs base.npy --metadata base.jsonl \\
                --metric cosine
              needletail load items.ntl items items.csv --id-field sku

            Reads .fvecs, .bvecs, .npy (f32, f64, f16, i8, u8), .jsonl and .csv. The collection is made if it is absent: dimension and \
            fields are inferred from the files, the element type follows the file where that loses nothing (f16 and i8 from .npy), else \
            it is f32. Ids come from the field 'id' if there is one, else rows are numbered from 0. Objects and lists that no field \
            type holds go into the record's JSON payload.
            """)

    @OptionGroup var target: CollectionArguments

    @Argument(help: "Files of one kind: vectors (.fvecs, .bvecs, .npy) or tables (.jsonl, .csv).", completion: .file())
    var files: [String]

    @Option(help: ArgumentHelp("Fields for vector files, joined by row.", valueName: "file"), completion: .file(extensions: ["jsonl", "csv"]))
    var metadata: String?

    @Option(help: "How far apart two vectors are, for a new collection (default: l2).")
    var metric: Metric?

    @Option(help: "How components are stored, in a new collection (default: as in the file).")
    var element: ElementType?

    @Option(name: .customLong("field"), parsing: .singleValue, help: FieldOption.help)
    var fields: [FieldOption] = []

    @Option(help: ArgumentHelp("The field that holds the ids (default: 'id' if there is one, else rows are numbered).", valueName: "name"))
    var idField: String?

    @Option(help: ArgumentHelp("The field that holds the vectors (default: the first list of numbers of constant length).", valueName: "name"))
    var vectorField: String?

    @Option(help: ArgumentHelp("Rows a transaction (default: about 2 MiB of vectors).", valueName: "n"))
    var batch: Int?

    @Flag(help: "Go on after the rows that are there already. New files of numbered rows come behind those loaded before.")
    var resume = false

    @Flag(help: "Pass over bad rows, and say how many there were.")
    var skipBad = false

    @Flag(help: "Print the summary as JSON.")
    var json = false

    func validate() throws {
        if files.isEmpty { throw ValidationError("Name at least one file to load.") }
        if let batch, !(1 ... 1_000_000).contains(batch) { throw ValidationError("--batch must be from 1 to 1,000,000.") }
    }

    func run() async throws {
        var options = Loader.Options()
        options.plan.idField = idField
        options.plan.vectorField = vectorField
        options.plan.metadata = metadata
        options.plan.fields = fields.map(\.field)
        options.plan.skipsBadRows = skipBad
        options.metric = metric
        options.element = element
        options.batchRows = batch
        options.resumes = resume

        let interrupt = Interrupt()
        var progress: ProgressBar?
        let summary = try await Loader(
            database: target.database, collection: target.collection, files: files, options: options
        ).run(isCancelled: { interrupt.isRequested }) { done, total, unit in
            if progress == nil { progress = ProgressBar("loading", total: total, unit: unit) }
            progress?.update(done)
        }
        progress?.finish()
        for note in summary.notes { Terminal.warn(note) }
        for reason in summary.skipped.reasons { Terminal.warn(reason) }
        if summary.skipped.count > summary.skipped.reasons.count {
            Terminal.warn("… and \(Format.counted(summary.skipped.count - summary.skipped.reasons.count, "more bad row"))")
        }
        print(json ? summary.json : summary.text)
        if summary.isCancelled {
            Terminal.warn("stopped; the same command with --resume goes on")
            throw ExitCode(ExitStatus.interrupted.rawValue)
        }
    }
}
