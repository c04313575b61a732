import NeedletailStorage

/// A snapshot of a collection as filters see it.
final class TableFilterSource: FilterSource {
    private let table: TableSnapshot
    private let memory = FilterMemory()

    init(_ table: TableSnapshot) { self.table = table }

    var slotCount: Int { table.slotCount }
    var deletedSlots: UnsafeBufferPointer<UInt64>? { table.deleted }

    func filterSegments(ofColumn column: Int) throws(NeedletailError) -> [FilterSegment] {
        try self.column(column).segments.map {
            FilterSegment(
                firstSlot: $0.firstSlot, count: $0.count, values: $0.values, validity: $0.validity, nullCount: $0.nullCount,
                minimum: $0.minimum, maximum: $0.maximum, hasBounds: $0.hasBounds)
        }
    }

    func filterLists(ofColumn column: Int) throws(NeedletailError) -> FilterLists? {
        let snapshot = try self.column(column)
        guard snapshot.type == .stringList else { return nil }
        let lists = snapshot.listValues
        return FilterLists(
            chunks: memory.copy(lists.chunks), counts: memory.copy(lists.counts), chunkCount: lists.chunks.count,
            shift: ListValues.chunkCapacity.trailingZeroBitCount, tail: lists.tail, tailCount: lists.tailCount)
    }

    func codeCount(ofColumn column: Int) throws(NeedletailError) -> Int { table.dictionaryCount(column: column) }

    func code(ofColumn column: Int, for string: String) throws(NeedletailError) -> UInt32? {
        try storage { () throws(StorageError) in try table.dictionaryCode(column: column, for: string) }
    }

    func codes(
        ofColumn column: Int, from lower: BoundFilter.StringBound?, to upper: BoundFilter.StringBound?
    ) throws(NeedletailError) -> [UInt32] {
        try storage { () throws(StorageError) in
            try table.dictionaryCodes(
                column: column, from: lower?.string, fromInclusive: lower?.isInclusive ?? true,
                to: upper?.string, toInclusive: upper?.isInclusive ?? true)
        }
    }

    func codes(ofColumn column: Int, prefix: String) throws(NeedletailError) -> [UInt32] {
        try storage { () throws(StorageError) in try table.dictionaryCodes(column: column, prefix: prefix) }
    }

    func filterSlot(ofID id: RecordID) throws(NeedletailError) -> UInt32? {
        try storage { () throws(StorageError) in try table.slot(for: id.key) }
    }

    func filterIDs(ofSlots slots: [UInt32]) throws(NeedletailError) -> [RecordID] {
        try storage { () throws(StorageError) in try table.keys(ofSlots: slots) }.map(RecordID.init)
    }

    private func column(_ position: Int) throws(NeedletailError) -> ColumnSnapshot {
        try storage { () throws(StorageError) in try table.column(position) }
    }
}

extension SlotBitmap {
    /// The slots that take part, ascending.
    var slots: [UInt32] {
        var slots: [UInt32] = []
        slots.reserveCapacity(count)
        for position in words.indices {
            var word = words[position]
            while word != 0 {
                slots.append(UInt32(position << 6 + word.trailingZeroBitCount))
                word &= word - 1
            }
        }
        return slots
    }
}
