/// The index that a collection is to have.
public enum IndexDescription: Sendable, Hashable {
    /// A graph in layers (HNSW, Malkov and Yashunin 2016) that a search walks from record to nearer record.
    ///
    /// - Parameters:
    ///   - m: Links of a record, twice as many on the lowest level: 2 to 64. More find better in many dimensions, and take
    ///     space and time to build.
    ///   - efConstruction: How many candidates each record's links are chosen from: `m` to 2,000. More make a better graph, slower.
    ///   - quantization: The short form of the vectors that a search reads on its way.
    ///   - seed: Where the random levels of records come from: with one thread, the same seed builds the same graph.
    case hnsw(m: Int = 16, efConstruction: Int = 200, quantization: Quantization = .automatic, seed: UInt64 = 0)

    /// Lists of records near each other, as short codes (IVF-PQ, Jégou, Douze and Schmid 2011); a search scans the codes of the
    /// nearest lists, and compares the best of them in full precision. It takes a tenth of a graph's space, or less, and is
    /// built many times as fast. What is left out is chosen from the number of records and their dimension.
    ///
    /// - Parameters:
    ///   - nlist: Lists: 1 to 1,048,576, no more than there are records. About 1.5 times the root of their number unless you say
    ///     otherwise.
    ///   - code: What stands for a vector in its list.
    ///   - subspaces: Under ``ListCode/pq``, parts that a vector is cut into, each of which becomes a code: 1 to 512, at most the dimension. Where they do
    ///     not divide it, the last part is filled up with zeros; a part of nothing else is refused. A quarter of the dimension
    ///     unless you say otherwise.
    ///   - bits: Under ``ListCode/pq``, bits of a part's code: 4, which is scanned several times as fast, or 8; 4 unless you say
    ///     otherwise. Under ``ListCode/rabitq``, bits of a component: 1, 2 or 4; 1 unless you say otherwise.
    ///   - bytesPerVector: What a record may take in the lists, its code and 5 bytes more (6 under ``ListCode/rabitq``), instead of
    ///     `subspaces`, or of the bits of ``ListCode/rabitq``.
    ///   - rotation: Whether a rotation is learned that makes parts fit their codes better (OPQ), under ``ListCode/pq``. It pays
    ///     where components are of unlike spread or depend on each other, and takes `dimension`² operations a query.
    ///   - balanced: Whether lists are kept of like length, which makes searches take like times.
    ///   - seed: Where the random choices of training come from: the same seed builds the same index, whatever the number of threads.
    case ivfpq(
        nlist: Int? = nil, code: ListCode = .pq, subspaces: Int? = nil, bits: Int? = nil, bytesPerVector: Int? = nil, rotation: Bool = false,
        balanced: Bool = false, seed: UInt64 = 0)

    /// The values that `m` may have.
    public static let possibleM = 2 ... 64
    /// The largest `efConstruction`.
    public static let maximumEfConstruction = 2_000
    /// The values that `efSearch` may have in a search.
    public static let possibleEfSearch = 1 ... 1_000_000
    /// The values that `nlist` may have, and `nprobe` up to it.
    public static let possibleNlist = 1 ... 1 << 20
    /// The values that `subspaces` may have, up to the dimension.
    public static let possibleSubspaces = 1 ... 512
    /// The values that `refineFactor` may have in a search.
    public static let possibleRefineFactor = 1 ... 10_000
}

/// The short form of the vectors that a search reads on its way. What it returns is compared in full precision whatever this is.
public enum Quantization: String, Sendable, Hashable, Codable, CaseIterable {
    /// The form that has been measured to be the fastest for the collection's dimension and element type.
    case automatic
    /// The vectors as they are: no further space.
    case none
    /// One byte a component.
    case sq8
    /// One bit a component (RaBitQ), of all neighbours of a record beside its links: one look at a record tells the
    /// distances of its neighbours.
    case rabitq
}

/// What stands for a vector in a list of an IVF-PQ index.
public enum ListCode: String, Sendable, Hashable, Codable, CaseIterable {
    /// Product quantization: the vector is cut into parts, and each becomes the number of the nearest of some trained codewords.
    case pq
    /// RaBitQ (arXiv 2405.12497, 2409.09913): 1, 2 or 4 bits of each component after a random rotation. Nothing is trained, and no kind
    /// of data suits it badly.
    case rabitq
}

extension IndexDescription {
    /// Throws where a parameter is out of its range.
    func validate(dimension: Int) throws(NeedletailError) {
        switch self {
        case .hnsw(let m, let efConstruction, _, _):
            guard Self.possibleM.contains(m) else {
                throw NeedletailError(
                    .invalidArgument, "an m of \(m) is not possible: from \(Self.possibleM.lowerBound) to \(Self.possibleM.upperBound) are; 16 suits most",
                    actual: m)
            }
            guard (m ... Self.maximumEfConstruction).contains(efConstruction) else {
                throw NeedletailError(
                    .invalidArgument,
                    "an efConstruction of \(efConstruction) is not possible: from m, which is \(m), to \(NumberText.count(Self.maximumEfConstruction)) are; 200 suits most",
                    actual: efConstruction)
            }
        case .ivfpq: try ListRequest(self)?.validate(dimension: dimension)
        }
    }
}
