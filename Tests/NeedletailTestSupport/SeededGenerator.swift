/// SplitMix64: a small generator with a seed, so that a failing random test can be run again.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64
    /// What a failing test prints.
    public let seed: UInt64

    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from about the standard normal distribution (sum of twelve uniforms).
    public mutating func normal() -> Float {
        var sum: Float = 0
        for _ in 0 ..< 12 { sum += Float.random(in: 0 ..< 1, using: &self) }
        return sum - 6
    }
}
