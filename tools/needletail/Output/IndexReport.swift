import Needletail
import Synchronization

/// An index, in words.
enum IndexReport {
    /// Such as `hnsw, m 16, efConstruction 200, sq8, 1,000,000 records, 245.3 MiB`.
    static func summary(of index: IndexInformation) -> String {
        "\(index.kind), m \(index.m), efConstruction \(index.efConstruction), "
            + (index.quantization == .none ? "not quantized" : index.quantization.rawValue)
            + ", \(Format.counted(index.coveredCount, "record")), \(Format.bytes(index.byteCount))"
    }

    /// What came after the index was built; `nil` where it is up to date.
    static func changes(since index: IndexInformation) -> String? {
        var parts: [String] = []
        if index.tailCount > 0 { parts.append("\(Format.counted(index.tailCount, "newer record")) compared one by one") }
        if index.deletedCount > 0 { parts.append("\(Format.count(index.deletedCount)) deleted still in the graph") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ") + " (see 'needletail optimize')"
    }

    /// The recall that was measured, such as `0.87 at efSearch 16, 0.95 at 32, 0.99 at 96`.
    static func recall(of index: IndexInformation) -> String? {
        guard let k = index.calibration.map(\.k).min() else { return nil }
        let points = index.calibration.filter { $0.k == k }
        var shown: [RecallPoint] = []
        for target in [0.9, 0.95, 0.99] {
            if let point = points.first(where: { $0.recall >= target }), shown.last != point { shown.append(point) }
        }
        if shown.isEmpty, let last = points.last { shown = [last] }
        return "recall@\(k) "
            + shown.map { "\(Format.decimal($0.recall, digits: 3)) at efSearch \($0.efSearch)" }.joined(separator: ", ")
    }
}

/// The progress of a build, phase by phase; called from any thread.
final class IndexProgressBar: Sendable {
    private struct State {
        var phase: IndexProgress.Phase?
        var bar: ProgressBar?
    }

    private let state = Mutex(State())

    func update(_ progress: IndexProgress) {
        state.withLock { state in
            if state.phase != progress.phase {
                state.bar?.finish()
                state.phase = progress.phase
                state.bar = ProgressBar(progress.phase.rawValue, total: progress.total, unit: progress.phase == .measuring ? "settings" : "records")
            }
            state.bar?.update(progress.done)
        }
    }

    func finish() { state.withLock { $0.bar?.finish() } }
}
