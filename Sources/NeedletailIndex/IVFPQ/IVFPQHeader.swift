import CNeedletailKernels
import NeedletailStorage

/// What an IVF-PQ index says of itself; stored as JSON beside its arrays.
package struct IVFPQHeader: Codable, Sendable, Hashable {
    package var metric: Metric
    package var element: Element
    /// Components of a stored vector.
    package var dimension: Int
    /// Lists, one a centroid.
    package var nlist: Int
    package var codeKind: IVFPQCode.Kind
    /// Parts that a vector is cut into for its code, each looked up at once. Under RaBitQ they have 4 bits.
    package var subspaces: Int
    /// Under PQ, bits of a part's code: 4 or 8. Under RaBitQ, of a component's: 1, 2 or 4.
    package var bits: Int
    /// Whether vectors are rotated before they are cut (OPQ).
    package var isRotated: Bool
    /// Under RaBitQ also of the rotation.
    package var seed: UInt64

    /// Of the centroids' own codes; nil where lists are few.
    package var coarse: IVFPQCoarseCodes?

    /// Slots covered: 0 ..< count.
    package var count = 0
    /// Rows in lists: slots that were not deleted when they were put in.
    package var rowCount = 0
    /// Rows of `blocks` that no list leads to any more.
    package var unusedBlockCount = 0

    /// Vectors that training saw, and how many there were to choose from.
    package var sampleCount = 0
    package var trainedCount = 0
    /// How like the vectors near it a query is; see ``IVFPQTerm``. All terms of an index are made with one value.
    package var closeness: Float = 1
    /// The mean squared distance of a vector from its centroid when the index was trained: what drift is measured against.
    package var trainingError = 0.0
    /// The mean squared distance of a vector from what its code stands for.
    package var quantizationError = 0.0
    /// The same two of what was appended since, and how many vectors that were.
    package var appendedCount = 0
    package var appendedError = 0.0

    package init(
        metric: Metric, element: Element, dimension: Int, nlist: Int, subspaces: Int, bits: Int, isRotated: Bool = false, seed: UInt64 = 0
    ) {
        self.init(
            metric: metric, element: element, dimension: dimension, nlist: nlist, code: .pq(bits: bits), subspaces: subspaces, isRotated: isRotated,
            seed: seed)
    }

    /// - Parameter subspaces: of PQ codes.
    package init(
        metric: Metric, element: Element, dimension: Int, nlist: Int, code: IVFPQCode, subspaces: Int = 0, isRotated: Bool = false,
        seed: UInt64 = 0
    ) {
        self.metric = metric
        self.element = element
        self.dimension = dimension
        self.nlist = nlist
        self.subspaces = code.kind == .rabitq ? Self.rabitqDimension(dimension) * code.bits / 4 : subspaces
        codeKind = code.kind
        bits = code.bits
        self.isRotated = isRotated
        self.seed = seed
    }

    package static let kind = "ivfpq"
    package static let nlistLimit = 1 << 20
    /// Sums of a byte per subspace stay within 16 bits, with as much again for terms.
    package static let subspacesLimit = 512
    /// With four bits to a lookup, sums stay within 16 bits, of which a lookup has no fewer than twelve steps.
    static let rabitqBitsLimit = 16_384

    /// Components of a vector after the rotation of RaBitQ.
    static func rabitqDimension(_ dimension: Int) -> Int { nt_rabitq_dimension(dimension) }

    package var code: IVFPQCode { IVFPQCode(codeKind, bits: bits) }

    /// Bits of a lookup: 4 or 8.
    package var lookupBits: Int { codeKind == .rabitq ? 4 : bits }

    /// Whether rows have a factor of their own for what is looked up.
    package var hasScales: Bool { codeKind == .rabitq }

    /// Components of a part. The last part is filled up with zeros where the dimension is no multiple of it.
    package var width: Int { codeKind == .rabitq ? 4 / bits : (dimension + subspaces - 1) / subspaces }

    /// Components of a vector as it is coded.
    package var paddedDimension: Int { subspaces * width }

    /// Parts in a block, where they come in pairs.
    var storedSubspaces: Int { (subspaces + 1) & ~1 }

    /// Bytes of a row in the lists: its code, scale, term and slot.
    package var rowByteCount: Int { codeByteCount + (hasScales ? 1 : 0) + 1 + 4 }

    /// Bytes of a row's code.
    package var codeByteCount: Int { storedSubspaces * lookupBits / 8 }

    static let blockRows = 64
    static let tailRows = 8

    var blockStride: Int { Self.blockRows * rowByteCount }
    var tailStride: Int { Self.tailRows * rowByteCount }
    var centroidStride: Int { paddedDimension * 4 }
    /// Codewords of one subspace.
    var codebookStride: Int { width * 4 << lookupBits }
    /// Rows of ``IVFPQArray/codebooks``: the codewords of RaBitQ are known.
    package var codebookCount: Int { codeKind == .rabitq ? 0 : subspaces }

    var randomRotation: RaBitQRotation? { codeKind == .rabitq ? RaBitQRotation(seed: seed, dimension: dimension) : nil }

    /// Whether the values are in their ranges, so that they may be reckoned with.
    var isValid: Bool {
        (1 ... 65_536).contains(dimension) && (1 ... Self.nlistLimit).contains(nlist) && code.isPossible && hasValidSubspaces
            && (0 ... Int(UInt32.max)).contains(count)
            && (0 ... count).contains(rowCount) && unusedBlockCount >= 0 && coarse?.isValid != false && coarseForm?.hasValidSubspaces != false
    }

    private var hasValidSubspaces: Bool {
        switch codeKind {
        case .pq: (1 ... Self.subspacesLimit).contains(subspaces) && subspaces <= dimension
        case .rabitq: subspaces * 4 == Self.rabitqDimension(dimension) * bits && subspaces * 4 <= Self.rabitqBitsLimit && !isRotated
        }
    }
}

/// The arrays of an index by their position in storage.
package enum IVFPQArray: Int, CaseIterable, Sendable {
    /// A centroid a row, as f32, in the space of ``IVFPQTransform``.
    case centroids = 0
    /// The codewords of a subspace a row, as f32: component by component, those of all codewords side by side. None under RaBitQ.
    case codebooks = 1
    /// The mean of the vectors as f32, then, under `isRotated`, the rotation's rows.
    case transform = 2
    /// A list a row: ``IVFPQList``.
    case lists = 3
    /// Full blocks of 64 rows, in the layout of `nt_pq.h`.
    case blocks = 4
    /// The last rows of all lists, fewer than 64 each: a block of 8, 16 … 64 rows takes 1 to 8 rows of this array, in one chunk.
    case tails = 5
    /// Codes of the centroids in blocks of 64, if the header has `coarse`.
    case coarse = 6
}

/// Why a stored index cannot be used: its header and arrays contradict each other.
package struct IVFPQDamage: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// What storage found, where it was storage.
    package let storageError: StorageError?

    init(_ description: String) {
        self.description = description
        storageError = nil
    }

    init(_ error: StorageError) {
        description = "\(error)"
        storageError = error
    }
}
