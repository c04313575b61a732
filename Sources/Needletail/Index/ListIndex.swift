import NeedletailIndex
import NeedletailStorage

/// The IVF-PQ index of a collection at one commit, ready to be searched.
///
/// It points into the table's snapshot, which whoever searches holds.
final class ListIndex: Sendable {
    let lists: IVFPQIndex
    let snapshot: IndexSnapshot
    let parameters: IndexParameters
    let facts: SearchFacts.Lists
    /// Deleted slots that are in the lists still. While there are none, no search has to look whether it meets one.
    let deletedCount: Int

    init(
        _ snapshot: IndexSnapshot, _ header: IVFPQHeader, _ parameters: IndexParameters, _ calibration: ListCalibration,
        _ table: TableSnapshot, _ collection: Collection
    ) throws(NeedletailError) {
        var arrays: [ChunkedRows] = []
        for position in snapshot.descriptor.arrays.indices {
            arrays.append(try storage { () throws(StorageError) in try snapshot.array(position) })
        }
        do throws(IVFPQDamage) {
            lists = try IVFPQIndex(header: header, arrays: arrays, vectors: table.vectors, advisesPages: nil, owner: snapshot)
        } catch {
            throw .damagedIndex(of: collection, error.description)
        }
        self.snapshot = snapshot
        self.parameters = parameters
        let liveCovered = header.count - table.deletedCount(in: 0 ..< header.count)
        deletedCount = max(0, header.rowCount - liveCovered)
        facts = SearchFacts.Lists(
            tailCount: table.slotCount - header.count, nlist: header.nlist, rowCount: header.rowCount, rowByteCount: header.rowByteCount,
            vectorByteCount: collection.schema.vectorByteCount, calibration: calibration, shape: VectorShape(collection.schema))
    }

    /// Slots below it are in a list, or had been deleted when it was built.
    var coveredCount: Int { lists.header.count }

    /// Of what the index covers, the `k` nearest that it finds, ascending.
    func search(
        _ query: UnsafeBufferPointer<Float>, k: Int, nprobe: Int, refineFactor: Int, allowed: UnsafeBufferPointer<UInt64>?,
        deleted: UnsafeBufferPointer<UInt64>?, _ statistics: inout IVFPQStatistics
    ) -> [Neighbor] {
        lists.search(
            query, IVFPQIndex.Parameters(k: k, nprobe: nprobe, refineFactor: refineFactor), allowed: allowed,
            deleted: deletedCount > 0 ? deleted : nil, statistics: &statistics)
    }

    /// The same for each of `count` queries that lie one after another: each list is scanned once for all that want it.
    func search(
        batch queries: UnsafeBufferPointer<Float>, count: Int, k: Int, nprobe: Int, refineFactor: Int,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?, threads: Int
    ) -> [[Neighbor]] {
        var statistics = IVFPQStatistics()
        do throws(TrainingError) {
            return try lists.search(
                batch: queries, count: count, IVFPQIndex.Parameters(k: k, nprobe: nprobe, refineFactor: refineFactor), allowed: allowed,
                deleted: deletedCount > 0 ? deleted : nil, crew: TrainingCrew(threads: threads), statistics: &statistics)
        } catch {
            preconditionFailure("a search that nobody cancels ends: \(error)")
        }
    }

    /// All within the (internal) distance `radius` that the nearest `nprobe` lists hold, or the nearest `limit` of them, ascending.
    func search(
        within radius: Float, of query: UnsafeBufferPointer<Float>, nprobe: Int, limit: Int?,
        allowed: UnsafeBufferPointer<UInt64>?, deleted: UnsafeBufferPointer<UInt64>?
    ) -> [Neighbor] {
        var statistics = IVFPQStatistics()
        return lists.search(
            within: radius, of: query, nprobe: nprobe, limit: limit, allowed: allowed, deleted: deletedCount > 0 ? deleted : nil,
            statistics: &statistics)
    }

    /// Facts about the index, as `table`, which it belongs to, shows it.
    func information(_ table: TableSnapshot) -> IndexInformation {
        let header = lists.header
        let liveCovered = header.rowCount - deletedCount
        var information = IndexInformation(
            kind: IndexParameters.listKind, seed: header.seed, coveredCount: liveCovered, tailCount: table.liveCount - liveCovered,
            deletedCount: deletedCount, byteCount: snapshot.byteCount, calibration: parameters.recallPoints, build: parameters.build)
        information.queryCalibration = parameters.queryRecallPoints
        information.nlist = header.nlist
        information.code = header.codeKind == .rabitq ? .rabitq : .pq
        if header.codeKind == .pq { information.subspaces = header.subspaces }
        information.bits = header.bits
        information.isRotated = header.isRotated
        information.isBalanced = parameters.request?.isBalanced ?? false
        information.bytesPerVector = bytesPerVector
        information.drift = lists.drift
        information.retraining = lists.retraining.map(RetrainingReason.init)
        return information
    }

    /// Bytes of all lists over their rows: codes, terms, slots, what blocks are filled up with, and the lists' own places.
    private var bytesPerVector: Double {
        let arrays = snapshot.descriptor.arrays
        let byteCount = [IVFPQArray.lists, .blocks, .tails].reduce(0) { sum, array in
            arrays.indices.contains(array.rawValue) ? sum + arrays[array.rawValue].stride * arrays[array.rawValue].count : sum
        }
        return lists.header.rowCount == 0 ? 0 : Double(byteCount) / Double(lists.header.rowCount)
    }
}

extension RetrainingReason {
    init(_ reason: IVFPQIndex.Retraining) {
        switch reason {
        case .drift(let ratio): self = .drift(ratio: ratio)
        case .growth(let ratio): self = .growth(ratio: ratio)
        }
    }
}
