import ArgumentParser
import Foundation
import Needletail
import NeedletailVision

struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Find the records nearest to a vector, a picture or another record.",
        discussion: """
            Examples:
              needletail search photos.ntl photos --image query.jpg --sheet found.html
              needletail search photos.ntl photos --like ~/Pictures/tom.jpg -k 5 \\
                --where "width >= 640 AND folder LIKE 'holiday%'"
              needletail search items.ntl items --vector '[0.1, 0.2, 0.3]' --json

            Filters are what follows WHERE in SQL: = != < <= > >=, IN, BETWEEN, \
            LIKE 'prefix%', CONTAINS, IS NULL, AND, OR, NOT. Distances are Euclidean for \
            l2, 1 - cosine for cosine, minus the product for dot.
            """)

    @OptionGroup var target: CollectionArguments

    @Option(help: ArgumentHelp("Search near a vector: a list of numbers, or a file that holds one.", valueName: "[…]|@file"))
    var vector: VectorOption?

    @Option(help: ArgumentHelp("Search near a picture.", valueName: "file"), completion: .file())
    var image: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Search near the record with this id, which is left out of the results.", valueName: "id"))
    var like: String?

    @Option(name: .customShort("k"), help: ArgumentHelp("How many to find (default: 10).", valueName: "n"))
    var k: Int?

    @Option(name: .customLong("where"), help: ArgumentHelp("Only records that match this filter take part.", valueName: "filter"))
    var filter: String?

    @Option(help: ArgumentHelp("The share of the true nearest that must be found, above 0 and at most 1 (default with an index: 0.95).", valueName: "share"))
    var recall: Double?

    @Option(name: .customLong("ef"), help: ArgumentHelp("Candidates that a search through an hnsw index keeps, instead of --recall.", valueName: "n"))
    var efSearch: Int?

    @Option(help: ArgumentHelp("Lists that a search through an ivfpq index scans, instead of --recall.", valueName: "n"))
    var nprobe: Int?

    @Option(name: .customLong("refine"), help: ArgumentHelp("Rows for each of the k that such a search compares in full precision (default: by calibration).", valueName: "n"))
    var refineFactor: Int?

    @Flag(help: "Compare every record, also where there is an index.")
    var exact = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Find all within this distance, rather than the k nearest.", valueName: "distance"))
    var radius: Double?

    @Option(help: ArgumentHelp("The fields to show, separated by commas (default: all).", valueName: "a,b,…"))
    var fields: String?

    @Option(help: ArgumentHelp("The model that turns the picture into a vector: a .safetensors file or its folder (default: the built-in one).", valueName: "file"), completion: .file())
    var model: String?

    @Option(help: ArgumentHelp("Also write the results as a page with pictures.", valueName: "file.html"), completion: .file(extensions: ["html"]))
    var sheet: String?

    // Also a negative number is a value, and gets a sentence of its own.
    @Option(parsing: .unconditional, help: ArgumentHelp("Threads that compute distances (default: all cores).", valueName: "n"))
    var threads: Int?

    @Flag(help: "Print one JSON object a hit and line.")
    var json = false

    @Flag(help: "Run the search and print how: the plan, what it was expected to take and took, and the true recall.")
    var explain = false

    func validate() throws {
        guard [vector != nil, image != nil, like != nil].count(where: { $0 }) == 1 else {
            throw ValidationError("Say what to search near: one of --vector, --image and --like.")
        }
        if let recall, !(recall > 0 && recall <= 1) { throw ValidationError("--recall must be above 0 and at most 1.") }
        if like != nil, radius != nil { throw ValidationError("--radius goes with --vector or --image.") }
        if explain, radius != nil || json || sheet != nil { throw ValidationError("--explain goes without --radius, --json and --sheet.") }
        if model != nil, image == nil { throw ValidationError("--model goes with --image.") }
        if let k, k < 1 { throw ValidationError("-k must be at least 1.") }
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
    }

    func run() async throws {
        let database = try Database.existing(target.database, mode: .readOnly)
        let collection = try database.collection(target.collection)
        let filter = try filter.map { try Filter(parsing: $0) }
        var named: Set<String> = []
        let shown = fields.map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { named.insert($0).inserted } }
        let selection: FieldSelection = shown.map { .only($0) } ?? .all
        let question = try Question(collection, vector: vector, image: image, like: like, model: model)

        if explain {
            print(try explanation(collection, question, filter))
            return
        }
        let start = ContinuousClock.now
        let results = try search(collection, question, filter, selection)
        let seconds = (ContinuousClock.now - start).seconds

        let report = SearchReport(
            schema: collection.schema, fields: shown ?? collection.schema.fields.map(\.name), results: results, seconds: seconds)
        // The sheet comes first: printing may end the process where nobody reads on (`… | head`).
        if let sheet {
            let page = try report.sheet(collection, database: target.database, question: question, filter: self.filter)
            try Self.write(page.html, to: sheet)
        }
        if json {
            for line in report.jsonLines { print(line) }
        } else {
            for line in report.table(width: Terminal.width(of: FileHandle.standardOutput.fileDescriptor)) { print(line) }
            if let sheet { print("Sheet: \(sheet)") }
        }
    }

    private func search(
        _ collection: Needletail.Collection, _ question: Question, _ filter: Filter?, _ selection: FieldSelection
    ) throws -> SearchResults {
        let threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
        switch question.subject {
        case .record(let id):
            return try collection.search(
                like: id, k: k ?? 10, where: filter, select: selection, recall: recall, efSearch: efSearch, nprobe: nprobe,
                refineFactor: refineFactor, exact: exact, threads: threads)
        case .vector(let vector):
            if let radius {
                return try collection.search(
                    near: vector, within: radius, limit: k, where: filter, select: selection, recall: recall, efSearch: efSearch, nprobe: nprobe,
                    refineFactor: refineFactor, exact: exact, threads: threads)
            }
            return try collection.search(
                near: vector, k: k ?? 10, where: filter, select: selection, recall: recall, efSearch: efSearch, nprobe: nprobe,
                refineFactor: refineFactor, exact: exact, threads: threads)
        }
    }

    private func explanation(_ collection: Needletail.Collection, _ question: Question, _ filter: Filter?) throws -> Explanation {
        let near: [Float]
        switch question.subject {
        case .vector(let vector): near = vector
        case .record(let id):
            guard let record = try collection.get(id, select: .none) else {
                throw NeedletailError(.recordNotFound, "collection '\(collection.name)' has no record \(id)")
            }
            near = record.vector
        }
        return try collection.explain(
            near: near, k: k ?? 10, where: filter, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, exact: exact,
            analyze: true, verify: true)
    }

    private static func write(_ text: String, to path: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw ToolFailure(.io, "\(path): cannot be written: \(error.localizedDescription)")
        }
    }
}
