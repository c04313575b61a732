import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// A collection of clustered vectors, as embeddings are, whose records know their cluster and their number.
struct IndexSample {
    let fixture: Fixture
    let collection: Collection
    let seed: UInt64
    private(set) var random: SeededGenerator
    private let centres: [[Float]]
    private let element: ElementType
    private let dimension: Int

    static let fields = [Field("cluster", .int), Field("number", .int)]

    init(
        count: Int, dimension: Int = 24, metric: Metric = .l2, element: ElementType = .f32, seed: UInt64 = .random(in: 1 ... 1_000_000)
    ) async throws {
        self.seed = seed
        self.element = element
        self.dimension = dimension
        print("IndexSample seed \(seed)")
        var random = SeededGenerator(seed: seed)
        centres = (0 ..< 40).map { _ in (0 ..< dimension).map { _ in random.normal() } }
        self.random = random
        fixture = try Fixture()
        collection = try await fixture.database.createCollection(
            "vectors", schema: Schema(dimension: dimension, metric: metric, element: element, fields: Self.fields))
        try await insert(0 ..< count)
    }

    /// A vector of some cluster.
    mutating func vector() -> (vector: [Float], cluster: Int) {
        let cluster = Int.random(in: 0 ..< centres.count, using: &random)
        let vector = centres[cluster].map { centre in
            let value = centre + 0.6 * random.normal()
            return element == .i8 ? min(max((value * 30).rounded(), -127), 127) : value
        }
        return (vector, cluster)
    }

    mutating func normal() -> Float { random.normal() }

    mutating func queries(_ count: Int) -> [[Float]] { (0 ..< count).map { _ in vector().vector } }

    /// Inserts records with these numbers as ids.
    mutating func insert(_ ids: Range<Int>, onConflict: ConflictPolicy = .fail) async throws {
        var records: [Record] = []
        for id in ids {
            let (vector, cluster) = vector()
            records.append(
                Record(id: .int(Int64(id)), vector: vector, fields: ["cluster": .int(Int64(cluster)), "number": .int(Int64(id))]))
        }
        try await collection.insert(records, onConflict: onConflict, durability: .relaxed)
    }

    /// The share of the exact answers that searches with an `efSearch` or `nprobe` find, each of whose distances is the exact one.
    func recall(
        _ queries: [[Float]], k: Int = 10, where filter: Filter? = nil, efSearch: Int? = nil, nprobe: Int? = nil, recall: Double? = nil, in other: Collection? = nil
    ) throws -> Double {
        let collection = other ?? self.collection
        var (found, wanted) = (0, 0)
        for query in queries {
            let exact = try collection.search(near: query, k: k, where: filter, select: .none, exact: true)
            let hits = try collection.search(near: query, k: k, where: filter, select: .none, recall: recall, efSearch: efSearch, nprobe: nprobe)
            #expect(hits.count == exact.count, "seed \(seed)")
            #expect(Set(hits.map(\.id)).count == hits.count, "seed \(seed)")
            #expect(hits.map(\.distance) == hits.map(\.distance).sorted(), "seed \(seed)")
            let distances = Dictionary(uniqueKeysWithValues: exact.map { ($0.id, $0.distance) })
            for hit in hits {
                guard let distance = distances[hit.id] else { continue }
                #expect(abs(hit.distance - distance) <= 1e-5 * max(1, abs(distance)), "seed \(seed)")
                found += 1
            }
            wanted += exact.count
        }
        return wanted == 0 ? 1 : Double(found) / Double(wanted)
    }
}

extension SearchPlan {
    /// Whether the index was used.
    var isThroughIndex: Bool {
        if case .exact = self { false } else { true }
    }
}
