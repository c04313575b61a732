import CNeedletailKernels

extension ProductQuantizer {
    /// Points a codeword is made of, at most; more change nothing that could be measured.
    static let pointsPerCodeword = 256
    /// For 16 codewords, as many points are worth their while as cost little.
    static let leastSample = 32_768

    private static let iterations = 16

    /// How many points training uses.
    static func sampleCount(bits: Int) -> Int { max(leastSample, pointsPerCodeword << bits) }

    /// Trains all subspaces at once, by Lloyd's iterations on the codes of the whole vectors.
    ///
    /// - Parameter sample: `subspaces × width` columns, in random order, at least one row. Fewer points than codewords leave
    ///   codewords that stand for the same point.
    static func train(
        _ sample: FloatMatrix, subspaces: Int, bits: Int, crew: TrainingCrew, iterations: Int = iterations, from start: FloatMatrix? = nil
    ) throws(TrainingError) -> ProductQuantizer {
        precondition(sample.columns % subspaces == 0 && sample.rows > 0, "a sample of vectors that are cut into equal parts")
        let width = sample.columns / subspaces, number = 1 << bits
        var words = start ?? firstCodewords(sample, width: width, number: number)
        let codes = UnsafeMutablePointer<UInt8>.allocate(capacity: sample.rows * subspaces)
        defer { codes.deallocate() }
        for _ in 0 ..< iterations {
            let quantizer = ProductQuantizer(subspaces: subspaces, bits: bits, codewords: words)
            try crew.forEach(sample.rows, piece: 1024) { _, range in
                quantizer.encode(
                    sample[range.lowerBound], stride: sample.columns, count: range.count, to: codes + range.lowerBound * subspaces)
            }
            let next = FloatMatrix(rows: sample.columns, columns: number)
            let previous = words
            try crew.forEach(subspaces, piece: 1) { _, range in
                for m in range { means(of: m, sample, codes, subspaces: subspaces, width: width, previous: previous, to: next) }
            }
            words = next
        }
        return ProductQuantizer(subspaces: subspaces, bits: bits, codewords: words)
    }

    private static func firstCodewords(_ sample: FloatMatrix, width: Int, number: Int) -> FloatMatrix {
        let words = FloatMatrix(rows: sample.columns, columns: number)
        for column in 0 ..< sample.columns {
            for c in 0 ..< number { words[column][c] = sample[c % sample.rows][column] }
        }
        return words
    }

    /// The codewords of a subspace as the means of their points; one without points takes half of the one with most.
    private static func means(
        of m: Int, _ sample: FloatMatrix, _ codes: UnsafePointer<UInt8>, subspaces: Int, width: Int, previous: FloatMatrix,
        to words: FloatMatrix
    ) {
        let number = words.columns
        var sizes = [Int](repeating: 0, count: number)
        // Summed codeword by codeword side by side, then transposed: neighbouring components share a cache line.
        var sums = [Float](repeating: 0, count: number * width)
        sizes.withUnsafeMutableBufferPointer { sizes in
            sums.withUnsafeMutableBufferPointer { sums in
                for row in 0 ..< sample.rows {
                    let code = Int(codes[row * subspaces + m])
                    sizes[code] += 1
                    let point = sample[row] + m * width
                    for i in 0 ..< width { sums[code * width + i] += point[i] }
                }
            }
        }
        for c in 0 ..< number {
            for i in 0 ..< width {
                words[m * width + i][c] = sizes[c] > 0 ? sums[c * width + i] / Float(sizes[c]) : previous[m * width + i][c]
            }
        }
        for c in 0 ..< number where sizes[c] == 0 {
            guard let donor = sizes.indices.max(by: { sizes[$0] < sizes[$1] }), sizes[donor] > 1 else { return }
            for i in 0 ..< width {
                let value = words[m * width + i][donor]
                let shift = (abs(value) + 1e-6) * (i % 2 == 0 ? 1 : -1) / 64
                words[m * width + i][c] = value + shift
                words[m * width + i][donor] = value - shift
            }
            sizes[c] = sizes[donor] / 2
            sizes[donor] -= sizes[c]
        }
    }
}
