import CLMDB
import Foundation

/// The checker: reads every byte of a snapshot and compares what must agree. Its list of facts is the list of the
/// storage engine's invariants; tests run it after everything they do.
extension Environment {
    /// Everything that is wrong, at most a thousand findings; none in a sound file.
    /// `progress` is told the share done, 0 ... 1. Reads the whole file, and a few bits a record in memory.
    package func check(progress: ((Double) -> Void)? = nil) throws(StorageError) -> [CheckFinding] {
        let snapshot = try whileOpen { () throws(StorageError) in
            try FileProbe.checkLength(core)
            return try Snapshot(core)
        }
        var findings: [CheckFinding] = []
        var arrays: Set<UInt32> = []
        var tables: Set<UInt32> = []
        let names = try snapshot.tableNames()
        for (done, name) in names.enumerated() {
            progress?(Double(done) / Double(names.count))
            do throws(StorageError) {
                guard let table = try snapshot.table(name) else { continue }
                tables.insert(table.descriptor.id)
                arrays.formUnion(table.descriptor.arrays)
                for index in try table.indexes() { arrays.formUnion(index.descriptor.arrays.map(\.id)) }
                var check = TableCheck(table)
                try check.run()
                findings += check.findings
            } catch {
                // A table whose parts cannot even be resolved is itself the finding; a failing disk is not.
                guard error.code == .corrupt else { throw error }
                findings.append(CheckFinding(table: name, message: error.message))
            }
        }
        if findings.isEmpty { findings += try strays(snapshot, arrays: arrays, tables: tables) }
        progress?(1)
        return Array(findings.prefix(1000))
    }

    /// Keys that belong to no table.
    private func strays(_ snapshot: Snapshot, arrays: Set<UInt32>, tables: Set<UInt32>) throws(StorageError) -> [CheckFinding] {
        let inner = snapshot.inner
        inner.lock.lock()
        defer { inner.lock.unlock() }
        let transaction = inner.transaction
        var findings: [CheckFinding] = []
        for (name, database, known) in [
            ("chunks", transaction.databases.chunks, arrays), ("dictionary", transaction.databases.dictionary, arrays),
            ("tails", transaction.databases.tails, tables), ("ids", transaction.databases.ids, tables),
            ("records", transaction.databases.records, tables),
        ] {
            var cursor = try Cursor(transaction, database)
            var found = try cursor.first()
            while found {
                let prefix = cursor.key.count >= 4 ? cursor.key.bigEndian32(0) : 0
                if !known.contains(prefix) { findings.append(CheckFinding(table: "", message: "'\(name)' has entries of number \(prefix), which no table owns")) }
                guard prefix < UInt32.max else { break }
                found = try cursor.seek(transaction.key(prefix + 1))
            }
        }
        for table in try transaction.tablesWithIndexes() where !tables.contains(table) {
            findings.append(CheckFinding(table: "", message: "the catalog has indexes of number \(table), which no table owns"))
        }
        for table in try transaction.tablesWithStatistics() where !tables.contains(table) {
            findings.append(CheckFinding(table: "", message: "the catalog has statistics of number \(table), which no table owns"))
        }
        return findings
    }
}

extension TableDescriptor {
    /// Every array number of the table.
    var arrays: [UInt32] { [vectorArray, keyArray, deletedArray] + columnArrays + listArrays.filter { $0 != 0 } }
}

/// The checks of one table.
struct TableCheck {
    let table: TableSnapshot
    let descriptor: TableDescriptor
    let transaction: Transaction
    private(set) var findings: [CheckFinding] = []

    init(_ table: TableSnapshot) {
        self.table = table
        descriptor = table.descriptor
        transaction = table.inner.transaction
    }

    mutating func report(_ message: String) {
        if findings.count < 1000 { findings.append(CheckFinding(table: descriptor.name, message: message)) }
    }

    mutating func run() throws(StorageError) {
        for array in descriptor.arrays { try checkSums(array) }
        try checkBitmap()
        try checkTail()
        try checkColumn(TableSnapshot.keyColumn)
        for position in descriptor.columns.indices {
            try checkColumn(position)
            try checkDictionary(position)
            try checkOrder(position)
        }
        try checkIdentifiers()
        try checkRecords()
        try checkIndexes()
        try checkStatistics()
    }

    /// Every chunk's checksum.
    private mutating func checkSums(_ array: UInt32) throws(StorageError) {
        var damaged: [UInt32] = []
        try locked { () throws(StorageError) in
            try transaction.forEachChunk(of: array) { number, value throws(StorageError) in
                if !ChunkHeader.isIntact(value, key: (array, number)) { damaged.append(number) }
            }
        }
        for number in damaged { report("chunk \(number) of array \(array) has a wrong checksum") }
    }

    private mutating func checkBitmap() throws(StorageError) {
        var set = 0, wrong: [String] = []
        let slotCount = table.slotCount, array = descriptor.deletedArray
        try locked { () throws(StorageError) in
            try transaction.forEachChunk(of: array) { number, value throws(StorageError) in
                guard let header = ChunkHeader(value, kind: .bitmap) else { return wrong.append("bitmap chunk \(number) has a wrong header") }
                var bits = 0
                for offset in ChunkHeader.byteCount ..< value.count {
                    bits += value[offset].nonzeroBitCount
                    let first = Int(number) * bitmapChunkCapacity + (offset - ChunkHeader.byteCount) * 8
                    let outside = first >= slotCount ? value[offset] : first + 8 > slotCount ? value[offset] >> UInt8(slotCount - first) : 0
                    if outside != 0 { wrong.append("the bitmap marks slots that do not exist, from \(first) on") }
                }
                if bits != header.count { wrong.append("bitmap chunk \(number) has \(bits) bits, its header says \(header.count)") }
                set += bits
            }
        }
        for message in wrong { report(message) }
        if set != table.slotCount - table.liveCount {
            report("the bitmap marks \(set) slots as deleted, the catalog says \(table.slotCount - table.liveCount)")
        }
    }

    /// The segments join without gap from the last block to the last slot; reading each checks its sum and lengths.
    private mutating func checkTail() throws(StorageError) {
        var next = table.sealedCount
        var wrong: [String] = []
        try locked { () throws(StorageError) in
            try transaction.forEachTailSegment(of: descriptor, from: 0, to: Int(UInt32.max)) { segment throws(StorageError) in
                if segment.firstSlot != next { wrong.append("a tail segment starts at slot \(segment.firstSlot), not \(next)") }
                next = segment.firstSlot + segment.source.count
            }
        }
        if table.slotCount == table.sealedCount, next != table.sealedCount { wrong.append("there are tail segments behind the last slot") }
        for message in wrong { report(message) }
        if next != table.slotCount { report("the tail ends at slot \(next), the catalog says \(table.slotCount)") }
    }

    private mutating func checkColumn(_ position: Int) throws(StorageError) {
        let column = try table.resolve(position)
        let name = position == TableSnapshot.keyColumn ? "key" : descriptor.columns[position].name
        let codes = UInt64(table.dictionaryCount(column: position))
        for segment in column.segments {
            let place = "column '\(name)' at slot \(segment.firstSlot)"
            var nulls = 0
            for row in 0 ..< segment.count where !segment.isPresent(row) { nulls += 1 }
            if nulls != segment.nullCount { report("\(place) has \(nulls) nulls, its header says \(segment.nullCount)") }
            checkBounds(segment, column.type, place)
            switch column.type {
            case .string:
                for row in 0 ..< segment.count where segment.isPresent(row) {
                    let code = segment.values.load(fromByteOffset: 4 * row, as: UInt32.self)
                    if code >= codes { report("\(place), row \(row): string \(code) of \(codes)") }
                }
            case .stringList:
                for row in 0 ..< segment.count where segment.isPresent(row) {
                    let element = segment.values.load(fromByteOffset: 8 * row, as: UInt64.self)
                    let list = column.listValues.codes(of: element)
                    if list.count != Int(element & 0xFF_FFFF) { report("\(place), row \(row): its list lies outside the value array") }
                    for code in list where code >= codes { report("\(place), row \(row): string \(code) of \(codes)") }
                }
            default: break
            }
        }
        if column.type == .stringList, let last = column.listValues.counts.last {
            let stored = (column.listValues.counts.count - 1) * listChunkCapacity + last
            if stored != Int(table.state.columns[position].listValueCount) {
                report("the value array of column '\(name)' ends at \(stored), the catalog says \(table.state.columns[position].listValueCount)")
            }
        }
    }

    private mutating func checkBounds(_ segment: ColumnSegment, _ type: ColumnType, _ place: String) {
        let present = [UInt64](repeating: .max, count: (segment.count + 63) / 64)
        let bounds = present.withUnsafeBufferPointer { present in
            (segment.validity ?? present.baseAddress).flatMap {
                ColumnStatistics.bounds(type, values: segment.values, validity: $0, count: segment.count)
            }
        }
        if (bounds != nil) != segment.hasBounds || bounds.map({ $0.minimum != segment.minimum || $0.maximum != segment.maximum }) ?? false {
            report("\(place) has other bounds than its header says")
        }
    }

    func locked<R>(_ body: () throws(StorageError) -> R) throws(StorageError) -> R {
        table.inner.lock.lock()
        defer { table.inner.lock.unlock() }
        return try body()
    }
}
