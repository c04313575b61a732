import Foundation
import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// Records one by one from one snapshot: in the order of a field or, without one, of arrival; all of them, or those that match
    /// a filter.
    ///
    /// ```swift
    /// let cheapest = try photos.records(where: Filter(parsing: "label = 'cat'"), orderBy: "price", limit: 20)
    /// while let record = try cheapest.next() { print(record.id) }
    /// ```
    /// Numbers and timestamps are ordered by value (NaN behind all numbers), strings by their UTF-8 bytes, `false` before `true`,
    /// ids that are integers before those that are strings. Equal values come in order of arrival. Descending is the reverse of it;
    /// records without a value come last in either direction.
    ///
    /// - Parameters:
    ///   - filter: Only records that match.
    ///   - field: A field of the schema but a list of strings, or `id`.
    ///   - ascending: From least to greatest, or the other way round.
    ///   - position: Where an earlier page ended (``RecordCursor/position``): begin behind it. The order must be the same.
    ///   - limit: At most so many.
    ///   - offset: Pass over so many first. To go on page by page use `after`, which does not pass over anything.
    ///   - fields: Which fields the records carry.
    /// - Throws: `unknownField`, with the nearest name; `typeMismatch` for a list of strings; `invalidArgument` for a negative number,
    ///   or a position of another order; and what the filter throws.
    /// - Complexity: By an indexed field, about `offset + limit` steps and a look at the newest records. By another field, one pass
    ///   over its column, which keeps `offset + limit` records; without a limit, it is sorted. By a string field, besides, a walk over
    ///   its different strings where new ones have come.
    public func records(
        where filter: Filter? = nil, orderBy field: String? = nil, ascending: Bool = true, after position: RecordPosition? = nil,
        limit: Int? = nil, offset: Int = 0, select fields: FieldSelection = .all
    ) throws(NeedletailError) -> RecordCursor {
        guard offset >= 0 else {
            throw NeedletailError(.invalidArgument, "an offset of \(offset) is not possible: it must be 0 or more", actual: offset)
        }
        guard limit ?? 0 >= 0 else {
            throw NeedletailError(.invalidArgument, "a limit of \(limit ?? 0) is not possible: it must be 0 or more", actual: limit)
        }
        let positions = try fields.positions(in: schema)
        try check(position, field, ascending)
        let table = try table()
        let matching = try filter.map { filter throws(NeedletailError) in try self.matching(filter, in: table) }
        var scan: OrderedScan?
        if let field {
            let key = try orderKey(field, table)
            let after = try storage { () throws(StorageError) in try position.map { position throws(StorageError) in try entry(position, key, table) } }
            let bound = limit.map { $0.addingReportingOverflow(offset) }
            scan = try storage { () throws(StorageError) in
                try OrderedScan(
                    table, by: key, ascending: ascending, matching: matching, after: after ?? nil, bound: bound.flatMap { $0.overflow ? nil : $0.partialValue })
            }
        }
        return RecordCursor(
            collection: self, table: table, positions: positions, matching: matching, order: (field, ascending), scan: scan,
            firstSlot: scan == nil ? position.map { Int($0.slot) + 1 } ?? 0 : 0, offset: offset, limit: limit)
    }

    private func check(_ position: RecordPosition?, _ field: String?, _ ascending: Bool) throws(NeedletailError) {
        guard let position else { return }
        func order(_ field: String?, _ ascending: Bool) -> String {
            field.map { "by '\($0)', " + (ascending ? "ascending" : "descending") } ?? "of arrival"
        }
        guard position.field == field, field == nil || position.isAscending == ascending else {
            throw NeedletailError(
                .invalidArgument,
                "the position belongs to the order \(order(position.field, position.isAscending)), not \(order(field, ascending)): ask for the same order again")
        }
        guard position.table == tableID, position.rank <= SortEntry.null else {
            throw NeedletailError(.invalidArgument, "the position belongs to another collection than '\(name)': begin again without it")
        }
    }

    /// What a field orders by.
    private func orderKey(_ name: String, _ table: TableSnapshot) throws(NeedletailError) -> OrderedScan.Key {
        if let position = schema.fields.firstIndex(where: { $0.name == name }) {
            guard schema.fields[position].type != .strings else {
                throw NeedletailError(
                    .typeMismatch, "the field '\(name)' is a list of strings, which has no order: order by another field, or count its strings with facets")
            }
            return .column(position)
        }
        guard name == "id" else { throw schema.unknownField(name, among: schema.fields.map(\.name) + ["id"]) }
        return try storage { () throws(StorageError) in .id(strings: try table.stringIDs()) }
    }

    /// The place of a position in the order as this snapshot has it.
    private func entry(_ position: RecordPosition, _ key: OrderedScan.Key, _ table: TableSnapshot) throws(StorageError) -> SortEntry {
        if position.rank == SortEntry.null { return SortEntry(nullAt: position.slot) }
        func place(count: Int, _ text: String, _ string: (Int) throws(StorageError) -> String) throws(StorageError) -> SortEntry {
            var low = 0, high = count
            while low < high {
                let middle = (low + high) / 2
                if try string(middle).utf8.lexicographicallyPrecedes(text.utf8) { low = middle + 1 } else { high = middle }
            }
            if low < count, try string(low).utf8.elementsEqual(text.utf8) {
                return SortEntry(number: UInt64(low), slot: position.slot, isAscending: position.isAscending, rank: position.rank)
            }
            // The string is not there: behind all that come before it.
            var entry = SortEntry(number: UInt64(bitPattern: Int64(position.isAscending ? low - 1 : low)), slot: 0, isAscending: position.isAscending, rank: position.rank)
            entry.place = .max
            if position.isAscending, low == 0 {
                entry.number = 0
                entry.place = 0
            }
            return entry
        }
        guard let text = position.text else {
            return SortEntry(number: position.number, slot: position.slot, isAscending: position.isAscending, rank: position.rank)
        }
        switch key {
        case .column(let column):
            guard schema.fields[column].type == .string else {
                return SortEntry(number: position.number, slot: position.slot, isAscending: position.isAscending, rank: position.rank)
            }
            let order = try table.stringOrder(column: column)
            return try place(count: order.codes.count, text) { rank throws(StorageError) in try table.string(column: column, code: order.codes[rank]) }
        case .id(let strings):
            return try place(count: strings.count, text) { strings[$0].id }
        }
    }
}

extension TableSnapshot {
    /// The ids of live records that are strings, in the order of their bytes.
    fileprivate func stringIDs() throws(StorageError) -> [(id: String, slot: UInt32)] {
        var found: [(id: String, slot: UInt32)] = []
        for segment in try keyColumn().segments where segment.nullCount > 0 {
            for row in 0 ..< segment.count where !segment.isPresent(row) && !isDeleted(UInt32(segment.firstSlot + row)) {
                let slot = UInt32(segment.firstSlot + row)
                if case .string(let id) = try key(ofSlot: slot) { found.append((id, slot)) }
            }
        }
        return found.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
    }
}

/// Hands out the records of one snapshot, one by one. For one task at a time.
///
/// While it is held, the space that its snapshot's records take cannot be used again: do not keep it for long, but its
/// ``position``, from which a later call goes on.
public final class RecordCursor {
    private let collection: Collection
    private let table: TableSnapshot
    private let positions: [Int]
    private let matching: SlotBitmap?
    private let order: (field: String?, isAscending: Bool)
    private let scan: OrderedScan?
    /// In order of arrival, the next slot to look at.
    private var slot: Int
    private var skipping: Int
    private var left: Int
    private var last: SortEntry?

    init(
        collection: Collection, table: TableSnapshot, positions: [Int], matching: SlotBitmap?, order: (field: String?, isAscending: Bool),
        scan: OrderedScan?, firstSlot: Int, offset: Int, limit: Int?
    ) {
        self.collection = collection
        self.table = table
        self.positions = positions
        self.matching = matching
        self.order = order
        self.scan = scan
        slot = firstSlot
        skipping = offset
        left = limit ?? .max
    }

    /// The next record; `nil` after the last.
    public func next() throws(NeedletailError) -> Record? {
        guard left > 0 else { return nil }
        while let entry = try storage({ () throws(StorageError) in try nextEntry() }) {
            if skipping > 0 {
                skipping -= 1
                continue
            }
            let slot = entry.slot(isAscending: order.isAscending)
            let record = try storage { () throws(StorageError) in
                let id = RecordID(try table.key(ofSlot: slot))
                return try collection.record(at: slot, id: id, of: table, positions)
            }
            last = entry
            left -= 1
            return record
        }
        left = 0
        return nil
    }

    /// Where the last record that was handed out stands: pass it as `after` for the records behind it. `nil` before the first one.
    public var position: RecordPosition? {
        guard let last else { return nil }
        let slot = last.slot(isAscending: order.isAscending)
        var number = order.isAscending ? last.number : ~last.number
        var text: String?
        if let field = order.field, last.rank != SortEntry.null {
            // Ranks change when strings come: the string itself is what stays. It has been read before, so reading it cannot fail.
            if let position = collection.schema.fields.firstIndex(where: { $0.name == field }) {
                if collection.schema.fields[position].type == .string, case .string(let string)? = try? table.cell(slot: slot, column: position) { text = string }
            } else if case .string(let id)? = try? table.key(ofSlot: slot) {
                text = id
            }
            if text != nil { number = 0 }
        }
        return RecordPosition(
            table: collection.tableID, field: order.field, isAscending: order.isAscending, rank: last.rank, number: number, text: text, slot: slot)
    }

    private func nextEntry() throws(StorageError) -> SortEntry? {
        if let scan { return try scan.next() }
        while slot < table.slotCount {
            let candidate = slot
            slot += 1
            if let matching {
                guard matching.contains(UInt32(candidate)) else { continue }
            } else if let deleted = table.deleted, deleted[candidate >> 6] >> UInt64(candidate & 63) & 1 == 1 {
                continue
            }
            return SortEntry(number: 0, slot: UInt32(candidate), isAscending: order.isAscending)
        }
        return nil
    }
}
