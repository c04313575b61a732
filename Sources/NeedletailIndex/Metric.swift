import CNeedletailKernels

/// How near two vectors are to each other.
///
/// The distance that indexes compute and compare, the *internal* one, is smaller where vectors are nearer:
/// the squared Euclidean distance, 1 − cos, or minus the dot product.
package enum Metric: UInt8, Codable, Sendable, CaseIterable {
    case l2 = 1
    case cosine = 2
    case dot = 3

    var kernelMetric: nt_metric { nt_metric(rawValue: numericCast(rawValue)) }
}

/// The type that a vector's components are stored in.
package enum Element: UInt8, Codable, Sendable, CaseIterable {
    case f32 = 1
    case f16 = 2
    case i8 = 3

    /// Bytes of one component.
    package var byteCount: Int {
        switch self {
        case .f32: 4
        case .f16: 2
        case .i8: 1
        }
    }

    var kernelElement: nt_element { nt_element(rawValue: numericCast(rawValue)) }

    /// Stores `vector` in this element type: rounded to nearest even, f16 beyond its range to infinity, i8 clamped to −128 … 127.
    ///
    /// - Parameter destination: room for `vector.count × byteCount` bytes, aligned for the element.
    package func encode(_ vector: UnsafeBufferPointer<Float>, to destination: UnsafeMutableRawPointer) {
        guard let source = vector.baseAddress else { return }
        let count = vector.count
        switch self {
        case .f32: destination.copyMemory(from: source, byteCount: count * 4)
        case .f16: nt_narrow_f16(source, destination.assumingMemoryBound(to: UInt16.self), count)
        case .i8: nt_narrow_i8(source, destination.assumingMemoryBound(to: Int8.self), count)
        }
    }

    /// Reads `count` components of this type as f32, exactly.
    package func decode(_ source: UnsafeRawPointer, count: Int, to destination: UnsafeMutablePointer<Float>) {
        switch self {
        case .f32: UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: count * 4)
        case .f16: nt_widen_f16(source.assumingMemoryBound(to: UInt16.self), destination, count)
        case .i8: nt_widen_i8(source.assumingMemoryBound(to: Int8.self), destination, count)
        }
    }

    /// The sum of the squares of `dimension` stored components.
    func squaredNorm(of vector: UnsafeRawPointer, dimension: Int) -> Double {
        switch self {
        case .f32: nt_sqnorm_f32(vector.assumingMemoryBound(to: Float.self), dimension)
        case .f16: nt_sqnorm_f16(vector.assumingMemoryBound(to: UInt16.self), dimension)
        case .i8: nt_sqnorm_i8(vector.assumingMemoryBound(to: Int8.self), dimension)
        }
    }
}

/// The number that is stored beside each vector: ‖x‖² for `l2`, 1/‖x‖ for `cosine` (0 for a zero vector), 0 for `dot`.
///
/// - Parameter vector: `dimension` components as stored, in `element`.
package func norm(of vector: UnsafeRawPointer, dimension: Int, element: Element, metric: Metric) -> Float {
    switch metric {
    case .dot: 0
    case .l2: Float(element.squaredNorm(of: vector, dimension: dimension))
    case .cosine: inverseNorm(squared: element.squaredNorm(of: vector, dimension: dimension))
    }
}

/// The same for a vector that is stored as f32.
package func norm(of vector: UnsafeBufferPointer<Float>, metric: Metric) -> Float {
    guard let base = vector.baseAddress else { return 0 }
    return norm(of: base, dimension: vector.count, element: .f32, metric: metric)
}

/// 1/‖x‖, finite unless ‖x‖ is NaN: 0 for a zero vector, whose cosine distance from everything thereby is 1.
func inverseNorm(squared: Double) -> Float {
    if squared == 0 { return 0 }
    let inverse = Float(1 / squared.squareRoot())
    return inverse == .infinity ? .greatestFiniteMagnitude : inverse
}
