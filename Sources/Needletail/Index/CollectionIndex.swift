import NeedletailIndex
import NeedletailStorage

/// The index of a collection at one commit, ready to be searched: one of the two kinds.
enum CollectionIndex: Sendable {
    case graph(GraphIndex)
    case lists(ListIndex)

    /// The index of a table, if it has one.
    init?(_ table: TableSnapshot, _ collection: Collection) throws(NeedletailError) {
        let found = try storage { () throws(StorageError) in try table.indexes() }
        guard let snapshot = found.first(where: { IndexParameters.isIndex($0.descriptor) }) else { return nil }
        let entry = try collection.database.indexes.entry(snapshot.descriptor, of: collection)
        switch entry.content {
        case .graph(let header, let calibration, let scratches):
            self = .graph(try GraphIndex(snapshot, header, entry.parameters, calibration, scratches, table, collection))
        case .lists(let header, let calibration):
            self = .lists(try ListIndex(snapshot, header, entry.parameters, calibration, table, collection))
        }
    }

    /// Facts about the index, as `table`, which it belongs to, shows it.
    func information(_ table: TableSnapshot) -> IndexInformation {
        switch self {
        case .graph(let index): index.information(table)
        case .lists(let index): index.information(table)
        }
    }

    /// What a plan depends on.
    var facts: SearchFacts.Index {
        switch self {
        case .graph(let index): .graph(index.facts)
        case .lists(let index): .lists(index.facts)
        }
    }

    /// What stands in the catalog.
    var snapshot: IndexSnapshot {
        switch self {
        case .graph(let index): index.snapshot
        case .lists(let index): index.snapshot
        }
    }

    /// How it came about.
    var parameters: IndexParameters {
        switch self {
        case .graph(let index): index.parameters
        case .lists(let index): index.parameters
        }
    }

    /// What does not hold of the index, beyond the checksums of its bytes.
    func violations(_ table: TableSnapshot) -> [String] {
        switch self {
        case .graph(let index): HNSWInvariants(checking: index.graph, deleted: table.deleted).findings
        case .lists(let index): IVFPQInvariants(checking: index.lists, deleted: table.deleted).findings
        }
    }
}

extension NeedletailError {
    /// An index whose bytes contradict each other.
    static func damagedIndex(of collection: Collection, _ reason: String) -> NeedletailError {
        NeedletailError(
            .corrupt, "the index of collection '\(collection.name)' in \(collection.database.path) is damaged: \(reason). Drop it and create it anew",
            path: collection.database.path)
    }
}

extension TableSnapshot {
    /// How many of the slots are deleted.
    func deletedCount(in slots: Range<Int>) -> Int {
        guard let deleted, !slots.isEmpty else { return 0 }
        var count = 0
        for word in slots.lowerBound / 64 ... (slots.upperBound - 1) / 64 {
            var bits = deleted[word]
            let (before, behind) = (slots.lowerBound - word * 64, slots.upperBound - word * 64)
            if before > 0 { bits &= ~0 << UInt64(before) }
            if behind < 64 { bits &= (1 << UInt64(behind)) - 1 }
            count += bits.nonzeroBitCount
        }
        return count
    }
}
