import CLMDB

/// String dictionaries: one a string or list column, numbered by the column's array.
///
/// Two entries a string: (array, 0, bytes) → code, and (array, 1, code) → bytes. Codes count up in order of arrival.
/// LMDB's keys hold at most 511 bytes, so of a string longer than 400 the first key keeps the first 400 bytes, the byte
/// 0xFF (which UTF-8 never has), a 64-bit hash of all its bytes and a probe number that tells equal hashes apart.
/// The by-string keys stand in byte order, hence equality, prefixes and ranges of strings become sets of codes.
enum DictionaryKey {
    static let directByteCount = 400

    /// FNV-1a, 64 bits.
    static func hash(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}

extension Transaction {
    private func stringKey(_ array: UInt32, _ bytes: ArraySlice<UInt8>) -> MDB_val {
        bytes.withUnsafeBytes { key(array, tag: 0, $0) }
    }

    private func longKey(_ array: UInt32, _ bytes: [UInt8], _ hash: UInt64, _ probe: UInt8) -> MDB_val {
        bytes.prefix(DictionaryKey.directByteCount).withUnsafeBytes { key(array, tag: 0, $0, suffix: (0xFF, hash, probe)) }
    }

    /// The code of a string, nil where the dictionary has none.
    func dictionaryCode(_ array: UInt32, _ bytes: [UInt8]) throws(StorageError) -> UInt32? {
        if bytes.count <= DictionaryKey.directByteCount {
            guard let value = try get(databases.dictionary, stringKey(array, bytes[...])) else { return nil }
            guard value.count == 4 else { throw corrupt("a dictionary entry has the wrong size") }
            return value.littleEndian32(0)
        }
        return try probeLong(array, bytes).code
    }

    /// The code of a long string, or the first free probe number.
    private func probeLong(_ array: UInt32, _ bytes: [UInt8]) throws(StorageError) -> (code: UInt32?, probe: UInt8) {
        let hash = DictionaryKey.hash(bytes)
        for probe in UInt8.min ..< UInt8.max {
            guard let value = try get(databases.dictionary, longKey(array, bytes, hash, probe)) else { return (nil, probe) }
            guard value.count == 4 else { throw corrupt("a dictionary entry has the wrong size") }
            let code = value.littleEndian32(0)
            if try dictionaryBytes(array, code).elementsEqual(bytes) { return (code, probe) }
        }
        throw StorageError(.tooLarge, "\(path): too many long strings with the same start and hash in one column", path: path)
    }

    func addToDictionary(_ array: UInt32, _ bytes: [UInt8], code: UInt32) throws(StorageError) {
        let stored = withUnsafeBytes(of: code.littleEndian) { Array($0) }
        if bytes.count <= DictionaryKey.directByteCount {
            try put(databases.dictionary, stringKey(array, bytes[...]), stored)
        } else {
            let probe = try probeLong(array, bytes).probe
            try put(databases.dictionary, longKey(array, bytes, DictionaryKey.hash(bytes), probe), stored)
        }
        try put(databases.dictionary, key(array, tag: 1, code), bytes)
    }

    /// The bytes of the string with this code.
    func dictionaryBytes(_ array: UInt32, _ code: UInt32) throws(StorageError) -> UnsafeRawBufferPointer {
        guard let bytes = try get(databases.dictionary, key(array, tag: 1, code)) else {
            throw corrupt("string \(code) of dictionary \(array) is missing")
        }
        return bytes
    }

    /// Codes of the strings between two bounds, in byte order; a missing bound is open.
    func dictionaryCodes(
        _ array: UInt32, from: [UInt8]?, fromInclusive: Bool, to: [UInt8]?, toInclusive: Bool
    ) throws(StorageError) -> [UInt32] {
        var codes: [UInt32] = []
        var cursor = try Cursor(self, databases.dictionary)
        let start = (from ?? [])[...].prefix(DictionaryKey.directByteCount)
        var found = try cursor.seek(stringKey(array, start))
        while found, cursor.key.count >= 5, cursor.key.bigEndian32(0) == array, cursor.key[4] == 0 {
            guard cursor.value.count == 4 else { throw corrupt("a dictionary entry has the wrong size") }
            let code = cursor.value.littleEndian32(0)
            let isLong = cursor.key.count > 5 + DictionaryKey.directByteCount
            let string = isLong ? try dictionaryBytes(array, code) : UnsafeRawBufferPointer(rebasing: cursor.key[5...])
            if let to {
                let order = compare(string, to)
                if order > 0 || (order == 0 && !toInclusive) {
                    // Long strings with the same start stand in order of hash: only a different start ends the scan.
                    guard isLong, string.prefix(DictionaryKey.directByteCount).elementsEqual(to.prefix(DictionaryKey.directByteCount)) else { break }
                    found = try cursor.next()
                    continue
                }
            }
            let order = from.map { compare(string, $0) } ?? 1
            if order > 0 || (order == 0 && fromInclusive) { codes.append(code) }
            found = try cursor.next()
        }
        return codes
    }

    func dictionaryCodes(_ array: UInt32, prefix: [UInt8]) throws(StorageError) -> [UInt32] {
        var codes: [UInt32] = []
        var cursor = try Cursor(self, databases.dictionary)
        let start = prefix.prefix(DictionaryKey.directByteCount)
        var found = try cursor.seek(stringKey(array, start))
        while found, cursor.key.count >= 5 + start.count, cursor.key.bigEndian32(0) == array, cursor.key[4] == 0,
              cursor.key[5 ..< 5 + start.count].elementsEqual(start) {
            guard cursor.value.count == 4 else { throw corrupt("a dictionary entry has the wrong size") }
            let code = cursor.value.littleEndian32(0)
            var matches = true
            if prefix.count > DictionaryKey.directByteCount { matches = try dictionaryBytes(array, code).starts(with: prefix) }
            if matches { codes.append(code) }
            found = try cursor.next()
        }
        return codes
    }

    /// Byte order: negative, 0 or positive.
    private func compare(_ a: UnsafeRawBufferPointer, _ b: [UInt8]) -> Int {
        for (x, y) in zip(a, b) where x != y { return Int(x) - Int(y) }
        return a.count - b.count
    }
}
