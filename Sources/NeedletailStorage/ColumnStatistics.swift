/// The least and greatest value of a column chunk, kept in its header so that a scan can pass over the chunk.
enum ColumnStatistics {
    /// Bounds of the non-null, non-NaN values; nil where there is none, and for lists.
    static func bounds(
        _ type: ColumnType, values: UnsafeRawPointer, validity: UnsafePointer<UInt64>, count: Int
    ) -> (minimum: UInt64, maximum: UInt64)? {
        switch type {
        case .bool:
            return scan(UInt8.self, values, validity, count).map { (UInt64($0.0), UInt64($0.1)) }
        case .int, .timestamp:
            return scan(Int64.self, values, validity, count).map { (UInt64(bitPattern: $0.0), UInt64(bitPattern: $0.1)) }
        case .double:
            return scan(Double.self, values, validity, count).map { ($0.0.bitPattern, $0.1.bitPattern) }
        case .string:
            return scan(UInt32.self, values, validity, count).map { (UInt64($0.0), UInt64($0.1)) }
        case .stringList:
            return nil
        }
    }

    private static func scan<T: Comparable & BitwiseCopyable>(
        _ type: T.Type, _ values: UnsafeRawPointer, _ validity: UnsafePointer<UInt64>, _ count: Int
    ) -> (T, T)? {
        var result: (T, T)?
        let size = MemoryLayout<T>.size
        for row in 0 ..< count where validity[row >> 6] >> UInt64(row & 63) & 1 == 1 {
            let value = values.load(fromByteOffset: row * size, as: T.self)
            // A NaN differs from itself and stays outside the bounds.
            guard value == value else { continue }
            guard let (low, high) = result else {
                result = (value, value)
                continue
            }
            if value < low { result = (value, high) } else if value > high { result = (low, value) }
        }
        return result
    }

    /// Rows below `count` whose bit is not set.
    static func nullCount(validity: UnsafePointer<UInt64>, count: Int) -> Int {
        var present = 0
        for word in 0 ..< count / 64 { present += validity[word].nonzeroBitCount }
        if count % 64 != 0 { present += (validity[count / 64] & (1 << UInt64(count % 64) - 1)).nonzeroBitCount }
        return count - present
    }
}
