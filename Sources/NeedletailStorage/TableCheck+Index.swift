import CLMDB

/// The checks of search indexes: that each is whole. What its arrays say is for the layer above to judge.
extension TableCheck {
    mutating func checkIndexes() throws(StorageError) {
        var owners: [UInt32: String] = [:]
        var names: Set<String> = []
        for index in try table.indexes() {
            let descriptor = index.descriptor
            let label = "index '\(descriptor.name)'"
            if !names.insert(descriptor.name).inserted { report("two indexes have the name '\(descriptor.name)'") }
            for (position, array) in descriptor.arrays.enumerated() {
                if let owner = owners.updateValue(descriptor.name, forKey: array.id) ?? (self.descriptor.arrays.contains(array.id) ? "" : nil) {
                    report("array \(array.id) of \(label) belongs to \(owner.isEmpty ? "the table" : "index '\(owner)'") too")
                }
                try checkArray(array, version: descriptor.version, "array \(position) of \(label)")
            }
        }
    }

    /// Every chunk is there, says of itself what the descriptor says, and has the right checksum.
    private mutating func checkArray(_ array: IndexArrayDescriptor, version: UInt64, _ label: String) throws(StorageError) {
        var wrong: [String] = []
        var next = 0
        try locked { () throws(StorageError) in
            try transaction.forEachChunk(of: array.id) { number, value throws(StorageError) in
                guard wrong.count < 1000 else { return }
                if Int(number) != next { wrong.append("chunk \(number) of \(label) follows chunk \(next - 1)") }
                next = Int(number) + 1
                guard next <= array.chunkCount else { return wrong.append("chunk \(number) of \(label) is one too many") }
                let payload = array.payloadByteCount(Int(number))
                if value.count != transaction.storedByteCount(payload: payload) {
                    wrong.append("chunk \(number) of \(label) has \(value.count) bytes, \(payload) of them should be rows")
                }
                guard let header = ChunkHeader(value, kind: .index) else { return wrong.append("chunk \(number) of \(label) has no valid header") }
                let rowCount = ChunkedRows.rowCount(chunk: Int(number), rows: array.count, shift: array.shift)
                if header.count != rowCount { wrong.append("chunk \(number) of \(label) has \(header.count) rows, not \(rowCount)") }
                if header.generation > version { wrong.append("chunk \(number) of \(label) is newer than its index") }
                if !ChunkHeader.isIntact(value, key: (array.id, number)) { wrong.append("chunk \(number) of \(label) has a wrong checksum") }
            }
        }
        if next < array.chunkCount { wrong.append("\(label) ends before chunk \(next) of \(array.chunkCount)") }
        for message in wrong { report(message) }
    }
}

extension Transaction {
    /// The numbers of tables for which the catalog has indexes.
    func tablesWithIndexes() throws(StorageError) -> [UInt32] {
        var tables: [UInt32] = []
        var cursor = try Cursor(self, databases.catalog)
        var found = try cursor.seek(key([0x78]))
        while found, cursor.key.first == 0x78 {
            let table = cursor.key.count >= 5 ? cursor.key.bigEndian32(1) : 0
            if tables.last != table { tables.append(table) }
            found = try cursor.next()
        }
        return tables
    }
}
