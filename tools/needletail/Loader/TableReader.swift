/// A file of rows with named values, `.jsonl` or `.csv`.
package enum TableReader {
    case jsonLines(JSONLinesReader)
    case csv(CSVReader)

    /// The endings that ``init(path:)`` reads.
    package static let pathExtensions: Set<String> = ["jsonl", "ndjson", "csv"]

    /// - Parameter verbatim: columns of JSON whose lists are to be kept as they are written.
    package init(path: String, verbatim: Set<String> = []) throws(InputError) {
        switch Path.pathExtension(of: path) {
        case "jsonl", "ndjson": self = .jsonLines(try JSONLinesReader(path: path, verbatim: verbatim))
        case "csv": self = .csv(try CSVReader(path: path))
        default: throw InputError(path, status: .usage, "neither .jsonl nor .csv")
        }
    }

    package var path: String {
        switch self {
        case .jsonLines(let reader): reader.path
        case .csv(let reader): reader.path
        }
    }

    /// The columns known so far.
    package var columns: [String] {
        switch self {
        case .jsonLines(let reader): reader.columns
        case .csv(let reader): reader.columns
        }
    }

    /// Whether values are text whose type is still to be read from it.
    package var isUntyped: Bool {
        switch self {
        case .jsonLines: false
        case .csv: true
        }
    }

    package var progress: (done: Int, total: Int) {
        switch self {
        case .jsonLines(let reader): reader.progress
        case .csv(let reader): reader.progress
        }
    }

    /// The next row, `nil` at the end. After an error, the next call goes on behind the row at fault.
    package mutating func next() throws(InputError) -> TableRow? {
        switch self {
        case .jsonLines(var reader):
            defer { self = .jsonLines(reader) }
            return try reader.next()
        case .csv(var reader):
            defer { self = .csv(reader) }
            return try reader.next()
        }
    }

    /// The number of rows in a file.
    package static func countRows(path: String) throws(InputError) -> Int {
        Path.pathExtension(of: path) == "csv" ? try CSVReader.countRows(path: path) : try JSONLinesReader.countRows(path: path)
    }
}
