/// Errors in text (filters, statements) that point at the character, and guesses at what was meant.
package enum TextDiagnostic {
    /// A syntax error at a byte of the text: `message`, then the line with a caret below the culprit.
    ///
    /// The position handed out counts characters as Swift does, so that a caller can mark `text[text.index(startIndex, offsetBy: position)]`.
    package static func error(_ message: String, in text: some Swift.Collection<UInt8>, at byteOffset: Int) -> NeedletailError {
        located(NeedletailError(.syntax, message), in: text, at: byteOffset)
    }

    /// The error with the place that it is about: its position, its line and column, and the line with a caret below the culprit.
    package static func located(_ error: NeedletailError, in text: some Swift.Collection<UInt8>, at byteOffset: Int) -> NeedletailError {
        let before = String(decoding: text.prefix(byteOffset), as: UTF8.self)
        let after = String(decoding: text.dropFirst(byteOffset), as: UTF8.self)
        let lineStart = before.lastIndex(where: \.isNewline).map(before.index(after:)) ?? before.startIndex
        let lineEnd = after.firstIndex(where: \.isNewline) ?? after.endIndex

        // Of a long line, the part around the culprit is enough.
        var left = before[lineStart...]
        var right = after[..<lineEnd]
        if left.count > 60 { left = "…" + left.suffix(50) }
        if right.count > 30 { right = right.prefix(25) + "…" }
        // A tab is as wide as the terminal likes: as a blank, the caret stays where it belongs.
        let line = (left + right).map { $0 == "\t" ? " " : $0 }
        let caret = String(repeating: " ", count: left.count) + "^"
        var located = error
        located.message = "\(error.message)\n  \(String(line))\n  \(caret)"
        located.position = before.count
        located.line = 1 + before.count(where: \.isNewline)
        located.column = 1 + before[lineStart...].count
        return located
    }

    /// The candidate that `word` is probably a misspelling of, if one is near: a third of its letters wrong at the most.
    package static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        let folded = Array(word.lowercased().unicodeScalars)
        guard folded.count <= 64 else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in candidates where candidate.utf8.count <= 128 {
            let distance = editDistance(folded, Array(candidate.lowercased().unicodeScalars))
            let limit = max(1, max(folded.count, candidate.count) / 3)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.name
    }

    /// The number of letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
    private static func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0 ... b.count)
        var row = last
        for i in a.indices {
            row[0] = i + 1
            for j in b.indices {
                let replaced = last[j] + (a[i] == b[j] ? 0 : 1)
                row[j + 1] = min(replaced, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1)
                }
            }
            (beforeLast, last, row) = (last, row, beforeLast)
        }
        return last[b.count]
    }
}
