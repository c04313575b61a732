/// One thing that is wrong in a file.
package struct CheckFinding: Sendable, Hashable, CustomStringConvertible {
    /// The table concerned, empty for the file as a whole.
    package var table: String
    package var message: String

    package init(table: String, message: String) {
        self.table = table
        self.message = message
    }

    package var description: String { table.isEmpty ? message : "\(table): \(message)" }
}
