import CNeedletailKernels
import NeedletailStorage

extension FilterProgram {
    /// Prepares a filter for a snapshot: looks up strings and ids, and finds where the columns are.
    ///
    /// - Complexity: A lookup in the dictionary for every string, a walk over part of it for every range or prefix; a test of the id
    ///   by range reads the column of ids, one by a range or prefix of strings every id that is a string.
    package convenience init(_ filter: BoundFilter, on source: some FilterSource) throws(StorageError) {
        var compiler = FilterCompiler(source: source)
        try compiler.emit(filter.root, depth: 1)
        compiler.link()
        self.init(
            nodes: compiler.nodes, columns: compiler.columns, start: compiler.start, depth: compiler.depth, slotCount: source.slotCount,
            deleted: source.deletedSlots, memory: compiler.memory, owner: source)
    }
}

/// Makes the nodes of a ``FilterProgram``.
private struct FilterCompiler<Source: FilterSource> {
    let source: Source
    let memory = FilterMemory()
    var nodes: [FilterNode] = []
    var columns: [FilterColumn] = []
    var depth = 0
    var start: Int32 = 0
    private var columnPositions: [Int: Int32] = [:]

    init(source: Source) { self.source = source }

    mutating func emit(_ node: BoundFilter.Node, depth: Int) throws(StorageError) {
        self.depth = max(self.depth, depth)
        let position = nodes.count
        switch node {
        case .condition(let condition):
            nodes.append(try compile(condition))
        case .and(let terms):
            nodes.append(FilterNode(operation: .and))
            for term in terms { try emit(term, depth: depth + 1) }
        case .or(let terms):
            nodes.append(FilterNode(operation: .or))
            for term in terms { try emit(term, depth: depth + 1) }
        }
        nodes[position].end = Int32(nodes.count)
    }

    /// Tells each condition where the test of a single slot goes on.
    mutating func link() {
        start = link(0, onTrue: FilterProgram.accept, onFalse: FilterProgram.reject)
    }

    /// Links the conditions of a node, and gives the first one to test. Terms are linked from the last to the first, since each goes
    /// on at the one behind it unless the outcome is known.
    private mutating func link(_ position: Int, onTrue: Int32, onFalse: Int32) -> Int32 {
        let operation = nodes[position].operation
        guard operation == .and || operation == .or else {
            nodes[position].onTrue = onTrue
            nodes[position].onFalse = onFalse
            return Int32(position)
        }
        var terms: [Int] = []
        var term = position + 1
        while term < nodes[position].end {
            terms.append(term)
            term = Int(nodes[term].end)
        }
        var next = operation == .and ? onTrue : onFalse
        for term in terms.reversed() {
            next = operation == .and ? link(term, onTrue: next, onFalse: onFalse) : link(term, onTrue: onTrue, onFalse: next)
        }
        return next
    }

    private mutating func compile(_ condition: BoundFilter.Condition) throws(StorageError) -> FilterNode {
        guard case .column(let column) = condition.subject else {
            var node = FilterNode(operation: .slots, isNegated: condition.isNegated)
            node.slots = try slots(withID: condition.test)
            return node
        }
        var node = try compile(condition.test, onColumn: column)
        // A negated condition leaves most rows, and null ones out: a scan does it.
        if !condition.isNegated, !node.isNegated, source.hasOrder(column: column), let slots = try orderedSlots(node, condition.test, column) {
            node = FilterNode(operation: .slots)
            node.slots = slots
            return node
        }
        node.isNegated = node.isNegated != condition.isNegated
        node.column = try position(ofColumn: column)
        return node
    }

    private func compile(_ test: BoundFilter.Test, onColumn column: Int) throws(StorageError) -> FilterNode {
        switch test {
        case .isNull: return FilterNode(operation: .isNull)
        case .nothing: return FilterNode(operation: .nothing)
        case .isTrue: return FilterNode(operation: .isTrue)
        case .intRange(let low, let high):
            return FilterNode(operation: .rangeInt, low: UInt64(bitPattern: low), high: UInt64(bitPattern: high))
        case .doubleRange(let low, let high):
            return FilterNode(operation: .rangeDouble, low: low.bitPattern, high: high.bitPattern)
        case .intSet(let members):
            return numberSet(.setInt, members)
        case .doubleSet(let members):
            // In the order of their values, so that the first and the last are the bounds.
            return numberSet(.setDouble, members.map { Int64(bitPattern: $0.bitPattern) })
        case .listContains(let string):
            guard let code = try source.code(ofColumn: column, for: string) else { return FilterNode(operation: .nothing) }
            return FilterNode(operation: .listContains, code: code)
        case .stringSet(let strings):
            var codes: [UInt32] = []
            for string in strings {
                if let code = try source.code(ofColumn: column, for: string) { codes.append(code) }
            }
            return try codeSet(codes, column)
        case .stringRange(let lower, let upper):
            return try codeSet(try source.codes(ofColumn: column, from: lower, to: upper), column)
        case .stringPrefix(let prefix):
            return try codeSet(try source.codes(ofColumn: column, prefix: prefix), column)
        }
    }
}

// MARK: - Ordered indexes

extension FilterCompiler {
    /// The slots that pass a test, through the column's ordered index and a scan of the rows behind it; `nil` where a scan of all is better.
    private mutating func orderedSlots(_ node: FilterNode, _ test: BoundFilter.Test, _ column: Int) throws(StorageError) -> UnsafePointer<UInt64>? {
        guard let ranges = try orderedRanges(node, test, column) else { return nil }
        let wordCount = (source.slotCount + 63) / 64
        let words = memory.allocate(UInt64.self, count: wordCount)
        words.initialize(repeating: 0, count: wordCount)
        guard let covered = try source.markOrdered(column: column, ranges: ranges, in: UnsafeMutableBufferPointer(start: words, count: wordCount)) else { return nil }
        if covered < source.slotCount {
            var node = node
            node.end = 1
            let rest = filterColumn(try source.filterSegments(ofColumn: column), lists: nil)
            let program = FilterProgram(
                nodes: [node], columns: [rest], start: 0, depth: 1, slotCount: source.slotCount, deleted: nil, memory: memory, owner: source)
            program.fill(UnsafeMutableBufferPointer(start: words + covered / 64, count: wordCount - covered / 64), from: covered)
        }
        return UnsafePointer(words)
    }

    /// What passes, as ranges of numbers; `nil` where it is no few ranges.
    private func orderedRanges(_ node: FilterNode, _ test: BoundFilter.Test, _ column: Int) throws(StorageError) -> [ClosedRange<UInt64>]? {
        let maximumRangeCount = 64
        switch (node.operation, test) {
        case (.isTrue, _): return [1 ... 1]
        case (.rangeInt, _): return [OrderedValue.number(Int64(bitPattern: node.low)) ... OrderedValue.number(Int64(bitPattern: node.high))]
        case (.rangeDouble, _): return [OrderedValue.number(Double(bitPattern: node.low)) ... OrderedValue.number(Double(bitPattern: node.high))]
        case (.setInt, .intSet(let values)) where values.count <= maximumRangeCount:
            return values.map { OrderedValue.number($0) ... OrderedValue.number($0) }
        case (.setDouble, .doubleSet(let values)) where values.count <= maximumRangeCount:
            return values.map { OrderedValue.number($0) ... OrderedValue.number($0) }
        case (.equalCode, _): return [UInt64(node.code) ... UInt64(node.code)]
        case (.codeSet, _):
            var ranges: [ClosedRange<UInt64>] = []
            for word in 0 ..< Int(node.codes.limit + 63) / 64 {
                var bits = node.codes.bits[word]
                while bits != 0 {
                    guard ranges.count < maximumRangeCount else { return nil }
                    let code = UInt64(word * 64 + bits.trailingZeroBitCount)
                    ranges.append(code ... code)
                    bits &= bits - 1
                }
            }
            return ranges
        default: return nil
        }
    }
}

// MARK: - Sets

extension FilterCompiler {
    private func codeSet(_ codes: [UInt32], _ column: Int) throws(StorageError) -> FilterNode {
        let limit = try source.codeCount(ofColumn: column)
        let words = memory.allocate(UInt64.self, count: (limit / 512 + 1) * 8)
        words.initialize(repeating: 0, count: (limit / 512 + 1) * 8)
        var count = 0
        for code in codes where Int(code) < limit {
            let bit: UInt64 = 1 << UInt64(code & 63)
            if words[Int(code >> 6)] & bit == 0 { count += 1 }
            words[Int(code >> 6)] |= bit
        }
        // None, all, or one of the strings need no set.
        if count == 0 { return FilterNode(operation: .nothing) }
        if count == limit { return FilterNode(operation: .nothing, isNegated: true) }
        if count == 1, let code = codes.first(where: { Int($0) < limit }) { return FilterNode(operation: .equalCode, code: code) }
        return FilterNode(operation: .codeSet, codes: nt_code_set(bits: words, limit: UInt32(limit)))
    }

    private func numberSet(_ operation: FilterOperation, _ members: [Int64]) -> FilterNode {
        // At most half of the places are taken.
        var bits = 1
        while 1 << bits < 2 * members.count { bits += 1 }
        let shift = UInt32(64 - bits)
        let taken = Set(members)
        var vacant = Int64.min
        while taken.contains(vacant) { vacant += 1 }
        let places = memory.allocate(Int64.self, count: 1 << bits)
        places.initialize(repeating: vacant, count: 1 << bits)
        for member in members {
            var place = Int(nt_filter_hash(member) >> UInt64(shift))
            while places[place] != vacant { place = (place + 1) & (1 << bits - 1) }
            places[place] = member
        }
        let set = nt_number_set(
            members: memory.copy(members), member_count: members.count, places: places, shift: shift, vacant: vacant)
        return FilterNode(
            operation: operation, low: UInt64(bitPattern: members.first ?? 0), high: UInt64(bitPattern: members.last ?? 0),
            numbers: memory.copy([set]))
    }
}

// MARK: - Ids

extension FilterCompiler {
    /// The slots whose ids pass a test.
    private func slots(withID test: BoundFilter.Test) throws(StorageError) -> UnsafePointer<UInt64> {
        let wordCount = (source.slotCount + 63) / 64
        let words = memory.allocate(UInt64.self, count: wordCount)
        words.initialize(repeating: 0, count: wordCount)
        if let keys = test.keys {
            for key in keys {
                if let slot = try source.slot(for: key), slot < source.slotCount { words[Int(slot >> 6)] |= 1 << UInt64(slot & 63) }
            }
        } else if case .intRange(let low, let high) = test {
            // A scan of the column of integer ids, by a program of one condition.
            let node = FilterNode(operation: .rangeInt, end: 1, low: UInt64(bitPattern: low), high: UInt64(bitPattern: high))
            let column = filterColumn(try source.filterKeySegments(), lists: nil)
            let program = FilterProgram(
                nodes: [node], columns: [column], start: 0, depth: 1, slotCount: source.slotCount, deleted: nil, memory: memory,
                owner: source)
            program.fill(UnsafeMutableBufferPointer(start: words, count: wordCount), from: 0)
        } else {
            try forEachStringKey { slot, key in
                if test.passes(key) { words[Int(slot >> 6)] |= 1 << UInt64(slot & 63) }
            }
        }
        return UnsafePointer(words)
    }

    /// Goes through the ids that are strings, of records that are not deleted.
    private func forEachStringKey(_ body: (UInt32, String) -> Void) throws(StorageError) {
        let deleted = source.deletedSlots
        for segment in try source.filterKeySegments() where segment.nullCount > 0 {
            var slots: [UInt32] = []
            for row in 0 ..< segment.count {
                let slot = segment.firstSlot + row
                if let validity = segment.validity, validity[row / 64] >> UInt64(row % 64) & 1 != 0 { continue }
                if let deleted, deleted[slot / 64] >> UInt64(slot % 64) & 1 != 0 { continue }
                slots.append(UInt32(slot))
            }
            for (slot, key) in zip(slots, try source.keys(ofSlots: slots)) {
                if case .string(let key) = key { body(slot, key) }
            }
        }
    }
}

extension BoundFilter.Test {
    /// The ids that pass, if the test names them one by one.
    fileprivate var keys: [RecordKey]? {
        switch self {
        case .stringSet(let strings): strings.map(RecordKey.string)
        case .intSet(let values): values.map(RecordKey.int)
        case .intRange(let low, let high) where low == high: [.int(low)]
        default: nil
        }
    }

    /// Whether an id that is a string passes; it passes no test of integers.
    fileprivate func passes(_ id: String) -> Bool {
        switch self {
        case .stringPrefix(let prefix):
            return id.utf8.starts(with: prefix.utf8)
        case .stringRange(let lower, let upper):
            if let lower, id.utf8.lexicographicallyPrecedes(lower.string.utf8) { return false }
            if let lower, !lower.isInclusive, id.utf8.elementsEqual(lower.string.utf8) { return false }
            if let upper, upper.string.utf8.lexicographicallyPrecedes(id.utf8) { return false }
            if let upper, !upper.isInclusive, id.utf8.elementsEqual(upper.string.utf8) { return false }
            return true
        default:
            return false
        }
    }
}

// MARK: - Columns

extension FilterCompiler {
    private mutating func position(ofColumn column: Int) throws(StorageError) -> Int32 {
        if let known = columnPositions[column] { return known }
        let position = Int32(columns.count)
        let lists = try source.filterLists(ofColumn: column)
        columns.append(filterColumn(try source.filterSegments(ofColumn: column), lists: lists))
        columnPositions[column] = position
        return position
    }

    private func filterColumn(_ all: [FilterSegment], lists: FilterLists?) -> FilterColumn {
        let segments = all.filter { $0.count > 0 }
        // The longest stretch of slots, a power of two, at whose multiples all segments begin.
        var starts = 1 << 20
        for segment in segments { starts |= segment.firstSlot }
        let shift = starts.trailingZeroBitCount
        let end = segments.last.map { $0.firstSlot + $0.count } ?? 0
        var lookup: [UInt32] = []
        var position = 0
        for slot in stride(from: 0, to: end, by: 1 << shift) {
            while segments[position].firstSlot + segments[position].count <= slot { position += 1 }
            lookup.append(UInt32(position))
        }
        return FilterColumn(
            segments: memory.copy(segments), segmentCount: segments.count, lookup: memory.copy(lookup), lookupCount: lookup.count,
            shift: shift, lists: lists.map { FilterListValues($0, in: memory) })
    }
}
