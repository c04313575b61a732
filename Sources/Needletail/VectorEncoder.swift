import NeedletailIndex
import NeedletailStorage

/// Checks vectors and brings them into the collection's element type, with the norm that search keeps beside each.
struct VectorEncoder {
    let schema: Schema
    let ids: RecordBatch.IDs

    /// Norms: ‖x‖² for L2, 1/‖x‖ for cosine, 0 for dot, of the vector as stored.
    func encode(_ vectors: RecordBatch.Vectors) throws(NeedletailError) -> (EncodedBatch.Vectors, [Float]) {
        switch vectors {
        case .array(let floats):
            let outcome = floats.withUnsafeBytes { bytes -> Result<(EncodedBatch.Vectors?, [Float]), NeedletailError> in
                guard let base = bytes.baseAddress else { return .success((nil, [])) }
                do throws(NeedletailError) {
                    return .success(try encodeRows(base, schema.dimension * 4))
                } catch { return .failure(error) }
            }
            let (encoded, norms) = try outcome.get()
            return (encoded ?? .floats(floats), norms)
        case .memory(let address, let stride):
            guard stride >= schema.dimension * 4, stride % 4 == 0, Int(bitPattern: address) % 4 == 0 else {
                throw NeedletailError(
                    .invalidArgument, "rows \(stride) bytes apart cannot hold aligned vectors of \(schema.dimension) floats", expected: schema.dimension * 4, actual: stride)
            }
            let (encoded, norms) = try encodeRows(address, stride)
            return (encoded ?? .memory(address, rowByteStride: stride), norms)
        }
    }

    /// The rows in another element type, `nil` for f32 (they are stored as they are), and the norms.
    private func encodeRows(_ base: UnsafeRawPointer, _ stride: Int) throws(NeedletailError) -> (EncodedBatch.Vectors?, [Float]) {
        let (count, element) = (ids.count, schema.element)
        var norms = [Float](repeating: 0, count: count)
        func vector(_ row: Int) -> UnsafeBufferPointer<Float> {
            UnsafeBufferPointer(start: (base + row * stride).assumingMemoryBound(to: Float.self), count: schema.dimension)
        }
        guard element != .f32 else {
            for row in 0 ..< count { norms[row] = try norm(ofStored: base + row * stride, from: vector(row), row) }
            return (nil, norms)
        }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count * schema.vectorByteCount), alignment: 16)
        defer { bytes.deallocate() }
        guard let rows = bytes.baseAddress else { return (nil, norms) }
        for row in 0 ..< count {
            try requireRepresentable(vector(row), row)
            let destination = rows + row * schema.vectorByteCount
            element.indexElement.encode(vector(row), to: destination)
            norms[row] = try norm(ofStored: destination, from: vector(row), row)
        }
        return (.bytes([UInt8](bytes)), norms)
    }

    /// Refuses what the small element types cannot hold.
    private func requireRepresentable(_ vector: UnsafeBufferPointer<Float>, _ row: Int) throws(NeedletailError) {
        for i in vector.indices {
            if let rule = schema.element.refusal(of: vector[i]) { throw outOfRange(vector[i], component: i, row: row, rule) }
        }
    }

    /// A sum of squares is finite only if every component is, so one pass of the kernel checks the row too.
    private func norm(ofStored stored: UnsafeRawPointer, from vector: UnsafeBufferPointer<Float>, _ row: Int) throws(NeedletailError) -> Float {
        func norm(under metric: Metric) -> Float {
            NeedletailIndex.norm(of: stored, dimension: schema.dimension, element: schema.element.indexElement, metric: metric.indexMetric)
        }
        let squared = norm(under: .l2)
        guard squared.isFinite else {
            try requireRepresentable(vector, row)
            throw NeedletailError(
                .invalidVector, "the vector of record \(ids[row]) is too long: its squared length is above \(Float.greatestFiniteMagnitude)", row: row)
        }
        guard schema.metric != .l2 else { return squared }
        let result = norm(under: schema.metric)
        if schema.metric == .cosine, result == 0 {
            throw NeedletailError(
                .zeroVector, "the vector of record \(ids[row]) is all zeros, which has no direction: cosine cannot compare it", row: row)
        }
        return result
    }

    private func outOfRange(_ value: Float, component: Int, row: Int, _ rule: String) -> NeedletailError {
        NeedletailError(.invalidVector, "component \(component) of the vector of record \(ids[row]) is \(value): \(rule)", row: row)
    }
}

extension ElementType {
    /// Why the element type cannot hold `value`; `nil` if it can (rounded, for floats).
    func refusal(of value: Float) -> String? {
        switch self {
        case .f32: value.isFinite ? nil : "every component must be a finite number"
        case .f16: abs(value) < 65_520 ? nil : "a 16-bit float holds up to 65504"
        case .i8: Int8(exactly: value) != nil ? nil : "an i8 collection takes whole numbers from -128 to 127"
        }
    }
}
