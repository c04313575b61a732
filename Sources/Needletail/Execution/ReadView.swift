import CNeedletailKernels
import NeedletailIndex
import NeedletailStorage

/// A collection at one commit, with all that a query needs of it resolved.
///
/// The first query that sees a commit makes it; it stays with the table's snapshot, and later queries take it from there
/// without a lock. It holds pointers into the snapshot, and is used only while that is held.
final class ReadView: @unchecked Sendable {
    // `@unchecked`: written by `init` only, and what it points to is constant as long as the snapshot lives.

    /// Exact search over all slots.
    let flat: FlatIndex
    /// The index, if the collection has one; or why it cannot be used.
    private let found: Result<CollectionIndex?, NeedletailError>
    /// The filters that were asked with.
    let filters = FilterCache()
    /// The ids that are integers.
    private let keys: UnsafeBufferPointer<ColumnSegment>
    private let keyShift: Int
    /// Whether there is not memory for all, so that ids are asked for before they are read.
    private let advisesPages: Bool

    private init(_ table: TableSnapshot, _ collection: Collection) throws(NeedletailError) {
        let schema = collection.schema
        let column = try storage { () throws(StorageError) in try table.keyColumn() }
        // A damaged index must not keep anyone from the records.
        do throws(NeedletailError) { found = .success(try CollectionIndex(table, collection)) } catch { found = .failure(error) }
        flat = FlatIndex(
            vectors: table.vectors, dimension: schema.dimension, metric: schema.metric.indexMetric, element: schema.element.indexElement)
        keyShift = column.capacityShift
        let copy = UnsafeMutableBufferPointer<ColumnSegment>.allocate(capacity: column.segments.count)
        _ = copy.initialize(from: column.segments)
        keys = UnsafeBufferPointer(copy)
        if case .success(.lists(let lists)) = found { advisesPages = lists.lists.advisesPages } else { advisesPages = false }
        if advisesPages { for segment in keys { PageAdvice.inNoOrder(segment.values, 8 * segment.count) } }
    }

    deinit { keys.deallocate() }

    /// The index, if the collection has one.
    func index() throws(NeedletailError) -> CollectionIndex? { try found.get() }

    /// The view of a table, made now if nobody has asked for it before.
    static func of(_ table: TableSnapshot, _ collection: Collection) throws(NeedletailError) -> ReadView {
        if let view = table.view.load() { return unsafeDowncast(view, to: ReadView.self) }
        let view = try ReadView(table, collection)
        // Of several queries that make one at the same time, the first one's serves all.
        return unsafeDowncast(table.view.storeIfNil(view), to: ReadView.self)
    }

    /// The slots that pass a filter: known from a search before, or found now.
    func matching(_ filter: Filter, in table: TableSnapshot, _ collection: Collection) throws(NeedletailError) -> MatchingSlots {
        if let known = filters.slots(of: filter) { return known }
        var signDimension: Int?
        if case .success(.graph(let graph)) = found, graph.graph.signs != nil { signDimension = graph.graph.header.dimension }
        return filters.keep(MatchingSlots(try collection.matching(filter, in: table), signDimension: signDimension), of: filter)
    }

    /// Asks for the ids of slots ahead, so that the memory brings them all at once and not one after the other.
    func prefetchIDs(of neighbors: [Neighbor]) {
        for neighbor in neighbors {
            let position = Int(neighbor.slot) >> keyShift
            guard position < keys.count else { continue }
            let value = keys[position].values + 8 * (Int(neighbor.slot) - keys[position].firstSlot)
            if advisesPages { PageAdvice.willNeed(value, 8) } else { nt_prefetch(value, 8) }
        }
    }

    /// The id of a slot: by pointer where it is an integer, else through the records of `table`.
    @inline(__always)
    func id(of slot: UInt32, in table: TableSnapshot) throws(StorageError) -> RecordID {
        var position = min(Int(slot) >> keyShift, keys.count - 1)
        if position >= 0 {
            // A slot of the tail falls where a last, partly filled chunk would reach: then it is in the run behind.
            if Int(slot) >= keys[position].firstSlot + keys[position].count { position += 1 }
            if position < keys.count {
                let row = Int(slot) - keys[position].firstSlot
                if keys[position].isPresent(row) { return .int(keys[position].values.load(fromByteOffset: 8 * row, as: Int64.self)) }
            }
        }
        return RecordID(try table.key(ofSlot: slot))
    }
}
