import CNeedletailKernels
import NeedletailStorage

/// What a graph with neighbour codes has in its header besides.
package struct NeighborCodes: Codable, Sendable, Equatable {
    /// The seed of the rotation.
    package var rotationSeed: UInt64
    /// The greatest norm of a vector under `dot`; 0 otherwise.
    package var largestNorm: Float

    /// Whether searches can go by these numbers: they come out of a file.
    var isValid: Bool {
        largestNorm.isFinite && largestNorm >= 0
    }
}

/// The blocks of neighbour codes: a node's list once more, and beside each neighbour's number a code of one bit a dimension,
/// of the difference between neighbour and node (SymphonyQG, arXiv 2411.12229; nt_rabitq.h).
///
/// They follow from lists and vectors alone, so that a build or merge of the graph is followed by a pass that encodes the
/// nodes whose lists are new.
package struct NeighborBlocks {
    let degree: Int
    let rotation: RaBitQRotation
    let metric: Metric
    let element: Element

    package init(_ header: HNSWHeader, rotation: RaBitQRotation) {
        degree = header.degree
        self.rotation = rotation
        metric = header.metric
        element = header.element
    }

    /// Groups of 32 neighbours that a block consists of.
    static func groupCount(degree: Int) -> Int { (degree + Int(NT_RABITQ_GROUP) - 1) / Int(NT_RABITQ_GROUP) }

    /// Bytes from one block to the next.
    package static func stride(degree: Int, dimension: Int) -> Int {
        groupCount(degree: degree) * nt_rabitq_group_bytes(nt_rabitq_dimension(dimension))
    }

    /// The memory of one thread that encodes.
    package struct Scratch {
        fileprivate let decoded, node, neighbor: UnsafeMutablePointer<Float>
        /// Room for a block that is written in its own place, and for the places that its neighbours had.
        fileprivate let block: UnsafeMutableRawPointer
        fileprivate let places: UnsafeMutablePointer<UInt8>
        var largestSquare: Double = 0

        package init(rotatedDimension: Int, degree: Int) {
            let bytes = UnsafeMutableRawPointer.allocate(byteCount: 12 * rotatedDimension, alignment: 64)
            decoded = bytes.bindMemory(to: Float.self, capacity: 3 * rotatedDimension)
            node = decoded + rotatedDimension
            neighbor = node + rotatedDimension
            block = .allocate(byteCount: NeighborBlocks.groupCount(degree: degree) * nt_rabitq_group_bytes(rotatedDimension), alignment: 64)
            places = .allocate(capacity: Int(NT_RABITQ_GROUP))
        }

        package func deallocate() {
            decoded.deallocate()
            block.deallocate()
            places.deallocate()
        }
    }

    /// Writes the block of a node.
    ///
    /// Neighbours are rotated anew for each list they stand in: that costs less than to keep all vectors rotated, which
    /// would take as much memory as the vectors themselves.
    ///
    /// - Parameter old: the node's block before its list changed, or nil: what stays a neighbour keeps its code. May be `block`.
    package func encode(
        _ list: UnsafePointer<UInt32>, of slot: Int, in vectors: VectorBlocks, keeping old: UnsafeRawPointer? = nil, scratch: inout Scratch,
        to block: UnsafeMutableRawPointer
    ) {
        let functions = nt_rabitq_current().pointee
        let rotatedDimension = rotation.rotatedDimension, groupByteCount = nt_rabitq_group_bytes(rotatedDimension)
        let group = Int(NT_RABITQ_GROUP), infinity: UInt16 = 0x7F80
        var before = old
        if let old, old == UnsafeRawPointer(block) {
            scratch.block.copyMemory(from: old, byteCount: Self.groupCount(degree: degree) * groupByteCount)
            before = UnsafeRawPointer(scratch.block)
        }
        rotate(slot, of: vectors, functions, scratch, to: scratch.node)
        if metric == .dot {
            scratch.largestSquare = max(scratch.largestSquare, nt_sqnorm_f32(scratch.decoded, rotation.dimension))
        }
        var ended = false
        for first in Swift.stride(from: 0, to: degree, by: group) {
            let start = block + first / group * groupByteCount
            start.initializeMemory(as: UInt8.self, repeating: 0, count: groupByteCount)
            let kept = before.map { keep($0, list + first, count: min(group, degree - first), scratch, in: start) } ?? 0
            for i in 0 ..< group {
                ended = ended || first + i >= degree || list[first + i] == NT_NO_NODE
                guard !ended, Int(list[first + i]) < vectors.count else {
                    start.storeBytes(of: NT_NO_NODE, toByteOffset: 4 * i, as: UInt32.self)
                    start.storeBytes(of: infinity, toByteOffset: 128 + 2 * i, as: UInt16.self)
                    continue
                }
                start.storeBytes(of: list[first + i], toByteOffset: 4 * i, as: UInt32.self)
                if kept >> UInt32(i) & 1 == 1 { continue }
                rotate(Int(list[first + i]), of: vectors, functions, scratch, to: scratch.neighbor)
                functions.encode(scratch.node, scratch.neighbor, rotatedDimension, metric.kernelMetric, start, i)
            }
        }
    }

    /// Brings the codes of neighbours that stood in a block to their places in a group; a bit for each.
    private func keep(
        _ block: UnsafeRawPointer, _ list: UnsafePointer<UInt32>, count: Int, _ scratch: Scratch, in group: UnsafeMutableRawPointer
    ) -> UInt32 {
        let size = Int(NT_RABITQ_GROUP), groupByteCount = nt_rabitq_group_bytes(rotation.rotatedDimension)
        var kept: UInt32 = 0
        for first in Swift.stride(from: 0, to: degree, by: size) {
            let old = block + first / size * groupByteCount
            let numbers = old.assumingMemoryBound(to: UInt32.self)
            scratch.places.update(repeating: UInt8(size), count: size)
            var found: UInt32 = 0
            for i in 0 ..< count where list[i] != NT_NO_NODE && kept >> UInt32(i) & 1 == 0 {
                // Most stand where they stood, or near there.
                guard let place = (numbers[i] == list[i] ? i : (0 ..< size).first { numbers[$0] == list[i] }) else { continue }
                scratch.places[i] = UInt8(place)
                found |= 1 << UInt32(i)
            }
            if found != 0 { nt_rabitq_move(old, scratch.places, rotation.rotatedDimension, group) }
            kept |= found
        }
        return kept
    }

    /// Whether a block was made of this list.
    func isBlock(_ block: UnsafeRawPointer, of list: UnsafePointer<UInt32>) -> Bool {
        let group = Int(NT_RABITQ_GROUP), groupByteCount = nt_rabitq_group_bytes(rotation.rotatedDimension)
        for i in 0 ..< degree {
            let number = block.load(fromByteOffset: i / group * groupByteCount + 4 * (i % group), as: UInt32.self)
            if number != list[i] { return false }
            if number == NT_NO_NODE { break }
        }
        return true
    }

    /// A stored vector, normalised under `cosine`, rotated.
    private func rotate(
        _ slot: Int, of vectors: VectorBlocks, _ functions: nt_rabitq, _ scratch: Scratch, to rotated: UnsafeMutablePointer<Float>
    ) {
        let dimension = rotation.dimension
        element.decode(vectors.vector(slot), count: dimension, to: scratch.decoded)
        if metric == .cosine {
            let norm = vectors.norm(slot)
            for i in 0 ..< dimension { scratch.decoded[i] *= norm }
        }
        var kernel = rotation.kernel
        functions.rotate(&kernel, scratch.decoded, rotated)
    }
}
