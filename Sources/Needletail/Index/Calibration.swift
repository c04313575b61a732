import Foundation
import NeedletailIndex

/// How recall grows with `efSearch`, measured on the collection's own records when the index was built; stored with the index.
///
/// This curve is what turns a recall that is asked for into an `efSearch`, and tells which recall a search has given.
struct Calibration: Sendable, Hashable {
    /// The curve for one k: recall@k at each `efSearch` of the ladder, both rising.
    struct Curve: Sendable, Hashable {
        var k: Int
        var efSearch: [Int]
        var recall: [Double]
    }

    /// By rising k.
    let curves: [Curve]

    /// The curves through points that were measured.
    init(_ points: [HNSWHeader.CalibrationPoint]) {
        curves = Set(points.map(\.k)).sorted().map { k in
            Curve(k: k, measured: points.filter { $0.k == k }.map { ($0.efSearch, $0.recall) }.sorted { $0.0 < $1.0 })
        }
    }

    /// The settings that are measured.
    static let ladder = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    /// The numbers of neighbours that recall is measured for; those between are interpolated.
    static let measuredK = [10, 100]
    /// Records to ask with, at most.
    static let maximumQueryCount = 200

    /// The least `efSearch` that finds the share `recall` of the `k` nearest; `nil` where no setting that was measured does.
    func efSearch(recall: Double, k: Int) -> Int? {
        // No margin is added: a graph without the record that is asked with, as it is measured, is a little worse than one that
        // was never to have it (at 0.95 by about one point on SIFT and on MiniLM, more below), which is more than chance makes.
        var bounds: [(k: Double, efSearch: Double)] = []
        for curve in curves {
            guard let efSearch = curve.efSearch(recall: recall) else { continue }
            bounds.append((Double(curve.k), efSearch))
        }
        guard let first = bounds.first, let last = bounds.last, first.k == curves.first.map({ Double($0.k) }) else { return nil }
        let k = max(Double(k), 1)
        let value: Double
        if k <= first.k {
            value = first.efSearch
        } else if k >= last.k {
            // Beyond what was measured, in proportion: the share of candidates that are true stays about the same.
            value = last.efSearch * k / last.k
        } else {
            value = first.efSearch * pow(last.efSearch / first.efSearch, log(k / first.k) / log(last.k / first.k))
        }
        return max(Int(value.rounded(.up)), Int(k))
    }

    /// The recall that `efSearch` gives for `k` neighbours, as far as measured.
    func recall(efSearch: Int, k: Int) -> Double {
        guard let first = curves.first, let last = curves.last else { return 0 }
        let efSearch = Double(max(efSearch, k)), k = Double(k)
        if k <= Double(first.k) { return first.recall(efSearch: efSearch) }
        if k >= Double(last.k) { return last.recall(efSearch: efSearch * Double(last.k) / k) }
        let share = log(k / Double(first.k)) / log(Double(last.k) / Double(first.k))
        return first.recall(efSearch: efSearch) * (1 - share) + last.recall(efSearch: efSearch) * share
    }

    /// The points, for a report.
    var points: [RecallPoint] {
        curves.flatMap { curve in
            zip(curve.efSearch, curve.recall).map { RecallPoint(k: curve.k, efSearch: $0, recall: $1) }
        }
    }
}

extension Calibration.Curve {
    /// Makes a curve of what was measured: a setting that seems to find less than a lower one, as chance has it, is taken for no worse.
    init(k: Int, measured: [(efSearch: Int, recall: Double)]) {
        self.init(k: k, efSearch: measured.map(\.efSearch), recall: [])
        var best = 0.0
        for point in measured {
            best = max(best, point.recall)
            recall.append(best)
        }
    }

    /// Between two settings, linear in the logarithm of `efSearch`.
    func efSearch(recall target: Double) -> Double? {
        guard let position = recall.firstIndex(where: { $0 >= target }) else { return nil }
        guard position > 0 else { return Double(efSearch[0]) }
        let (low, high) = (recall[position - 1], recall[position])
        let share = (target - low) / (high - low)
        return Double(efSearch[position - 1]) * pow(Double(efSearch[position]) / Double(efSearch[position - 1]), share)
    }

    /// The inverse; below the least setting and beyond the greatest, what those give.
    func recall(efSearch value: Double) -> Double {
        guard let first = efSearch.first, let last = recall.last else { return 0 }
        guard let position = efSearch.firstIndex(where: { Double($0) >= value }) else { return last }
        guard position > 0 else { return Double(first) == value ? recall[0] : recall[0] * value / Double(first) }
        let share = log(value / Double(efSearch[position - 1])) / log(Double(efSearch[position]) / Double(efSearch[position - 1]))
        return recall[position - 1] + share * (recall[position] - recall[position - 1])
    }
}
