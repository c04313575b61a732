/// Facts about an index. What does not apply to its kind is `nil`.
public struct IndexInformation: Sendable, Hashable, Codable {
    /// What kind of index it is: `hnsw` or `ivfpq`.
    public var kind: String
    /// Where random choices came from.
    public var seed: UInt64
    /// Live records that the index covers.
    public var coveredCount: Int
    /// Live records that came later. Every search compares them one by one, until `optimize` brings them into the index.
    public var tailCount: Int
    /// Deleted records that are in the index still, until `optimize` takes them out.
    public var deletedCount: Int
    /// Bytes that the index takes in the file.
    public var byteCount: Int
    /// The recall that was measured when the index was built, by setting.
    public var calibration: [RecallPoint]
    /// The recall that was measured with the queries that ``Collection/keepQueries(_:)`` kept; `nil` where none was.
    public var queryCalibration: [RecallPoint]?
    /// How the index was made, or last brought up to date.
    public var build: IndexBuildReport

    // Of a graph.

    /// Links of a record; twice as many on the lowest level.
    public var m: Int?
    /// How many candidates the links of each record were chosen from.
    public var efConstruction: Int?
    /// The short form of the vectors that a search reads; what ``Quantization/automatic`` came to.
    public var quantization: Quantization?

    // Of an IVF-PQ index.

    /// Lists.
    public var nlist: Int?
    /// What stands for a vector in its list.
    public var code: ListCode?
    /// Parts that a vector is cut into, under ``ListCode/pq``.
    public var subspaces: Int?
    /// Bits of a part's code, of a component's under ``ListCode/rabitq``.
    public var bits: Int?
    /// Whether vectors are rotated before they are cut.
    public var isRotated: Bool?
    /// Whether lists are kept of like length.
    public var isBalanced: Bool?
    /// What a record takes in the lists, in bytes, on average: its code, 5 bytes beside it, and what lists are filled up with.
    public var bytesPerVector: Double?
    /// How far records that came after the training lie from the centroids of their lists (their mean squared distance), as a
    /// multiple of what it was in training: 1 where they are alike, more where they are other records than those.
    public var drift: Double?
    /// Why `optimize` would train the index anew, if it would.
    public var retraining: RetrainingReason?

    init(
        kind: String, seed: UInt64, coveredCount: Int, tailCount: Int, deletedCount: Int, byteCount: Int, calibration: [RecallPoint],
        build: IndexBuildReport
    ) {
        self.kind = kind
        self.seed = seed
        self.coveredCount = coveredCount
        self.tailCount = tailCount
        self.deletedCount = deletedCount
        self.byteCount = byteCount
        self.calibration = calibration
        self.build = build
    }
}

/// The recall of one setting, measured with a sample of the collection's records or with queries.
public struct RecallPoint: Sendable, Hashable, Codable {
    /// How many were asked for.
    public var k: Int
    /// How many candidates a search through a graph kept.
    public var efSearch: Int?
    /// How many lists a search scanned.
    public var nprobe: Int?
    /// How many rows for each of the `k` a search through lists compared in full precision.
    public var refineFactor: Int?
    /// The share of the `k` true nearest that was found, from 0 to 1.
    public var recall: Double

    /// Makes a point of a graph.
    public init(k: Int, efSearch: Int, recall: Double) {
        self.k = k
        self.efSearch = efSearch
        self.recall = recall
    }

    /// Makes a point of lists.
    public init(k: Int, nprobe: Int, refineFactor: Int, recall: Double) {
        self.k = k
        self.nprobe = nprobe
        self.refineFactor = refineFactor
        self.recall = recall
    }
}

/// What a build took.
public struct IndexBuildReport: Sendable, Hashable, Codable {
    /// Seconds from the snapshot to the installed index.
    public var seconds: Double
    /// Those of them in which the recall of lists was measured, when they had been trained and filled; `nil` where it was not, and for
    /// a graph.
    public var measuringSeconds: Double?
    /// Threads that built.
    public var threads: Int
    /// The most memory that the build held at a time, in bytes, beyond the file's own map and the write that installed it.
    public var memoryByteCount: Int
    /// What is to be known of the result, such as that there were few records to train on; `nil` where there is nothing.
    public var warnings: [String]?

    /// Makes a report.
    public init(seconds: Double, measuringSeconds: Double? = nil, threads: Int, memoryByteCount: Int, warnings: [String]? = nil) {
        self.seconds = seconds
        self.measuringSeconds = measuringSeconds
        self.threads = threads
        self.memoryByteCount = memoryByteCount
        self.warnings = warnings
    }
}

/// Why an IVF-PQ index is better trained anew than added to.
public enum RetrainingReason: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Records that came later lie so many times farther from the centroids of their lists than those it was trained on.
    case drift(ratio: Double)
    /// There are so many times the records it was trained on: its lists are long.
    case growth(ratio: Double)

    /// The reason in a few words.
    public var description: String {
        switch self {
        case .drift(let ratio): "records that came later lie \(Self.rounded(ratio)) times as far from the lists as those it was trained on"
        case .growth(let ratio): "there are \(Self.rounded(ratio)) times the records that it was trained on"
        }
    }

    private static func rounded(_ ratio: Double) -> Double { (ratio * 100).rounded() / 100 }
}

/// What `optimize` did.
public struct OptimizeReport: Sendable, Hashable, Codable {
    /// Records that were brought into the index.
    public var mergedCount: Int
    /// Deleted records that were taken out: of a graph, with their neighbours reconnected.
    public var repairedCount: Int
    /// Why the index was trained anew rather than added to; `nil` where it was not.
    public var retraining: RetrainingReason?
    /// The index as it is now.
    public var index: IndexInformation
}

/// How far a build is.
public struct IndexProgress: Sendable, Hashable {
    /// What a build does.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Of a graph: records are brought into the form and the order in which they are linked; for a while between two
        /// stretches of linking, too. Of lists: centroids and codes are learned from a sample.
        case preparing
        /// Records are linked with each other, or coded and put into lists.
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
