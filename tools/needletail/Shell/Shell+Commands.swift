import Foundation
import Needletail

extension Shell {
    /// Runs a dot-command. `depth` says how many files that read each other it stands in.
    func run(_ command: DotCommand, depth: Int) async throws {
        switch command {
        case .help(let name): try help(name)
        case .quit: leave()
        case .open(let path):
            try reopen(Path.expandingHome(path))
            if isInteractive { output.write(greeting) }
        case .collections: try listCollections()
        case .schema(let name): try showSchema(name)
        case .indexes(let name): try listIndexes(name)
        case .info:
            for line in try InformationReport(database).lines { output.write(TextWidth.printable(line) + "\n") }
        case .mode(let mode, let file): setMode(mode, file)
        case .timer(let isOn):
            if let isOn { settings.showsTime = isOn } else { output.write("timer is \(settings.showsTime ? "on" : "off")\n") }
        case .images(let isOn): setImages(isOn)
        case .model(let path): images.model = path.map(Path.expandingHome)
        case .output(let path): try output.redirect(to: path)
        case .read(let path): try await read(Path.expandingHome(path), depth: depth)
        case .importFile(let file, let collection): try await importFile(Path.expandingHome(file), collection)
        }
    }

    private func help(_ name: String?) throws {
        var entries = DotCommand.entries
        if let name { entries = [try DotCommand.entry(named: name.hasPrefix(".") ? name : "." + name)] }
        let usages = entries.map { "\($0.names[0]) \($0.arguments)".trimmed }
        let width = usages.reduce(0) { max($0, $1.count) }
        for (entry, usage) in zip(entries, usages) {
            output.write(usage + String(repeating: " ", count: width + 2 - usage.count) + entry.summary + "\n")
        }
        if name == nil { output.write(Self.statementHelp) }
    }

    private static let statementHelp = """

        Statements end with a semicolon:
          CREATE COLLECTION items (embedding VECTOR(3), name STRING, price DOUBLE);
          INSERT INTO items (id, embedding, name) VALUES ('a', [1, 0, 0], 'red');
          SELECT id, name, distance FROM items WHERE price < 5
            ORDER BY embedding <-> [1, 0, 0] LIMIT 10;
          EXPLAIN ANALYZE SELECT …;     CREATE INDEX ON items USING hnsw;
        <-> is l2, <=> cosine, <#> minus the product; near to image('query.jpg') or record('a') too.

        """

    // MARK: What is there

    private func listCollections() throws {
        let collections = try database.information().collections
        guard !collections.isEmpty else { return output.write(noCollections) }
        let columns: [(String, FieldType)] = [
            ("collection", .string), ("records", .int), ("dimension", .int), ("metric", .string), ("element", .string), ("fields", .int),
            ("index", .string),
        ]
        list(columns, collections.map { collection in
            let schema = collection.schema
            return [
                .string(collection.name), .int(Int64(collection.count)), .int(Int64(schema.dimension)), .string(schema.metric.rawValue),
                .string(schema.element.rawValue), .int(Int64(schema.fields.count)),
                collection.index.map { .string("\($0.kind)") } ?? .null,
            ]
        })
    }

    private func listIndexes(_ name: String?) throws {
        let collections = try named(name)
        let lines = collections.flatMap { collection -> [String] in
            guard let index = collection.index else { return collection.indexProblem.map { ["\(collection.name): \($0)"] } ?? [] }
            return ["\(collection.name): \(IndexReport.summary(of: index))"]
                + (IndexReport.recall(of: index) + [IndexReport.changes(since: index)].compactMap { $0 }).map { "  " + $0 }
        }
        guard lines.isEmpty else { return output.write(ResultPrinter.text(lines.map { TextWidth.printable($0) })) }
        guard let collection = collections.first else { return output.write(noCollections) }
        let subject = name == nil ? "No collection has an index" : "Collection '\(collection.name)' has no index"
        output.write(subject + " yet: CREATE INDEX ON \(CompletionSource.quoted(collection.name)) USING hnsw;\n")
    }

    private func showSchema(_ name: String?) throws {
        let collections = try named(name)
        guard !collections.isEmpty else { return output.write(noCollections) }
        for collection in collections { output.write(TextWidth.printable(SchemaText(collection).statement, keepsLines: true) + "\n") }
    }

    private var noCollections: String { "No collections yet: CREATE COLLECTION makes one, and so does .import FILE COLLECTION.\n" }

    /// The collection of this name, or all of them.
    private func named(_ name: String?) throws -> [CollectionInformation] {
        if let name { _ = try database.collection(name) }
        return try database.information().collections.filter { name == nil || $0.name == name }
    }

    private func list(_ columns: [(String, FieldType)], _ rows: [[Value]]) {
        let result = QueryResult(
            columns: columns.map { QueryColumn($0.0, .value($0.1)) }, rows: rows.map { $0.map { QueryValue.value($0) } })
        // A page of pictures is no place for a list.
        let width = output.width
        switch settings.mode {
        case .table, .sheet: output.write(ResultPrinter.text(ResultTable(result, width: width).lines))
        case .json, .csv, .line: output.write(ResultPrinter(mode: settings.mode, width: width).text(result))
        }
    }

    // MARK: Settings

    private func setMode(_ mode: OutputMode?, _ file: String?) {
        guard let mode else { return output.write("mode is \(settings.mode.rawValue)\n") }
        settings.mode = mode
        if let file { settings.sheetPath = file }
        if mode == .sheet, isInteractive { output.write("Results go to the page \(settings.sheetPath), with the records' pictures.\n") }
    }

    private func setImages(_ isOn: Bool?) {
        guard let isOn else { return output.write("images are \(settings.pictures == nil ? "off" : "on")\n") }
        settings.pictures = nil
        guard isOn else { return }
        guard isInteractive else { return Terminal.warn("pictures are shown on a terminal only; .mode sheet FILE writes a page with them") }
        output.flush()
        let environment = ProcessInfo.processInfo.environment
        let answer = TerminalProbe.run(environment: environment)
        guard let pictureProtocol = answer.pictures else {
            let reason = environment["TMUX"] != nil ? "tmux shows none here (from 3.4 on it can, built with sixel)"
                : environment["STY"] != nil ? "screen shows none" : "this terminal knows neither kitty's protocol nor iTerm2's nor sixel"
            return output.write("Images stay off: \(reason). A page with them: .mode sheet FILE\n")
        }
        settings.pictures = PicturedRows(pictureProtocol, cell: answer.cell)
        output.write("Pictures are shown beside rows, by \(pictureProtocol == .sixel ? "sixels" : "\(pictureProtocol.rawValue)'s protocol").\n")
    }

    // MARK: Files

    private func read(_ path: String, depth: Int) async throws {
        guard depth < Self.maximumReadDepth else { throw ToolFailure(.usage, "\(path): files read each other more than \(Self.maximumReadDepth) deep") }
        let file = try MappedFile(path: path)
        var lines = LineReader(file)
        try await run(Source(name: path, depth: depth + 1)) { lines.next().map { String(decoding: $0, as: UTF8.self) } }
    }

    private func importFile(_ file: String, _ collection: String) async throws {
        var options = Loader.Options()
        options.namesOptions = false
        let loader = Loader(database: database.path, collection: collection, files: [file], options: options)
        defer { interrupts.rest() }
        let bar = LoadProgressBar()
        let interrupts = interrupts
        let summary: LoadSummary
        do {
            summary = try await interrupts.run {
                try await loader.run(isCancelled: { interrupts.isRequested }, progress: { bar.update($0, $1, $2) })
            }
        } catch {
            bar.finish()
            throw error
        }
        bar.finish()
        for note in summary.notes { Terminal.warn(note) }
        output.write(ResultPrinter(mode: settings.mode, width: nil).text(done: summary.text))
        if summary.isCancelled {
            throw ToolFailure(.interrupted, "stopped; \(Format.counted(summary.loaded, "row")) of \(file) were loaded")
        }
    }
}
