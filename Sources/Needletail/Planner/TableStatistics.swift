import NeedletailStorage
import Synchronization

/// Statistics of a collection's columns, kept between commits until too much has changed.
///
/// A sample of the records answers most questions: how often a value occurs, how many lie in a range. It is the same slots for
/// all columns, so that a whole filter can be tried on it too. What the chunks tell for certain (their least and greatest value,
/// their nulls) bounds the answers.
final class TableStatistics: Sendable {
    /// Records that are looked at.
    static let sampleCount = 4096

    let liveCount: Int
    private let generation: UInt64
    /// Live slots, evenly over all.
    let sample: [UInt32]
    private let columns = Mutex<[Int: ColumnSample]>([:])

    /// What the file has of the columns, so long as nobody has looked at one of them.
    private let stored: StoredStatistics?

    /// - Parameter stored: What was found out earlier and is still good; without, the columns are looked at when they are asked for.
    init(_ table: TableSnapshot, stored: StoredStatistics? = nil) {
        liveCount = stored?.liveCount ?? table.liveCount
        generation = stored?.generation ?? table.generation
        self.stored = stored
        let wanted = min(Self.sampleCount, table.slotCount)
        var sample: [UInt32] = []
        sample.reserveCapacity(wanted)
        for number in 0 ..< wanted {
            // The middle of each of as many stretches.
            let slot = UInt32((2 * number + 1) * table.slotCount / (2 * wanted))
            if !table.isDeleted(slot) { sample.append(slot) }
        }
        self.sample = sample
    }

    /// Those of a table as it is: kept from before or read from the file, where not more than a tenth of the records has come or gone
    /// since.
    static func of(_ table: TableSnapshot, _ collection: Collection) -> TableStatistics {
        collection.database.statistics.statistics(collection.tableID) { known in
            if let known, isGood(generation: known.generation, liveCount: known.liveCount, for: table) { return known }
            // What cannot be read is taken anew.
            if known == nil, let stored = (try? table.storedStatistics()) ?? nil,
               isGood(generation: stored.generation, liveCount: stored.liveCount, for: table) {
                return TableStatistics(table, stored: stored)
            }
            return TableStatistics(table)
        }
    }

    private static func isGood(generation: UInt64, liveCount: Int, for table: TableSnapshot) -> Bool {
        // An update of metadata leaves the number as it is: some commits are a chance to look again, which costs little.
        generation == table.generation
            || (abs(table.liveCount - liveCount) * 10 <= liveCount && generation < table.generation && table.generation < generation + 64)
    }

    /// All columns, as they go into the file.
    func storable(_ table: TableSnapshot) throws(StorageError) -> StoredStatistics {
        var columns: [StoredStatistics.Column] = []
        for position in table.descriptor.columns.indices { columns.append(try column(position, in: table).storable) }
        return StoredStatistics(generation: generation, liveCount: liveCount, columns: columns)
    }

    /// The sample of one column.
    func column(_ position: Int, in table: TableSnapshot) throws(StorageError) -> ColumnSample {
        if let known = columns.withLock({ $0[position] }) { return known }
        let made: ColumnSample
        if let stored, stored.columns.indices.contains(position) {
            made = try ColumnSample(
                table.column(position), stored: stored.columns[position], slotCount: table.slotCount,
                dictionaryCount: table.dictionaryCount(column: position))
        } else {
            made = try ColumnSample(
                table.column(position), slots: sample, slotCount: table.slotCount, dictionaryCount: table.dictionaryCount(column: position))
        }
        return columns.withLock { columns in
            if let known = columns[position] { return known }
            columns[position] = made
            return made
        }
    }
}

/// The statistics of the collections of an open database.
final class StatisticsRegistry: Sendable {
    private let tables = Mutex<[UInt32: TableStatistics]>([:])

    func statistics(_ tableID: UInt32, _ update: (TableStatistics?) -> TableStatistics) -> TableStatistics {
        tables.withLock { tables in
            let statistics = update(tables[tableID])
            tables[tableID] = statistics
            return statistics
        }
    }

    /// Keeps new ones.
    func keep(_ statistics: TableStatistics, of tableID: UInt32) { tables.withLock { $0[tableID] = statistics } }
}

/// A column's values at the slots of a sample, and what its chunks tell of all rows.
struct ColumnSample: Sendable {
    /// The sampled values that are not null.
    enum Values: Sendable {
        /// Ascending; also times, and truth values as 0 and 1.
        case integers([Int64])
        /// Ascending, without NaN.
        case doubles([Double])
        /// How many rows have each code; those of lists count once for each of a row's strings.
        case codes([UInt32: Int])
    }

    /// Rows that hold values between two numbers, both included.
    struct Zone: Sendable {
        var count: Int
        var minimum: UInt64, maximum: UInt64
    }

    let type: ColumnType
    let values: Values
    /// Rows looked at, and those of them that are null.
    let sampled: Int
    let sampledNulls: Int
    /// Of all rows, deleted ones included.
    let rowCount: Int
    let nullCount: Int
    let zones: [Zone]
    /// Of strings: how many there are in the dictionary.
    let dictionaryCount: Int
    /// About how many different values there are: those in the sample, and as many more as values that occur once suggest (Chao's
    /// estimate of what was not seen); of strings, as many as the dictionary has.
    let distinctCount: Int

    /// What was found out earlier, with what the chunks tell now.
    init(_ column: ColumnSnapshot, stored: StoredStatistics.Column, slotCount: Int, dictionaryCount: Int) {
        type = column.type
        self.dictionaryCount = dictionaryCount
        rowCount = slotCount
        (nullCount, zones) = Self.zones(column)
        (sampled, sampledNulls) = (stored.sampled, stored.nulls)
        values = Values(column.type, stored)
        distinctCount = column.type.hasDictionary ? dictionaryCount : stored.distinct
    }

    private static func zones(_ column: ColumnSnapshot) -> (nullCount: Int, [Zone]) {
        let zones: [Zone] = column.segments.compactMap { segment in
            segment.hasBounds ? Zone(count: segment.count - segment.nullCount, minimum: segment.minimum, maximum: segment.maximum) : nil
        }
        return (column.segments.reduce(0) { $0 + $1.nullCount }, zones)
    }

    init(_ column: ColumnSnapshot, slots: [UInt32], slotCount: Int, dictionaryCount: Int) {
        type = column.type
        self.dictionaryCount = dictionaryCount
        rowCount = slotCount
        (nullCount, zones) = Self.zones(column)
        // An older snapshot than the sample is of may have fewer.
        let slots = slots.filter { Int($0) < slotCount }
        sampled = slots.count
        var nulls = 0, integers: [Int64] = [], doubles: [Double] = [], codes: [UInt32: Int] = [:]
        for slot in slots {
            let segment = column.segment(containing: slot)
            let row = Int(slot) - segment.firstSlot
            guard segment.isPresent(row) else {
                nulls += 1
                continue
            }
            switch column.type {
            case .bool: integers.append(Int64(segment.values.load(fromByteOffset: row, as: UInt8.self)))
            case .int, .timestamp: integers.append(segment.values.load(fromByteOffset: 8 * row, as: Int64.self))
            case .double:
                let value = segment.values.load(fromByteOffset: 8 * row, as: Double.self)
                if !value.isNaN { doubles.append(value) }
            case .string: codes[segment.values.load(fromByteOffset: 4 * row, as: UInt32.self), default: 0] += 1
            case .stringList:
                for code in Set(column.listValues.codes(of: segment.values.load(fromByteOffset: 8 * row, as: UInt64.self))) {
                    codes[code, default: 0] += 1
                }
            }
        }
        sampledNulls = nulls
        switch column.type {
        case .bool, .int, .timestamp:
            integers.sort()
            (values, distinctCount) = (.integers(integers), Self.distinct(integers, rowCount: slotCount, nullCount: nullCount))
        case .double:
            doubles.sort()
            (values, distinctCount) = (.doubles(doubles), Self.distinct(doubles, rowCount: slotCount, nullCount: nullCount))
        case .string, .stringList: (values, distinctCount) = (.codes(codes), dictionaryCount)
        }
    }

    /// The share of rows that have a value: known for certain.
    var presentShare: Double { rowCount == 0 ? 0 : 1 - Double(nullCount) / Double(rowCount) }

    private static func distinct<T: Equatable>(_ values: [T], rowCount: Int, nullCount: Int) -> Int {
        var seen = 0, once = 0, twice = 0, position = 0
        while position < values.count {
            var end = position + 1
            while end < values.count, values[end] == values[position] { end += 1 }
            seen += 1
            once += end - position == 1 ? 1 : 0
            twice += end - position == 2 ? 1 : 0
            position = end
        }
        // In a sample of all rows, values are fewer than rows where some are null or deleted, and none is unseen.
        let unseen = rowCount > TableStatistics.sampleCount ? once * once / max(2 * twice, 2) : 0
        return min(seen + unseen, max(rowCount - nullCount, seen))
    }
}
