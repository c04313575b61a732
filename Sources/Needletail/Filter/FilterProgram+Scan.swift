import CNeedletailKernels

extension FilterProgram {
    /// The slots that match and are not deleted.
    ///
    /// - Complexity: Reads the columns that the filter names once, but for segments whose bounds decide, and for what an `AND` need
    ///   not look at any more.
    package func slots() -> SlotBitmap {
        SlotBitmap(slotCount: slotCount) { words in
            fill(words, from: 0)
            guard let deleted else { return }
            for i in 0 ..< min(words.count, deleted.count) { words[i] &= ~deleted[i] }
        }
    }

    /// Writes one bit for each slot from `firstSlot` on, as many as `words` has room for; deleted slots are not left out.
    ///
    /// Several threads may each fill their own stretch.
    /// - Parameter firstSlot: A multiple of 64.
    package func fill(_ words: UnsafeMutableBufferPointer<UInt64>, from firstSlot: Int) {
        precondition(firstSlot % 64 == 0, "a scan starts at a whole word")
        guard let start = words.baseAddress else { return }
        let windowWords = Self.windowSlotCount / 64
        let scratch = UnsafeMutablePointer<UInt64>.allocate(capacity: depth * windowWords)
        defer { scratch.deallocate() }
        var word = 0
        while word < words.count {
            let slot = firstSlot + word * 64
            let wordCount = min(windowWords, words.count - word)
            let window = FilterWindow(first: slot, count: max(0, min(wordCount * 64, slotCount - slot)), wordCount: wordCount)
            evaluate(0, window, into: start + word, scratch: scratch, active: nil)
            word += wordCount
        }
    }

    /// Writes the word mask of node `position` for a window.
    ///
    /// - Parameter active: Where set, slots whose bits are 0 need not be tested: they are out already. Costly tests heed it.
    private func evaluate(
        _ position: Int, _ window: FilterWindow, into words: UnsafeMutablePointer<UInt64>,
        scratch: UnsafeMutablePointer<UInt64>, active: UnsafePointer<UInt64>?
    ) {
        let node = nodes + position
        switch node.pointee.operation {
        case .and:
            var term = position + 1
            guard term < node.pointee.end else { return window.fill(words, true) }
            evaluate(term, window, into: words, scratch: scratch, active: active)
            term = nextTerm(after: term)
            while term < node.pointee.end, window.hasAny(words) {
                evaluate(term, window, into: scratch, scratch: scratch + Self.windowSlotCount / 64, active: words)
                for i in 0 ..< window.wordCount { words[i] &= scratch[i] }
                term = nextTerm(after: term)
            }
        case .or:
            var term = position + 1
            guard term < node.pointee.end else { return window.fill(words, false) }
            evaluate(term, window, into: words, scratch: scratch, active: active)
            term = nextTerm(after: term)
            while term < node.pointee.end, !window.hasAll(words) {
                evaluate(term, window, into: scratch, scratch: scratch + Self.windowSlotCount / 64, active: active)
                for i in 0 ..< window.wordCount { words[i] |= scratch[i] }
                term = nextTerm(after: term)
            }
        case .slots:
            scan(slots: node, window, into: words)
        default:
            scan(node, window, into: words, active: active)
        }
    }

    private func nextTerm(after term: Int) -> Int { Int(nodes[term].end) }

    private func scan(slots node: UnsafePointer<FilterNode>, _ window: FilterWindow, into words: UnsafeMutablePointer<UInt64>) {
        guard let slots = node.pointee.slots else { return window.fill(words, node.pointee.isNegated) }
        window.fill(words, true)
        let flip: UInt64 = node.pointee.isNegated ? .max : 0
        for i in 0 ..< window.liveWordCount { words[i] &= slots[window.first / 64 + i] ^ flip }
    }

    /// A condition on a column: segment by segment.
    private func scan(
        _ node: UnsafePointer<FilterNode>, _ window: FilterWindow, into words: UnsafeMutablePointer<UInt64>, active: UnsafePointer<UInt64>?
    ) {
        let column = columns + Int(node.pointee.column)
        // Slots that no segment covers have no value.
        window.fill(words, node.pointee.operation == .isNull && !node.pointee.isNegated)
        let windowEnd = window.first + window.count
        var position = column.pointee.segmentPosition(of: window.first)
        while position < column.pointee.segmentCount, column.pointee.segments[position].firstSlot < windowEnd {
            let segment = column.pointee.segments + position
            let first = max(window.first, segment.pointee.firstSlot)
            let end = min(windowEnd, segment.pointee.firstSlot + segment.pointee.count)
            let row = first - segment.pointee.firstSlot
            if first % 64 == 0, row % 64 == 0 {
                let wordOffset = (first - window.first) / 64
                scan(
                    node, column, segment, rows: row ..< row + end - first, into: words + wordOffset,
                    active: active.map { $0 + wordOffset })
            } else {
                // Rows whose words straddle those of the bitmap, which storage avoids but for tiny blocks.
                for slot in first ..< end {
                    let bit = slot - window.first
                    let matches = test(node, column, segment, row: slot - segment.pointee.firstSlot)
                    words[bit / 64] = words[bit / 64] & ~(1 << UInt64(bit % 64)) | (matches ? 1 << UInt64(bit % 64) : 0)
                }
            }
            position += 1
        }
    }

    /// A condition on rows of one segment, the first of them at a whole word.
    private func scan(
        _ node: UnsafePointer<FilterNode>, _ column: UnsafePointer<FilterColumn>, _ segment: UnsafePointer<FilterSegment>,
        rows: Range<Int>, into words: UnsafeMutablePointer<UInt64>, active: UnsafePointer<UInt64>?
    ) {
        let wordCount = (rows.count + 63) / 64
        let isNegated = node.pointee.isNegated
        let validity = segment.pointee.validity.map { $0 + rows.lowerBound / 64 }
        let window = FilterWindow(first: 0, count: rows.count, wordCount: wordCount)

        if node.pointee.operation == .isNull {
            window.fill(words, isNegated)
            guard let validity else { return isNegated ? () : window.fill(words, false) }
            window.fill(words, true)
            let flip: UInt64 = isNegated ? 0 : .max
            for i in 0 ..< wordCount { words[i] &= validity[i] ^ flip }
            return
        }
        if segment.pointee.nullCount >= segment.pointee.count { return window.fill(words, false) }

        switch node.pointee.verdict(on: segment) {
        case .none: window.fill(words, false)
        case .all: window.fill(words, true)
        case .some: scanValues(node, column, segment, rows: rows, into: words, active: active)
        }
        if isNegated {
            for i in 0 ..< wordCount { words[i] = ~words[i] }
            if rows.count % 64 != 0 { words[wordCount - 1] &= 1 << UInt64(rows.count % 64) - 1 }
        }
        if let validity {
            for i in 0 ..< wordCount { words[i] &= validity[i] }
        }
    }

    private func scanValues(
        _ node: UnsafePointer<FilterNode>, _ column: UnsafePointer<FilterColumn>, _ segment: UnsafePointer<FilterSegment>,
        rows: Range<Int>, into words: UnsafeMutablePointer<UInt64>, active: UnsafePointer<UInt64>?
    ) {
        let values = segment.pointee.values
        let (first, count) = (rows.lowerBound, rows.count)
        let (low, high) = (node.pointee.low, node.pointee.high)
        switch node.pointee.operation {
        case .isTrue:
            nt_filter_nonzero_u8(values.assumingMemoryBound(to: UInt8.self) + first, count, words)
        case .rangeInt:
            nt_filter_range_i64(
                values.assumingMemoryBound(to: Int64.self) + first, count, Int64(bitPattern: low), Int64(bitPattern: high), words)
        case .rangeDouble:
            nt_filter_range_f64(
                values.assumingMemoryBound(to: Double.self) + first, count, Double(bitPattern: low), Double(bitPattern: high), words)
        case .setInt:
            nt_filter_set_i64(values.assumingMemoryBound(to: Int64.self) + first, count, node.pointee.numbers, words)
        case .setDouble:
            nt_filter_set_f64(values.assumingMemoryBound(to: Double.self) + first, count, node.pointee.numbers, words)
        case .equalCode:
            nt_filter_equal_u32(values.assumingMemoryBound(to: UInt32.self) + first, count, node.pointee.code, words)
        case .codeSet:
            nt_filter_set_u32(values.assumingMemoryBound(to: UInt32.self) + first, count, node.pointee.codes, words)
        case .listContains:
            scanLists(node, column, segment, rows: rows, into: words, active: active)
        case .and, .or, .isNull, .nothing, .slots:
            assertionFailure("this operation reads no values")
        }
    }

    /// Lists are looked at one by one, and only where the outcome still matters.
    private func scanLists(
        _ node: UnsafePointer<FilterNode>, _ column: UnsafePointer<FilterColumn>, _ segment: UnsafePointer<FilterSegment>,
        rows: Range<Int>, into words: UnsafeMutablePointer<UInt64>, active: UnsafePointer<UInt64>?
    ) {
        let elements = segment.pointee.values.assumingMemoryBound(to: UInt64.self) + rows.lowerBound
        let validity = segment.pointee.validity.map { $0 + rows.lowerBound / 64 }
        for i in 0 ..< (rows.count + 63) / 64 {
            let inRange: UInt64 = rows.count - 64 * i >= 64 ? .max : 1 << UInt64(rows.count - 64 * i) - 1
            var left = inRange & (validity?[i] ?? .max) & (active?[i] ?? .max)
            var word: UInt64 = 0
            while left != 0 {
                let bit = left.trailingZeroBitCount
                left &= left - 1
                if column.pointee.lists?.contains(node.pointee.code, in: elements[64 * i + bit]) == true { word |= 1 << UInt64(bit) }
            }
            words[i] = word
        }
    }
}

/// The slots that one step of a scan looks at.
private struct FilterWindow {
    let first: Int
    /// How many slots there are, at most 64 for each word.
    let count: Int
    let wordCount: Int

    /// The words in which there are slots.
    var liveWordCount: Int { (count + 63) / 64 }

    /// Sets the bits of all slots, or of none; bits beyond the slots are 0.
    func fill(_ words: UnsafeMutablePointer<UInt64>, _ value: Bool) {
        words.update(repeating: 0, count: wordCount)
        guard value else { return }
        words.update(repeating: .max, count: count / 64)
        if count % 64 != 0 { words[count / 64] = 1 << UInt64(count % 64) - 1 }
    }

    func hasAny(_ words: UnsafeMutablePointer<UInt64>) -> Bool {
        var union: UInt64 = 0
        for i in 0 ..< wordCount { union |= words[i] }
        return union != 0
    }

    func hasAll(_ words: UnsafeMutablePointer<UInt64>) -> Bool {
        for i in 0 ..< count / 64 where words[i] != .max { return false }
        return count % 64 == 0 || words[count / 64] == 1 << UInt64(count % 64) - 1
    }
}

extension FilterNode {
    /// What the bounds of a segment tell about the values in it that are not null.
    enum Verdict { case none, some, all }

    func verdict(on segment: UnsafePointer<FilterSegment>) -> Verdict {
        if operation == .nothing { return .none }
        guard segment.pointee.hasBounds else { return .some }
        switch operation {
        case .rangeInt, .setInt:
            let (low, high) = (Int64(bitPattern: low), Int64(bitPattern: high))
            let (minimum, maximum) = (Int64(bitPattern: segment.pointee.minimum), Int64(bitPattern: segment.pointee.maximum))
            if maximum < low || minimum > high { return .none }
            return operation == .rangeInt && low <= minimum && maximum <= high ? .all : .some
        case .rangeDouble, .setDouble:
            // Never "all": the bounds do not tell whether there is a NaN.
            let (minimum, maximum) = (Double(bitPattern: segment.pointee.minimum), Double(bitPattern: segment.pointee.maximum))
            return maximum < Double(bitPattern: low) || minimum > Double(bitPattern: high) ? .none : .some
        default:
            return .some
        }
    }
}
