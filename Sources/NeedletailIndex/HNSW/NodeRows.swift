import CNeedletailKernels
import NeedletailStorage

/// Rows by node, of which those that merges have changed since all were last written may stand apart (nt_graph.h).
package struct NodeRows: @unchecked Sendable {
    // `@unchecked`: its pointers are those of the views that it is made of.
    /// As last written for all nodes.
    package let stored: ChunkedRows
    /// `nt_changes`; nil where nothing stands apart.
    let changes: ChunkedRows?
    let kernel: nt_node_rows

    /// - Parameters:
    ///   - changes: `nt_changes`, of all nodes.
    ///   - changed: the rows that have changed.
    init(_ stored: ChunkedRows, changes: ChunkedRows? = nil, changed: ChunkedRows? = nil) {
        self.stored = stored
        self.changes = changed == nil ? nil : changes
        kernel = if let changes, let changed {
            nt_node_rows(rows: stored.rows, changes: changes.rows, changed: changed.rows, changed_count: UInt32(changed.count))
        } else {
            nt_node_rows(rows: stored.rows, changes: nt_rows(), changed: nt_rows(), changed_count: 0)
        }
    }

    package var count: Int { stored.count }

    /// The address of a row; the caller has checked `i < count`.
    @inline(__always)
    package func row(_ i: Int) -> UnsafeRawPointer {
        withUnsafePointer(to: kernel) { UnsafeRawPointer(nt_node_row($0, UInt32(truncatingIfNeeded: i))) }
    }
}
