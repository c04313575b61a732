/// The share of records that a condition lets through, as far as it is known without looking at every record.
public struct Selectivity: Sendable, Hashable, CustomStringConvertible {
    /// The least and the greatest share that is possible, and the one to reckon with: `minimum ≤ expected ≤ maximum`.
    public let minimum, expected, maximum: Double

    /// Brings the three into their order and within 0 … 1.
    init(minimum: Double, expected: Double, maximum: Double) {
        let low = Self.share(minimum), high = max(low, Self.share(maximum))
        self.minimum = low
        self.expected = min(max(Self.share(expected), low), high)
        self.maximum = high
        assert(self.minimum <= self.expected && self.expected <= self.maximum)
    }

    /// A share that is known.
    init(exactly share: Double) { self.init(minimum: share, expected: share, maximum: share) }

    /// What is known of a condition of which nothing is known.
    static let unknown = Selectivity(minimum: 0, expected: 1.0 / 3, maximum: 1)

    /// Whether it is known exactly.
    public var isExact: Bool { minimum == maximum }

    private static func share(_ value: Double) -> Double { value > 0 ? min(value, 1) : 0 }

    /// `8.4 % (8.1 to 9.0 %)`.
    public var description: String {
        let percent = NumberText.percent(expected)
        return isExact ? percent : "\(percent) (\(NumberText.percent(minimum)) to \(NumberText.percent(maximum)))"
    }

    // MARK: Trees

    /// Where all conditions hold: expected as if they had nothing to do with each other, bounded by what they can have.
    static func all(_ terms: [Selectivity]) -> Selectivity {
        var result = Selectivity(exactly: 1)
        for term in terms {
            result = Selectivity(
                minimum: result.minimum + term.minimum - 1, expected: result.expected * term.expected,
                maximum: min(result.maximum, term.maximum))
        }
        return result
    }

    /// Where at least one holds.
    static func any(_ terms: [Selectivity]) -> Selectivity {
        var result = Selectivity(exactly: 0)
        for term in terms {
            result = Selectivity(
                minimum: max(result.minimum, term.minimum), expected: result.expected + term.expected - result.expected * term.expected,
                maximum: result.maximum + term.maximum)
        }
        return result
    }

    /// Of `passing` out of `sampled` records drawn without regard to the condition; the bounds hold in all but one of a thousand
    /// cases (Wilson's interval at 3.3 standard deviations), and never leave what was known before.
    static func sampled(_ passing: Int, of sampled: Int, within known: Selectivity) -> Selectivity {
        guard sampled > 0 else { return known }
        let n = Double(sampled), p = Double(passing) / n, z = 3.3
        let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        return Selectivity(
            minimum: max(known.minimum, centre - half), expected: p, maximum: min(known.maximum, centre + half))
    }
}
