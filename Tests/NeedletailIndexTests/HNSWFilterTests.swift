import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("HNSW: filters, radius, pages")
struct HNSWFilterTests {
    @Test("under any filter, as many as asked for come back where they exist, and only what the filter allows",
          arguments: [Quantization.none, .sq8], [nil] + HNSWFilterStrategy.allCases)
    func filters(quantization: Quantization, strategy: HNSWFilterStrategy?) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        let count = isOptimized ? 6000 : 1500
        let sample = try HNSWSample(quantization: quantization, count: count, random: &random)
        for share in [1, 0.9, 0.5, 0.3, 0.1, 0.01, 0.001, 0] {
            for withDeleted in [false, true] {
                let allowed = Bitmap(count: count) { _ in Double.random(in: 0 ..< 1, using: &random) < share }
                let deleted = withDeleted ? Bitmap(count: count) { _ in Int.random(in: 0 ..< 4, using: &random) == 0 } : nil
                let passing = (0 ..< count).filter { allowed.contains($0) && !(deleted?.contains($0) ?? false) }.count
                var pairs: [(found: [Neighbor], exact: [Neighbor])] = []
                var statistics = HNSWStatistics()
                for _ in 0 ..< 20 {
                    let query = sample.query()
                    let found = sample.search(query, k: 10, ef: 60, allowed: allowed, deleted: deleted, strategy: strategy, &statistics)
                    #expect(found.count == min(10, passing), "\(share) allowed")
                    #expect(found.allSatisfy { allowed.contains(Int($0.slot)) && !(deleted?.contains(Int($0.slot)) ?? false) })
                    pairs.append((found, sample.exact(query, allowed: allowed, deleted: deleted)))
                }
                // Two hops are not meant for filters that leave few: k come back, but not the nearest k.
                if strategy != .twoHops || share >= 0.1 {
                    #expect(recall(pairs) > 0.93, "\(share) allowed, deleted: \(withDeleted)")
                }
                if strategy == .exact { #expect(statistics.hops == 0 && recall(pairs) == 1) }
                if strategy == .all || strategy == .twoHops, passing > 0 { #expect(statistics.hops > 0) }
            }
        }
    }

    @Test("few passing slots are compared one by one, many in the graph, and some in two hops")
    func strategies() throws {
        var random = SeededGenerator(seed: 1)
        let graph = try HNSWSample(dimension: 100, count: 5000, m: 4, random: &random).graph
        #expect(graph.filterStrategy(passing: 100, ef: 50) == .exact)
        #expect(graph.filterStrategy(passing: 500, ef: 5) == .twoHops)
        #expect(graph.filterStrategy(passing: 4500, ef: 50) == .all)
        #expect(graph.filterStrategy(passing: 5000, ef: 5000) == .exact)
    }

    @Test("a filter that allows only what is far from the query still gets its k")
    func filtersFarAway() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        let count = 4000
        let sample = try HNSWSample(count: count, random: &random)
        var pairs: [(found: [Neighbor], exact: [Neighbor])] = []
        for share in [0.8, 0.5, 0.2, 0.1, 0.8, 0.5, 0.2, 0.1] {
            let query = sample.query()
            let ranking = sample.exact(query, k: count).map(\.slot)
            let far = Set(ranking.suffix(Int(share * Double(count))))
            let allowed = Bitmap(count: count) { far.contains(UInt32($0)) }
            let found = sample.search(query, k: 20, ef: 40, allowed: allowed, strategy: .all)
            #expect(found.count == 20 && found.allSatisfy { far.contains($0.slot) })
            pairs.append((found, sample.exact(query, k: 20, allowed: allowed)))
        }
        // The worst that a filter can do to a graph: what it allows lies behind all that it does not.
        #expect(recall(pairs) > 0.5)
    }

    @Test("deleted slots are never returned, whether deleted before or after the build")
    func deleted() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        let count = 1500
        let before = Bitmap(count: count) { _ in Int.random(in: 0 ..< 3, using: &random) == 0 }
        let sample = try HNSWSample(count: count, deleted: before, random: &random)
        let after = Bitmap(count: count) { before.contains($0) || Int.random(in: 0 ..< 3, using: &random) == 0 }
        for _ in 0 ..< 20 {
            let query = sample.query()
            #expect(sample.search(query, k: 20).allSatisfy { !before.contains(Int($0.slot)) })
            let found = sample.search(query, k: 20, deleted: after)
            #expect(found.count == 20 && found.allSatisfy { !after.contains(Int($0.slot)) })
        }
    }

    @Test("a radius search finds what lies within the radius, and nothing else", arguments: Metric.allCases)
    func radius(metric: Metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        for quantization in [Quantization.none, .sq8] {
            let sample = try HNSWSample(metric: metric, quantization: quantization, count: 3000, random: &random)
            let allowed = Bitmap(count: 3000) { _ in Bool.random(using: &random) }
            var pairs: [(found: [Neighbor], exact: [Neighbor])] = []
            for rank in [0, 5, 40, 300, 2000, 2999] {
                let query = sample.query()
                let ranking = sample.exact(query, k: 3000)
                for filter in [nil, allowed] {
                    for limit in [nil, 7] {
                        let radius = ranking[rank].distance
                        let exact = ranking.filter { $0.distance <= radius && (filter?.contains(Int($0.slot)) ?? true) }.prefix(limit ?? 3000)
                        var statistics = HNSWStatistics()
                        let found = query.withUnsafeBufferPointer { query in
                            filter.withWords {
                                sample.graph.search(
                                    within: radius, of: query, limit: limit, ef: 64, allowed: $0, scratch: sample.scratch,
                                    statistics: &statistics)
                            }
                        }
                        #expect(found.allSatisfy { $0.distance <= radius && (filter?.contains(Int($0.slot)) ?? true) })
                        // Large radii come to an exact scan.
                        if rank < 1000 || limit != nil { pairs.append((found, Array(exact))) } else { #expect(recall([(found, Array(exact))]) > 0.95) }
                        #expect(zip(found, found.dropFirst()).allSatisfy { $0.distance <= $1.distance })
                    }
                }
            }
            #expect(recall(pairs) > 0.9)
            var statistics = HNSWStatistics()
            let none = sample.query().withUnsafeBufferPointer { query in
                sample.graph.search(within: -.infinity, of: query, ef: 64, scratch: sample.scratch, statistics: &statistics)
            }
            #expect(none.isEmpty)
        }
    }

    @Test("pages hold what one search for as many holds, each neighbour once, to the last", arguments: [nil, 0.5, 0.05] as [Double?])
    func pages(share: Double?) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        for quantization in [Quantization.none, .sq8] {
            let count = isOptimized ? 5000 : 3000
            let sample = try HNSWSample(quantization: quantization, count: count, random: &random)
            let allowed = share.map { share in Bitmap(count: count) { _ in Double.random(in: 0 ..< 1, using: &random) < share } }
            for _ in 0 ..< 5 {
                let query = sample.query()
                allowed.withWords { words in
                    let cursor = query.withUnsafeBufferPointer {
                        HNSWCursor(sample.graph, query: $0, ef: 50, allowed: words, scratch: sample.scratch)
                    }
                    var found: [Neighbor] = []
                    for _ in 0 ..< 10 {
                        let page = cursor.next(10)
                        #expect(page.count == 10 && zip(page, page.dropFirst()).allSatisfy { $0.distance <= $1.distance })
                        found += page
                    }
                    #expect(recall([(found, sample.exact(query, k: 100, allowed: allowed))]) > 0.95)
                    #expect(recall([(Array(found.prefix(10)), sample.exact(query, k: 10, allowed: allowed))]) > 0.75)
                    while true {
                        let page = cursor.next(700)
                        if page.isEmpty { break }
                        found += page
                    }
                    #expect(Set(found.map(\.slot)).count == found.count)
                    #expect(found.count == sample.exact(query, k: count, allowed: allowed).count)
                    #expect(found.allSatisfy { allowed?.contains(Int($0.slot)) ?? true })
                }
            }
        }
    }

    @Test("pages come also where the filter excludes all that is near", .timeLimit(.minutes(1)), arguments: [Quantization.none, .sq8])
    func distantPages(quantization: Quantization) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("HNSWFilterTests seed \(random.seed)")
        let sample = try HNSWSample(quantization: quantization, count: 3000, m: 8, random: &random)
        let query = sample.query()
        let distant = Set(sample.exact(query, k: 3000).suffix(1800).map(\.slot))
        let allowed: Bitmap? = Bitmap(count: 3000) { distant.contains(UInt32($0)) }
        allowed.withWords { words in
            let cursor = query.withUnsafeBufferPointer { HNSWCursor(sample.graph, query: $0, ef: 16, allowed: words, scratch: sample.scratch) }
            var found: [Neighbor] = []
            for _ in 0 ..< 5 {
                let page = cursor.next(10)
                #expect(page.count == 10 && page.allSatisfy { distant.contains($0.slot) })
                found += page
            }
            #expect(Set(found.map(\.slot)).count == 50)
            #expect(recall([(found, sample.exact(query, k: 50, allowed: allowed))]) > 0.8)
        }
    }
}
