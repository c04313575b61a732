/// Violations by kind, in the order in which kinds were first met.
final class Findings {
    private var kinds: [String] = []
    private var first: [String: String] = [:]
    private var counts: [String: Int] = [:]

    func add(_ kind: String, _ place: @autoclosure () -> String) {
        if let count = counts[kind] {
            counts[kind] = count + 1
        } else {
            kinds.append(kind)
            counts[kind] = 1
            first[kind] = place()
        }
    }

    var sentences: [String] {
        kinds.map { kind in
            let count = counts[kind] ?? 1
            return count == 1 ? "\(kind): \(first[kind] ?? "")" : "\(kind): \(first[kind] ?? "") (and \(count - 1) more)"
        }
    }
}
