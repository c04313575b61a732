import CNeedletailKernels
import NeedletailStorage

/// How a graph is built.
package struct HNSWOptions: Sendable {
    /// Neighbours of a node on the upper levels, at most; twice as many on level 0. 2 … 64.
    package var m: Int
    /// Candidates that a node's neighbours are chosen from, `m` … 2000.
    package var efConstruction: Int
    package var quantization: Quantization
    /// One thread, the same vectors and the same seed give the same graph.
    package var seed: UInt64
    /// How many threads insert.
    package var threads: Int
    /// Bytes that the build may take, the vectors themselves not counted; nil: as many as it needs.
    package var memoryLimit: Int?

    package init(
        m: Int = 16, efConstruction: Int = 200, quantization: Quantization = .sq8, seed: UInt64 = 0x4E45_4544_4C45,
        threads: Int = 1, memoryLimit: Int? = nil
    ) {
        self.m = m
        self.efConstruction = efConstruction
        self.quantization = quantization
        self.seed = seed
        self.threads = threads
        self.memoryLimit = memoryLimit
    }

    package static let efConstructionLimit = 2000

    func validate(count: Int) throws(HNSWBuildError) {
        guard HNSWHeader.mLimits.contains(m) else {
            throw .invalid("m is \(m); it must be \(HNSWHeader.mLimits.lowerBound) to \(HNSWHeader.mLimits.upperBound)")
        }
        guard (m ... Self.efConstructionLimit).contains(efConstruction) else {
            throw .invalid("efConstruction is \(efConstruction); it must be m, which is \(m), to \(Self.efConstructionLimit)")
        }
        guard threads >= 1 else { throw .invalid("a build takes at least one thread") }
        guard count <= HNSWHeader.countLimit else {
            throw .invalid("\(count) vectors are more than the \(HNSWHeader.countLimit) that a graph may have")
        }
    }
}

/// A graph as built: in memory, in the layout in which it is installed.
package final class HNSWBuild: @unchecked Sendable {
    package let header: HNSWHeader
    /// Bytes that the build has taken at most, the vectors themselves not counted.
    package let peakByteCount: Int
    let arrays: [any BuiltRows]
    /// What the arrays share chunks with.
    private let base: HNSWGraph?

    init(header: HNSWHeader, arrays: [any BuiltRows], peakByteCount: Int, base: HNSWGraph?, isMeasured: Bool = false) {
        self.header = header
        self.isMeasured = isMeasured
        self.arrays = arrays
        self.peakByteCount = peakByteCount
        self.base = base
    }

    /// Whether it was built afresh, not out of another.
    package var isFresh: Bool { base == nil }
    /// Whether the calibration in the header is new: measured in this build.
    package let isMeasured: Bool

    /// The same with what was measured of it.
    func with(calibration: [HNSWHeader.CalibrationPoint]) -> HNSWBuild {
        var header = header
        header.calibration = calibration
        return HNSWBuild(header: header, arrays: arrays, peakByteCount: peakByteCount, base: base, isMeasured: true)
    }

    /// The arrays by ``HNSWArray``; valid as long as this object.
    package var rows: [ChunkedRows] { arrays.map(\.view) }

    /// What an install writes, by ``HNSWArray``; valid as long as this object, which an install leaves without its rows. A chunk
    /// that is as it was in the graph that was extended, if one was, is left as it is stored.
    package var contents: [IndexArrayContent] {
        let links = arrays[HNSWArray.links.rawValue].view, blocks = arrays[HNSWArray.neighborBlocks.rawValue].view
        let changed = base.flatMap { ChangedNodes(since: $0, links: links, blocks: blocks) }
        let contents = zip(HNSWArray.allCases, arrays).map { number, array in
            let isByNode = number == .links || number == .neighborBlocks
            return array.content(replacing: base?.stored(number), keeping: isByNode ? changed?.keptCount ?? 0 : 0)
        }
        return contents + (changed?.contents ?? [])
    }

    /// The graph where it is; valid as long as this object.
    package func graph(vectors: VectorBlocks) throws(HNSWError) -> HNSWGraph {
        try HNSWGraph(header: header, arrays: rows, vectors: vectors)
    }
}

extension HNSWGraph {
    /// An array as it is stored; nil for one that the index may lack, and does, and for those of changed rows.
    func stored(_ array: HNSWArray) -> ChunkedRows? {
        switch array {
        case .links: links.stored
        case .upperNodes: upperNodes
        case .upperLinks: upperLinks
        case .codes: codes
        case .neighborBlocks: neighborBlocks.stored
        case .tables: tableRows
        case .signs: signs
        case .changes, .changedLinks, .changedBlocks: nil
        }
    }
}

/// Builds a graph over vectors: afresh, or out of one that covers the first of them.
///
/// The phases of a build:
///
/// 1. *encode*: vectors become codes, which all distances of the build are computed of (unless `quantization` is `.none`).
/// 2. *upper*: the nodes of the upper levels are inserted, on all of their levels, the highest first: an even sample of
///    all nodes, one in m, ends up linked on level 0.
/// 3. *order*: every other node is sorted by where in that sample it belongs, so that nodes near each other are inserted
///    one after the other: each insertion compares some thousand rows, most of which the one before has left in the cache.
/// 4. *insert*: those are inserted.
/// 5. *connect*: a node that no path leads to from the entry point is linked from near ones.
/// 6. *codes*: neighbour codes and sign codes, which the build itself does not go by, are written.
///
/// Where recall is to be measured, some nodes are left for the end (HNSW+BuildTrial.swift).
package struct HNSWBuilder {
    var source: HNSWSource
    var options: HNSWOptions
    let crew: BuildCrew

    /// - Parameters:
    ///   - progress: called a few times a second on the thread that builds.
    ///   - isCancelled: asked as often.
    package init(
        _ source: HNSWSource, options: HNSWOptions, progress: ((HNSWBuildProgress) -> Void)? = nil, isCancelled: (() -> Bool)? = nil
    ) {
        self.source = source
        self.options = options
        crew = BuildCrew(threads: options.threads, progress: progress, isCancelled: isCancelled)
    }

    /// Builds a graph over all slots that are not deleted.
    ///
    /// - Parameter trial: measures the graph before the last few slots are inserted.
    /// - Complexity: some efConstruction × m distances a vector.
    package func build(measuring trial: HNSWTrial? = nil) throws(HNSWBuildError) -> HNSWBuild {
        let count = source.vectors.count
        try options.validate(count: count)
        let needed = Self.memoryEstimate(count: count, dimension: source.dimension, options: options)
        if let limit = options.memoryLimit, needed > limit { throw .memoryLimit(needed: needed, limit: limit) }

        var header = emptyHeader()
        header.count = count
        let codes = try encode(&header)
        let upper = UpperPlan(source: source, options: options, first: 0)
        let graph = BuildGraph(
            m: options.m, count: count,
            links: try MutableRows(stride: header.linkStride, count: count),
            upperNodes: try MutableRows(stride: HNSWHeader.upperNodeStride, count: upper.nodes.count),
            upperLinks: try MutableRows(stride: header.upperLinkStride, count: upper.listCount))
        graph.clearLists(from: 0)
        upper.write(to: graph, firstNode: 0, firstList: 0)
        return try complete(header, graph, codes, upper, firstNode: 0, slots: 0 ..< count, base: nil, measuring: trial)
    }

    func emptyHeader() -> HNSWHeader {
        HNSWHeader(
            m: options.m, efConstruction: options.efConstruction, quantization: options.quantization, seed: options.seed,
            metric: source.metric, element: source.element, dimension: source.dimension)
    }

    /// The codes of all slots, on a scale found for them; no rows where distances are those of the stored vectors.
    private func encode(_ header: inout HNSWHeader) throws(HNSWBuildError) -> MutableRows {
        guard options.quantization != .none else { return try MutableRows(stride: 64, count: 0) }
        let quantizer = SQ8Quantizer(
            training: source.vectors, dimension: source.dimension, metric: source.metric, element: source.element,
            deleted: source.deleted?.baseAddress)
        header.sq8 = quantizer
        let codes = try MutableRows(stride: quantizer.rowByteCount, count: header.count)
        try encode(0 ..< header.count, quantizer, to: codes)
        return codes
    }

    func encode(_ slots: Range<Int>, _ quantizer: SQ8Quantizer, to codes: MutableRows) throws(HNSWBuildError) {
        // Floats for one row and thread, each in cache lines of its own.
        let floats = (source.dimension + 31) / 16 * 16
        let scratch = UnsafeMutablePointer<Float>.allocate(capacity: floats * crew.threads)
        defer { scratch.deallocate() }
        try crew.forEach(.encode, count: slots.count, batch: 1024) { worker, number in
            let slot = slots.lowerBound + number
            quantizer.encode(
                source.vectors.vector(slot), element: source.element,
                norm: source.metric == .cosine ? source.vectors.norm(slot) : 0, scratch: scratch + worker * floats,
                to: codes.row(slot))
        }
    }

    func finish(
        _ header: HNSWHeader, _ graph: BuildGraph, _ codes: MutableRows, covered: Int, base: HNSWGraph?, remeasures: Bool, heldOut: [Int]
    ) throws(HNSWBuildError) -> HNSWBuild {
        var header = header
        header.maxLevel = graph.maxLevel
        header.entrySlot = graph.entrySlot == NT_NO_NODE ? nil : graph.entrySlot
        header.entryUpper = graph.entryNode == NT_NO_NODE ? nil : graph.entryNode
        header.upperCount = graph.upperCount
        header.upperListCount = graph.upperLinks.count
        var arrays: [any BuiltRows] = [graph.links, graph.upperNodes, graph.upperLinks, codes]
        if header.quantization == .rabitq {
            arrays.append(try neighborBlocks(&header, links: graph.links.view, base: base))
        }
        while arrays.count < HNSWArray.tables.rawValue { arrays.append(try MutableRows(stride: 64, count: 0)) }
        arrays += try signCodes(&header, base: base)
        let working = Self.workingByteCount(count: header.count, covered: covered, upper: header.upperCount, options: options)
        let peak = arrays.reduce(working) { $0 + $1.memoryByteCount }
        if remeasures {
            let built = HNSWBuild(header: header, arrays: arrays, peakByteCount: peak, base: base)
            if let graph = try? built.graph(vectors: source.vectors) {
                header.reaches = Self.measureReaches(graph, heldOut: heldOut, deleted: source.deleted)
                if let base { header.reaches = header.reaches?.mixed(with: base.header.reaches, share: newShare(since: covered)) }
            }
        }
        return HNSWBuild(header: header, arrays: arrays, peakByteCount: peak, base: base)
    }

    /// Of the slots that are not deleted, the share from `covered` on.
    private func newShare(since covered: Int) -> Double {
        let count = source.vectors.count, old = covered - source.deletedCount(below: covered)
        let live = count - source.deletedCount(below: count)
        return live > 0 ? Double(live - old) / Double(live) : 1
    }

    /// Calls `body` with one worker a thread.
    func withWorkers(
        _ graph: BuildGraph, space: BuildSpace,
        _ body: (UnsafeMutablePointer<BuildWorker>) throws(HNSWBuildError) -> Void
    ) throws(HNSWBuildError) {
        let workers = UnsafeMutablePointer<BuildWorker>.allocate(capacity: crew.threads)
        for worker in 0 ..< crew.threads {
            (workers + worker).initialize(to: BuildWorker(graph: graph, space: space, efConstruction: options.efConstruction))
        }
        defer {
            for worker in 0 ..< crew.threads { workers[worker].deallocate() }
            workers.deinitialize(count: crew.threads)
            workers.deallocate()
        }
        try body(workers)
    }

    /// Bytes that a build takes at most, the vectors themselves not counted.
    ///
    /// - Parameter covered: slots of the graph that is extended, if one is, whose codes are shared.
    package static func memoryEstimate(count: Int, covered: Int = 0, dimension: Int, options: HNSWOptions) -> Int {
        let header = HNSWHeader(
            m: options.m, efConstruction: options.efConstruction, quantization: options.quantization, seed: 0, metric: .l2,
            element: .f32, dimension: dimension)
        // One node in m is on level 1, one in m² on level 2, …; a little more where chance has it.
        let upper = count / max(options.m - 1, 1) * 21 / 20 + 1000
        var bytes = MutableRows.byteCount(stride: header.linkStride, count: count)
        bytes += MutableRows.byteCount(stride: HNSWHeader.upperNodeStride, count: upper)
        bytes += MutableRows.byteCount(stride: header.upperLinkStride, count: upper)
        if options.quantization != .none {
            bytes += MutableRows.byteCount(stride: SQ8Quantizer.rowByteCount(dimension: dimension), count: count - covered)
        }
        if options.quantization == .rabitq {
            bytes += MutableRows.byteCount(stride: NeighborBlocks.stride(degree: 2 * options.m, dimension: dimension), count: count)
        }
        if options.quantization != .none {
            bytes += MutableRows.byteCount(stride: nt_sign_row_bytes(nt_rabitq_dimension(dimension)), count: count)
            bytes += MutableRows.byteCount(stride: 4, count: nt_rabitq_dimension(dimension))
        }
        // Arrays that are not used take a page.
        bytes += HNSWArray.changes.rawValue * MutableRows.byteCount(stride: 64, count: 1)
        return bytes + workingByteCount(count: count, covered: covered, upper: upper, options: options)
    }

    /// Bytes of what a build has beside the arrays: locks, the order of insertion, and what each thread has of its own.
    private static func workingByteCount(count: Int, covered: Int, upper: Int, options: HNSWOptions) -> Int {
        let thread = BuildScratch.byteCount(nodes: count, efConstruction: options.efConstruction, degree: 2 * options.m) + (1 << 20)
        return count + count / 8 + upper * 40 + (count - covered) * 32 + options.threads * thread
    }
}
