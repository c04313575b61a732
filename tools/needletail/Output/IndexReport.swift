import Needletail
import Synchronization

/// An index, in words.
enum IndexReport {
    /// Such as `hnsw, m 16, efConstruction 200, sq8, 1,000,000 records, 245.3 MiB`, or
    /// `ivfpq, 1,024 lists, 32 subspaces of 4 bits, 21.4 bytes a vector, 1,000,000 records, 20.9 MiB`.
    static func summary(of index: IndexInformation) -> String {
        var parts = [index.kind]
        if let m = index.m { parts.append("m \(m)") }
        if let efConstruction = index.efConstruction { parts.append("efConstruction \(efConstruction)") }
        if let quantization = index.quantization { parts.append(quantization == .none ? "not quantized" : quantization.rawValue) }
        if let nlist = index.nlist { parts.append(Format.counted(nlist, "list") + (index.isBalanced == true ? ", balanced" : "")) }
        if index.code == .rabitq, let bits = index.bits { parts.append("RaBitQ codes of \(Format.counted(bits, "bit"))") }
        if let subspaces = index.subspaces, let bits = index.bits {
            parts.append("\(Format.counted(subspaces, "subspace")) of \(bits) bits" + (index.isRotated == true ? ", rotated" : ""))
        }
        if let bytes = index.bytesPerVector { parts.append("\(Format.decimal(bytes, digits: 1)) bytes a vector") }
        return (parts + [Format.counted(index.coveredCount, "record"), Format.bytes(index.byteCount)]).joined(separator: ", ")
    }

    /// What came after the index was built; `nil` where it is up to date.
    static func changes(since index: IndexInformation) -> String? {
        var parts: [String] = []
        if index.tailCount > 0 { parts.append("\(Format.counted(index.tailCount, "newer record")) compared one by one") }
        if index.deletedCount > 0 { parts.append("\(Format.count(index.deletedCount)) deleted still in \(index.nlist == nil ? "the graph" : "its lists")") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ") + " (see 'needletail optimize')"
    }

    /// How well what came later fits lists that were trained on other records; `nil` for an index of another kind.
    static func drift(of index: IndexInformation) -> String? {
        guard let drift = index.drift else { return nil }
        return "drift \(Format.decimal(drift, digits: 2))" + (index.retraining.map { ": \($0) ('needletail optimize' trains it anew)" } ?? "")
    }

    /// The recall that was measured, such as `recall@10 0.87 at efSearch 16, 0.95 at 32, 0.99 at 96`; with real queries, if it was, on a
    /// line of its own.
    static func recall(of index: IndexInformation) -> [String] {
        [recall(index.calibration), recall(index.queryCalibration ?? []).map { "with real queries: " + $0 }].compactMap { $0 }
    }

    private static func recall(_ calibration: [RecallPoint]) -> String? {
        let ks = Set(calibration.map(\.k))
        guard let k = ks.contains(10) ? 10 : ks.min() else { return nil }
        let points = calibration.filter { $0.k == k }
        var shown: [RecallPoint] = []
        for target in [0.9, 0.95, 0.99] {
            // Of points that reach it, the one that costs least.
            let reaching = points.filter { $0.recall >= target }
            let point = reaching.min { cost($0) < cost($1) }
            if let point, shown.last != point { shown.append(point) }
        }
        if shown.isEmpty, let best = points.max(by: { $0.recall < $1.recall }) { shown = [best] }
        return "recall@\(k) " + shown.map { "\(Format.decimal($0.recall, digits: 3)) at \(setting($0))" }.joined(separator: ", ")
    }

    private static func setting(_ point: RecallPoint) -> String {
        if let nprobe = point.nprobe { return "nprobe \(nprobe)" + (point.refineFactor.map { ", refineFactor \($0)" } ?? "") }
        return point.efSearch.map { "efSearch \($0)" } ?? ""
    }

    /// An order of settings: twice as many lists weigh as much as twice as many rows compared.
    private static func cost(_ point: RecallPoint) -> Int { point.efSearch ?? (point.nprobe ?? 1) * (point.refineFactor ?? 1) }
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
