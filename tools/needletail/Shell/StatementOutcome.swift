import Needletail

/// What a statement without rows did, in words.
struct StatementOutcome {
    private let verb: String
    private let object: String
    private let result: QueryResult

    init(_ statement: String, _ result: QueryResult) {
        let words = statement.split(whereSeparator: \.isNewline).filter { !$0.trimmed.hasPrefix("--") }
            .joined(separator: " ").split(whereSeparator: \.isWhitespace).prefix(2).map { $0.uppercased() }
        verb = words.first ?? ""
        object = words.count > 1 ? words[1] : ""
        self.result = result
    }

    func message(in database: Database) throws -> String {
        let records = Format.counted(result.changedCount ?? 0, "record")
        let name = result.collection ?? ""
        switch (verb, object) {
        case ("INSERT", _): return "Inserted \(records)."
        case ("UPDATE", _): return "Updated \(records)."
        case ("DELETE", _): return "Deleted \(records)."
        case ("DROP", "COLLECTION"), ("DROP", "TABLE"): return result.changedCount == 0 ? "Nothing to drop." : "Dropped collection '\(name)'."
        case ("DROP", "INDEX"): return result.changedCount == 0 ? "Nothing to drop." : "Dropped the index of '\(name)'."
        case ("CREATE", "COLLECTION"), ("CREATE", "TABLE"):
            guard result.changedCount != 0 else { return "Collection '\(name)' was there already." }
            return "Made collection '\(name)': \(CollectionReport.summary(of: try database.collection(name).schema))."
        case ("CREATE", "INDEX"):
            guard let index = try database.collection(name).index() else { return "Done." }
            return "Built an index of '\(name)': \(IndexReport.summary(of: index)), in \(Format.seconds(index.build.seconds))."
        default: return result.changedCount.map { "\(Format.counted($0, "record")) changed." } ?? "Done."
        }
    }
}
