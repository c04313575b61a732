import CNeedletailKernels
import Dispatch
import NeedletailStorage
import Synchronization

/// What the inner loops cost on this machine, in nanoseconds, for vectors of one shape: measured once a process and shape, on memory
/// that does not fit the CPU's own cache, as most collections do not. That takes some tens of milliseconds, more where the system is slow to
/// give the memory: no search waits for it.
package struct KernelCosts: Sendable, Equatable {
    /// A code of one bit a dimension, here and there.
    package var sign: Double
    /// One of those that have been packed.
    package var packedSign: Double
    /// A row of SQ8 codes, here and there.
    package var code: Double
    /// A vector in full precision, here and there.
    package var row: Double
    /// The same among so few that they stay in the CPU's own cache.
    package var cachedRow: Double
    /// A vector in full precision, one after another.
    package var sequentialRow: Double
    /// A hop of a walk by neighbour codes, whose block and code are here and there.
    package var blockHop: Double
    /// A hop of a walk that compares the rows of all neighbours, of which about half have been seen before.
    package var rowHop: Double
    /// What every search through an index costs besides.
    package var search: Double
    /// A value of a column that a filter scans.
    package var columnValue: Double

    /// - Parameters:
    ///   - packedSign: `nil`: as `sign`.
    ///   - cachedRow: `nil`: as `row`.
    package init(
        sign: Double, packedSign: Double? = nil, code: Double, row: Double, cachedRow: Double? = nil, sequentialRow: Double, blockHop: Double, rowHop: Double,
        search: Double = 700, columnValue: Double = 0.2
    ) {
        self.sign = sign
        self.packedSign = packedSign ?? sign
        self.code = code
        self.row = row
        self.cachedRow = cachedRow ?? row
        self.sequentialRow = sequentialRow
        self.blockHop = blockHop
        self.rowHop = rowHop
        self.search = search
        self.columnValue = columnValue
    }

    private struct Shape: Hashable {
        var metric: Metric
        var element: Element
        var dimension: Int
        var degree: Int
    }

    private enum Known {
        case measuring
        case measured(KernelCosts)
    }

    private static let known = Mutex<[Shape: Known]>([:])

    /// The costs for vectors of this shape in a graph of this degree, as far as known: measured in the background at the first call,
    /// until then what is typical.
    package static func current(metric: Metric, element: Element, dimension: Int, degree: Int, isQuantized: Bool) -> KernelCosts {
        let shape = Shape(metric: metric, element: element, dimension: dimension, degree: degree)
        let (costs, isFirst) = known.withLock { known -> (KernelCosts?, Bool) in
            switch known[shape] {
            case .measured(let costs): return (costs, false)
            case .measuring: return (nil, false)
            case nil:
                known[shape] = .measuring
                return (nil, true)
            }
        }
        if isFirst { DispatchQueue.global(qos: .utility).async { _ = measure(shape) } }
        return (costs ?? typical(shape)).adapted(degree: degree, isQuantized: isQuantized)
    }

    /// The same, measured: waits for it at the first call.
    package static func measured(metric: Metric, element: Element, dimension: Int, degree: Int, isQuantized: Bool) -> KernelCosts {
        let shape = Shape(metric: metric, element: element, dimension: dimension, degree: degree)
        let costs = known.withLock { known -> KernelCosts? in if case .measured(let costs)? = known[shape] { costs } else { nil } }
        return (costs ?? measure(shape)).adapted(degree: degree, isQuantized: isQuantized)
    }

    /// Measures; of several who do so at once, the first one's figures stay.
    private static func measure(_ shape: Shape) -> KernelCosts {
        let measured = KernelMeasurement(metric: shape.metric, element: shape.element, dimension: shape.dimension, degree: shape.degree).costs()
        return known.withLock { known in
            if case .measured(let costs)? = known[shape] { return costs }
            known[shape] = .measured(measured)
            return measured
        }
    }

    /// What a server's CPU of 2022 with AVX-512 was measured to take.
    private static func typical(_ shape: Shape) -> KernelCosts {
        let dimension = Double(shape.dimension), code = 1 + 0.04 * dimension
        let row = 1 + 0.02 * dimension * Double(shape.element.byteCount)
        let block = 0.12 * dimension * Double(NeighborBlocks.groupCount(degree: shape.degree))
        return KernelCosts(
            sign: 2 + 0.008 * dimension, packedSign: 0.2 + 0.0035 * dimension, code: code, row: row, sequentialRow: 0.75 * row, blockHop: block + code + 80,
            rowHop: code * Double(shape.degree) / 2 + 100)
    }

    private func adapted(degree: Int, isQuantized: Bool) -> KernelCosts {
        var costs = self
        if !isQuantized { costs.rowHop = row * Double(degree) / 2 + 100 }
        return costs
    }
}

/// Times the kernels on memory of its own.
private struct KernelMeasurement {
    let metric: Metric
    let element: Element
    let dimension: Int
    let degree: Int

    /// Bytes that rows are read from: a third of them does not fit the second-level cache of common CPUs; and a third that does.
    private static let byteCount = 24 << 20, cachedByteCount = 1 << 20
    private static let runs = 3

    func costs() -> KernelCosts {
        let rotatedDimension = nt_rabitq_dimension(dimension)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.byteCount + 4096, alignment: 64)
        defer { memory.deallocate() }
        // Small numbers whatever they are read as.
        memory.initializeMemory(as: UInt8.self, repeating: 0x11, count: Self.byteCount + 4096)
        let queryByteCount = max(4 * rotatedDimension, nt_sign_query_bytes(rotatedDimension))
        let query = UnsafeMutableRawPointer.allocate(byteCount: queryByteCount, alignment: 64)
        defer { query.deallocate() }
        query.initializeMemory(as: UInt8.self, repeating: 0x11, count: queryByteCount)

        let sign = signs(memory, query, rotatedDimension), packedSign = packedSigns(memory, query, rotatedDimension)
        let code = codes(memory, query)
        let rowByteCount = (dimension * element.byteCount + 63) / 64 * 64
        let row = rows(memory, query, stride: rowByteCount, isSequential: false)
        let cached = rows(memory, query, stride: rowByteCount, isSequential: false, byteCount: Self.cachedByteCount)
        let sequential = rows(memory, query, stride: rowByteCount, isSequential: true)
        let block = blocks(memory, query, rotatedDimension)
        return KernelCosts(
            sign: sign, packedSign: min(packedSign, sign), code: code, row: row, cachedRow: min(cached, row), sequentialRow: sequential,
            // Beside the block: a code, and the search of the queue.
            blockHop: block + code + 80, rowHop: code * Double(degree) / 2 + 100, columnValue: columnValues(memory))
    }

    private func columnValues(_ memory: UnsafeRawPointer) -> Double {
        let count = Self.byteCount / 8
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: (count + 63) / 64) { words in
            guard let words = words.baseAddress else { return 0.2 }
            var best = Double.infinity
            for _ in 0 ..< Self.runs {
                let start = ContinuousClock.now
                nt_filter_range_i64(memory.assumingMemoryBound(to: Int64.self), count, 1, .max, words)
                best = min(best, (ContinuousClock.now - start) / .nanoseconds(1))
            }
            return max(best / Double(count), 0.02)
        }
    }

    /// Nanoseconds a row of `body`, the best of a few runs. It is given slots, one in about three of all, ascending.
    private func time(
        stride: Int, isSequential: Bool = false, byteCount: Int = byteCount, _ body: (UnsafePointer<UInt32>, Int) -> Void
    ) -> Double {
        let count = byteCount / stride
        var state: UInt64 = 1
        let slots: [UInt32] = (0 ..< UInt32(count)).filter { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return isSequential || state >> 33 % 3 == 0
        }
        guard !slots.isEmpty else { return 1 }
        var best = Double.infinity
        slots.withUnsafeBufferPointer { slots in
            guard let base = slots.baseAddress else { return }
            for _ in 0 ..< Self.runs {
                let start = ContinuousClock.now
                body(base, slots.count)
                best = min(best, (ContinuousClock.now - start) / .nanoseconds(1))
            }
        }
        return max(best / Double(slots.count), 0.1)
    }

    private func withRows(_ memory: UnsafeRawPointer, stride: Int, _ body: (UnsafePointer<nt_rows>) -> Void) {
        var chunk: UnsafeRawPointer? = memory
        withUnsafePointer(to: &chunk) { chunks in
            var rows = nt_rows(blocks: chunks, stride: stride, block_shift: 31)
            withUnsafePointer(to: &rows) { body($0) }
        }
    }

    private func signQuery(_ query: UnsafeMutableRawPointer, _ rotatedDimension: Int) -> nt_sign_query {
        nt_sign_query(codes: query.assumingMemoryBound(to: Int8.self), rotated_dimension: rotatedDimension, step: 1, bias: 0, slack: 0)
    }

    private func signs(_ memory: UnsafeRawPointer, _ query: UnsafeMutableRawPointer, _ rotatedDimension: Int) -> Double {
        var prepared = signQuery(query, rotatedDimension)
        let functions = nt_codescan_current().pointee, stride = nt_sign_row_bytes(rotatedDimension)
        let found = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.byteCount / stride + 4)
        defer { found.deallocate() }
        return time(stride: stride) { slots, count in
            withRows(memory, stride: stride) { _ = functions.within(&prepared, $0, slots, count, -.infinity, found) }
        }
    }

    private func packedSigns(_ memory: UnsafeRawPointer, _ query: UnsafeMutableRawPointer, _ rotatedDimension: Int) -> Double {
        var prepared = signQuery(query, rotatedDimension)
        let functions = nt_codescan_current().pointee
        // Most that is packed stays in the CPU's own cache from one search to the next.
        let rowByteCount = nt_sign_block_bytes(rotatedDimension) / Int(NT_SIGN_BLOCK)
        let found = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.cachedByteCount / rowByteCount)
        defer { found.deallocate() }
        return time(stride: rowByteCount, isSequential: true, byteCount: Self.cachedByteCount) { slots, count in
            _ = functions.within_packed(&prepared, memory, slots, count, -.infinity, found)
        }
    }

    private func codes(_ memory: UnsafeRawPointer, _ query: UnsafeRawPointer) -> Double {
        let stride = SQ8Quantizer.rowByteCount(dimension: dimension)
        var prepared = nt_traversal_query()
        prepared.codes = query
        prepared.byte_count = stride
        prepared.scale = 1
        let functions = nt_traversal_for(SQ8Quantizer.traversalKind(metric)).pointee
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.byteCount / stride + 16)
        defer { keys.deallocate() }
        return time(stride: stride) { slots, count in
            withRows(memory, stride: stride) { _ = functions.scan(&prepared, $0, slots, count, -.infinity, keys) }
        }
    }

    private func rows(
        _ memory: UnsafeRawPointer, _ query: UnsafeRawPointer, stride: Int, isSequential: Bool, byteCount: Int = byteCount
    ) -> Double {
        var prepared = nt_query(vector: query, dimension: dimension, inverse_norm: 1)
        let functions = nt_distance_for(metric.kernelMetric, element.kernelElement).pointee
        // Norms stand behind the rows of a block; here they are other rows' bytes.
        let shift = max(0, Int.bitWidth - 1 - (byteCount / (stride + 4)).leadingZeroBitCount)
        let count = 1 << shift
        let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: byteCount / stride + 16)
        defer { keys.deallocate() }
        var chunk: UnsafeRawPointer? = memory
        return time(stride: byteCount / count, isSequential: isSequential, byteCount: byteCount) { slots, slotCount in
            withUnsafePointer(to: &chunk) { chunks in
                var rows = nt_rows(blocks: chunks, stride: stride, block_shift: UInt32(shift))
                if isSequential {
                    _ = functions.scan_run(&prepared, &rows, 0, min(slotCount, count), -.infinity, keys)
                } else {
                    _ = functions.scan_slots(&prepared, &rows, slots, slotCount, -.infinity, keys)
                }
            }
        }
    }

    private func blocks(_ memory: UnsafeRawPointer, _ query: UnsafeRawPointer, _ rotatedDimension: Int) -> Double {
        let functions = nt_rabitq_current().pointee
        let group = nt_rabitq_group_bytes(rotatedDimension), groups = NeighborBlocks.groupCount(degree: degree), stride = groups * group
        guard stride <= Self.byteCount / 4 else { return 1000 }
        return time(stride: stride) { slots, count in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 32) { sums in
                guard let sums = sums.baseAddress else { return }
                for i in 0 ..< count {
                    let block = memory + Int(slots[i]) * stride
                    for g in 0 ..< groups {
                        functions.sums(
                            query.assumingMemoryBound(to: UInt8.self),
                            (block + g * group + Int(NT_RABITQ_CODES)).assumingMemoryBound(to: UInt8.self), rotatedDimension, sums)
                    }
                }
            }
        }
    }
}
