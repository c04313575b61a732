import CNeedletailKernels
import NeedletailStorage

/// What a traversal of the graph compares.
package enum Quantization: String, Codable, Sendable, CaseIterable {
    /// The stored vectors themselves.
    case none
    /// One byte a component; the best are rescored.
    case sq8
    /// 1-bit codes of the neighbours beside their numbers, scanned 32 at a time; the best are rescored.
    case rabitq
}

/// What an HNSW index (Malkov and Yashunin, arXiv 1603.09320) is, but for its arrays: stored as JSON beside them.
///
/// On level 0 a node's number is its slot. The nodes of the levels above are numbered 0 ..< upperCount, *upper numbers*;
/// lists of those levels hold upper numbers.
package struct HNSWHeader: Codable, Sendable, Equatable {
    /// Neighbours of a node on the upper levels, at most; twice as many on level 0.
    package var m: Int
    package var efConstruction: Int
    package var quantization: Quantization
    /// From it and its slot follows a node's level.
    package var seed: UInt64
    package var metric: Metric
    package var element: Element
    package var dimension: Int
    /// Slots 0 ..< count are covered.
    package var count: Int
    /// The highest level; 0 where there is level 0 only.
    package var maxLevel: Int
    /// Where a search starts: a slot, and the same node's upper number where maxLevel > 0. Nil where no slot is linked.
    package var entrySlot: UInt32?
    package var entryUpper: UInt32?
    /// Nodes of the upper levels, and their lists.
    package var upperCount: Int
    package var upperListCount: Int
    /// The scale of codes under `.sq8` and `.rabitq`.
    package var sq8: SQ8Quantizer?
    /// What searches by neighbour codes need to know, under `.rabitq`.
    package var neighborCodes: NeighborCodes?
    /// How many nodes a search for ten expands on average, by ascending reach. Nil where that was not measured: searches then fill a
    /// pool of efSearch nodes, and do not go by neighbour codes.
    package var reaches: [ReachPoint]?
    /// The seed of the rotation of sign codes; nil where there are none.
    package var signRotationSeed: UInt64?
    /// Recall as measured at build time, by ascending efSearch.
    package var calibration: [CalibrationPoint]

    package struct CalibrationPoint: Codable, Sendable, Equatable {
        package var k: Int
        package var efSearch: Int
        package var recall: Double
        /// The share of slots that a filter let through; nil where there was none.
        package var selectivity: Double?
        /// Nodes that a search expanded on average; nil where that was not counted.
        package var hops: Double?
        /// The geometric mean of the same: what a search is expected to take, the rarest left aside.
        package var typicalHops: Double?

        package init(
            k: Int, efSearch: Int, recall: Double, selectivity: Double? = nil, hops: Double? = nil, typicalHops: Double? = nil
        ) {
            self.selectivity = selectivity
            self.hops = hops
            self.typicalHops = typicalHops
            self.k = k
            self.efSearch = efSearch
            self.recall = recall
        }
    }

    /// The header of an empty graph.
    package init(
        m: Int, efConstruction: Int, quantization: Quantization, seed: UInt64, metric: Metric, element: Element, dimension: Int
    ) {
        self.m = m
        self.efConstruction = efConstruction
        self.quantization = quantization
        self.seed = seed
        self.metric = metric
        self.element = element
        self.dimension = dimension
        count = 0
        maxLevel = 0
        upperCount = 0
        upperListCount = 0
        calibration = []
    }

    package static let mLimits = 2 ... 64
    package static let maximumLevel = 15
    /// Nodes that a graph may have.
    package static let countLimit = Int(NT_NODE_LIMIT)

    /// Entries of a list on level 0, and bytes from one list to the next.
    package var degree: Int { 2 * m }
    package var linkStride: Int { (4 * degree + 63) / 64 * 64 }
    /// The same on the upper levels.
    package var upperDegree: Int { m }
    package var upperLinkStride: Int { (4 * upperDegree + 63) / 64 * 64 }
    package static let upperNodeStride = MemoryLayout<nt_upper_node>.stride
}

/// The arrays of an index, in the order in which they are stored.
package enum HNSWArray: Int, CaseIterable, Sendable {
    /// Lists of level 0, by slot.
    case links
    /// `nt_upper_node` by upper number.
    case upperNodes
    /// Lists of the upper levels.
    case upperLinks
    /// SQ8 codes by slot.
    case codes
    /// Under `.rabitq`, a node's neighbours with their codes.
    case neighborBlocks
    /// Numbers of a quantizer, as f32: the rotated centre of sign codes.
    case tables
    /// A bit a dimension, by slot, which scans go by (nt_codescan.h).
    case signs
    /// `nt_changes` of 64 slots each: those whose rows merges have changed, which stand in the arrays that follow, in place of the rows
    /// of `links` and `neighborBlocks`. An index without such slots may lack all three.
    case changes
    case changedLinks
    case changedBlocks
}

/// Why stored bytes are not an HNSW index.
package struct HNSWError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
