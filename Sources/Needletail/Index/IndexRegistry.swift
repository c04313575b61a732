import NeedletailIndex
import NeedletailStorage
import Synchronization

/// What an open database keeps of its indexes between snapshots, and which of them are being built.
final class IndexRegistry: Sendable {
    /// One version of a collection's index, for as long as it is the newest that was read.
    final class Entry: Sendable {
        let version: UInt64
        let parameters: IndexParameters
        let content: Content

        enum Content: Sendable {
            /// The buffers of searches pass from one snapshot to the next.
            case graph(HNSWHeader, GraphCalibration, HNSWScratchPool)
            case lists(IVFPQHeader, ListCalibration)
        }

        fileprivate init(version: UInt64, parameters: IndexParameters, after known: Entry?) {
            self.version = version
            self.parameters = parameters
            switch parameters.content {
            case .graph(let header, _, let queryPoints):
                var scratches = HNSWScratchPool()
                if case .graph(_, _, let used) = known?.content { scratches = used }
                content = .graph(header, GraphCalibration(header.calibration, queries: queryPoints), scratches)
            case .lists(let header, _, let curves, let queryCurves):
                content = .lists(header, ListCalibration(queryCurves.isEmpty ? curves : queryCurves, nlist: header.nlist))
            }
        }
    }

    private struct State {
        var entries: [UInt32: Entry] = [:]
        var building: Set<UInt32> = []
    }

    private let state = Mutex(State())

    /// The description of an index; parsed anew only where it is another version than last time.
    func entry(_ descriptor: IndexDescriptor, of collection: Collection) throws(NeedletailError) -> Entry {
        let known = state.withLock { $0.entries[collection.tableID] }
        if let known, known.version == descriptor.version { return known }
        let entry = Entry(version: descriptor.version, parameters: try IndexParameters(descriptor, of: collection), after: known)
        return state.withLock { state in
            // An old snapshot must not push the newest version out.
            if let current = state.entries[collection.tableID], current.version >= entry.version { return entry }
            state.entries[collection.tableID] = entry
            return entry
        }
    }

    /// Lets go of what was kept of a collection's index, which has been dropped.
    func forget(_ tableID: UInt32) { state.withLock { _ = $0.entries.removeValue(forKey: tableID) } }

    /// Notes that a build of the collection's index begins; false where one runs.
    func beginBuild(_ tableID: UInt32) -> Bool { state.withLock { $0.building.insert(tableID).inserted } }

    func endBuild(_ tableID: UInt32) { state.withLock { _ = $0.building.remove(tableID) } }
}
