import CNeedletailKernels

extension Metric {
    /// How different two records are, as ``SearchHit/distance`` would say; under `dot`, which does not tell, the Euclidean distance.
    func difference(_ a: [Float], _ b: [Float]) -> Double {
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                guard let x = a.baseAddress, let y = b.baseAddress else { return 0 }
                let count = min(a.count, b.count)
                switch self {
                case .l2, .dot: return Double(max(0, nt_l2sq_f32(x, y, count))).squareRoot()
                case .cosine:
                    let lengths = (Double(nt_dot_f32(x, x, count)) * Double(nt_dot_f32(y, y, count))).squareRoot()
                    return lengths > 0 ? max(0, 1 - Double(nt_dot_f32(x, y, count)) / lengths) : 0
                }
            }
        }
    }
}
