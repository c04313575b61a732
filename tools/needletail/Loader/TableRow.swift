/// One row of a table: a line of `.jsonl`, or a record of `.csv`.
package struct TableRow: Sendable {
    /// The line that it begins on, counted from 1.
    package var line: Int
    /// The values by column of the reader; columns that the row lacks are null, or beyond the end.
    package var values: [JSONValue]
}
