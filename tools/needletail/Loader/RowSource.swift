import Foundation
import Needletail

/// The rows of a ``LoadPlan``'s files, batch after batch, in order.
package struct RowSource {
    package let plan: LoadPlan
    /// Rows passed over because they were bad, with the reasons of the first few.
    package private(set) var skipped = SkippedRows()
    /// Bytes of the files that were read.
    package private(set) var bytesRead = 0

    private let skipsBadRows: Bool
    private var files: ArraySlice<String>
    private var vectors: (file: VectorFile, row: Int)?
    private var table: TableReader?
    /// What the columns of `table` or `metadata` are, by position.
    private var roles: [Role] = []
    private var metadata: TableReader?
    /// The number of the next row over all files: its id, where rows have no ids of their own.
    private var rowNumber = 0
    private var bytesBefore = 0

    private enum Role {
        case id
        case vector
        case field(Int)
        case payload(String)
        case unknown(String)
    }

    package init(_ plan: LoadPlan, skipsBadRows: Bool) throws(InputError) {
        self.plan = plan
        self.skipsBadRows = skipsBadRows
        files = plan.files[...]
        metadata = try plan.metadata.map { path throws(InputError) in try TableReader(path: path, verbatim: plan.payloadColumns) }
    }

    /// The next batch of at most `limit` rows; `nil` at the end.
    package mutating func next(limit: Int) throws(InputError) -> RowBatch? {
        precondition(limit > 0)
        while true {
            if let current = vectors, current.row < current.file.count {
                if let batch = try nextVectors(current, limit: limit) { return batch }
                continue
            }
            if table != nil, let batch = try nextRows(limit: limit) { return batch }
            bytesBefore += vectors?.file.file.bytes.count ?? table?.progress.total ?? 0
            bytesRead = bytesBefore
            (vectors, table) = (nil, nil)
            guard let path = files.popFirst() else { return nil }
            if plan.vectorColumn == nil {
                vectors = (try VectorFile(path: path), 0)
            } else {
                table = try TableReader(path: path, verbatim: plan.payloadColumns)
                roles = []
            }
        }
    }

    /// Whether all rows were handed out.
    package var isAtEnd: Bool {
        guard files.isEmpty else { return false }
        if let vectors { return vectors.row >= vectors.file.count }
        return table.map { $0.progress.done >= $0.progress.total } ?? true
    }

    /// Passes over the first `rows` rows without looking at what they hold. Returns how many there were.
    package mutating func skip(rows: Int) throws(InputError) -> Int {
        var rest = rows
        while rest > 0, let path = files.first {
            files.removeFirst()
            if plan.vectorColumn == nil {
                let file = try VectorFile(path: path)
                let taken = min(rest, file.count)
                for _ in 0 ..< taken where metadata != nil {
                    do throws(InputError) { _ = try nextMetadataRow() } catch { try skip(error) }
                }
                vectors = (file, taken)
                rest -= taken
            } else {
                var reader = try TableReader(path: path, verbatim: plan.payloadColumns)
                while rest > 0 {
                    do throws(InputError) {
                        guard try reader.next() != nil else { break }
                    } catch {
                        try skip(error)
                    }
                    rest -= 1
                }
                table = reader
                roles = []
                assignRoles(reader.columns)
            }
            if rest > 0 { bytesBefore += vectors?.file.file.bytes.count ?? table?.progress.total ?? 0 }
        }
        rowNumber = rows - rest
        return rowNumber
    }

    // MARK: Vector files

    private mutating func nextVectors(_ current: (file: VectorFile, row: Int), limit: Int) throws(InputError) -> RowBatch? {
        let file = current.file
        let rows = current.row ..< min(file.count, current.row + limit)
        // The batch before may still be in use, the one before that is done with; those ahead are wanted soon.
        file.file.release(file.offset(ofRow: max(0, current.row - 2 * limit)) ..< file.offset(ofRow: max(0, current.row - limit)))
        file.file.willNeed(file.offset(ofRow: rows.upperBound) ..< file.offset(ofRow: min(file.count, rows.upperBound + limit)))
        try file.checkHeaders(ofRows: rows)
        vectors = (file, rows.upperBound)
        bytesRead = bytesBefore + file.offset(ofRow: rows.upperBound)

        var batch = RowBatch(
            count: rows.count, dimension: file.dimension, vectors: .mapped(file, firstRow: rows.lowerBound),
            ids: .numbers(first: Int64(rowNumber)), columns: [], payloads: nil, origin: .rows(file, first: rows.lowerBound))
        let firstNumber = rowNumber
        rowNumber += rows.count
        guard metadata != nil else { return batch }

        var builder = RowBuilder(fieldCount: plan.fields.count)
        var bad: Set<Int> = []
        for position in 0 ..< rows.count {
            do throws(InputError) {
                guard let row = try nextMetadataRow() else {
                    throw InputError(plan.metadata ?? "", "ends before the vectors do, at row \(firstNumber + position)")
                }
                let parsed = try parse(row, path: plan.metadata ?? "", isUntyped: metadata?.isUntyped ?? false)
                builder.append(parsed, number: firstNumber + position, line: row.line)
            } catch {
                try skip(error)
                bad.insert(position)
                builder.appendEmpty(number: firstNumber + position)
            }
        }
        batch.columns = builder.columns(plan)
        batch.payloads = builder.payloadsIfAny
        if plan.idColumn != nil { batch.ids = .explicit(builder.ids) }
        batch.remove(bad)
        return batch.count > 0 ? batch : nil
    }

    private mutating func nextMetadataRow() throws(InputError) -> TableRow? {
        let row = try metadata?.next()
        if let columns = metadata?.columns { assignRoles(columns) }
        return row
    }

    // MARK: Tables

    private mutating func nextRows(limit: Int) throws(InputError) -> RowBatch? {
        guard var reader = table else { return nil }
        table = nil
        defer { table = reader }
        var builder = RowBuilder(fieldCount: plan.fields.count)
        builder.floats.reserveCapacity(limit * plan.dimension)
        while builder.count < limit {
            do throws(InputError) {
                guard let row = try reader.next() else { break }
                if roles.count < reader.columns.count { assignRoles(reader.columns) }
                let parsed = try parse(row, path: reader.path, isUntyped: reader.isUntyped)
                builder.append(parsed, number: rowNumber, line: row.line)
            } catch {
                try skip(error)
            }
            // A bad row takes up a number all the same: numbers are those of the rows in the file.
            rowNumber += 1
        }
        bytesRead = bytesBefore + reader.progress.done
        guard builder.count > 0 else { return nil }
        return RowBatch(
            count: builder.count, dimension: plan.dimension, vectors: .floats(builder.floats), ids: .explicit(builder.ids),
            columns: builder.columns(plan), payloads: builder.payloadsIfAny, origin: .lines(path: reader.path, builder.lines))
    }

    // MARK: One row

    private mutating func assignRoles(_ columns: [String]) {
        for name in columns.dropFirst(roles.count) {
            if name == plan.idColumn {
                roles.append(.id)
            } else if name == plan.vectorColumn {
                roles.append(.vector)
            } else if let position = plan.fields.firstIndex(where: { $0.column == name }) {
                roles.append(.field(position))
            } else if plan.payloadColumns.contains(name) {
                roles.append(.payload(name))
            } else {
                roles.append(.unknown(name))
            }
        }
    }

    private func parse(_ row: TableRow, path: String, isUntyped: Bool) throws(InputError) -> RowBuilder.Row {
        var parsed = RowBuilder.Row(values: Array(repeating: .null, count: plan.fields.count))
        for (role, value) in zip(roles, row.values) where value != .null {
            switch role {
            case .id: parsed.id = try id(value, path: path, line: row.line)
            case .vector: parsed.vector = try vector(value, path: path, line: row.line, isUntyped: isUntyped)
            case .field(let position):
                let planned = plan.fields[position]
                guard let value = Value(value, as: planned.field.type, isUntyped: isUntyped, becomesText: planned.isMixed) else {
                    throw InputError(
                        path, .line(row.line),
                        "field '\(planned.column)' is of type \(planned.field.type), not \(Self.shown(value)); "
                            + "mend the line, give the field another type with --field \(planned.column):string in a new collection, "
                            + "or pass over such lines with --skip-bad")
                }
                parsed.values[position] = value
            case .payload(let name): parsed.payload.append((name, Self.json(value, isUntyped: isUntyped)))
            case .unknown(let name):
                throw InputError(
                    path, .line(row.line),
                    "field '\(name)' is none of the collection's; leave it out, or name it with --field \(name):TYPE when the collection is made")
            }
        }
        if plan.idColumn != nil, parsed.id == nil {
            throw InputError(path, .line(row.line), "no '\(plan.idColumn ?? "")' to take the id from")
        }
        if let column = plan.vectorColumn, parsed.vector == nil {
            throw InputError(path, .line(row.line), "no '\(column)' to take the vector from")
        }
        return parsed
    }

    private func id(_ value: JSONValue, path: String, line: Int) throws(InputError) -> RecordID {
        switch value {
        case .int(let number): return .int(number)
        case .string(let text) where plan.idsAreNumbers:
            guard let number = Int64(text) else {
                throw InputError(path, .line(line), "the id '\(text)' is no integer, as the ids before it are")
            }
            return .int(number)
        case .string(let text):
            guard !text.isEmpty else { throw InputError(path, .line(line), "the id is empty") }
            return .string(text)
        default: throw InputError(path, .line(line), "an id is an integer or a string, not \(value.kind)")
        }
    }

    private func vector(_ value: JSONValue, path: String, line: Int, isUntyped: Bool) throws(InputError) -> [Float] {
        var value = value
        if isUntyped, case .string(let text) = value { value = .reading(text) }
        guard case .numbers(let numbers) = value else {
            throw InputError(path, .line(line), "the vector must be a list of numbers, not \(Self.shown(value))")
        }
        guard numbers.count == plan.dimension else {
            throw InputError(path, .line(line), "the vector has \(numbers.count) components where \(plan.dimension) are expected")
        }
        return numbers
    }

    /// A value as it goes into the payload; of text that stands for a list, the list as it is written.
    private static func json(_ value: JSONValue, isUntyped: Bool) -> String {
        guard isUntyped, case .string(let text) = value else { return value.json }
        switch JSONValue.reading(text) {
        case .numbers, .strings: return text
        default: return value.json
        }
    }

    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "'\(TextWidth.fit(text, width: 40))'"
        case .bool, .int, .double: value.json
        default: value.kind
        }
    }

    /// Notes a bad row, or throws if bad rows are not to be passed over.
    package mutating func skip(_ error: InputError) throws(InputError) {
        guard skipsBadRows, error.status == .badData, error.place != .file else { throw error }
        skipped.note(error.description)
    }
}

/// How many rows were passed over, and why the first of them were.
package struct SkippedRows: Sendable, Hashable {
    package private(set) var count = 0
    package private(set) var reasons: [String] = []

    /// Reasons kept; a file may have millions of bad rows.
    private static let reasonLimit = 10

    package init() {}

    package mutating func note(_ reason: String) {
        count += 1
        if reasons.count < Self.reasonLimit { reasons.append(reason) }
    }
}
