import Needletail

/// Results as text, in the mode that the user chose.
package struct ResultPrinter: Sendable {
    package var mode: OutputMode
    /// Columns of the terminal; `nil` where the output is none: then nothing is cut.
    package var width: Int?

    package init(mode: OutputMode, width: Int?) {
        self.mode = mode
        self.width = width
    }

    /// The text, whose lines end as the mode has it. Empty for a result without rows where only data are wanted.
    package func text(_ result: QueryResult) -> String {
        guard !result.columns.isEmpty else { return "" }
        if let explanation = result.explanation, mode != .json, mode != .csv {
            return Self.text(explanation.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
        }
        switch mode {
        case .table, .sheet:
            let table = ResultTable(result, width: width)
            return Self.text(table.lines + [table.summary] + table.notes)
        case .line: return Self.text(Array(ResultLines(result, width: width).records.joined(separator: [""])))
        case .json: return Self.text(ResultData.jsonLines(result))
        case .csv: return ResultData.csv(result)
        }
    }

    /// What a statement that gives no rows did; empty where only data are wanted.
    package func text(done message: String) -> String {
        mode == .json || mode == .csv ? "" : message + "\n"
    }

    package static func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }
}

/// Values as a person reads them.
package enum ResultText {
    /// Components of a vector that are shown where it is shortened.
    private static let shownComponents = 4

    package static func cell(_ value: QueryValue, column: QueryColumn) -> String {
        switch value {
        case .vector(let vector): return shortened(vector)
        case .value(.null): return "NULL"
        case .value(.double(let number)): return self.number(number, isDistance: isDistance(column))
        case .value(.strings(let texts)): return texts.joined(separator: ", ")
        // As 2024-01-31 12:00:00, in UTC.
        case .value(.timestamp(let instant)): return instant.iso8601.replacing("T", with: " ").replacing("Z", with: "")
        case .value(let value): return value.description
        }
    }

    /// Distances are computed as 32-bit floats: further digits would be noise.
    package static func isDistance(_ column: QueryColumn) -> Bool {
        column.kind == .value(.double) && (column.name == "distance" || column.name == "score")
    }

    private static func number(_ number: Double, isDistance: Bool) -> String {
        guard isDistance else { return String(number) }
        return number != 0 && abs(number) < 0.001 ? String(Float(number)) : Format.decimal(number, digits: 4)
    }

    private static func shortened(_ vector: [Float]) -> String {
        let shown = vector.count <= shownComponents + 2 ? vector : Array(vector.prefix(shownComponents))
        let texts = shown.map { $0 == $0.rounded() && abs($0) < 1e6 ? String(Int($0)) : Format.decimal(Double($0), digits: 3) }
        return "[" + texts.joined(separator: ", ") + (shown.count < vector.count ? ", … \(Format.count(vector.count))" : "") + "]"
    }
}
