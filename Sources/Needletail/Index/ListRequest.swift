import NeedletailIndex

/// What was asked for of an IVF-PQ index; what was not is chosen at each training, from the records that there are then.
struct ListRequest: Codable, Sendable, Hashable {
    var nlist: Int?
    var subspaces: Int?
    var bits: Int?
    var bytesPerVector: Int?
    var rotates = false
    var isBalanced = false
    var seed: UInt64 = 0

    init() {}

    /// `nil` for an index of another kind.
    init?(_ description: IndexDescription) {
        guard case .ivfpq(let nlist, let subspaces, let bits, let bytesPerVector, let rotation, let balanced, let seed) = description else { return nil }
        self.nlist = nlist
        self.subspaces = subspaces
        self.bits = bits
        self.bytesPerVector = bytesPerVector
        rotates = rotation
        isBalanced = balanced
        self.seed = seed
    }

    /// A row's term, and its slot.
    private static let bytesBesideCode = 5

    /// Throws where a parameter is out of its range, or says the opposite of another.
    func validate(dimension: Int) throws(NeedletailError) {
        if let reason = contradiction { throw NeedletailError(.invalidArgument, reason) }
        if let subspaces {
            let most = min(dimension, IndexDescription.possibleSubspaces.upperBound)
            guard subspaces <= most else {
                throw NeedletailError(
                    .invalidArgument, "\(subspaces) subspaces are not possible: vectors of \(dimension) dimensions are cut into \(most) at most",
                    expected: most, actual: subspaces)
            }
            let width = (dimension + subspaces - 1) / subspaces
            let used = (dimension + width - 1) / width
            guard used == subspaces else {
                throw NeedletailError(
                    .invalidArgument,
                    "\(subspaces) subspaces do not divide \(dimension) dimensions: in parts of \(width) they make \(used), and the others would be empty. Ask for \(used)",
                    expected: used, actual: subspaces)
            }
        }
    }

    /// What is wrong with the numbers, whatever the vectors, if anything.
    var contradiction: String? {
        if let nlist, !IndexDescription.possibleNlist.contains(nlist) {
            return "an nlist of \(nlist) is not possible: from 1 to \(NumberText.count(IndexDescription.possibleNlist.upperBound)) are"
        }
        if let subspaces, !IndexDescription.possibleSubspaces.contains(subspaces) {
            return "\(subspaces) subspaces are not possible: from 1 to \(IndexDescription.possibleSubspaces.upperBound) are"
        }
        if let bits, bits != 4, bits != 8 { return "codes of \(bits) bits are not possible: they have 4 or 8" }
        guard let bytesPerVector else { return nil }
        if subspaces != nil { return "bytesPerVector and subspaces set the same thing: leave out one of the two" }
        if bytesPerVector <= Self.bytesBesideCode || bytesPerVector > 1_024 {
            return "\(bytesPerVector) bytes a vector are not possible: they are 6 to 1,024, of which 5 are not code"
        }
        return nil
    }

    /// Options for so many records of a dimension.
    func options(count: Int, dimension: Int) -> IVFPQOptions {
        let bits = bits ?? 4
        // `chosen` reckons with codes of 4 bits, of which the same bytes hold twice as many.
        var target = bytesPerVector
        if bits == 8 { target = Self.bytesBesideCode + (target.map { $0 - Self.bytesBesideCode + 1 } ?? dimension / 8 + 1) / 2 }
        var options = IVFPQOptions.chosen(count: count, dimension: dimension, bytesPerVector: target.map { max($0, Self.bytesBesideCode + 1) })
        options.code = .pq(bits: bits)
        if let nlist { options.nlist = nlist }
        if let subspaces { options.subspaces = subspaces }
        options.rotates = rotates
        options.isBalanced = isBalanced
        options.seed = seed
        return options
    }
}
