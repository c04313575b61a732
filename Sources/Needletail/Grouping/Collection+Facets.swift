import NeedletailIndex
import NeedletailStorage

/// How many records have a value.
public struct Facet: Sendable, Hashable {
    /// The value; of a field that is a list, one of its strings.
    public var value: Value
    /// How many records have it. A record whose list has it twice counts once.
    public var count: Int
}

/// The values of a field with the number of records that have them, the most frequent first.
public struct Facets: Sendable, RandomAccessCollection {
    /// The values, most frequent first; equally frequent ones in ascending order.
    public let facets: [Facet]
    /// How many different values there are, those beyond the limit included.
    public let distinctCount: Int
    /// How many records have no value.
    public let nullCount: Int

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of values listed.
    public var endIndex: Int { facets.count }
    /// The value at a rank, counted from 0.
    public subscript(position: Int) -> Facet { facets[position] }
}

extension Collection {
    /// Which values a field has, and how many records have each.
    ///
    /// ```swift
    /// for facet in try photos.facets(of: "label", where: Filter(parsing: "price < 10")) { print(facet.value, facet.count) }
    /// ```
    /// - Parameters:
    ///   - field: A field of any type; of a list of strings, each string is counted.
    ///   - filter: Only records that match are counted.
    ///   - limit: List at most so many values, the most frequent ones.
    /// - Throws: `unknownField`, with the nearest name; `invalidArgument` for a negative limit; and what the filter throws.
    /// - Complexity: One pass over the field's column, and memory for its different values.
    public func facets(of field: String, where filter: Filter? = nil, limit: Int? = nil) throws(NeedletailError) -> Facets {
        guard limit ?? 0 >= 0 else {
            throw NeedletailError(.invalidArgument, "a limit of \(limit ?? 0) is not possible: it must be 0 or more", actual: limit)
        }
        let position = try schema.position(of: field)
        let table = try table()
        let matching = try filter.map { filter throws(NeedletailError) in try self.matching(filter, in: table) }
        return try storage { () throws(StorageError) in
            let count = try FacetCount(table, position, matching)
            return try count.facets(limit: limit ?? .max)
        }
    }
}

/// Counts the values of a column.
private struct FacetCount {
    private let table: TableSnapshot
    private let position: Int
    private let type: ColumnType
    private var nullCount = 0
    /// By number: codes of strings, or values as ``OrderedValue`` has them.
    private var counts: [(number: UInt64, count: Int)] = []

    init(_ table: TableSnapshot, _ position: Int, _ matching: SlotBitmap?) throws(StorageError) {
        self.table = table
        self.position = position
        let column = try table.column(position)
        type = column.type
        let counter = Counter(codeCount: table.dictionaryCount(column: position), usesCodes: type == .string || type == .stringList)
        for segment in column.segments {
            for row in 0 ..< segment.count {
                let slot = UInt32(segment.firstSlot + row)
                if let matching {
                    guard matching.contains(slot) else { continue }
                } else if table.isDeleted(slot) {
                    continue
                }
                guard segment.isPresent(row) else {
                    nullCount += 1
                    continue
                }
                let bits = OrderedValue.bits(type, segment.values, row)
                if type == .stringList {
                    counter.add(each: column.listValues.codes(of: bits))
                } else {
                    counter.add(OrderedValue.number(type, bits: bits))
                }
            }
        }
        counts = counter.counts
    }

    func facets(limit: Int) throws(StorageError) -> Facets {
        var counts = counts
        let ranks = type == .string || type == .stringList ? try table.stringOrder(column: position).ranks : nil
        func rank(_ number: UInt64) -> UInt64 { ranks.map { number < $0.count ? UInt64($0[Int(number)]) : .max } ?? number }
        counts.sort { $0.count != $1.count ? $0.count > $1.count : rank($0.number) < rank($1.number) }
        var facets: [Facet] = []
        for (number, count) in counts.prefix(limit) { facets.append(Facet(value: try value(number), count: count)) }
        return Facets(facets: facets, distinctCount: counts.count, nullCount: nullCount)
    }

    private func value(_ number: UInt64) throws(StorageError) -> Value {
        let bits = OrderedValue.bits(type, number: number)
        switch type {
        case .bool: return .bool(bits != 0)
        case .int: return .int(Int64(bitPattern: bits))
        case .timestamp: return .timestamp(Timestamp(microsecondsSince1970: Int64(bitPattern: bits)))
        case .double: return .double(Double(bitPattern: bits))
        case .string, .stringList: return .string(try table.string(column: position, code: UInt32(truncatingIfNeeded: bits)))
        }
    }

    /// Counts numbers: those that are codes in an array, others in a table.
    private final class Counter {
        private var byCode: [Int]
        private var byNumber: [UInt64: Int] = [:]
        private let usesCodes: Bool

        init(codeCount: Int, usesCodes: Bool) {
            byCode = Array(repeating: 0, count: usesCodes ? codeCount : 0)
            self.usesCodes = usesCodes
        }

        func add(_ number: UInt64) {
            if usesCodes {
                if number < byCode.count { byCode[Int(number)] += 1 }
            } else {
                byNumber[number, default: 0] += 1
            }
        }

        /// The strings of one list, each once.
        func add(each codes: UnsafeBufferPointer<UInt32>) {
            guard codes.count <= 32 else { return Set(codes).forEach { add(UInt64($0)) } }
            for (i, code) in codes.enumerated() where !codes[..<i].contains(code) { add(UInt64(code)) }
        }

        var counts: [(number: UInt64, count: Int)] {
            usesCodes
                ? byCode.enumerated().filter { $0.element > 0 }.map { (UInt64($0.offset), $0.element) } : byNumber.map { ($0.key, $0.value) }
        }
    }
}
