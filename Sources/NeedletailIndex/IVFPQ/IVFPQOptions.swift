/// How an IVF-PQ index is built.
package struct IVFPQOptions: Sendable {
    /// Lists.
    package var nlist: Int
    package var code: IVFPQCode
    /// Parts that a vector is cut into under PQ. Where they do not divide the dimension, vectors are filled up with zeros.
    /// Without meaning under RaBitQ, whose codes have their bits for every component.
    package var subspaces: Int
    /// Whether a rotation is learned that makes the parts fit their codewords better (OPQ).
    package var rotates: Bool
    /// Whether lists are kept of like length.
    package var isBalanced: Bool
    /// Vectors of which a centroid is made, where there are as many.
    package var pointsPerList: Int
    package var seed: UInt64
    /// α of ``IVFPQTerm``; nil: found from the vectors.
    package var closeness: Float?

    package init(
        nlist: Int, subspaces: Int, bits: Int = 4, rotates: Bool = false, isBalanced: Bool = false, pointsPerList: Int = 100,
        seed: UInt64 = 1
    ) {
        self.nlist = nlist
        self.subspaces = subspaces
        code = .pq(bits: bits)
        self.rotates = rotates
        self.isBalanced = isBalanced
        self.pointsPerList = pointsPerList
        self.seed = seed
    }

    /// Lists with RaBitQ codes.
    package init(nlist: Int, rabitqBits bits: Int, isBalanced: Bool = false, pointsPerList: Int = 100, seed: UInt64 = 1) {
        self.init(nlist: nlist, subspaces: 0, isBalanced: isBalanced, pointsPerList: pointsPerList, seed: seed)
        code = .rabitq(bits: bits)
    }

    /// Bits of a part's code under PQ, of a component's under RaBitQ.
    package var bits: Int { code.bits }

    /// Below this many vectors a list, centroids are hardly more than single vectors: it works, with a warning.
    static let fewPointsPerList = 20

    func validate(dimension: Int) throws(TrainingError) {
        guard (1 ... IVFPQHeader.nlistLimit).contains(nlist) else {
            throw .invalid("nlist is \(nlist); it must be 1 to \(IVFPQHeader.nlistLimit)")
        }
        guard pointsPerList >= 1 else { throw .invalid("a list is trained on at least one vector") }
        guard code.isPossible else {
            let possible = IVFPQCode.possibleBits(code.kind).map(String.init).joined(separator: ", ")
            throw .invalid("\(code.kind) codes of \(bits) bits are not possible: they have \(possible)")
        }
        if code.kind == .rabitq {
            guard !rotates else { throw .invalid("RaBitQ codes have a random rotation: none is learned for them") }
            let most = IVFPQHeader.rabitqBitsLimit
            guard IVFPQHeader.rabitqDimension(dimension) * bits <= most else {
                throw .invalid("RaBitQ codes of \(bits) bits for \(dimension) dimensions are longer than \(most) bits")
            }
            return
        }
        let most = min(dimension, IVFPQHeader.subspacesLimit)
        guard (1 ... most).contains(subspaces) else {
            throw .invalid("\(subspaces) subspaces are not possible: they must be 1 to \(most) for \(dimension) dimensions")
        }
        // Filling up is for a remainder: were a whole part zeros, it would cost its bits and say nothing.
        let width = (dimension + subspaces - 1) / subspaces
        let used = (dimension + width - 1) / width
        guard used == subspaces else {
            throw .invalid("\(subspaces) subspaces cannot cut \(dimension) dimensions into parts of \(width): \(used) can")
        }
    }
}
