import Foundation
import NeedletailIndex
import NeedletailTestSupport

/// A shared set of real vectors with its queries and their exact neighbours.
struct RealVectors {
    let dimension: Int
    let base: [Float]
    let queries: [Float]
    /// For each query, the numbers of its nearest vectors.
    let truth: [[UInt32]]

    var count: Int { base.count / dimension }

    static let siftExists = SharedData.exists("vectors/sift-200k/base.bvecs")
    static let sentencesExist = SharedData.exists("vectors/minilm-20k/base.npy")

    /// Photographs' SIFT descriptors, of 128 whole numbers.
    static func sift() throws -> RealVectors {
        let base = try bvecs("vectors/sift-200k/base.bvecs"), queries = try bvecs("vectors/sift-200k/query.bvecs")
        return RealVectors(dimension: 128, base: base, queries: queries, truth: try ivecs("vectors/sift-200k/truth.ivecs"))
    }

    /// Embeddings of sentences, of 384 dimensions, for cosine.
    static func sentences() throws -> RealVectors {
        let base = try npy("vectors/minilm-20k/base.npy"), queries = try npy("vectors/minilm-20k/query.npy")
        return RealVectors(dimension: 384, base: base, queries: queries, truth: try ivecs("vectors/minilm-20k/truth.ivecs"))
    }

    func query(_ number: Int) -> [Float] { Array(queries[number * dimension ..< (number + 1) * dimension]) }

    /// The vectors as storage lays them out, the first `count` of them.
    func table(metric: Metric, count: Int? = nil) -> VectorTable {
        var position = 0
        return VectorTable(metric: metric, element: .f32, dimension: dimension, count: count ?? self.count, blockShift: 11, keepsValues: false) { _ in
            position += 1
            return base[position - 1]
        }
    }

    private static func data(_ path: String) throws -> Data {
        guard let url = SharedData.url(path) else { throw CocoaError(.fileNoSuchFile) }
        return try Data(contentsOf: url, options: .alwaysMapped)
    }

    private static func bvecs(_ path: String) throws -> [Float] {
        try data(path).withUnsafeBytes { bytes in
            let dimension = Int(bytes.loadUnaligned(as: UInt32.self))
            var values: [Float] = []
            values.reserveCapacity(bytes.count / (dimension + 4) * dimension)
            for row in 0 ..< bytes.count / (dimension + 4) {
                for i in 0 ..< dimension { values.append(Float(bytes[row * (dimension + 4) + 4 + i])) }
            }
            return values
        }
    }

    private static func ivecs(_ path: String) throws -> [[UInt32]] {
        try data(path).withUnsafeBytes { bytes in
            let k = Int(bytes.loadUnaligned(as: UInt32.self))
            return (0 ..< bytes.count / (4 * k + 4)).map { row in
                (0 ..< k).map { bytes.loadUnaligned(fromByteOffset: row * (4 * k + 4) + 4 + 4 * $0, as: UInt32.self) }
            }
        }
    }

    private static func npy(_ path: String) throws -> [Float] {
        try data(path).withUnsafeBytes { bytes in
            let header = 10 + Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
            let isHalf = String(decoding: bytes[10 ..< header], as: UTF8.self).contains("f2")
            let width = isHalf ? 2 : 4
            return (0 ..< (bytes.count - header) / width).map { i in
                if !isHalf { return bytes.loadUnaligned(fromByteOffset: header + 4 * i, as: Float.self) }
                var value: Float = 0
                Element.f16.decode(bytes.baseAddress! + header + 2 * i, count: 1, to: &value)
                return value
            }
        }
    }
}
