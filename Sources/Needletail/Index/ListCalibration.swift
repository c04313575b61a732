import Foundation
import NeedletailIndex

/// How the recall of an IVF-PQ index grows with `nprobe`, for each of some `refineFactor`; stored with the index.
///
/// Both limit what is found: a neighbour is missed where its list is not scanned, and where by its code it seems farther away
/// than `k × refineFactor` others. Of all pairs that reach a recall, the cheapest is taken.
struct ListCalibration: Sendable {
    /// What was measured for one k and one `refineFactor`; as the catalog keeps it.
    struct Curve: Codable, Sendable, Hashable {
        var k: Int
        var refineFactor: Int
        var nprobe: [Int]
        var recall: [Double]
    }

    /// By rising factor.
    private let steps: [(refineFactor: Int, calibration: Calibration)]
    private let nlist: Int

    /// The numbers of neighbours that recall is measured for; those between are interpolated.
    static let measuredK = [1, 10, 100]
    /// The `nprobe` that are measured, as far as there are lists.
    static let ladder = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024]
    static let refineFactors = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    /// More rows than this are not looked at to tell what a factor gives: beyond it, more find hardly more.
    static let maximumCandidates = 6_400
    /// Beyond the greatest k, lists that must be scanned grow with its root: the neighbours' ball grows slower than their number.
    private static let rule = Calibration.Rule(exponent: 0.5, reckonsFromBelow: false)

    init(_ curves: [Curve], nlist: Int) {
        self.nlist = nlist
        steps = Set(curves.map(\.refineFactor)).sorted().map { factor in
            let ofFactor = curves.filter { $0.refineFactor == factor }.map {
                Calibration.Curve(k: $0.k, measured: Array(zip($0.nprobe, $0.recall)))
            }
            return (factor, Calibration(ofFactor, Self.rule))
        }
    }

    /// The least `nprobe` for a recall, with a `refineFactor` that is given; `nil` where it does not do.
    ///
    /// - Parameter k: Neighbours; where only the share s of all records takes part, their k over s: the k nearest of those are about
    ///   the k / s nearest of all.
    func nprobe(recall: Double, k: Double, refineFactor: Int) -> Int? {
        guard let setting = calibration(refineFactor).setting(recall: recall, k: k) else { return nil }
        return max(1, min(Int(setting.rounded(.up)), nlist))
    }

    /// The recall of a pair of settings, as far as measured.
    func recall(nprobe: Int, refineFactor: Int, k: Double) -> Double {
        calibration(refineFactor).recall(setting: Double(nprobe), k: k)
    }

    /// The cheapest pair that reaches a recall; `nil` where none does.
    func choice(recall: Double, k: Double, cost: (_ nprobe: Int, _ refineFactor: Int) -> Double) -> (nprobe: Int, refineFactor: Int)? {
        var best: (nprobe: Int, refineFactor: Int, cost: Double)?
        for step in steps {
            guard let nprobe = nprobe(recall: recall, k: k, refineFactor: step.refineFactor) else { continue }
            let cost = cost(nprobe, step.refineFactor)
            if cost < best?.cost ?? .infinity { best = (nprobe, step.refineFactor, cost) }
        }
        return best.map { ($0.nprobe, $0.refineFactor) }
    }

    /// The `refineFactor` beyond which more would find hardly more in so many lists.
    func refineFactor(nprobe: Int, k: Double) -> Int {
        let recalls = steps.map { $0.calibration.recall(setting: Double(nprobe), k: k) }
        let enough = (recalls.max() ?? 0) - Self.negligible
        return zip(steps, recalls).first { $0.1 >= enough }?.0.refineFactor ?? 8
    }

    /// Recall that is not worth refining twice as many rows.
    private static let negligible = 0.005

    /// That of the greatest factor that was measured up to the one given.
    private func calibration(_ refineFactor: Int) -> Calibration {
        (steps.last { $0.refineFactor <= refineFactor } ?? steps.first)?.calibration ?? Calibration([], Self.rule)
    }
}
