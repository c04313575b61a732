/// What an IVF-PQ index stores of a vector, beside its list.
package enum IVFPQCode: Sendable, Hashable {
    /// The numbers of trained codewords, one for each part that the vector is cut into: `bits` are 4, scanned in registers, or 8.
    case pq(bits: Int)
    /// RaBitQ (arXiv 2405.12497, and 2409.09913 for several bits): 1, 2 or 4 bits of each component after a random rotation, and the
    /// length of the vector. Nothing is trained, and the error of a distance is known beforehand: it falls with √dimension.
    case rabitq(bits: Int)

    /// The name of the kind, as the header has it.
    package enum Kind: String, Codable, Sendable, CaseIterable { case pq, rabitq }

    package var kind: Kind {
        switch self {
        case .pq: .pq
        case .rabitq: .rabitq
        }
    }

    package var bits: Int {
        switch self {
        case .pq(let bits), .rabitq(let bits): bits
        }
    }

    package init(_ kind: Kind, bits: Int) {
        switch kind {
        case .pq: self = .pq(bits: bits)
        case .rabitq: self = .rabitq(bits: bits)
        }
    }

    /// The numbers of bits that codes of a kind may have.
    package static func possibleBits(_ kind: Kind) -> [Int] {
        switch kind {
        case .pq: [4, 8]
        case .rabitq: [1, 2, 4]
        }
    }

    var isPossible: Bool { Self.possibleBits(kind).contains(bits) }
}
