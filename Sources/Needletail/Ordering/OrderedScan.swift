import NeedletailStorage

/// The slots of a snapshot in the order of a field, one by one.
///
/// Rows that the field's ordered index covers come from there, block by block; those behind it, or all where there is no index,
/// are sorted, and both are merged. Where a filter leaves so few that walking the index past the others costs more, they are
/// sorted too. Records without a value come last, in order of arrival.
final class OrderedScan {
    /// What orders.
    enum Key {
        case column(Int)
        /// Ids that are strings, by rank.
        case id(strings: [(id: String, slot: UInt32)])
    }

    private let table: TableSnapshot
    private let key: Key
    private let isAscending: Bool
    private let matching: SlotBitmap?
    private let after: SortEntry?
    private let column: ColumnSnapshot
    private let strings: StringOrder?
    private let walk: IndexWalk?
    /// Rows below it come from the index.
    private let indexedCount: Int
    private var walked: SortEntry?
    private var sorted: [SortEntry] = []
    private var nextSorted = 0
    private var nullSlot = 0

    /// - Parameters:
    ///   - after: The scan begins behind it.
    ///   - bound: No more than so many slots will be asked for.
    init(
        _ table: TableSnapshot, by key: Key, ascending: Bool, matching: SlotBitmap?, after: SortEntry?, bound: Int?
    ) throws(StorageError) {
        self.table = table
        self.key = key
        isAscending = ascending
        self.matching = matching
        self.after = after
        if let after, after.rank == SortEntry.null { nullSlot = Int(after.place) + 1 }
        let isNullsOnly = after?.rank == SortEntry.null
        switch key {
        case .column(let position):
            column = try table.column(position)
            strings = column.type == .string ? try table.stringOrder(column: position) : nil
            if !isNullsOnly, let index = table.orderedIndex(column: position), Self.isWorthWalking(index, table, matching, bound) {
                walk = IndexWalk(index, strings: strings, isAscending: ascending, after: after)
                indexedCount = index.coveredCount
            } else {
                walk = nil
                indexedCount = 0
            }
        case .id:
            column = try table.keyColumn()
            strings = nil
            walk = nil
            indexedCount = 0
        }
        if !isNullsOnly { sorted = sortRows(bound: bound) }
        walked = try nextWalked()
    }

    private static func isWorthWalking(_ index: OrderedIndex, _ table: TableSnapshot, _ matching: SlotBitmap?, _ bound: Int?) -> Bool {
        isWorthWalking(coveredCount: index.coveredCount, slotCount: table.slotCount, liveCount: matching?.count ?? table.liveCount, bound)
    }

    /// Walking passes over rows that do not match, as many as there are to one that does.
    ///
    /// - Parameter liveCount: Rows that match.
    static func isWorthWalking(coveredCount: Int, slotCount: Int, liveCount: Int, _ bound: Int?) -> Bool {
        let live = max(1, liveCount)
        let steps = min(Double(coveredCount), Double(bound ?? slotCount) * Double(slotCount) / Double(live))
        // Sorting a row costs some comparisons; taking it from the index, a step.
        return steps < 8 * Double(live)
    }

    /// The next slot and its place; `nil` behind the last.
    func next() throws(StorageError) -> SortEntry? {
        if let candidate = nextSorted < sorted.count ? sorted[nextSorted] : nil {
            if let walked, walked < candidate { return try advance(walked) }
            nextSorted += 1
            return candidate
        }
        if let walked { return try advance(walked) }
        return nextNull()
    }

    private func advance(_ entry: SortEntry) throws(StorageError) -> SortEntry {
        walked = try nextWalked()
        return entry
    }

    private func nextWalked() throws(StorageError) -> SortEntry? {
        while let entry = try walk?.next() {
            let slot = entry.slot(isAscending: isAscending)
            if Int(slot) < indexedCount, takesPart(Int(slot)) { return entry }
        }
        return nil
    }

    @inline(__always)
    private func takesPart(_ slot: Int) -> Bool {
        if let matching { return matching.words[slot >> 6] >> UInt64(slot & 63) & 1 == 1 }
        guard let deleted = table.deleted else { return true }
        return deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 0
    }

    /// The rows with a value that the index does not give.
    private func sortRows(bound: Int?) -> [SortEntry] {
        var buffer = SortBuffer(bound: bound)
        let type = column.type
        for segment in column.segments where segment.firstSlot + segment.count > indexedCount {
            for row in max(0, indexedCount - segment.firstSlot) ..< segment.count {
                let slot = segment.firstSlot + row
                guard takesPart(slot), segment.isPresent(row) else { continue }
                var number = OrderedValue.number(type, bits: OrderedValue.bits(type, segment.values, row))
                if let strings { number = number < strings.ranks.count ? UInt64(strings.ranks[Int(number)]) : .max }
                let rank: UInt8 = if case .id = key, !isAscending { 1 } else { 0 }
                let entry = SortEntry(number: number, slot: UInt32(slot), isAscending: isAscending, rank: rank)
                if let after, entry <= after { continue }
                buffer.append(entry)
            }
        }
        if case .id(let ids) = key {
            for (number, id) in ids.enumerated() where takesPart(Int(id.slot)) {
                let entry = SortEntry(number: UInt64(number), slot: id.slot, isAscending: isAscending, rank: isAscending ? 1 : 0)
                if let after, entry <= after { continue }
                buffer.append(entry)
            }
        }
        return buffer.sorted()
    }

    private func nextNull() -> SortEntry? {
        // An id is never null.
        guard case .column = key else { return nil }
        while nullSlot < table.slotCount {
            let slot = nullSlot
            let segment = column.segment(containing: UInt32(slot))
            guard segment.nullCount > 0 else {
                nullSlot = segment.firstSlot + segment.count
                continue
            }
            nullSlot += 1
            if !segment.isPresent(slot - segment.firstSlot), takesPart(slot) { return SortEntry(nullAt: UInt32(slot)) }
        }
        return nil
    }
}

/// The entries of an ordered index as places in an order: of strings code by code, since the index knows only those.
private final class IndexWalk {
    private let index: OrderedIndex
    private let strings: StringOrder?
    private let isAscending: Bool
    private let after: SortEntry?
    private var cursor: OrderedCursor?
    /// The next string's rank, counted in the direction of the order.
    private var step = 0

    init(_ index: OrderedIndex, strings: StringOrder?, isAscending: Bool, after: SortEntry?) {
        self.index = index
        self.strings = strings
        self.isAscending = isAscending
        self.after = after
        guard let strings else {
            let least = OrderedEntry(value: 0, slot: 0), greatest = OrderedEntry(value: .max, slot: .max)
            let start = after.map { OrderedEntry(value: isAscending ? $0.number : ~$0.number, slot: $0.slot(isAscending: isAscending)) }
            cursor = index.cursor(
                from: isAscending ? start ?? least : least, to: isAscending ? greatest : start ?? greatest, descending: !isAscending)
            return
        }
        if let after {
            let rank = isAscending ? after.number : ~after.number
            step = isAscending ? Int(clamping: rank) : max(0, strings.codes.count - 1 - Int(clamping: rank))
        }
    }

    func next() throws(StorageError) -> SortEntry? {
        while true {
            while let found = try cursor?.next() {
                var number = found.value
                if let strings { number = number < strings.ranks.count ? UInt64(strings.ranks[Int(number)]) : .max }
                let entry = SortEntry(number: number, slot: found.slot, isAscending: isAscending)
                // The first record of a page may be the last one of the page before.
                if let after, entry <= after { continue }
                return entry
            }
            guard let strings, step < strings.codes.count else { return nil }
            let code = UInt64(strings.codes[isAscending ? step : strings.codes.count - 1 - step])
            cursor = index.cursor(in: code ... code, descending: !isAscending)
            step += 1
        }
    }
}
