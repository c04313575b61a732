import CNeedletailKernels

extension FilterProgram {
    /// Whether the filter is true for one slot, deleted or not.
    ///
    /// Each condition decides which one is tested next, until the outcome is known.
    /// - Complexity: A load or two for every condition tested; no allocation.
    package func matches(_ slot: UInt32) -> Bool {
        let slot = Int(slot)
        guard slot < slotCount else { return false }
        var position: Int32 = start
        while position >= 0 {
            let node = nodes + Int(position)
            position = test(node, slot: slot) ? node.pointee.onTrue : node.pointee.onFalse
        }
        return position == Self.accept
    }

    private func test(_ node: UnsafePointer<FilterNode>, slot: Int) -> Bool {
        if node.pointee.operation == .slots {
            let isIn = node.pointee.slots.map { $0[slot / 64] >> UInt64(slot % 64) & 1 != 0 } ?? false
            return isIn != node.pointee.isNegated
        }
        let column = columns + Int(node.pointee.column)
        let position = column.pointee.segmentPosition(of: slot)
        guard position < column.pointee.segmentCount, column.pointee.segments[position].firstSlot <= slot else {
            return node.pointee.operation == .isNull && !node.pointee.isNegated
        }
        let segment = column.pointee.segments + position
        return test(node, column, segment, row: slot - segment.pointee.firstSlot)
    }

    /// Whether a condition is true for one row of a segment.
    func test(
        _ node: UnsafePointer<FilterNode>, _ column: UnsafePointer<FilterColumn>, _ segment: UnsafePointer<FilterSegment>, row: Int
    ) -> Bool {
        let isNull = segment.pointee.validity.map { $0[row / 64] >> UInt64(row % 64) & 1 == 0 } ?? false
        if node.pointee.operation == .isNull { return isNull != node.pointee.isNegated }
        return !isNull && passes(node, column, segment.pointee.values, row) != node.pointee.isNegated
    }

    private func passes(
        _ node: UnsafePointer<FilterNode>, _ column: UnsafePointer<FilterColumn>, _ values: UnsafeRawPointer, _ row: Int
    ) -> Bool {
        let (low, high) = (node.pointee.low, node.pointee.high)
        switch node.pointee.operation {
        case .isTrue:
            return values.assumingMemoryBound(to: UInt8.self)[row] != 0
        case .rangeInt:
            let value = values.assumingMemoryBound(to: Int64.self)[row]
            return Int64(bitPattern: low) <= value && value <= Int64(bitPattern: high)
        case .rangeDouble:
            let value = values.assumingMemoryBound(to: Double.self)[row]
            return Double(bitPattern: low) <= value && value <= Double(bitPattern: high)
        case .setInt:
            return nt_filter_is_member(node.pointee.numbers, values.assumingMemoryBound(to: Int64.self)[row]) != 0
        case .setDouble:
            let value = values.assumingMemoryBound(to: Double.self)[row] + 0  // -0 becomes 0
            return nt_filter_is_member(node.pointee.numbers, Int64(bitPattern: value.bitPattern)) != 0
        case .equalCode:
            return values.assumingMemoryBound(to: UInt32.self)[row] == node.pointee.code
        case .codeSet:
            let code = values.assumingMemoryBound(to: UInt32.self)[row]
            return code < node.pointee.codes.limit && node.pointee.codes.bits[Int(code >> 6)] >> UInt64(code & 63) & 1 != 0
        case .listContains:
            return column.pointee.lists?.contains(node.pointee.code, in: values.assumingMemoryBound(to: UInt64.self)[row]) == true
        case .nothing:
            return false
        case .and, .or, .isNull, .slots:
            assertionFailure("this operation reads no values")
            return false
        }
    }
}
