import Needletail
import NeedletailStorage
import NeedletailTestSupport

/// A table in memory in the form that filters read, with random segments and random values where rows are null.
final class FilterMemoryTable: FilterSource {
    let rows: [[Value]]
    let ids: [RecordID]
    let slotCount: Int
    let deletedSlots: UnsafeBufferPointer<UInt64>?
    private let fields: [(name: String, type: FieldType)]
    private var segments: [[FilterSegment]] = []
    private var dictionaries: [[String]] = []
    private var lists: [FilterLists?] = []
    private var pieces: [UnsafeMutableRawPointer] = []

    init(_ sample: FilterSample, rowCount: Int, using random: inout SeededGenerator) {
        fields = sample.fields
        slotCount = rowCount
        var nullable = sample.fields.map { _ in Bool.random(using: &random) }
        nullable[0] = true
        rows = (0 ..< rowCount).map { _ in
            zip(sample.fields, nullable).map { field, nullable in
                var value = sample.value(of: field.type, using: &random)
                while !nullable && value.isNull { value = sample.value(of: field.type, using: &random) }
                return value
            }
        }
        ids = (0 ..< rowCount).map { Bool.random(using: &random) ? .int(Int64($0)) : .string("r\($0)") }
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, (rowCount + 63) / 64))
        for i in 0 ..< (rowCount + 63) / 64 { (words + i).initialize(to: random.next() & random.next()) }
        pieces.append(UnsafeMutableRawPointer(words))
        deletedSlots = UnsafeBufferPointer(start: words, count: (rowCount + 63) / 64)
        for column in sample.fields.indices { build(column, using: &random) }
    }

    deinit {
        for piece in pieces { piece.deallocate() }
    }

    func isDeleted(_ slot: Int) -> Bool { deletedSlots.map { $0[slot / 64] >> UInt64(slot % 64) & 1 != 0 } ?? false }

    private func room<T: BitwiseCopyable>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
        let piece = UnsafeMutableRawPointer.allocate(byteCount: max(64, count * MemoryLayout<T>.stride), alignment: 64)
        pieces.append(piece)
        return piece.bindMemory(to: type, capacity: count)
    }

    private func build(_ column: Int, using random: inout SeededGenerator) {
        var dictionary: [String] = []
        var chunks: [[UInt32]] = [[]]
        var tail: [UInt32] = []
        var built: [FilterSegment] = []
        let shift = 6
        // Blocks of 16 rows do not begin at whole words.
        let unit = Int.random(in: 0 ..< 4, using: &random) == 0 ? 16 : 64
        let run = unit * Int.random(in: 1 ... 40, using: &random)
        var first = 0
        while first < slotCount {
            let isTail = slotCount - first <= run
            let count = min(run, slotCount - first)
            let values = room(UInt64.self, count)
            let width = fields[column].type == .bool ? 1 : fields[column].type == .string ? 4 : 8
            let raw = UnsafeMutableRawPointer(values)
            let validity = room(UInt64.self, (count + 63) / 64)
            for i in 0 ..< (count + 63) / 64 { validity[i] = random.next() }
            var nullCount = 0
            var bounds: (Double, Double, UInt64, UInt64)?
            for row in 0 ..< count {
                let value = rows[first + row][column]
                var bits: UInt64
                switch value {
                case .null: bits = fields[column].type == .string || fields[column].type == .strings ? 0 : random.next() & 0xFF
                case .bool(let value): bits = value ? 1 : 0
                case .int(let value): bits = UInt64(bitPattern: value)
                case .double(let value): bits = value.bitPattern
                case .timestamp(let value): bits = UInt64(bitPattern: value.microsecondsSince1970)
                case .string(let string): bits = UInt64(Self.code(string, &dictionary))
                case .strings(let strings):
                    let codes = strings.map { Self.code($0, &dictionary) }
                    if isTail {
                        bits = 1 << 63 | UInt64(tail.count) << 24 | UInt64(codes.count)
                        tail += codes
                    } else {
                        if chunks[chunks.count - 1].count + codes.count > 1 << shift { chunks.append([]) }
                        bits = UInt64((chunks.count - 1) << shift + chunks[chunks.count - 1].count) << 24 | UInt64(codes.count)
                        chunks[chunks.count - 1] += codes
                    }
                }
                switch width {
                case 1: raw.storeBytes(of: UInt8(truncatingIfNeeded: bits), toByteOffset: row, as: UInt8.self)
                case 4: raw.storeBytes(of: UInt32(truncatingIfNeeded: bits), toByteOffset: 4 * row, as: UInt32.self)
                default: raw.storeBytes(of: bits, toByteOffset: 8 * row, as: UInt64.self)
                }
                let bit: UInt64 = 1 << UInt64(row % 64)
                validity[row / 64] = value.isNull ? validity[row / 64] & ~bit : validity[row / 64] | bit
                if value.isNull { nullCount += 1 }
                Self.extend(&bounds, by: value)
            }
            built.append(
                FilterSegment(
                    firstSlot: first, count: count, values: raw, validity: nullCount == 0 ? nil : validity, nullCount: nullCount,
                    minimum: bounds?.2 ?? 0, maximum: bounds?.3 ?? 0, hasBounds: bounds != nil && random.next() % 4 != 0))
            first += count
        }
        segments.append(built)
        dictionaries.append(dictionary)
        guard fields[column].type == .strings else { return lists.append(nil) }
        let pointers = chunks.map { copy($0) }
        lists.append(
            FilterLists(chunks: pointers, counts: chunks.map(\.count), shift: shift, tail: copy(tail), tailCount: tail.count))
    }

    private func copy(_ codes: [UInt32]) -> UnsafePointer<UInt32> {
        let memory = room(UInt32.self, codes.count)
        for (i, code) in codes.enumerated() { memory[i] = code }
        return UnsafePointer(memory)
    }

    private static func code(_ string: String, _ dictionary: inout [String]) -> UInt32 {
        if let code = dictionary.firstIndex(where: { Array($0.utf8) == Array(string.utf8) }) { return UInt32(code) }
        dictionary.append(string)
        return UInt32(dictionary.count - 1)
    }

    /// Bounds as the file keeps them: without null and NaN.
    private static func extend(_ bounds: inout (Double, Double, UInt64, UInt64)?, by value: Value) {
        switch value {
        case .int(let value): extendInts(&bounds, value)
        case .timestamp(let value): extendInts(&bounds, value.microsecondsSince1970)
        case .double(let value) where !value.isNaN:
            guard let old = bounds else { return bounds = (value, value, value.bitPattern, value.bitPattern) }
            bounds = (min(old.0, value), max(old.1, value), min(old.0, value).bitPattern, max(old.1, value).bitPattern)
        default: break
        }
    }

    private static func extendInts(_ bounds: inout (Double, Double, UInt64, UInt64)?, _ value: Int64) {
        let low = min(bounds.map { Int64(bitPattern: $0.2) } ?? value, value)
        let high = max(bounds.map { Int64(bitPattern: $0.3) } ?? value, value)
        bounds = (0, 0, UInt64(bitPattern: low), UInt64(bitPattern: high))
    }

    // MARK: FilterSource

    func filterSegments(ofColumn column: Int) -> [FilterSegment] { segments[column] }
    func filterLists(ofColumn column: Int) -> FilterLists? { lists[column] }
    func codeCount(ofColumn column: Int) -> Int { dictionaries[column].count }

    func code(ofColumn column: Int, for string: String) -> UInt32? {
        dictionaries[column].firstIndex { Array($0.utf8) == Array(string.utf8) }.map(UInt32.init)
    }

    func codes(ofColumn column: Int, from lower: BoundFilter.StringBound?, to upper: BoundFilter.StringBound?) -> [UInt32] {
        dictionaries[column].indices.filter { position in
            let bytes = Array(dictionaries[column][position].utf8)
            let low = lower.map { Array($0.string.utf8) }, high = upper.map { Array($0.string.utf8) }
            if let low, bytes.lexicographicallyPrecedes(low) || (bytes == low && lower?.isInclusive == false) { return false }
            if let high, high.lexicographicallyPrecedes(bytes) || (bytes == high && upper?.isInclusive == false) { return false }
            return true
        }.map(UInt32.init)
    }

    func codes(ofColumn column: Int, prefix: String) -> [UInt32] {
        dictionaries[column].indices.filter { Array(dictionaries[column][$0].utf8).starts(with: Array(prefix.utf8)) }.map(UInt32.init)
    }

    func filterKeySegments() -> [FilterSegment] {
        let values = room(Int64.self, slotCount), validity = room(UInt64.self, (slotCount + 63) / 64)
        for i in 0 ..< (slotCount + 63) / 64 { validity[i] = 0 }
        for (slot, id) in ids.enumerated() {
            values[slot] = id.intValue ?? 0
            if id.intValue != nil { validity[slot / 64] |= 1 << UInt64(slot % 64) }
        }
        return [
            FilterSegment(
                firstSlot: 0, count: slotCount, values: UnsafeRawPointer(values), validity: validity,
                nullCount: ids.count { $0.intValue == nil }, minimum: 0, maximum: 0, hasBounds: false)
        ]
    }

    func slot(for key: RecordKey) -> UInt32? {
        ids.firstIndex { Self.key($0) == key }.flatMap { isDeleted($0) ? nil : UInt32($0) }
    }

    func keys(ofSlots slots: [UInt32]) -> [RecordKey] { slots.map { Self.key(ids[Int($0)]) } }

    private static func key(_ id: RecordID) -> RecordKey {
        switch id {
        case .int(let value): .int(value)
        case .string(let value): .string(value)
        }
    }
}
