import Foundation
import NeedletailIndex
import Synchronization

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
    private let choices = Choices()

    /// The numbers of neighbours that recall is measured for; those between are interpolated.
    static let measuredK = [1, 10, 100]
    /// The `nprobe` that are measured, as far as there are lists.
    static let ladder = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024]
    static let refineFactors = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]
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
        // By bisection of what plans are told to give, so that a plan never promises less than was asked for.
        let calibration = calibration(refineFactor)
        guard calibration.recall(setting: Double(nlist), k: k) >= recall else { return nil }
        var (low, high) = (0, nlist)
        while high - low > 1 {
            let middle = (low + high) / 2
            if calibration.recall(setting: Double(middle), k: k) >= recall { high = middle } else { low = middle }
        }
        return high
    }

    /// The recall of a pair of settings, as far as measured.
    func recall(nprobe: Int, refineFactor: Int, k: Double) -> Double {
        calibration(refineFactor).recall(setting: Double(nprobe), k: k)
    }

    /// The cheapest pair that reaches a recall; `nil` where none does.
    ///
    /// - Parameters:
    ///   - reach: The k whose neighbours must be found; see ``nprobe(recall:k:refineFactor:)``.
    ///   - cost: Of a pair; the same for the same `k`, as answers are remembered.
    func choice(
        recall: Double, k: Int, reach: Double, cost: (_ nprobe: Int, _ refineFactor: Int) -> Double
    ) -> (nprobe: Int, refineFactor: Int)? {
        let question = Choices.Question(recall: recall, k: k, reach: reach)
        if let known = choices.answer(question) { return known }
        var best: (nprobe: Int, refineFactor: Int, cost: Double)?
        for step in steps {
            guard let nprobe = nprobe(recall: recall, k: reach, refineFactor: step.refineFactor) else { continue }
            let cost = cost(nprobe, step.refineFactor)
            if cost < best?.cost ?? .infinity { best = (nprobe, step.refineFactor, cost) }
        }
        guard let best else { return nil }
        choices.remember(question, (best.nprobe, best.refineFactor))
        return (best.nprobe, best.refineFactor)
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

/// What was chosen before: to choose takes as long as to scan some lists, and most searches ask for the same.
private final class Choices: Sendable {
    struct Question: Hashable {
        var recall: Double
        var k: Int
        var reach: Double
    }

    private let known = Mutex<[Question: (nprobe: Int, refineFactor: Int)]>([:])
    private static let limit = 64

    func answer(_ question: Question) -> (nprobe: Int, refineFactor: Int)? { known.withLock { $0[question] } }

    func remember(_ question: Question, _ choice: (nprobe: Int, refineFactor: Int)) {
        known.withLock { known in
            if known.count >= Self.limit { known.removeAll() }
            known[question] = choice
        }
    }
}
