import Foundation

/// One record found.
public struct SearchHit: Sendable, Hashable {
    /// The record's id.
    public let id: RecordID
    /// How far it is, as the metric's users expect: Euclidean distance, `1 − cosine`, or the negative inner product. Smaller is nearer.
    public let distance: Double
    /// The same the other way round, greater is better: negative Euclidean distance, cosine similarity, or inner product.
    public let score: Double
    /// The fields asked for; null fields are left out.
    public let fields: [String: Value]
}

/// The records found, the nearest first, and how they were found.
public struct SearchResults: Sendable, RandomAccessCollection {
    /// The records found, the nearest first; equal distances in order of arrival.
    public let hits: [SearchHit]
    /// How the search was run.
    public let plan: SearchPlan

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of records found.
    public var endIndex: Int { hits.count }
    /// The hit at a rank, counted from 0.
    public subscript(position: Int) -> SearchHit { hits[position] }
}

/// Which fields results carry.
public enum FieldSelection: Sendable, Hashable, ExpressibleByArrayLiteral {
    /// All of them.
    case all
    /// None.
    case none
    /// Those named.
    case only([String])

    /// The fields named.
    public init(arrayLiteral elements: String...) { self = .only(elements) }

    /// The positions selected, in the order asked for.
    func positions(in schema: Schema) throws(NeedletailError) -> [Int] {
        switch self {
        case .all: return Array(schema.fields.indices)
        case .none: return []
        case .only(let names):
            var positions: [Int] = []
            for name in names { positions.append(try schema.position(of: name)) }
            return positions
        }
    }
}
