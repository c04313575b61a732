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

    /// The values that `m` may have.
    public static let possibleM = 2 ... 64
    /// The largest `efConstruction`.
    public static let maximumEfConstruction = 2_000
    /// The values that `efSearch` may have in a search.
    public static let possibleEfSearch = 1 ... 1_000_000
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

extension IndexDescription {
    /// Throws where a parameter is out of its range.
    func validate() throws(NeedletailError) {
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
        }
    }
}
