import NeedletailIndex
import NeedletailStorage

/// The graph index of a collection at one commit, ready to be searched.
///
/// It points into the table's snapshot, which whoever searches holds.
final class GraphIndex: Sendable {
    let graph: HNSWGraph
    let snapshot: IndexSnapshot
    let facts: SearchFacts.Index
    private let entry: IndexRegistry.Entry
    /// Deleted slots that are in the graph still. While there are none, no search has to look whether it meets one.
    let deletedCount: Int
    private var leadsToDeleted: Bool { deletedCount > 0 }

    /// The index of a table, if it has one.
    init?(_ table: TableSnapshot, _ collection: Collection) throws(NeedletailError) {
        let found = try storage { () throws(StorageError) in try table.indexes() }
        guard let snapshot = found.first(where: { $0.descriptor.name == IndexParameters.name }) else { return nil }
        entry = try collection.database.indexes.entry(snapshot.descriptor, of: collection)
        let header = entry.parameters.header
        var arrays: [ChunkedRows] = []
        for position in snapshot.descriptor.arrays.indices {
            arrays.append(try storage { () throws(StorageError) in try snapshot.array(position) })
        }
        do throws(HNSWError) {
            graph = try HNSWGraph(header: header, arrays: arrays, tables: Self.numbers(arrays), vectors: table.vectors)
        } catch {
            throw NeedletailError(
                .corrupt,
                "the index of collection '\(collection.name)' in \(collection.database.path) is damaged: \(error.description). Drop it and create it anew",
                path: collection.database.path)
        }
        self.snapshot = snapshot
        deletedCount = table.deletedCount(in: 0 ..< header.count) - entry.parameters.unlinkedCount
        facts = SearchFacts.Index(tailCount: table.slotCount - header.count, degree: header.degree, graph: graph)
    }

    /// The quantizer's tables.
    private static func numbers(_ arrays: [ChunkedRows]) -> [Float] {
        guard arrays.indices.contains(HNSWArray.tables.rawValue) else { return [] }
        let rows = arrays[HNSWArray.tables.rawValue]
        return (0 ..< rows.count).flatMap { row in
            UnsafeRawBufferPointer(start: rows.row(row), count: rows.stride / 4 * 4).bindMemory(to: Float.self)
        }
    }

    /// Slots below it are in the graph, or had been deleted when it was built.
    var coveredCount: Int { graph.header.count }
    var parameters: IndexParameters { entry.parameters }
    var calibration: Calibration { entry.calibration }

    /// The `k` nearest of what the graph covers, ascending.
    func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        var statistics = HNSWStatistics()
        // No link leads to what had been deleted before, but a comparison of all slots comes upon it.
        let isChecked = leadsToDeleted || graph.comparesAll(k: k, ef: efSearch)
        return graph.search(
            query, k: k, ef: efSearch, allowed: allowed, deleted: isChecked ? deleted : nil, scratch: entry.scratches,
            statistics: &statistics)
    }

    /// The `k` nearest of those that pass a filter and that the graph covers, ascending; nothing where the walk has made `budget`
    /// hops before it was done.
    func walk(
        _ query: UnsafeBufferPointer<Float>, k: Int, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>, strategy: HNSWFilterStrategy, budget: Int?,
        _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        graph.search(
            query, k: k, ef: efSearch, allowed: allowed, strategy: strategy, budget: budget, scratch: entry.scratches, statistics: &statistics)
    }

    /// The `k` nearest of some slots, which the graph must cover, compared by codes first.
    func scan(
        _ query: UnsafeBufferPointer<Float>, k: Int, slots: UnsafeBufferPointer<UInt32>, precision: CodeScanPrecision,
        _ statistics: inout HNSWStatistics
    ) -> [Neighbor] {
        graph.scan(query, k: k, slots: slots, precision: precision, scratch: entry.scratches, statistics: &statistics)
    }

    /// All within the (internal) distance `radius` of what the graph covers, or the nearest `limit` of them, ascending.
    func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, efSearch: Int, limit: Int?,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        var statistics = HNSWStatistics()
        return graph.search(
            within: radius, of: query, limit: limit, ef: efSearch, allowed: allowed, deleted: deleted, scratch: entry.scratches,
            statistics: &statistics)
    }

    /// A walk that goes on where it ended, page by page. The bitmaps must outlive it.
    func cursor(
        _ query: UnsafeBufferPointer<Float>, efSearch: Int, allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> HNSWCursor {
        HNSWCursor(graph, query: query, ef: efSearch, allowed: allowed, deleted: deleted, scratch: entry.scratches)
    }
}
