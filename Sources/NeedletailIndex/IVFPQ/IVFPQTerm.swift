
/// What a row adds to the estimates of its distances.
///
/// With x = x̂ + e, e being the error of the code, ‖q − x‖² = ‖q‖² − 2q·x̂ + ‖x‖² − 2q·e, of which the table has −2q·x̂, and all but
/// the last part is known when x is coded. That part is to be expected as follows. A query that is near x is like x in part:
/// q = αx + something that knows nothing of e, so that q·e = α(x̂·e + ‖e‖²); for one that is not, q·e = 0. Hence the term
/// ‖x‖² − 2α x̂·e − κ‖e‖², with κ between 0 and 2α, as rows that are near are to be told from those that are not.
///
/// The plain estimate, ‖q − x̂‖², is the case α = κ = 1, and right where neighbours are very near.
struct IVFPQTerm {
    private let metric: Metric
    private let lean: Float
    private let error: Float

    /// κ as a multiple of α.
    private static let errorShare: Float = 1.1
    /// The same for RaBitQ, whose errors are at right angles to the residuals, so that x̂·e is −‖e‖² but for what the centroid adds:
    /// that cancels out. With 1.1, 0.56 of the ten nearest SIFT descriptors come first by codes of one bit; with 2, 0.60; with 2.5, 0.55.
    private static let rabitqErrorShare: Float = 2

    init(metric: Metric, closeness: Float, code: IVFPQCode.Kind) {
        self.metric = metric
        lean = 2 * closeness
        error = (code == .rabitq ? Self.rabitqErrorShare : Self.errorShare) * closeness
    }

    /// - Parameters:
    ///   - growth: ‖x‖² − ‖c‖², for the centroid c.
    ///   - lean: x̂·e.
    ///   - error: ‖e‖².
    @inline(__always)
    func value(growth: Float, lean: Float, error: Float) -> Float {
        let expected = self.lean * lean + self.error * error
        return metric == .dot ? -expected / 2 : growth - expected
    }
}
