/// The dictionaries of string and list columns, for filters: a condition on strings becomes a set of codes.
extension TableSnapshot {
    private func dictionary(_ position: Int) throws(StorageError) -> UInt32 {
        guard descriptor.columns.indices.contains(position) else {
            throw StorageError(.invalidArgument, "collection '\(descriptor.name)' has no column \(position)")
        }
        let column = descriptor.columns[position]
        guard column.type == .string || column.type == .stringList else {
            throw StorageError(.invalidArgument, "column '\(column.name)' holds \(column.type), which has no dictionary")
        }
        return descriptor.columnArrays[position]
    }

    /// The code of a string, nil where no row ever had it.
    package func dictionaryCode(column: Int, for string: String) throws(StorageError) -> UInt32? {
        let array = try dictionary(column)
        inner.lock.lock()
        defer { inner.lock.unlock() }
        return try inner.transaction.dictionaryCode(array, Array(string.utf8))
    }

    /// Codes of the strings between two bounds in byte order of UTF-8; nil is an open end.
    package func dictionaryCodes(
        column: Int, from: String?, fromInclusive: Bool, to: String?, toInclusive: Bool
    ) throws(StorageError) -> [UInt32] {
        let array = try dictionary(column)
        inner.lock.lock()
        defer { inner.lock.unlock() }
        return try inner.transaction.dictionaryCodes(
            array, from: from.map { Array($0.utf8) }, fromInclusive: fromInclusive, to: to.map { Array($0.utf8) },
            toInclusive: toInclusive)
    }

    /// Codes of the strings that start so.
    package func dictionaryCodes(column: Int, prefix: String) throws(StorageError) -> [UInt32] {
        let array = try dictionary(column)
        inner.lock.lock()
        defer { inner.lock.unlock() }
        return try inner.transaction.dictionaryCodes(array, prefix: Array(prefix.utf8))
    }

    /// How many different strings the column has had; codes are below it. 0 for a column without a dictionary.
    package func dictionaryCount(column: Int) -> Int {
        descriptor.columns.indices.contains(column) ? Int(state.columns[column].dictionaryCount) : 0
    }

    /// The string with a code.
    package func string(column: Int, code: UInt32) throws(StorageError) -> String {
        let array = try dictionary(column)
        inner.lock.lock()
        defer { inner.lock.unlock() }
        return String(decoding: try inner.transaction.dictionaryBytes(array, code), as: UTF8.self)
    }
}
