import Foundation
import Needletail

/// How good the planner's choices are: on a grid of filters, k and recall targets, the time of the plan that was chosen over that of
/// the best one in hindsight; the recall that searches really gave; and the time of planning.
///
/// The best plan in hindsight is the fastest of: comparing all that match, scanning their codes, looking for more and dropping what does
/// not match, and a walk through the graph with the least `efSearch` that gave the recall on these very queries. So a choice is charged for the wrong way, and for the wrong setting.
/// Filters come in two kinds: by chance, and along a direction of space, so that what matches lies on one side and few queries have it
/// near. Queries are no records of the collection. Each plan is timed query by query, all plans in turn and round after round, of
/// which the fastest counts: so that a disturbance hits all alike. A plan takes what its queries take on average, since that is what a
/// server's throughput is; by their median, which a few long walks do not move, regret is told beside it.
struct PlanFigure {
    let base: [[Float]], queries: [[Float]]
    let metric: Metric
    let folder: String

    private let selectivities = [0.5, 0.25, 0.1, 0.03, 0.01, 0.001]
    private let ks = [1, 10, 100]
    private let targets = [0.8, 0.9, 0.95, 0.99]
    /// Queries that are timed at a point of the grid, and how often.
    private let timedQueries = 30, rounds = 2
    /// Queries that recall is counted over; of few neighbours more, since each counts for more.
    private func recallQueries(_ k: Int) -> Int { k == 1 ? 1_000 : k == 10 ? 200 : 60 }

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard (4 ... 5).contains(arguments.count), let metric = Metric(rawValue: arguments[2]) else {
            throw Usage("Figures plan BASE.fvecs QUERIES.fvecs l2|cosine|dot FOLDER [ROWS]")
        }
        base = try VectorFile(path: arguments[0], count: arguments.count == 5 ? Int(arguments[4]) ?? .max : .max).rows
        queries = try VectorFile(path: arguments[1], count: 1_000).rows
        self.metric = metric
        folder = arguments[3]
    }

    /// A point of the grid, and what came of it.
    private struct Point {
        var name: String
        /// Microseconds of the plan that was chosen, and of the best.
        var chosen: Double, best: Double
        var chosenName: String, bestName: String
        var target: Double, recall: Double
        /// What was expected of the plan that was chosen, in microseconds.
        var expected: Double
        var regret: Double { chosen / min(chosen, best) }
        /// The same by the medians of queries.
        var medianRegret: Double
        var line: String {
            String(format: "%.2f: ", regret) + "\(name): "
                + String(format: "%@ %.1f µs, %.1f expected, best %@ %.1f µs, recall %.3f", chosenName, chosen, expected, bestName, best, recall)
        }
    }

    func run() async throws {
        let (database, records) = try await collection()
        var points: [Point] = [], planning: [Double] = []
        for filter in filters {
            let truth = try records.search(nearEach: queries, k: ks.max() ?? 1, where: filter.filter, select: .none, exact: true)
                .map { $0.hits.map(\.distance) }
            for k in ks {
                let (found, times) = try measure(records, filter.filter, filter.name, k, truth)
                points += found
                planning += times
            }
        }
        report(points, planning)
        withExtendedLifetime(database) {}
    }

    private func report(_ points: [Point], _ planning: [Double]) {
        let title = "plan, \(base.count) x \(base.first?.count ?? 0)"
        func print(_ variant: String, _ unit: String, _ value: Double, _ note: String? = nil) {
            Measurement(title, variant, unit: unit, runs: [value], note: note).print()
        }
        for point in points {
            print("\(point.name)", "× the best plan", point.regret, point.line)
        }
        let worst = points.sorted { $0.regret > $1.regret }
        for point in worst.prefix(10) { print("one of the worst ten", "× the best plan", point.regret, point.line) }
        print("points", "", Double(points.count))
        print("share of points at most 1.5 times the best plan", "", Double(points.count { $0.regret <= 1.5 }) / Double(max(points.count, 1)))
        print("worst point", "× the best plan", worst.first?.regret ?? .nan)
        let medians = points.map(\.medianRegret)
        print("by the median of queries: share of points at most 1.5 times", "", Double(medians.count { $0 <= 1.5 }) / Double(max(points.count, 1)))
        print("by the median of queries: worst point", "× the best plan", medians.max() ?? .nan)
        let short = points.filter { $0.recall < $0.target - 0.01 }
        print("points whose recall is below the target by more than 0.01", "", Double(short.count))
        for point in short { print("short of its recall", "", point.recall - point.target, point.line) }
        print("planning", "µs", Figures.median(planning))
    }

    private var filters: [(filter: Filter?, name: String)] {
        var filters: [(Filter?, String)] = [(nil, "no filter")]
        for share in selectivities {
            let limit = Int((share * Double(base.count)).rounded())
            filters.append((Filter.field("lot") < limit, "\(share) by chance"))
            filters.append((Filter.field("rank") < limit, "\(share) on one side"))
        }
        return filters
    }

    // MARK: One filter and k

    /// The points of all targets, and what planning took.
    private func measure(
        _ records: Collection, _ filter: Filter?, _ name: String, _ k: Int, _ truth: [[Double]]
    ) throws -> ([Point], [Double]) {
        var planning: [Double] = []
        // What walks teach the planner about a filter, it learns from the searches before.
        var recalls: [Double] = []
        for target in targets {
            recalls.append(try recall(records, filter, k, truth) { try records.search(near: $0, k: k, where: filter, select: .none, recall: target) })
        }
        // The ways that there are, and of the walk the settings that are worth a try.
        var plans: [SearchPlan] = [], overfetches: [SearchPlan?] = []
        for target in targets {
            let explanation = try records.explain(near: queries[0], k: k, where: filter, recall: target)
            let ways = [explanation.plan] + explanation.rejected.map(\.plan)
            overfetches.append(ways.first { if case .overfetch = $0 { true } else { false } })
            for way in ways where !plans.contains(where: { Self.name($0) == Self.name(way) }) {
                if case .hnsw = way { continue }
                plans.append(way)
            }
        }
        var times = plans.map { _ in [Double](repeating: .infinity, count: timedQueries) }
        var chosen = targets.map { _ in [Double](repeating: .infinity, count: timedQueries) }
        var names = targets.map { _ in "" }, expected = targets.map { _ in 0.0 }
        try time(records, filter, k, plans, &times)
        let scan = times.map(Self.mean).min() ?? .infinity
        var walks: [(plan: SearchPlan, recall: Double)] = []
        for efSearch in ladder(k) {
            let walk = SearchPlan.hnsw(efSearch: efSearch, tail: 0, matching: nil, recall: 0)
            var own = [[Double](repeating: .infinity, count: timedQueries)]
            try time(records, filter, k, [walk], &own)
            // A longer one takes no less.
            if let time = own.first.map(Self.mean), time > 2 * scan { break }
            let recall = try recall(records, filter, k, truth) { try records.search(near: $0, k: k, where: filter, select: .none, efSearch: efSearch) }
            walks.append((walk, recall))
            if recall >= (targets.max() ?? 1) { break }
        }
        let wanted = targets.map { target in walks.firstIndex { $0.recall >= target } }
        for position in Set(wanted.compactMap { $0 }).sorted() {
            plans.append(walks[position].plan)
            times.append([Double](repeating: .infinity, count: timedQueries))
        }
        // Query by query: whoever comes first brings the memory for those behind, and in another round it is another one.
        for round in 0 ..< rounds {
            let order = targets.indices.map { ($0 + round) % targets.count }
            for number in 0 ..< timedQueries {
                for position in order {
                    let target = targets[position]
                    let explanation = try records.explain(near: query(number), k: k, where: filter, recall: target, analyze: true)
                    chosen[position][number] = min(chosen[position][number], explanation.root.actual?.microseconds ?? .infinity)
                    planning.append(explanation.planningMicroseconds)
                    names[position] = Self.name(explanation.plan)
                    expected[position] = explanation.root.estimatedMicroseconds ?? 0
                }
                try time(records, filter, k, plans, number, &times)
                for _ in 0 ..< 2 {
                    for position in order {
                        let explanation = try records.explain(near: query(number), k: k, where: filter, recall: targets[position], analyze: true)
                        chosen[position][number] = min(chosen[position][number], explanation.root.actual?.microseconds ?? .infinity)
                    }
                }
            }
        }
        // The same plan has one time.
        for position in targets.indices {
            for (plan, times) in zip(plans, times) where Self.name(plan) == names[position] {
                chosen[position] = zip(chosen[position], times).map { min($0, $1) }
            }
        }
        let points = targets.enumerated().map { position, target in
            /// The plans that the choice is compared with, itself among them.
            func best(_ time: ([Double]) -> Double) -> (time: Double, name: String) {
                var best = (time: time(chosen[position]), name: names[position])
                for (plan, times) in zip(plans, times) {
                    if case .hnsw = plan, wanted[position].map({ walks[$0].plan != plan }) ?? true { continue }
                    if case .overfetch = plan, overfetches[position].map(Self.name) != Self.name(plan) { continue }
                    if time(times) < best.time { best = (time(times), Self.name(plan)) }
                }
                return best
            }
            let fastest = best(Self.mean)
            return Point(
                name: "\(name), k \(k), recall \(target)", chosen: Self.mean(chosen[position]), best: fastest.time,
                chosenName: names[position], bestName: fastest.name, target: target, recall: recalls[position],
                expected: expected[position], medianRegret: Figures.median(chosen[position]) / best(Figures.median).time)
        }
        return (points, planning)
    }

    private func ladder(_ k: Int) -> [Int] {
        var ladder: [Int] = [], next = Double(k)
        while next < Double(40 * k + 500) {
            ladder.append(Int(next.rounded(.up)))
            next = max(next * 1.2, next + 1)
        }
        return ladder
    }

    private func query(_ number: Int) -> [Float] { queries[number * queries.count / timedQueries] }

    /// Runs each of the plans with each query, twice, and keeps the fastest.
    private func time(_ records: Collection, _ filter: Filter?, _ k: Int, _ plans: [SearchPlan], _ times: inout [[Double]]) throws {
        for number in 0 ..< timedQueries { try time(records, filter, k, plans, number, &times) }
    }

    /// The same with one query.
    private func time(_ records: Collection, _ filter: Filter?, _ k: Int, _ plans: [SearchPlan], _ number: Int, _ times: inout [[Double]]) throws {
        for _ in 0 ..< 2 {
            for (position, plan) in plans.enumerated() {
                let explanation = try records.explain(near: query(number), k: k, where: filter, following: plan)
                times[position][number] = min(times[position][number], explanation.root.actual?.microseconds ?? .infinity)
            }
        }
    }

    /// The share of the true nearest that searches find.
    private func recall(
        _ records: Collection, _ filter: Filter?, _ k: Int, _ truth: [[Double]], _ search: ([Float]) throws -> SearchResults
    ) throws -> Double {
        var found = 0, wanted = 0
        for (query, exact) in zip(queries, truth).prefix(recallQueries(k)) {
            let exact = exact.prefix(k)
            guard let last = exact.last else { continue }
            // Of several that are equally far away, each is as good as the other.
            found += min(try search(query).count { $0.distance <= last }, exact.count)
            wanted += exact.count
        }
        return Double(found) / Double(max(wanted, 1))
    }

    private static func mean(_ times: [Double]) -> Double { times.reduce(0, +) / Double(max(times.count, 1)) }

    private static func name(_ plan: SearchPlan) -> String {
        switch plan {
        case .exact: "exact"
        case .codes(_, _, let recall): "codes \(recall)"
        case .hnsw(let efSearch, _, _, _): "hnsw \(efSearch)"
        case .overfetch(let fetched, let efSearch, _, _, _): "overfetch \(fetched)/\(efSearch)"
        case .ivfpq(let nprobe, let refineFactor, _, _, _): "ivfpq \(nprobe)/\(refineFactor)"
        }
    }

    // MARK: Data

    private func collection() async throws -> (Database, Collection) {
        let path = "\(folder)/plan.ntl"
        try? FileManager.default.removeItem(atPath: path)
        try? FileManager.default.removeItem(atPath: path + "-lock")
        let database = try Database(path: path)
        let fields: [Field] = [.init("lot", .int), .init("rank", .int)]
        let records = try await database.createCollection("records", schema: Schema(dimension: base[0].count, metric: metric, fields: fields))
        let lots = Self.order((0 ..< base.count).map { Double(Self.mixed(UInt64($0)) >> 11) })
        let ranks = Self.order(base.map { row in row.indices.reduce(0.0) { $0 + Double(row[$1]) * Self.direction($1) } })
        for start in stride(from: 0, to: base.count, by: 20_000) {
            try await records.insert(
                (start ..< min(start + 20_000, base.count)).map { row in
                    Record(id: .int(Int64(row)), vector: base[row], fields: ["lot": .int(Int64(lots[row])), "rank": .int(Int64(ranks[row]))])
                }, durability: .relaxed)
        }
        _ = try await records.createIndex()
        return (database, records)
    }

    /// The place of each value among all.
    private static func order(_ values: [Double]) -> [Int] {
        var places = [Int](repeating: 0, count: values.count)
        for (place, row) in values.indices.sorted(by: { (values[$0], $0) < (values[$1], $1) }).enumerated() { places[row] = place }
        return places
    }

    private static func direction(_ i: Int) -> Double { Double(mixed(UInt64(i) &+ 1 << 40) >> 11) * 0x1p-52 - 1 }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
