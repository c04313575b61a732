/// How an IVF-PQ index is built.
package struct IVFPQOptions: Sendable {
    /// Lists.
    package var nlist: Int
    /// Parts that a vector is cut into. Where they do not divide the dimension, vectors are filled up with zeros.
    package var subspaces: Int
    /// Bits of a part's code: 4, scanned in registers, or 8.
    package var bits: Int
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
        self.bits = bits
        self.rotates = rotates
        self.isBalanced = isBalanced
        self.pointsPerList = pointsPerList
        self.seed = seed
    }

    /// Below this many vectors a list, centroids are hardly more than single vectors: it works, with a warning.
    static let fewPointsPerList = 20

    func validate(dimension: Int) throws(TrainingError) {
        guard (1 ... IVFPQHeader.nlistLimit).contains(nlist) else {
            throw .invalid("nlist is \(nlist); it must be 1 to \(IVFPQHeader.nlistLimit)")
        }
        let most = min(dimension, IVFPQHeader.subspacesLimit)
        guard (1 ... most).contains(subspaces) else {
            throw .invalid("\(subspaces) subspaces are not possible: they must be 1 to \(most) for \(dimension) dimensions")
        }
        guard bits == 4 || bits == 8 else { throw .invalid("codes of \(bits) bits are not possible: they have 4 or 8") }
        // Filling up is for a remainder: were a whole part zeros, it would cost its bits and say nothing.
        let width = (dimension + subspaces - 1) / subspaces
        let used = (dimension + width - 1) / width
        guard used == subspaces else {
            throw .invalid("\(subspaces) subspaces cannot cut \(dimension) dimensions into parts of \(width): \(used) can")
        }
        guard pointsPerList >= 1 else { throw .invalid("a list is trained on at least one vector") }
    }
}
