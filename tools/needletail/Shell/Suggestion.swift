/// Guesses at what a misspelt word was meant to be.
package enum Suggestion {
    /// The candidate nearest to `word`: one that begins with it, else one with a third of its letters wrong at the most.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let folded = Array(word.lowercased())
        guard !folded.isEmpty, folded.count <= 64 else { return nil }
        if let longer = candidates.first(where: { $0.lowercased().hasPrefix(word.lowercased()) }) { return longer }
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = editDistance(folded, Array(candidate.lowercased()))
            guard distance <= max(1, max(folded.count, candidate.count) / 3), distance < best?.distance ?? .max else { continue }
            best = (candidate, distance)
        }
        return best?.name
    }

    /// How many letters to insert, delete, replace or swap with their neighbour.
    private static func editDistance(_ a: [Character], _ b: [Character]) -> Int {
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0 ... b.count)
        var row = last
        for i in a.indices {
            row[0] = i + 1
            for j in b.indices {
                row[j + 1] = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1) }
            }
            (beforeLast, last, row) = (last, row, beforeLast)
        }
        return last[b.count]
    }
}
