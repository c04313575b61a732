import Foundation
import NeedletailIndex

/// How many nodes walks through a graph expand, by `efSearch`, number of neighbours and share of records that a filter lets through:
/// counted while recall was measured, since `efSearch` alone does not tell. On average, or typically: most walks are short, a few long.
struct GraphEffort: Sendable {
    /// For one number of neighbours, at one `efSearch` after another.
    private struct Curve {
        var settings: [Double] = []
        var hops: [Double] = []

        /// Between two settings linear in their logarithm; beyond them in proportion, below them what the least takes.
        func hops(efSearch: Double) -> Double {
            guard let position = settings.firstIndex(where: { $0 >= efSearch }) else {
                return hops[hops.count - 1] * efSearch / settings[settings.count - 1]
            }
            guard position > 0 else { return hops[0] }
            return between(
                (settings[position - 1], hops[position - 1]), (settings[position], hops[position]), at: efSearch)
        }
    }

    /// By rising k, and for each by falling selectivity, of which the first is 1.
    private let curves: [(k: Double, bySelectivity: [(selectivity: Double, curve: Curve)])]

    /// - Parameter hops: Which count of the points it goes by.
    /// - Returns: `nil` where the points say nothing of it, as those of earlier builds.
    init?(_ points: [HNSWHeader.CalibrationPoint], _ hops: (HNSWHeader.CalibrationPoint) -> Double?) {
        var found: [Int: [Double: Curve]] = [:]
        for point in points.sorted(by: { $0.efSearch < $1.efSearch }) {
            guard let hops = hops(point), hops.isFinite, hops >= 1, point.efSearch > 0 else { continue }
            var curve = found[point.k]?[point.selectivity ?? 1] ?? Curve()
            curve.settings.append(Double(point.efSearch))
            curve.hops.append(max(hops, curve.hops.last ?? 0))
            found[point.k, default: [:]][point.selectivity ?? 1] = curve
        }
        curves = found.filter { $0.key > 0 && $0.value[1] != nil }.sorted { $0.key < $1.key }.map { k, curves in
            (Double(k), curves.filter { $0.key > 0 && $0.key <= 1 }.sorted { $0.key > $1.key }.map { ($0.key, $0.value) })
        }
        if curves.isEmpty { return nil }
    }

    /// Nodes that a walk is expected to expand, between what was measured on a logarithmic scale; beyond it in proportion to k, and to how
    /// rare what matches is.
    func hops(efSearch: Int, k: Int, selectivity: Double) -> Double {
        let efSearch = Double(efSearch), k = Double(k)
        func hops(_ number: Int) -> Double { self.hops(curves[number].bySelectivity, efSearch, selectivity) }
        guard let above = curves.firstIndex(where: { $0.k >= k }) else {
            let last = curves.count - 1
            return hops(last) * k / curves[last].k
        }
        guard above > 0 else { return hops(0) }
        return between((curves[above - 1].k, hops(above - 1)), (curves[above].k, hops(above)), at: k)
    }

    private func hops(_ curves: [(selectivity: Double, curve: Curve)], _ efSearch: Double, _ selectivity: Double) -> Double {
        guard let below = curves.firstIndex(where: { $0.selectivity <= selectivity }) else {
            let last = curves[curves.count - 1]
            return last.curve.hops(efSearch: efSearch) * last.selectivity / selectivity
        }
        let low = (curves[below].selectivity, curves[below].curve.hops(efSearch: efSearch))
        guard below > 0 else { return low.1 }
        return between((curves[below - 1].selectivity, curves[below - 1].curve.hops(efSearch: efSearch)), low, at: selectivity)
    }
}

/// The value at `x` of the power of x through two points.
private func between(_ a: (x: Double, y: Double), _ b: (x: Double, y: Double), at x: Double) -> Double {
    guard a.x != b.x else { return b.y }
    return a.y * pow(b.y / a.y, log(x / a.x) / log(b.x / a.x))
}
