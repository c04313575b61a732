import CNeedletailKernels
import NeedletailStorage

/// The signs of chosen slots, copied into the order in which a scan reads them (nt_codescan.h): what is scanned again and again, by
/// searches with one filter, takes a third of the time so.
package final class PackedSigns: @unchecked Sendable {
    // `@unchecked`: written by `init` only.

    /// How many slots.
    package let count: Int
    let blocks: UnsafeRawPointer

    /// Bytes that the signs of so many vectors take.
    package static func byteCount(_ count: Int, dimension: Int) -> Int { nt_sign_packed_bytes(nt_rabitq_dimension(dimension), count) }

    fileprivate init(_ rows: nt_rows, dimension: Int, slots: UnsafeBufferPointer<UInt32>) {
        count = slots.count
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(Self.byteCount(slots.count, dimension: dimension), 64), alignment: 64)
        withUnsafePointer(to: rows) { nt_sign_pack($0, nt_rabitq_dimension(dimension), slots.baseAddress, slots.count, memory) }
        blocks = UnsafeRawPointer(memory)
    }

    deinit { blocks.deallocate() }
}

extension HNSWGraph {
    /// The signs of some slots, packed; nil where scans of so many do not go by signs.
    ///
    /// - Parameter slots: ascending, each below the graph's count.
    /// - Complexity: some 20 ns for each.
    package func packedSigns(of slots: UnsafeBufferPointer<UInt32>) -> PackedSigns? {
        precondition(slots.last.map { Int($0) < header.count } ?? true, "the graph covers the slots")
        guard let signs, slots.count >= Self.leastForSigns else { return nil }
        return PackedSigns(signs.rows, dimension: header.dimension, slots: slots)
    }
}
