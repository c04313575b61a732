import Foundation
import NeedletailVision

/// The ways in which terminals show pictures.
package enum PictureProtocol: String, Sendable, Hashable {
    case kitty
    case iTerm2 = "iTerm2"
    case sixel

    /// The escape sequence that draws `picture` from the cursor on, over `columns × rows` cells.
    ///
    /// - Parameter cell: the size of a character in pixels.
    package func draw(_ picture: PixelImage, columns: Int, rows: Int, cell: CellSize) throws(VisionError) -> String {
        switch self {
        case .kitty: return Self.kittySequence(picture, columns: columns, rows: rows)
        case .iTerm2:
            let jpeg = try ImageEncoder.jpeg(picture, quality: 85)
            return "\u{1B}]1337;File=inline=1;width=\(columns);height=\(rows);preserveAspectRatio=0;size=\(jpeg.count):"
                + jpeg.base64EncodedString() + "\u{07}"
        case .sixel:
            // A row that is not a whole band would scroll some terminals by one line: stay within the cells.
            let fitted = picture.resized(width: max(1, columns * cell.width), height: max(1, rows * cell.height / 6 * 6))
            return Sixel.encode(width: fitted.width, height: fitted.height, pixels: fitted.pixels)
        }
    }

    /// Raw pixels in base64, in pieces of 4,096 bytes, which the protocol does not exceed. `C=1` leaves the cursor, `q=2` wants no answer.
    private static func kittySequence(_ picture: PixelImage, columns: Int, rows: Int) -> String {
        let data = Array(Data(picture.pixels).base64EncodedString().utf8)
        var text = ""
        for start in stride(from: 0, to: data.count, by: 4096) {
            let end = min(start + 4096, data.count)
            let head = start == 0 ? "a=T,q=2,f=24,s=\(picture.width),v=\(picture.height),c=\(columns),r=\(rows),C=1," : ""
            text += "\u{1B}_G\(head)m=\(end < data.count ? 1 : 0);" + String(decoding: data[start ..< end], as: UTF8.self) + "\u{1B}\\"
        }
        return text
    }
}

/// The size of a character on the terminal, in pixels.
package struct CellSize: Sendable, Hashable {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// What most terminals come near to.
    package static let usual = CellSize(width: 10, height: 20)

    /// The cells that a picture fills, in its own proportions, within a box of cells; at least one.
    package func fit(width pictureWidth: Int, height pictureHeight: Int, columns: Int, rows: Int) -> (columns: Int, rows: Int) {
        let scale = min(Double(columns * width) / Double(pictureWidth), Double(rows * height) / Double(pictureHeight))
        let fittedColumns = (Double(pictureWidth) * scale / Double(width)).rounded()
        let fittedRows = (Double(pictureHeight) * scale / Double(height)).rounded()
        return (min(columns, max(1, Int(fittedColumns))), min(rows, max(1, Int(fittedRows))))
    }
}
