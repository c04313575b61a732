import CNeedletailKernels

/// A product quantizer (Jégou, Douze and Schmid, 2011): a vector is cut into subvectors, each of which is stored as the number of
/// the nearest of its subspace's codewords, 16 (4 bits) or 256 (8 bits) of them.
final class ProductQuantizer: @unchecked Sendable {
    /// Components of a vector: `subspaces × width`.
    let dimension: Int
    let subspaces: Int
    let bits: Int
    /// Components of a subvector.
    let width: Int
    /// Component i of codeword c of subspace m at ((m × width) + i) × codes + c.
    let codewords: FloatMatrix
    private let norms: UnsafeMutablePointer<Float>

    /// Codewords of a subspace.
    var codes: Int { 1 << bits }

    /// - Parameter codewords: `subspaces × width` rows of a component of all codewords.
    init(subspaces: Int, bits: Int, codewords: FloatMatrix) {
        let width = codewords.rows / subspaces
        self.subspaces = subspaces
        self.bits = bits
        self.width = width
        dimension = subspaces * width
        self.codewords = codewords
        let codes = 1 << bits
        norms = .allocate(capacity: subspaces * codes)
        norms.initialize(repeating: 0, count: subspaces * codes)
        for m in 0 ..< subspaces {
            for i in 0 ..< width {
                let row = codewords[m * width + i]
                for c in 0 ..< codes { norms[m * codes + c] += row[c] * row[c] }
            }
        }
    }

    /// The codewords of RaBitQ, which are not trained: components of `componentBits` bits, as many of them as four bits hold.
    convenience init(grid componentBits: Int, dimension: Int) {
        let width = 4 / componentBits
        let words = FloatMatrix(rows: dimension, columns: 16)
        let levels = 1 << componentBits
        for component in 0 ..< dimension {
            for code in 0 ..< 16 {
                let level = code >> (component % width * componentBits) & (levels - 1)
                words[component][code] = Float(level) - Float(levels - 1) / 2
            }
        }
        self.init(subspaces: dimension / width, bits: 4, codewords: words)
    }

    deinit { norms.deallocate() }

    var book: nt_pq_codebook {
        nt_pq_codebook(
            subspaces: UInt32(subspaces), width: UInt32(width), codes: UInt32(codes), codewords: UnsafePointer(codewords.base), norms: UnsafePointer(norms))
    }

    /// The codes of `count` vectors, one byte a subspace.
    func encode(_ vectors: UnsafePointer<Float>, stride: Int, count: Int, to codes: UnsafeMutablePointer<UInt8>) {
        var book = book
        nt_pq_encode(&book, vectors, stride, count, codes)
    }

    /// The vector that codes stand for.
    func decode(_ codes: UnsafePointer<UInt8>, to vector: UnsafeMutablePointer<Float>) {
        for m in 0 ..< subspaces {
            for i in 0 ..< width { vector[m * width + i] = codewords[m * width + i][Int(codes[m])] }
        }
    }
}
