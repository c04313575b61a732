import CLMDB

/// The strings of a column's dictionary in the order of their UTF-8 bytes.
package final class StringOrder: Sendable {
    /// Codes, by rank.
    package let codes: [UInt32]
    /// Ranks, by code.
    package let ranks: [UInt32]

    init(codes: [UInt32]) {
        self.codes = codes
        var ranks = [UInt32](repeating: 0, count: codes.count)
        for (rank, code) in codes.enumerated() { ranks[Int(code)] = UInt32(rank) }
        self.ranks = ranks
    }
}

/// String orders that stay good until their dictionary grows: strings are never taken out, and codes never change.
final class StringOrderCache: @unchecked Sendable {
    private let lock = Lock()
    private var entries: [UInt32: StringOrder] = [:]

    func order(_ array: UInt32, count: Int) -> StringOrder? {
        lock.withLock { entries[array] }.flatMap { $0.codes.count == count ? $0 : nil }
    }

    func put(_ order: StringOrder, _ array: UInt32) { lock.withLock { entries[array] = order } }

    func clear() { lock.withLock { entries.removeAll() } }
}

extension TableSnapshot {
    /// The order of a string column's dictionary.
    ///
    /// - Complexity: A walk over the dictionary at the first call after a new string came; then a lookup.
    package func stringOrder(column position: Int) throws(StorageError) -> StringOrder {
        let array = descriptor.columnArrays[position], count = dictionaryCount(column: position)
        if let known = inner.core.stringOrders.order(array, count: count) { return known }
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let codes = try inner.transaction.dictionaryCodesInOrder(array)
        var isKnown = [Bool](repeating: false, count: count)
        for code in codes where Int(code) < count { isKnown[Int(code)] = true }
        guard codes.count == count, !isKnown.contains(false) else {
            throw inner.transaction.corrupt("the dictionary of column '\(descriptor.columns[position].name)' of collection '\(descriptor.name)'")
        }
        let order = StringOrder(codes: codes)
        inner.core.stringOrders.put(order, array)
        return order
    }
}

extension Transaction {
    /// All codes of a dictionary in the byte order of their strings.
    fileprivate func dictionaryCodesInOrder(_ array: UInt32) throws(StorageError) -> [UInt32] {
        var codes: [UInt32] = []
        var cursor = try Cursor(self, databases.dictionary)
        var found = try cursor.seek(key(array, tag: 0, UnsafeRawBufferPointer(start: nil, count: 0)))
        // Long strings with the same start stand in the order of their hashes, one behind the other.
        var long: [(bytes: UnsafeRawBufferPointer, code: UInt32)] = []
        func flush() {
            long.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) }
            codes += long.map(\.code)
            long.removeAll()
        }
        while found, cursor.key.count >= 5, cursor.key.bigEndian32(0) == array, cursor.key[4] == 0 {
            guard cursor.value.count == 4 else { throw corrupt("a dictionary entry has the wrong size") }
            let code = cursor.value.littleEndian32(0)
            if cursor.key.count > 5 + DictionaryKey.directByteCount {
                let bytes = try dictionaryBytes(array, code)
                if let first = long.first, !first.bytes.prefix(DictionaryKey.directByteCount).elementsEqual(bytes.prefix(DictionaryKey.directByteCount)) { flush() }
                long.append((bytes, code))
            } else {
                flush()
                codes.append(code)
            }
            found = try cursor.next()
        }
        flush()
        return codes
    }
}
