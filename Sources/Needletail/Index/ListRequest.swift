import NeedletailIndex

/// What was asked for of an IVF-PQ index; what was not is chosen at each training, from the records that there are then.
struct ListRequest: Codable, Sendable, Hashable {
    var nlist: Int?
    var code = ListCode.pq
    var subspaces: Int?
    var bits: Int?
    var bytesPerVector: Int?
    var rotates = false
    var isBalanced = false
    var seed: UInt64 = 0

    init() {}

    /// `nil` for an index of another kind.
    init?(_ description: IndexDescription) {
        guard case .ivfpq(let nlist, let code, let subspaces, let bits, let bytesPerVector, let rotation, let balanced, let seed) = description else { return nil }
        self.nlist = nlist
        self.code = code
        self.subspaces = subspaces
        self.bits = bits
        self.bytesPerVector = bytesPerVector
        rotates = rotation
        isBalanced = balanced
        self.seed = seed
    }

    /// A row's term, its slot, and under RaBitQ a factor.
    private var bytesBesideCode: Int { code == .rabitq ? 6 : 5 }

    /// Throws where a parameter is out of its range, or says the opposite of another.
    func validate(dimension: Int) throws(NeedletailError) {
        if let reason = contradiction { throw NeedletailError(.invalidArgument, reason) }
        if code == .rabitq {
            let least = header(1, dimension).rowByteCount
            if let bytesPerVector, bytesPerVector < least {
                throw NeedletailError(
                    .invalidArgument, "\(bytesPerVector) bytes a vector are too few: RaBitQ codes of \(dimension) dimensions take \(least) at least",
                    expected: least, actual: bytesPerVector)
            }
        }
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
        let kind = IVFPQCode.Kind(code)
        if let bits, !IVFPQCode.possibleBits(kind).contains(bits) {
            return "\(code.rawValue) codes of \(bits) bits are not possible: they have \(code == .pq ? "4 or 8" : "1, 2 or 4")"
        }
        if code == .rabitq, subspaces != nil { return "subspaces are for pq codes: rabitq ones have their bits for each component" }
        if code == .rabitq, rotates { return "a rotation is learned for pq codes: that of rabitq ones is random" }
        guard let bytesPerVector else { return nil }
        if subspaces != nil { return "bytesPerVector and subspaces set the same thing: leave out one of the two" }
        if code == .rabitq, bits != nil { return "bytesPerVector and the bits of rabitq codes set the same thing: leave out one of the two" }
        if bytesPerVector <= bytesBesideCode || bytesPerVector > 8_192 {
            return "\(bytesPerVector) bytes a vector are not possible: they are \(bytesBesideCode + 1) to 8,192, of which \(bytesBesideCode) are not code"
        }
        return nil
    }

    /// Options for so many records of a dimension.
    func options(count: Int, dimension: Int) -> IVFPQOptions {
        var options: IVFPQOptions
        switch code {
        case .pq:
            let bits = bits ?? 4
            // `chosen` reckons with codes of 4 bits, of which the same bytes hold twice as many.
            var target = bytesPerVector
            if bits == 8 { target = bytesBesideCode + (target.map { $0 - bytesBesideCode + 1 } ?? dimension / 8 + 1) / 2 }
            options = .chosen(count: count, dimension: dimension, bytesPerVector: target.map { max($0, bytesBesideCode + 1) })
            options.code = .pq(bits: bits)
        case .rabitq:
            let fitting = bytesPerVector.flatMap { target in
                IVFPQCode.possibleBits(.rabitq).last { header($0, dimension).rowByteCount <= target }
            }
            options = .chosen(count: count, dimension: dimension)
            options.code = .rabitq(bits: bits ?? fitting ?? 1)
        }
        if let nlist { options.nlist = nlist }
        if let subspaces { options.subspaces = subspaces }
        options.rotates = rotates
        options.isBalanced = isBalanced
        options.seed = seed
        return options
    }

    /// An index of RaBitQ codes, for what its rows take.
    private func header(_ bits: Int, _ dimension: Int) -> IVFPQHeader {
        IVFPQHeader(metric: .l2, element: .f32, dimension: dimension, nlist: 1, code: .rabitq(bits: bits))
    }
}

extension IVFPQCode.Kind {
    init(_ code: ListCode) {
        switch code {
        case .pq: self = .pq
        case .rabitq: self = .rabitq
        }
    }
}
