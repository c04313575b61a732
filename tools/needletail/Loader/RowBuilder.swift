import Foundation
import Needletail

/// Collects the rows of a table until they make a batch.
struct RowBuilder {
    /// One row, checked as a whole before any of it is added.
    struct Row {
        var id: RecordID?
        var vector: [Float]?
        var values: [Value]
        /// Name and JSON of what goes into the payload.
        var payload: [(String, String)] = []
    }

    private(set) var count = 0
    var floats: [Float] = []
    private(set) var ids: [RecordID] = []
    private(set) var lines: [Int] = []
    /// By field, then by row.
    private var values: [[Value]]
    private var payloads: [Data?] = []
    private var hasPayload = false

    init(fieldCount: Int) {
        values = Array(repeating: [], count: fieldCount)
    }

    /// - Parameter number: the id of a row that has none of its own.
    mutating func append(_ row: Row, number: Int, line: Int) {
        count += 1
        if let vector = row.vector { floats += vector }
        ids.append(row.id ?? .int(Int64(number)))
        lines.append(line)
        for (field, value) in row.values.enumerated() { values[field].append(value) }
        payloads.append(row.payload.isEmpty ? nil : Data(JSONText.object(row.payload).utf8))
        hasPayload = hasPayload || !row.payload.isEmpty
    }

    /// A row that holds a place only, to be removed from the batch.
    mutating func appendEmpty(number: Int) {
        append(Row(values: Array(repeating: .null, count: values.count)), number: number, line: 0)
    }

    var payloadsIfAny: [Data?]? { hasPayload ? payloads : nil }

    func columns(_ plan: LoadPlan) -> [RecordBatch.Column] {
        zip(plan.fields, values).map { planned, values in
            switch planned.field.type {
            case .bool: .bool(values.map(\.boolValue))
            case .int: .int(values.map(\.intValue))
            case .double: .double(values.map(\.doubleValue))
            case .timestamp: .timestamp(values.map(\.timestampValue))
            case .string: .string(values.map(\.stringValue))
            case .strings: .strings(values.map(\.stringsValue))
            }
        }
    }
}
