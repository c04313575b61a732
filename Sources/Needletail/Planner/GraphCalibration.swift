import Foundation
import NeedletailIndex

/// What was measured of a graph: recall by `efSearch` without a filter, and with filters of some selectivities.
///
/// Under a filter the same `efSearch` finds another share of what matches: a walk sees all nodes on its way, so that those which
/// match and are near are found from more sides. How much more or less `efSearch` a recall takes was measured with filters that let
/// every record through by chance; between the selectivities, and for another k, the factor is interpolated.
struct GraphCalibration: Sendable {
    /// What searches go by: measured with real queries, if they were, else with records.
    let unfiltered: Calibration
    /// Measured with records, as the curves under filters were.
    private let records: Calibration
    /// What searches take, on average and typically; `nil` for an index of an earlier build.
    let effort, typicalEffort: GraphEffort?
    /// By falling selectivity.
    private let filtered: [(selectivity: Double, curves: [Calibration.Curve])]

    /// The shares of records that filters are measured for.
    static let selectivities = [0.5, 0.2, 0.1, 0.05]
    /// The `efSearch` that they are measured at, for so many neighbours.
    static func filteredLadder(k: Int) -> [Int] {
        switch k {
        case 1: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
        case 10: [10, 16, 24, 32, 48, 64, 96, 128, 192, 256]
        default: [100, 160, 220, 250, 280, 320, 384, 512, 640]
        }
    }

    init(_ points: [HNSWHeader.CalibrationPoint], queries: [HNSWHeader.CalibrationPoint] = []) {
        records = Calibration(points.filter { $0.selectivity == nil })
        effort = GraphEffort(points, \.hops)
        typicalEffort = GraphEffort(points, \.typicalHops)
        unfiltered = queries.isEmpty ? records : Calibration(queries)
        filtered = Set(points.compactMap(\.selectivity)).sorted(by: >).map { selectivity in
            (selectivity, Calibration(points.filter { $0.selectivity == selectivity }).curves)
        }
    }

    /// The least `efSearch` that finds the share `recall` of the `k` nearest that match; `nil` where no setting that was measured does.
    func efSearch(recall: Double, k: Int, selectivity: Double) -> Int? {
        guard let setting = unfiltered.setting(recall: recall, k: Double(k)) else { return nil }
        guard selectivity < 1 else { return max(Int(setting.rounded(.up)), k) }
        guard let factor = factor(recall: recall, k: Double(k), selectivity: selectivity) else { return nil }
        return max(Int((setting * factor).rounded(.up)), k)
    }

    /// The recall that `efSearch` gives for `k` neighbours that match, as far as measured.
    func recall(efSearch: Int, k: Int, selectivity: Double) -> Double {
        let plain = unfiltered.recall(efSearch: efSearch, k: k)
        guard selectivity < 1, let factor = factor(recall: min(plain, 0.99), k: Double(k), selectivity: selectivity) else { return plain }
        return unfiltered.recall(setting: max(Double(efSearch) / factor, Double(k)), k: Double(k))
    }

    /// How many times the `efSearch` of a search without a filter one of this selectivity takes; `nil` where none that was measured
    /// reaches the recall.
    ///
    /// Between two k it is interpolated. Where few match, none was measured for many neighbours; and of one neighbour the records that are
    /// asked with are too few to tell high recalls apart: there, what ten take is enough.
    private func factor(recall: Double, k: Double, selectivity: Double) -> Double? {
        let ten = factor(recall: recall, measuredAt: 10, selectivity: selectivity)
        if k == 10 { return ten }
        let other = factor(recall: recall, measuredAt: k < 10 ? 1 : 100, selectivity: selectivity)
        if k == 1, let other { return other }
        guard let ten else { return nil }
        let isMeasured = filtered.contains { $0.curves.contains { $0.k == 100 } }
        guard let other = other ?? (k < 10 || !isMeasured ? ten : nil) else { return nil }
        return ten * pow(other / ten, min(abs(log10(k / 10)), 1))
    }

    private func factor(recall: Double, measuredAt k: Int, selectivity: Double) -> Double? {
        guard !filtered.isEmpty else { return 1 }
        guard let plain = records.setting(recall: recall, k: Double(k)) else { return nil }
        var above = (selectivity: 1.0, factor: 1.0)
        for (known, curves) in filtered {
            guard let curve = curves.first(where: { $0.k == k }) else { break }
            // Where fewer match, longer walks were not measured, since nobody takes them: then what more of them take.
            guard let setting = curve.setting(recall: recall) else { return above.selectivity < 1 ? above.factor : nil }
            let factor = setting / plain
            guard selectivity < known else {
                let share = log(selectivity / above.selectivity) / log(known / above.selectivity)
                return above.factor * pow(factor / above.factor, share)
            }
            above = (known, factor)
        }
        return above.factor
    }
}
