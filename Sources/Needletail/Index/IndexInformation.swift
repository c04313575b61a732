/// Facts about an index.
public struct IndexInformation: Sendable, Hashable, Codable {
    /// What kind of index it is: `hnsw`.
    public var kind: String
    /// Links of a record; twice as many on the lowest level.
    public var m: Int
    /// How many candidates the links of each record were chosen from.
    public var efConstruction: Int
    /// The short form of the vectors that a search reads; what ``Quantization/automatic`` came to.
    public var quantization: Quantization
    /// Where the random levels came from.
    public var seed: UInt64
    /// Live records that the index covers.
    public var coveredCount: Int
    /// Live records that came later. Every search compares them one by one, until `optimize` brings them into the index.
    public var tailCount: Int
    /// Deleted records that the graph still leads through, until `optimize` takes them out.
    public var deletedCount: Int
    /// Bytes that the index takes in the file.
    public var byteCount: Int
    /// The recall that was measured when the index was built, by `efSearch`.
    public var calibration: [RecallPoint]
    /// How the index was made, or last brought up to date.
    public var build: IndexBuildReport
}

/// The recall of one setting, measured on a sample of the collection's records.
public struct RecallPoint: Sendable, Hashable, Codable {
    /// How many were asked for.
    public var k: Int
    /// How many candidates a search kept.
    public var efSearch: Int
    /// The share of the `k` true nearest that was found, from 0 to 1.
    public var recall: Double

    /// Makes a point.
    public init(k: Int, efSearch: Int, recall: Double) {
        self.k = k
        self.efSearch = efSearch
        self.recall = recall
    }
}

/// What a build took.
public struct IndexBuildReport: Sendable, Hashable, Codable {
    /// Seconds from the snapshot to the installed index.
    public var seconds: Double
    /// Threads that built.
    public var threads: Int
    /// The most memory that the build held at a time, in bytes, beyond the file's own map and the write that installed it.
    public var memoryByteCount: Int

    /// Makes a report.
    public init(seconds: Double, threads: Int, memoryByteCount: Int) {
        self.seconds = seconds
        self.threads = threads
        self.memoryByteCount = memoryByteCount
    }
}

/// What `optimize` did.
public struct OptimizeReport: Sendable, Hashable, Codable {
    /// Records that were brought into the index.
    public var mergedCount: Int
    /// Deleted records that were taken out of the graph, their neighbours reconnected.
    public var repairedCount: Int
    /// The index as it is now.
    public var index: IndexInformation
}

/// How far a build is.
public struct IndexProgress: Sendable, Hashable {
    /// What a build does.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Records are brought into the form and the order in which they are linked; for a while between two stretches of linking, too.
        case preparing
        /// Records are linked with each other.
        case building
        /// Recall is measured on a sample.
        case measuring
        /// The index is written to the file.
        case installing
    }

    /// What is being done.
    public var phase: Phase
    /// Records of this phase that are done.
    public var done: Int
    /// All records of this phase.
    public var total: Int
}
