import NeedletailIndex
import NeedletailStorage

/// The graph index of a collection at one commit, ready to be searched.
///
/// It points into the table's snapshot, which whoever searches holds.
final class GraphIndex: Sendable {
    let graph: HNSWGraph
    let snapshot: IndexSnapshot
    let parameters: IndexParameters
    let facts: SearchFacts.Graph
    private let scratches: HNSWScratchPool
    /// Deleted slots that are in the graph still. While there are none, no search has to look whether it meets one.
    let deletedCount: Int
    private var leadsToDeleted: Bool { deletedCount > 0 }

    init(
        _ snapshot: IndexSnapshot, _ header: HNSWHeader, _ parameters: IndexParameters, _ calibration: GraphCalibration,
        _ scratches: HNSWScratchPool, _ table: TableSnapshot, _ collection: Collection
    ) throws(NeedletailError) {
        var arrays: [ChunkedRows] = []
        for position in snapshot.descriptor.arrays.indices {
            arrays.append(try storage { () throws(StorageError) in try snapshot.array(position) })
        }
        do throws(HNSWError) {
            graph = try HNSWGraph(header: header, arrays: arrays, vectors: table.vectors)
        } catch {
            throw .damagedIndex(of: collection, error.description)
        }
        self.snapshot = snapshot
        self.parameters = parameters
        self.scratches = scratches
        deletedCount = table.deletedCount(in: 0 ..< header.count) - parameters.unlinkedCount
        facts = SearchFacts.Graph(
            tailCount: table.slotCount - header.count, degree: header.degree, graph: graph, calibration: calibration)
    }

    /// Slots below it are in the graph, or had been deleted when it was built.
    var coveredCount: Int { graph.header.count }

    /// The `k` nearest of what the graph covers, ascending.
    func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?,
        _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        // No link leads to what had been deleted before, but a comparison of all slots comes upon it.
        let isChecked = leadsToDeleted || graph.comparesAll(k: k, ef: efSearch)
        return graph.search(
            query, k: k, ef: efSearch, allowed: allowed, deleted: isChecked ? deleted : nil, scratch: scratches,
            statistics: &statistics)
    }

    /// The `k` nearest of those that pass a filter and that the graph covers, ascending; nothing where the walk has reached
    /// its limit before it was done.
    func walk(
        _ query: UnsafeBufferPointer<Float>, k: Int, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>, limit: HNSWWalkLimit,
        _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        graph.search(
            query, k: k, ef: efSearch, allowed: allowed, strategy: .all, limit: limit, scratch: scratches, statistics: &statistics)
    }

    /// The `k` nearest of some slots, which the graph must cover, or of all that are not deleted, compared by codes first.
    func scan(
        _ query: UnsafeBufferPointer<Float>, k: Int, slots: UnsafeBufferPointer<UInt32>?, deleted: UnsafeBufferPointer<UInt64>?, packed: PackedSigns?,
        precision: CodeScanPrecision, _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        graph.scan(query, k: k, slots: slots, deleted: deleted, packed: packed, precision: precision, scratch: scratches, statistics: &statistics)
    }

    /// All within the (internal) distance `radius` of what the graph covers, or the nearest `limit` of them, ascending.
    func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, efSearch: Int, limit: Int?,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        var statistics = HNSWStatistics()
        return graph.search(
            within: radius, of: query, limit: limit, ef: efSearch, allowed: allowed, deleted: deleted, scratch: scratches,
            statistics: &statistics)
    }

    /// A walk that goes on where it ended, page by page. The bitmaps must outlive it.
    func cursor(
        _ query: UnsafeBufferPointer<Float>, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> HNSWCursor {
        HNSWCursor(graph, query: query, ef: efSearch, allowed: allowed, deleted: deleted, scratch: scratches)
    }

    /// Facts about the index, as `table`, which it belongs to, shows it.
    func information(_ table: TableSnapshot) -> IndexInformation {
        let header = graph.header
        let liveCovered = header.count - deletedCount - parameters.unlinkedCount
        var information = IndexInformation(
            kind: IndexParameters.graphKind, seed: header.seed, coveredCount: liveCovered, tailCount: table.liveCount - liveCovered,
            deletedCount: deletedCount, byteCount: snapshot.byteCount,
            calibration: header.calibration.filter { $0.selectivity == nil }.map { RecallPoint($0) },
            build: parameters.build)
        information.m = header.m
        information.efConstruction = header.efConstruction
        information.quantization = Quantization(header.quantization)
        information.queryCalibration = parameters.queryRecallPoints
        return information
    }
}

extension IndexSnapshot {
    /// Bytes of all rows.
    var byteCount: Int { descriptor.arrays.reduce(0) { $0 + $1.stride * $1.count } }
}

extension Quantization {
    init(_ quantization: NeedletailIndex.Quantization) {
        switch quantization {
        case .none: self = .none
        case .sq8: self = .sq8
        case .rabitq: self = .rabitq
        }
    }

    /// The form for vectors of a schema: measured to be the fastest at equal recall.
    func resolved(for schema: Schema) -> NeedletailIndex.Quantization {
        switch self {
        case .none: .none
        case .sq8: .sq8
        case .rabitq: .rabitq
        // In few dimensions, so many bits say too little. Rows of i8 are as short as SQ8 codes would be.
        case .automatic: schema.dimension >= (schema.element == .i8 ? 256 : 128) ? .rabitq : schema.element == .i8 ? .none : .sq8
        }
    }
}
