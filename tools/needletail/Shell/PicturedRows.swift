import Foundation
import NeedletailVision

/// Pictures beside the rows that they belong to.
package struct PicturedRows: Sendable {
    package var pictureProtocol: PictureProtocol
    package var cell: CellSize

    package init(_ pictureProtocol: PictureProtocol, cell: CellSize) {
        self.pictureProtocol = pictureProtocol
        self.cell = cell
    }

    /// The cells that a picture may fill.
    private static let columns = 10
    private static let rows = 4

    /// The columns that pictures take from the terminal's width.
    package static let indent = columns + 2

    /// The text that prints `lines` of every row with its picture on the left of them.
    ///
    /// - Parameter jpegs: the records' thumbnails; one that is no picture is passed over.
    package func text(header: [String], rows: [[String]], jpegs: [Data?]) -> String {
        let blanks = String(repeating: " ", count: Self.indent)
        var text = header.map { blanks + $0 + "\n" }.joined()
        for (lines, jpeg) in zip(rows, jpegs) {
            guard let drawing = jpeg.flatMap(draw) else {
                text += lines.map { blanks + $0 + "\n" }.joined()
                continue
            }
            let height = max(Self.rows, lines.count)
            // The lines are made first, so that nothing scrolls while the picture is drawn; then the cursor goes back to them.
            text += String(repeating: "\n", count: height) + "\u{1B}[\(height)A\u{1B}7" + drawing + "\u{1B}8"
            let first = (height - lines.count) / 2
            for line in 0 ..< height {
                if lines.indices.contains(line - first) { text += "\u{1B}[\(Self.indent)C" + lines[line - first] }
                text += "\n"
            }
        }
        return text
    }

    private func draw(_ jpeg: Data) -> String? {
        guard let picture = try? ImageDecoder.decode(jpeg, name: "thumbnail").image else { return nil }
        let size = cell.fit(width: picture.width, height: picture.height, columns: Self.columns, rows: Self.rows)
        return try? pictureProtocol.draw(picture, columns: size.columns, rows: size.rows, cell: cell)
    }
}
