/// The records of a `.csv` file as RFC 4180 has it: commas, a header with the columns' names, cells in double quotes
/// where they hold commas, quotes (doubled) or line ends.
///
/// An empty cell is null; an empty cell in quotes is the empty string. Cells come as strings; what type they stand for
/// is ``TypeInference``'s business.
package struct CSVReader {
    package var path: String { file.path }
    package private(set) var columns: [String]
    private let file: MappedFile
    private var offset: Int
    private var line = 1
    private var released = 0

    package init(path: String) throws(InputError) {
        file = try MappedFile(path: path)
        offset = file.bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        columns = []
        guard let header = try record() else {
            throw InputError(path, "the file is empty; its first line should name the columns")
        }
        try requireUTF8(header)
        var names: [String] = []
        for (position, cell) in header.cells.enumerated() {
            guard case .string(let text) = cell, let name = Self.trimmed(text) else {
                throw InputError(path, .line(header.line), "column \(position + 1) has no name in the header line")
            }
            guard !names.contains(name) else { throw InputError(path, .line(header.line), "the header names column '\(name)' twice") }
            names.append(name)
        }
        columns = names
    }

    /// Bytes read so far and altogether, for the progress bar.
    package var progress: (done: Int, total: Int) { (offset, file.bytes.count) }

    /// The next record, `nil` at the end. After an error, the next call goes on with the next record.
    package mutating func next() throws(InputError) -> TableRow? {
        guard let record = try record() else { return nil }
        try requireUTF8(record)
        guard record.cells.count == columns.count else {
            throw InputError(
                path, .line(record.line),
                "\(record.cells.count) cells where the header names \(columns.count); put cells with commas into double quotes")
        }
        return TableRow(line: record.line, values: record.cells)
    }

    /// The number of records after the header, the bad ones whose end is certain included.
    package static func countRows(path: String) throws(InputError) -> Int {
        var reader = try CSVReader(path: path)
        var count = 0
        while try reader.record() != nil { count += 1 }
        return count
    }

    // MARK: One record

    private struct Record {
        var line: Int
        var cells: [JSONValue]
        /// Text that is not UTF-8 is an error of the record as a whole: the next one begins behind it.
        var isUTF8 = true
    }

    /// Blank lines are passed over.
    private mutating func record() throws(InputError) -> Record? {
        skipBlankLines()
        guard offset < file.bytes.count else { return nil }
        var record = Record(line: line, cells: [])
        record.cells.reserveCapacity(columns.count)
        while true {
            let cell = try cell()
            if cell == nil { record.isUTF8 = false }
            record.cells.append(cell ?? .null)
            guard offset < file.bytes.count else { break }
            // A cell ends at a comma or at the end of a line.
            let byte = file.bytes[offset]
            offset += 1
            if byte == UInt8(ascii: ",") { continue }
            if byte == 0x0D, offset < file.bytes.count, file.bytes[offset] == 0x0A { offset += 1 }
            line += 1
            break
        }
        releaseBehind()
        return record
    }

    private func requireUTF8(_ record: Record) throws(InputError) {
        guard record.isUTF8 else {
            throw InputError(path, .line(record.line), "the text is not UTF-8; convert it, for example with iconv -f latin1 -t utf-8")
        }
    }

    private mutating func skipBlankLines() {
        while offset < file.bytes.count, file.bytes[offset] == 0x0A || file.bytes[offset] == 0x0D {
            if file.bytes[offset] == 0x0A { line += 1 }
            offset += 1
        }
    }

    /// Reads a cell up to, and without, what ends it; `nil` where it is not UTF-8.
    private mutating func cell() throws(InputError) -> JSONValue? {
        guard offset < file.bytes.count, file.bytes[offset] == UInt8(ascii: "\"") else {
            let start = offset
            while offset < file.bytes.count, !Self.endsCell(file.bytes[offset]) { offset += 1 }
            return start == offset ? .null : text(start ..< offset).map { .string($0) }
        }
        return try quotedCell().map { .string($0) }
    }

    private mutating func quotedCell() throws(InputError) -> String? {
        let bytes = file.bytes
        let openingLine = line
        offset += 1
        var start = offset
        var before: [UInt8] = [] // The content up to the last doubled quote, with one of the two.
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if byte == 0x0A { line += 1 }
            guard byte == UInt8(ascii: "\"") else { continue }
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
                before += bytes[start ..< offset]
                offset += 1
                start = offset
                continue
            }
            let end = offset - 1
            if offset < bytes.count, !Self.endsCell(bytes[offset]) {
                let at = line
                skipLine()
                throw InputError(path, .line(at), "text follows a closing quote; double the quotes inside a quoted cell")
            }
            if before.isEmpty { return text(start ..< end) }
            before += bytes[start ..< end]
            return String(validating: before, as: UTF8.self)
        }
        throw InputError(path, .line(openingLine), "a quote opened here is never closed")
    }

    private mutating func skipLine() {
        while offset < file.bytes.count, file.bytes[offset] != 0x0A { offset += 1 }
        offset = min(offset + 1, file.bytes.count)
        line += 1
    }

    private func text(_ range: Range<Int>) -> String? {
        String(validating: UnsafeRawBufferPointer(rebasing: file.bytes[range]), as: UTF8.self)
    }

    private static func endsCell(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ",") || byte == 0x0A || byte == 0x0D }

    private static func trimmed(_ text: String) -> String? {
        let trimmed = text.drop { $0 == " " }
        guard let last = trimmed.lastIndex(where: { $0 != " " }) else { return nil }
        return String(trimmed[...last])
    }

    private mutating func releaseBehind() {
        guard offset - released >= 16 << 20 else { return }
        file.release(released ..< offset)
        released = offset
    }
}
