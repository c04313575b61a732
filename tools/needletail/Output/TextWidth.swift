/// How wide text is on a terminal, and text cut to a width.
package enum TextWidth {
    /// The columns that `text` takes up: two for East Asian wide characters and emoji, none for combining marks.
    package static func of(_ text: some StringProtocol) -> Int {
        text.reduce(0) { $0 + columns(of: $1) }
    }

    package static func columns(of character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value != 0x7F ? 1 : 0 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: return 0
        default: break
        }
        if scalar.properties.isEmojiPresentation || character.unicodeScalars.contains("\u{FE0F}") { return 2 }
        switch scalar.value {
        case 0x1100 ... 0x115F, 0x2E80 ... 0x303E, 0x3041 ... 0x33FF, 0x3400 ... 0x4DBF, 0x4E00 ... 0x9FFF, 0xA000 ... 0xA4CF,
            0xAC00 ... 0xD7A3, 0xF900 ... 0xFAFF, 0xFE30 ... 0xFE6F, 0xFF00 ... 0xFF60, 0xFFE0 ... 0xFFE6, 0x20000 ... 0x3FFFD:
            return 2
        default: return 1
        }
    }

    /// Where text that is too long loses its middle part.
    package enum Cut: Sendable {
        /// The beginning stays: right for prose.
        case end
        /// The end stays: right for paths, whose ends tell them apart.
        case start
    }

    /// `text` in at most `width` columns, with an ellipsis where something was left out.
    package static func fit(_ text: String, width: Int, cut: Cut = .end) -> String {
        guard of(text) > width else { return text }
        guard width > 1 else { return width == 1 ? "…" : "" }
        var room = width - 1
        var kept: [Character] = []
        for character in cut == .end ? AnySequence(text) : AnySequence(text.reversed()) {
            let columns = columns(of: character)
            guard columns <= room else { break }
            room -= columns
            kept.append(character)
        }
        return cut == .end ? String(kept) + "…" : "…" + String(kept.reversed())
    }

    /// `text` with blanks behind it up to `width` columns.
    package static func padded(_ text: String, to width: Int) -> String { text + String(repeating: " ", count: max(0, width - of(text))) }

    /// Line ends and other control characters as visible blanks, so that a value stays on its line and cannot steer the terminal.
    ///
    /// - Parameter keepsLines: whether line ends stay, for a text of several lines.
    package static func printable(_ text: String, keepsLines: Bool = false) -> String {
        func isKept(_ scalar: Unicode.Scalar) -> Bool {
            scalar.properties.generalCategory != .control || (keepsLines && scalar == "\n")
        }
        guard !text.unicodeScalars.allSatisfy(isKept) else { return text }
        var result = ""
        for scalar in text.unicodeScalars { result.unicodeScalars.append(isKept(scalar) ? scalar : " ") }
        return result
    }
}
