import CNeedletailKernels

extension Collection {
    /// Throws where `vector` cannot be a query of the collection.
    func check(query vector: [Float]) throws(NeedletailError) {
        guard vector.count == schema.dimension else {
            throw NeedletailError(
                .dimensionMismatch,
                "the query has \(vector.count) components, the dimension of collection '\(name)' is \(schema.dimension)",
                expected: schema.dimension, actual: vector.count)
        }
        // One pass of the kernel: a sum of squares is finite only if every component is. It is in double precision, in which the
        // square of no float but 0 is 0.
        let squares = vector.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { nt_sqnorm_f32($0, buffer.count) } ?? 0 }
        guard Float(squares).isFinite, schema.element != .i8 || vector.allSatisfy(Self.isWholeByte) else { throw refusal(of: vector) }
        guard squares > 0 || schema.metric != .cosine else {
            throw NeedletailError(.zeroVector, "the query is all zeros, which has no direction: cosine cannot compare it")
        }
    }

    /// Against 8-bit rows a query is compared in 8 bits too: rounding it in silence would change the answer.
    private static func isWholeByte(_ value: Float) -> Bool { value >= -128 && value <= 127 && value == value.rounded() }

    /// What is wrong with a query that is known to be.
    private func refusal(of vector: [Float]) -> NeedletailError {
        for (i, value) in vector.enumerated() {
            if let rule = (schema.element == .i8 ? ElementType.i8 : .f32).refusal(of: value) {
                return NeedletailError(.invalidVector, "component \(i) of the query is \(value): \(rule)")
            }
        }
        return NeedletailError(.invalidVector, "the query is too long: its squared length is not a finite float")
    }
}
