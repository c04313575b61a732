import NeedletailStorage

/// A table of the file, as filters read it.
extension TableSnapshot: FilterSource {
    package var deletedSlots: UnsafeBufferPointer<UInt64>? { deleted }

    package func filterSegments(ofColumn position: Int) throws(StorageError) -> [FilterSegment] {
        try column(position).segments.map(FilterSegment.init)
    }

    package func filterLists(ofColumn position: Int) throws(StorageError) -> FilterLists? {
        let column = try column(position)
        guard column.type == .stringList else { return nil }
        let lists = column.listValues
        return FilterLists(
            chunks: lists.chunks, counts: lists.counts, shift: ListValues.chunkCapacity.trailingZeroBitCount, tail: lists.tail,
            tailCount: lists.tailCount)
    }

    package func filterKeySegments() throws(StorageError) -> [FilterSegment] {
        try keyColumn().segments.map(FilterSegment.init)
    }

    /// Below so many rows a scan is over before the index has been found.
    private static let leastRowsForOrder = 1 << 15
    /// A scan reads so many values in the time in which an entry of the index sets a bit.
    static let scannedPerEntry = 6

    package func hasOrder(column: Int) -> Bool { orderedCount >= Self.leastRowsForOrder && descriptor.columns[column].isOrdered }

    package func markOrdered(
        column: Int, ranges: [ClosedRange<UInt64>], in words: UnsafeMutableBufferPointer<UInt64>
    ) throws(StorageError) -> Int? {
        guard hasOrder(column: column), let index = orderedIndex(column: column) else { return nil }
        var left = index.coveredCount / Self.scannedPerEntry
        for range in ranges {
            guard let count = try index.mark(range, in: words, limit: left) else { return nil }
            left -= count
        }
        return index.coveredCount
    }

    package func codeCount(ofColumn column: Int) -> Int { dictionaryCount(column: column) }

    package func code(ofColumn column: Int, for string: String) throws(StorageError) -> UInt32? {
        try dictionaryCode(column: column, for: string)
    }

    package func codes(
        ofColumn column: Int, from lower: BoundFilter.StringBound?, to upper: BoundFilter.StringBound?
    ) throws(StorageError) -> [UInt32] {
        try dictionaryCodes(
            column: column, from: lower?.string, fromInclusive: lower?.isInclusive ?? true, to: upper?.string,
            toInclusive: upper?.isInclusive ?? true)
    }

    package func codes(ofColumn column: Int, prefix: String) throws(StorageError) -> [UInt32] {
        try dictionaryCodes(column: column, prefix: prefix)
    }
}

extension FilterSegment {
    fileprivate init(_ segment: ColumnSegment) {
        self.init(
            firstSlot: segment.firstSlot, count: segment.count, values: segment.values, validity: segment.validity,
            nullCount: segment.nullCount, minimum: segment.minimum, maximum: segment.maximum, hasBounds: segment.hasBounds)
    }
}
