import NeedletailStorage

/// How the records that pass a filter are found: from ordered indexes, by scans of columns, and what that costs.
///
/// The slots of a range of an ordered index, compared exactly, are the way of a search whose filter leaves few records; no column
/// is read then.
struct FilterAccess: Sendable, Equatable {
    /// Fields whose ordered index gives the slots, and fields whose columns are scanned, in the order of the filter.
    private(set) var ordered: [String] = []
    private(set) var scanned: [String] = []
    /// Microseconds that it is expected to take, and that scans of all columns would.
    private(set) var microseconds = 0.0
    private(set) var scanMicroseconds = 0.0

    /// Whether no column need be read.
    var isOrdered: Bool { !ordered.isEmpty && scanned.isEmpty }

    /// - Parameter columnValue: Nanoseconds that a scan takes for a value.
    init(
        _ filter: BoundFilter, _ statistics: TableStatistics, in table: TableSnapshot, _ schema: Schema, columnValue: Double
    ) throws(StorageError) {
        try add(filter.root, statistics, table, schema, columnValue)
        // The bitmap is cleared and counted.
        let words = Double(table.slotCount) / 64 / 1000
        microseconds += words
        scanMicroseconds += words
    }

    /// Of a filter of a collection.
    init(_ filter: Filter, _ table: TableSnapshot, _ collection: Collection) throws(NeedletailError) {
        let bound = try BoundFilter(filter, fields: collection.schema.fields.map { ($0.name, $0.type) })
        let statistics = TableStatistics.of(table, collection), columnValue = VectorShape(collection.schema).kernels().columnValue
        self = try storage { () throws(StorageError) in
            try FilterAccess(bound, statistics, in: table, collection.schema, columnValue: columnValue)
        }
    }

    private mutating func add(
        _ node: BoundFilter.Node, _ statistics: TableStatistics, _ table: TableSnapshot, _ schema: Schema, _ columnValue: Double
    ) throws(StorageError) {
        switch node {
        case .and(let terms), .or(let terms):
            for term in terms { try add(term, statistics, table, schema, columnValue) }
        case .condition(let condition):
            guard case .column(let position) = condition.subject else { return Self.note("id", &scanned) }
            let name = schema.fields[position].name, scan = Double(table.slotCount) * columnValue / 1000
            scanMicroseconds += scan
            let covered = Double(table.orderedCount)
            let entries = try statistics.selectivity(of: condition, in: table).expected * covered
            if !condition.isNegated, condition.test.isInOrder, table.hasOrder(column: position), entries * Double(TableSnapshot.scannedPerEntry) <= covered {
                Self.note(name, &ordered)
                // Rows that came after the index are scanned.
                microseconds += (entries * Double(TableSnapshot.scannedPerEntry) + Double(table.slotCount) - covered) * columnValue / 1000
            } else {
                Self.note(name, &scanned)
                microseconds += scan
            }
        }
    }

    private static func note(_ name: String, _ names: inout [String]) {
        if !names.contains(name) { names.append(name) }
    }

    /// `from the ordered index of 'taken'`; `nil` where all is scanned.
    var description: String? {
        guard !ordered.isEmpty else { return nil }
        func list(_ names: [String]) -> String { names.map { "'\($0)'" }.joined(separator: ", ") }
        let index = "from the ordered index of \(list(ordered))"
        guard scanned.isEmpty else { return index + " and by a scan of \(list(scanned))" }
        return index + " (a scan: \(NumberText.significant(scanMicroseconds, digits: 2)) µs)"
    }
}

extension BoundFilter.Test {
    /// Whether what passes is a few ranges of an order.
    fileprivate var isInOrder: Bool {
        switch self {
        case .isNull, .nothing, .listContains: false
        case .intSet(let values): values.count <= 64
        case .doubleSet(let values): values.count <= 64
        default: true
        }
    }
}
