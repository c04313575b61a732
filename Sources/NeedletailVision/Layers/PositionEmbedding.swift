/// Fits a position embedding that was trained for one grid of patches to another, as timm's `resample_abs_pos_embed` does: bicubic,
/// antialiased (PyTorch's `interpolate(mode="bicubic", antialias=True)`, whose cubic has a = −0.5).
package enum PositionEmbedding {
    /// - Parameter positions: `side × side × width`, without the class token's.
    /// - Returns: `height × newWidth × width`.
    package static func resampled(_ positions: [Float], side: Int, width: Int, toHeight height: Int, width newWidth: Int) -> [Float] {
        if height == side && newWidth == side { return positions }
        // Across first, then down; in double precision, since this runs once.
        let across = taps(from: side, to: newWidth), down = taps(from: side, to: height)
        var narrow = [Double](repeating: 0, count: side * newWidth * width)
        for row in 0 ..< side {
            for (column, taps) in across.enumerated() {
                for (source, weight) in taps {
                    for c in 0 ..< width {
                        narrow[(row * newWidth + column) * width + c] += weight * Double(positions[(row * side + source) * width + c])
                    }
                }
            }
        }
        var result = [Double](repeating: 0, count: height * newWidth * width)
        let line = newWidth * width
        for (row, taps) in down.enumerated() {
            for (source, weight) in taps {
                for i in 0 ..< line { result[row * line + i] += weight * narrow[source * line + i] }
            }
        }
        return result.map { Float($0) }
    }

    /// For each of `count` output positions, which of `side` inputs it is made of and with what weight.
    private static func taps(from side: Int, to count: Int) -> [[(source: Int, weight: Double)]] {
        let ratio = Double(side) / Double(count), stretch = max(ratio, 1), support = 2 * stretch
        return (0 ..< count).map { output in
            let center = ratio * (Double(output) + 0.5)
            let first = max(Int(center - support + 0.5), 0), end = min(Int(center + support + 0.5), side)
            let weights = (first ..< end).map { cubic((Double($0) - center + 0.5) / stretch) }
            let sum = weights.reduce(0, +)
            return zip(first ..< end, weights).map { ($0, $1 / sum) }
        }
    }

    private static func cubic(_ x: Double) -> Double {
        let a = -0.5, t = abs(x)
        if t < 1 { return ((a + 2) * t - (a + 3)) * t * t + 1 }
        if t < 2 { return (((t - 5) * t + 8) * t - 4) * a }
        return 0
    }
}
