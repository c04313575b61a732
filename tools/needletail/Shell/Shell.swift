import Foundation
import Needletail

/// A session with a database: runs statements and dot-commands, wherever they come from.
///
/// Everything here happens on the main actor, where the line editor waits for keys; a statement runs elsewhere, so that Ctrl-C can
/// cancel it.
@MainActor
final class Shell {
    /// What the user has set.
    struct Settings {
        var mode = OutputMode.table
        /// Where the page of mode `sheet` goes.
        var sheetPath = "needletail-sheet.html"
        var showsTime = false
        /// Set where pictures are shown beside rows.
        var pictures: PicturedRows?
    }

    /// Where an input comes from.
    struct Source {
        /// For messages, as `load.sql`; `nil` for standard input.
        var name: String?
        /// Whether a line tells more than the message does: not in a single line of the command line.
        var showsLine = true
        /// Files that read each other may not do so for ever.
        var depth = 0

        static let standardInput = Source()

        func place(_ line: Int, _ column: Int?) -> String {
            guard showsLine else { return "" }
            if let name { return "\(TextWidth.printable(name)):\(line):" + (column.map { "\($0): " } ?? " ") }
            return "line \(line)" + (column.map { ", column \($0): " } ?? ": ")
        }
    }

    var database: Database
    /// Whether the session made the file: one that stays empty is taken away again.
    private var isNewFile: Bool
    let isInteractive: Bool
    var settings = Settings()
    let output = ShellOutput()
    let images = ImageQueries()
    let interrupts: InterruptWatch
    private(set) var isLeaving = false

    static let maximumReadDepth = 16

    init(path: String, isInteractive: Bool) throws {
        self.isInteractive = isInteractive
        interrupts = InterruptWatch(endsWhenIdle: !isInteractive)
        isNewFile = !Path.exists(path)
        database = try Self.open(path)
    }

    // MARK: The database

    private static func open(_ path: String) throws -> Database {
        do throws(NeedletailError) {
            return try Database(path: path, mode: .create)
        } catch {
            // What cannot be written can still be asked.
            guard error.code == .readOnly, Path.exists(path) else { throw error }
            return try Database(path: path, mode: .readOnly)
        }
    }

    /// Goes on with another database.
    func reopen(_ path: String) throws {
        // Closing a new file, which may take it away, would take it away from the other handle, too.
        guard Path.absolute(path) != Path.absolute(database.path) else { return }
        let isNew = !Path.exists(path)
        let opened = try Self.open(path)
        closeDatabase()
        database = opened
        isNewFile = isNew
    }

    /// Ends the session.
    func close() throws {
        closeDatabase()
        try output.finish()
    }

    private func closeDatabase() {
        if isNewFile, (try? database.collectionNames())?.isEmpty == true {
            database.discard(database.path)
        } else {
            database.close()
        }
    }

    /// Two lines for a person who has just come in.
    var greeting: String {
        let names = (try? database.collectionNames()) ?? []
        let state = names.isEmpty ? (isNewFile ? "a new file" : "no collections yet") : Format.counted(names.count, "collection")
        let access = database.mode == .readOnly ? ", for reading only" : ""
        return "Needletail \(RootCommand.configuration.version): \(TextWidth.printable(database.path)), \(state)\(access).\n"
            + "Statements end with a semicolon; .help lists the commands, .quit leaves.\n"
    }

    // MARK: Running

    /// Runs all that `lines` hand out.
    ///
    /// - Throws: the first failure, with its place.
    func run(_ source: Source, lines next: () -> String?) async throws {
        var reader = StatementReader()
        while !isLeaving, let line = next() {
            for item in reader.add(line) where !isLeaving { try await run(item, from: source) }
        }
        if !isLeaving, let rest = reader.finish() { try await run(rest, from: source) }
    }

    private func run(_ item: StatementReader.Item, from source: Source) async throws {
        var (firstLine, offset) = (0, 0)
        do {
            switch item {
            case .command(let text, let line):
                firstLine = line
                try await run(DotCommand(parsing: text), depth: source.depth)
            case .statement(let text, let line, let before):
                (firstLine, offset) = (line, before)
                try await run(statement: text)
            }
        } catch {
            guard var failure = ToolFailure(error) else { throw error }
            // A failure inside of a file that was read has its place already.
            if !(error is PlacedFailure) {
                let cause = error as? NeedletailError
                let line = cause?.line ?? 1
                failure.message = source.place(firstLine + line - 1, cause?.column.map { line == 1 ? $0 + offset : $0 }) + failure.message
            }
            throw PlacedFailure(failure: failure)
        }
    }

    /// Runs an item that was typed; what fails is told, and the session goes on.
    func runTyped(_ item: StatementReader.Item) async throws {
        do {
            switch item {
            case .command(let text, _): try await run(DotCommand(parsing: text), depth: 0)
            case .statement(let text, _, _): try await run(statement: text)
            }
        } catch {
            guard let failure = ToolFailure(error) else { throw error }
            output.flush()
            Terminal.writeError(failure.status == .interrupted ? "Stopped.\n" : "Error: \(TextWidth.printable(failure.message, keepsLines: true))\n")
        }
        output.flush()
    }

    /// Runs a statement and prints what it gives.
    private func run(statement text: String) async throws {
        defer { interrupts.rest() }
        let bar = IndexProgressBar()
        let options = QueryOptions(
            resolveImage: { [images] name, collection in try images.vector(of: name, for: collection) },
            indexProgress: { bar.update($0) })
        let start = ContinuousClock.now
        let result: QueryResult
        do {
            result = try await interrupts.run { [database, options] in try await database.query(text, options: options) }
        } catch {
            bar.finish()
            throw error
        }
        bar.finish()
        let seconds = (ContinuousClock.now - start).seconds
        try print(result, statement: text, seconds: seconds)
        output.flush()
        if settings.showsTime { output.write("Time: \(Format.decimal(seconds * 1000, digits: seconds < 0.1 ? 2 : 0)) ms\n") }
    }

    func leave() { isLeaving = true }
}

/// A failure that says where it happened.
struct PlacedFailure: Error {
    let failure: ToolFailure
}
