import NeedletailStorage

extension Collection {
    /// Brings the records that wait outside of the ordered indexes into them, two million in a transaction; in a file of an earlier
    /// version, all of them.
    func bringOrderUpToDate() async throws(NeedletailError) {
        var waiting = try table().unorderedCount
        while waiting > 0 {
            let left = try await write(.full) { table throws(StorageError) in
                try table.extendOrder()
                return table.unorderedCount
            }
            guard left < waiting else { return }
            waiting = left
        }
    }
}
