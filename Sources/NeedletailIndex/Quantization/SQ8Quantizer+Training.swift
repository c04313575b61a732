import NeedletailStorage

extension SQ8Quantizer {
    /// Rows that are looked at, evenly spaced.
    private static let sampleRows = 4096
    /// Components that are looked at, at most.
    private static let sampleValues = 1 << 18

    /// Finds the range of codes for a table of vectors.
    ///
    /// - Parameter deleted: bit set = row left out.
    package init(training vectors: VectorBlocks, dimension: Int, metric: Metric, element: Element, deleted: UnsafePointer<UInt64>? = nil) {
        var sample = Self.sample(vectors, dimension: dimension, metric: metric, element: element, deleted: deleted)
        if metric != .l2 { for i in sample.indices { sample[i] = abs(sample[i]) } }
        sample.sort()
        let levels: Float = metric == .l2 ? 255 : 127
        guard let least = sample.first, let most = sample.last else {
            self.init(metric: metric, dimension: dimension, minimum: 0, step: 1 / levels)
            return
        }
        let low = metric == .l2 ? least : 0
        if metric != .cosine, most - low <= levels, sample.allSatisfy({ $0 == $0.rounded() }) {
            // Whole numbers that fit: nothing is lost.
            self.init(metric: metric, dimension: dimension, minimum: low, step: 1)
            return
        }
        let range = Self.bestRange(sample, symmetric: metric != .l2, levels: levels)
        let step = (range.upperBound - range.lowerBound) / levels
        let usable = step.isFinite && step > 1e-30
        self.init(metric: metric, dimension: dimension, minimum: metric == .l2 ? range.lowerBound : 0, step: usable ? step : 1)
    }

    /// Components of evenly spaced rows, normalised under `cosine`.
    private static func sample(
        _ vectors: VectorBlocks, dimension: Int, metric: Metric, element: Element, deleted: UnsafePointer<UInt64>?
    ) -> [Float] {
        let rows = min(vectors.count, max(64, min(sampleRows, sampleValues / dimension)))
        var values = [Float](repeating: 0, count: dimension), sample: [Float] = []
        sample.reserveCapacity(rows * dimension)
        for i in 0 ..< rows {
            let slot = i * vectors.count / rows
            if let deleted, deleted[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { continue }
            values.withUnsafeMutableBufferPointer { buffer in
                if let base = buffer.baseAddress { element.decode(vectors.vector(slot), count: dimension, to: base) }
            }
            let factor = metric == .cosine ? vectors.norm(slot) : 1
            for value in values where (value * factor).isFinite { sample.append(value * factor) }
        }
        return sample
    }

    /// Codes that a component cut off counts for at most: however far out it lies, its vector alone is misjudged, and not
    /// among vectors that share the component.
    private static let worstCut = 16.0

    /// Of ranges that cut off some share of the components at either end, the one with the least squared error.
    private static func bestRange(_ sorted: [Float], symmetric: Bool, levels: Float) -> ClosedRange<Float> {
        var best = sorted[0] ... sorted[sorted.count - 1]
        if symmetric { best = 0 ... best.upperBound }
        var leastError = Double.infinity
        for share in [0, 0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01] {
            let cut = Int(share * Double(sorted.count))
            let low = symmetric ? 0 : sorted[cut], high = sorted[sorted.count - 1 - cut]
            guard low < high else { continue }
            let step = Double(high - low) / Double(levels)
            var error = 0.0
            for value in sorted {
                let beyond = Double(value < low ? low - value : value > high ? value - high : 0)
                let cut = min(beyond, worstCut * step)
                error += cut * cut + step * step / 12
            }
            if error < leastError {
                leastError = error
                best = low ... high
            }
        }
        return best
    }
}
