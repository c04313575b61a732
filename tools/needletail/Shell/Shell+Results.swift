import Foundation
import Needletail

extension Shell {
    /// Prints the result of a statement as the settings have it.
    func print(_ result: QueryResult, statement: String, seconds: Double) throws {
        let printer = ResultPrinter(mode: settings.mode, width: output.width)
        if result.columns.isEmpty {
            output.write(printer.text(done: try StatementOutcome(statement, result).message(in: database)))
        } else if settings.mode == .sheet, result.explanation == nil {
            try writeSheet(result, statement: statement, seconds: seconds)
        } else if let pictures = settings.pictures, output.isTerminal, let jpegs = try thumbnails(of: result) {
            output.write(text(result, beside: jpegs, pictures))
        } else {
            let text = printer.text(result)
            // What is stored must not steer the terminal.
            try output.write(output.isTerminal ? TextWidth.printable(text, keepsLines: true) : text) { !interrupts.isRequested }
        }
    }

    // MARK: Pictures beside rows

    /// The records' thumbnails; `nil` where the mode or the rows have no place for them, or no record has one.
    private func thumbnails(of result: QueryResult) throws -> [Data?]? {
        guard settings.mode == .table || settings.mode == .line, let name = result.collection, !result.recordIDs.isEmpty,
            result.recordIDs.count == result.rows.count
        else { return nil }
        let collection = try database.collection(name)
        let jpegs = try result.recordIDs.map { try collection.attachment(of: $0) }
        return jpegs.contains { $0 != nil } ? jpegs : nil
    }

    private func text(_ result: QueryResult, beside jpegs: [Data?], _ pictures: PicturedRows) -> String {
        let width = output.width.map { max(20, $0 - PicturedRows.indent) }
        if settings.mode == .line {
            return pictures.text(header: [], rows: ResultLines(result, width: width).records.map { $0 + [""] }, jpegs: jpegs)
        }
        let table = ResultTable(result, width: width)
        return pictures.text(header: Array(table.lines.prefix(2)), rows: table.lines.dropFirst(2).map { [$0] }, jpegs: jpegs)
            + ResultPrinter.text([table.summary] + table.notes)
    }

    // MARK: The page

    private func writeSheet(_ result: QueryResult, statement: String, seconds: Double) throws {
        let collection = try result.collection.map { try database.collection($0) }
        let asked = images.takeLast()
        let oneLine = statement.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        var facts: [(name: String, value: String)] = []
        if let collection { facts.append(("metric", collection.schema.metric.rawValue)) }
        if let plan = result.plan { facts.append(("plan", plan.description)) }
        facts.append(("time", "\(Format.decimal(seconds * 1000, digits: 2)) ms"))
        let distance = result.columns.firstIndex(where: ResultText.isDistance)
        let idColumn = result.columns.firstIndex { $0.kind == .id }
        var hits: [ResultSheet.Hit] = []
        for (number, row) in result.rows.enumerated() {
            let id = result.recordIDs.indices.contains(number) ? result.recordIDs[number] : nil
            let texts = zip(result.columns, row).map { (name: $0.name, value: $1.isNull ? "" : ResultText.cell($1, column: $0)) }
            hits.append(
                ResultSheet.Hit(
                    rank: number + 1, id: id?.description ?? "", distance: distance.map { texts[$0].value } ?? "",
                    fields: texts.enumerated().filter { $0.offset != distance && $0.offset != idColumn }.map(\.element),
                    thumbnail: try id.flatMap { try collection?.attachment(of: $0) }))
        }
        let sheet = ResultSheet(
            collection: result.collection ?? "", database: database.path, question: oneLine, picture: asked, facts: facts, hits: hits)
        let path = Path.expandingHome(settings.sheetPath)
        do {
            try Data(sheet.html.utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw ToolFailure(.io, "\(path): cannot be written: \(error.localizedDescription)")
        }
        output.write("\(Format.counted(result.rows.count, "row")) on the page \(settings.sheetPath)\n")
    }
}
