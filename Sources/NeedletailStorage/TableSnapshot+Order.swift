import CLMDB

extension TableSnapshot {
    /// The ordered index of a column; nil where the column has none, or no row is in it yet.
    package func orderedIndex(column position: Int) -> OrderedIndex? {
        guard descriptor.columns.indices.contains(position), descriptor.columns[position].isOrdered, state.orderedCount > 0 else { return nil }
        return OrderedIndex(self, position)
    }

    /// Slots below it are in the ordered indexes of the table's indexed columns.
    package var orderedCount: Int { Int(state.orderedCount) }

    /// Sealed rows that wait outside of the ordered indexes; 0 where the table has none.
    package var unorderedCount: Int { descriptor.columns.contains { $0.isOrdered } ? sealedCount - orderedCount : 0 }
}

/// A column's slots in the order of its values, at one commit.
///
/// It covers the slots below ``coveredCount``; the caller looks at the rows from there on by itself. It has an entry of every live
/// row that is not null, and of some that have been deleted: the caller heeds the deletion bitmap.
///
/// Values are numbers of ``OrderedValue``: of a string column codes, so that equality is a range of one, and a prefix or
/// range of strings the ranges of the codes that the dictionary gives.
package struct OrderedIndex: Sendable {
    package let table: TableSnapshot
    package let type: ColumnType
    package let coveredCount: Int
    let array: UInt32

    init(_ table: TableSnapshot, _ position: Int) {
        self.table = table
        type = table.descriptor.columns[position].type
        coveredCount = Int(table.state.orderedCount)
        array = table.descriptor.columnArrays[position]
    }

    /// How many entries the range holds, deleted rows' included; the count stops at `limit`, and then is not complete.
    ///
    /// - Complexity: A descent of the tree, and a step for each 160 entries.
    package func count(in range: ClosedRange<UInt64>, limit: Int = .max) throws(StorageError) -> (count: Int, isComplete: Bool) {
        var count = 0
        try forEachBlock(in: range) { _, positions in
            count += positions.count
            return count < limit
        }
        return count < limit ? (count, true) : (limit, false)
    }

    /// Sets the bits of the range's slots, unless there are more than `limit`: then some of them, and the result is nil.
    ///
    /// - Parameter words: One bit a slot; slots beyond its end are left out.
    /// - Returns: How many entries the range holds.
    package func mark(_ range: ClosedRange<UInt64>, in words: UnsafeMutableBufferPointer<UInt64>, limit: Int) throws(StorageError) -> Int? {
        var count = 0
        let wordCount = words.count
        try forEachBlock(in: range) { block, positions in
            count += positions.count
            guard count <= limit else { return false }
            for position in positions {
                let slot = Int(block.slot(position))
                if slot >> 6 < wordCount { words[slot >> 6] |= 1 << UInt64(slot & 63) }
            }
            return true
        }
        return count <= limit ? count : nil
    }

    /// The range's entries one by one, in order or in reverse, read a block at a time.
    package func cursor(in range: ClosedRange<UInt64> = 0 ... .max, descending: Bool = false) -> OrderedCursor {
        OrderedCursor(self, from: OrderedEntry(value: range.lowerBound, slot: 0), to: OrderedEntry(value: range.upperBound, slot: .max), descending)
    }

    /// The entries from one to another, both included.
    package func cursor(from first: OrderedEntry, to last: OrderedEntry, descending: Bool) -> OrderedCursor {
        OrderedCursor(self, from: first, to: last, descending)
    }

    /// Hands out the parts of blocks that lie in the range, in order, until `body` returns false.
    private func forEachBlock(in range: ClosedRange<UInt64>, _ body: (OrderedBlock, Range<Int>) -> Bool) throws(StorageError) {
        let inner = table.inner
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let first = OrderedEntry(value: range.lowerBound, slot: 0)
        var cursor = try Cursor(inner.transaction, inner.transaction.databases.dictionary)
        guard try cursor.seek(blockHolding: first, of: array, inner.transaction) else { return }
        var isFirst = true
        while OrderedBlock.isKey(cursor.key, of: array) {
            let block = try cursor.block(of: table.descriptor.name, inner.transaction)
            guard block.start.value <= range.upperBound else { return }
            let from = isFirst ? block.count(below: first) : 0
            let isInside = block.count == 0 || block.value(block.count - 1) <= range.upperBound
            let to = isInside ? block.count : block.count(below: OrderedEntry(value: range.upperBound, slot: .max))
            if from < to, !body(block, from ..< to) { return }
            guard isInside, try cursor.next() else { return }
            isFirst = false
        }
    }

    enum Step { case holding(OrderedEntry), before(OrderedEntry), after(OrderedEntry) }

    /// A block of the snapshot, whose pointers stay good as long as that lives.
    func block(_ step: Step) throws(StorageError) -> OrderedBlock? {
        let inner = table.inner
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let transaction = inner.transaction
        var cursor = try Cursor(transaction, transaction.databases.dictionary)
        switch step {
        case .holding(let entry):
            guard try cursor.seek(blockHolding: entry, of: array, transaction) else { return nil }
        case .before(let entry):
            guard try cursor.seek(transaction.orderedKey(array, entry)), try cursor.previous() else { return nil }
        case .after(let entry):
            guard let next = entry.successor, try cursor.seek(transaction.orderedKey(array, next)) else { return nil }
        }
        guard OrderedBlock.isKey(cursor.key, of: array) else { return nil }
        let block = try cursor.block(of: table.descriptor.name, transaction)
        // In a damaged tree, keys out of order must not lead round in a circle.
        let goesOn =
            switch step {
            case .holding: true
            case .before(let entry): block.start < entry
            case .after(let entry): block.start > entry
            }
        guard goesOn else { throw transaction.corrupt("an ordered index of collection '\(table.descriptor.name)' is not in order") }
        return block
    }
}

/// Hands out entries of an ordered index one by one. For one task at a time; keeps its snapshot alive.
package final class OrderedCursor {
    private let index: OrderedIndex
    private let first: OrderedEntry
    private let last: OrderedEntry
    private let isDescending: Bool
    private var block: OrderedBlock?
    private var position = 0
    private var isStarted = false

    init(_ index: OrderedIndex, from first: OrderedEntry, to last: OrderedEntry, _ isDescending: Bool) {
        self.index = index
        self.first = first
        self.last = last
        self.isDescending = isDescending
    }

    /// The next entry; nil after the last.
    package func next() throws(StorageError) -> OrderedEntry? {
        if !isStarted {
            isStarted = true
            guard first <= last else { return nil }
            block = try index.block(.holding(isDescending ? last : first))
            if let block { position = isDescending ? last.successor.map(block.count(below:)) ?? block.count : block.count(below: first) }
        }
        while let current = block {
            if isDescending, position > 0 {
                position -= 1
                let entry = current[position]
                return entry >= first ? entry : nil
            }
            if !isDescending, position < current.count {
                position += 1
                let entry = current[position - 1]
                return entry <= last ? entry : nil
            }
            block = try index.block(isDescending ? .before(current.start) : .after(current.start))
            position = isDescending ? block?.count ?? 0 : 0
        }
        return nil
    }
}
