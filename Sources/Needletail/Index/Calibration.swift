import Foundation
import NeedletailIndex

/// How recall grows with a setting of searches (`efSearch`, or `nprobe` at one `refineFactor`), measured on the collection's
/// own records when the index was built; stored with the index.
///
/// This curve is what turns a recall that is asked for into a setting, and tells which recall a search has given.
struct Calibration: Sendable, Hashable {
    /// The curve for one k: recall@k at each setting of the ladder, both rising.
    struct Curve: Sendable, Hashable {
        var k: Int
        var settings: [Int]
        var recall: [Double]
    }

    /// What is taken for true beyond the points that were measured.
    struct Rule: Sendable, Hashable {
        /// The setting that a recall takes grows with this power of k.
        var exponent: Double
        /// Whether a recall that was not reached at the greatest k is reckoned from lower ones.
        var reckonsFromBelow: Bool
    }

    /// By rising k.
    let curves: [Curve]
    let rule: Rule

    init(_ curves: [Curve], _ rule: Rule) {
        self.curves = curves.sorted { $0.k < $1.k }
        self.rule = rule
    }

    /// Records to ask with, at most.
    static let maximumQueryCount = 200

    /// The least setting that finds the share `recall` of the `k` nearest, between two whole numbers as it comes; `nil` where no
    /// setting that was measured does.
    func setting(recall: Double, k: Double) -> Double? {
        // No margin is added: what was measured of a graph has lost its standard error already (GraphMeasurement).
        let k = max(k, 1)
        var below: (k: Double, setting: Double)?
        func beyond(_ known: (k: Double, setting: Double)) -> Double { known.setting * pow(k / known.k, rule.exponent) }
        for curve in curves {
            let at = Double(curve.k)
            guard let setting = curve.setting(recall: recall) else {
                if rule.reckonsFromBelow {
                    // What was not reached for fewer neighbours says nothing against more.
                    if below == nil, k > at { continue }
                    return below.map(beyond)
                }
                if k <= at { return nil }
                below = nil
                continue
            }
            if k <= at {
                guard let below else { return setting }
                return below.setting * pow(setting / below.setting, log(k / below.k) / log(at / below.k))
            }
            below = (at, setting)
        }
        return below.map(beyond)
    }

    /// The recall that a setting gives for `k` neighbours, as far as measured.
    func recall(setting: Double, k: Double) -> Double {
        guard let first = curves.first, let last = curves.last else { return 0 }
        if k <= Double(first.k) { return first.recall(setting: setting) }
        guard let above = curves.firstIndex(where: { Double($0.k) >= k }) else {
            return last.recall(setting: setting * pow(Double(last.k) / k, rule.exponent))
        }
        let (low, high) = (curves[above - 1], curves[above])
        let share = log(k / Double(low.k)) / log(Double(high.k) / Double(low.k))
        return low.recall(setting: setting) * (1 - share) + high.recall(setting: setting) * share
    }
}

extension Calibration {
    /// The `efSearch` that are measured, close together where recall climbs: between two of them it is taken to grow with their
    /// logarithm, which tells too much where the curve bends upwards.
    static let efSearchLadder = [10, 12, 14, 16, 19, 22, 24, 26, 29, 32, 36, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512, 768]
    /// Those that are measured for so many neighbours: an `efSearch` for few stands for a longer walk than for many.
    static func efSearchLadder(k: Int) -> [Int] {
        switch k {
        case 1: [1, 2, 3, 4, 5, 6, 7, 8] + efSearchLadder
        case 10: efSearchLadder
        default: [100, 120, 140, 160, 190, 220, 256, 320, 384, 512, 768, 1_024]
        }
    }

    /// The numbers of neighbours that the recall of a graph is measured for; those between are interpolated.
    static let graphK = [1, 10, 100]

    /// The curves of a graph, through points that were measured. Beyond the greatest k in proportion: the share of candidates
    /// that are true stays about the same.
    init(_ points: [HNSWHeader.CalibrationPoint]) {
        let curves = Set(points.map(\.k)).sorted().map { k in
            Curve(k: k, measured: points.filter { $0.k == k }.map { ($0.efSearch, $0.recall) }.sorted { $0.0 < $1.0 })
        }
        self.init(curves, Rule(exponent: 1, reckonsFromBelow: true))
    }

    /// The least `efSearch` that finds the share `recall` of the `k` nearest; `nil` where no setting that was measured does.
    func efSearch(recall: Double, k: Int) -> Int? {
        setting(recall: recall, k: Double(k)).map { max(Int($0.rounded(.up)), k) }
    }

    /// The recall that `efSearch` gives for `k` neighbours, as far as measured.
    func recall(efSearch: Int, k: Int) -> Double { recall(setting: Double(max(efSearch, k)), k: Double(k)) }
}

extension Calibration.Curve {
    /// Makes a curve of what was measured: a setting that seems to find less than a lower one, as chance has it, is taken for no worse.
    init(k: Int, measured: [(setting: Int, recall: Double)]) {
        self.init(k: k, settings: measured.map(\.setting), recall: [])
        var best = 0.0
        for point in measured {
            best = max(best, point.recall)
            recall.append(best)
        }
    }

    /// Between two settings, linear in their logarithm.
    func setting(recall target: Double) -> Double? {
        guard let position = recall.firstIndex(where: { $0 >= target }) else { return nil }
        guard position > 0 else { return Double(settings[0]) }
        let (low, high) = (recall[position - 1], recall[position])
        let share = (target - low) / (high - low)
        return Double(settings[position - 1]) * pow(Double(settings[position]) / Double(settings[position - 1]), share)
    }

    /// The inverse; below the least setting and beyond the greatest, what those give.
    func recall(setting value: Double) -> Double {
        guard let first = settings.first, let last = recall.last else { return 0 }
        guard let position = settings.firstIndex(where: { Double($0) >= value }) else { return last }
        guard position > 0 else { return Double(first) == value ? recall[0] : recall[0] * value / Double(first) }
        let share = log(value / Double(settings[position - 1])) / log(Double(settings[position]) / Double(settings[position - 1]))
        return recall[position - 1] + share * (recall[position] - recall[position - 1])
    }
}
