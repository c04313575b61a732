import Foundation
import NeedletailStorage

extension IVFPQBuild {
    /// What storage is told of the index when it is installed, together with ``contents``.
    ///
    /// - Parameter name: unique in its table.
    package func descriptor(name: String) throws -> IndexDescriptor {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return IndexDescriptor(name: name, kind: IVFPQHeader.kind, coveredCount: header.count, parameters: try encoder.encode(header))
    }
}

extension IVFPQIndex {
    /// An installed index, searched where it lies in the map; keeps its snapshot.
    ///
    /// - Parameter vectors: of the same table and commit; valid as long as this object is used.
    package convenience init(_ index: IndexSnapshot, vectors: VectorBlocks) throws(IVFPQDamage) {
        guard index.descriptor.kind == IVFPQHeader.kind else {
            throw IVFPQDamage("index '\(index.descriptor.name)' is of kind '\(index.descriptor.kind)', not \(IVFPQHeader.kind)")
        }
        guard let header = try? JSONDecoder().decode(IVFPQHeader.self, from: index.descriptor.parameters) else {
            throw IVFPQDamage("the header of index '\(index.descriptor.name)' cannot be read")
        }
        guard header.count == index.descriptor.coveredCount else {
            throw IVFPQDamage("index '\(index.descriptor.name)' covers \(index.descriptor.coveredCount) slots, its header says \(header.count)")
        }
        var arrays: [ChunkedRows] = []
        do throws(StorageError) {
            for position in index.descriptor.arrays.indices { arrays.append(try index.array(position)) }
        } catch {
            throw IVFPQDamage(error)
        }
        try self.init(header: header, arrays: arrays, vectors: vectors, advisesPages: nil, owner: index)
    }
}
