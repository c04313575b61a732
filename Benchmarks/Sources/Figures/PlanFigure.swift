import Foundation
import Needletail

/// How good the planner's choices are: on a grid of filters, k and recall targets, the time of the plan that was chosen over that of
/// the fastest one that there was; the recall that searches really gave; and the time of planning.
///
/// Filters come in two kinds: by chance, and along a direction of space, so that what matches lies on one side and few queries have it
/// near. Queries are no records of the collection.
struct PlanFigure {
    let base: [[Float]], queries: [[Float]]
    let metric: Metric
    let folder: String

    private let selectivities = [0.5, 0.25, 0.1, 0.03, 0.01, 0.001]
    private let ks = [1, 10, 100]
    private let targets = [0.8, 0.9, 0.95, 0.99]
    /// Queries at a point of the grid.
    private let pointQueries = 15

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard (4 ... 5).contains(arguments.count), let metric = Metric(rawValue: arguments[2]) else {
            throw Usage("Figures plan BASE.fvecs QUERIES.fvecs l2|cosine|dot FOLDER [ROWS]")
        }
        base = try VectorFile(path: arguments[0], count: arguments.count == 5 ? Int(arguments[4]) ?? .max : .max).rows
        queries = try VectorFile(path: arguments[1], count: 500).rows
        self.metric = metric
        folder = arguments[3]
    }

    /// A point of the grid.
    private struct Point {
        var filter: Filter?
        var name: String
        var k: Int
        var recall: Double
    }

    func run() async throws {
        let (database, records) = try await collection()
        var regrets: [Double] = [], planning: [Double] = []
        for filter in filters {
            for k in ks {
                for recall in targets {
                    let point = Point(filter: filter.filter, name: filter.name, k: k, recall: recall)
                    let (regret, chosen, times) = try regret(records, point)
                    regrets.append(regret)
                    planning += times
                    Measurement("plan", "\(filter.name), k \(k), recall \(recall)", unit: "× the best plan", runs: [regret], note: chosen).print()
                }
            }
        }
        regrets.sort()
        func share(_ limit: Double) -> Double { Double(regrets.count { $0 <= limit }) / Double(regrets.count) }
        Measurement("plan", "points", unit: "", runs: [Double(regrets.count)]).print()
        Measurement("plan", "share of points at most 1.5 times the best plan", unit: "", runs: [share(1.5)]).print()
        Measurement("plan", "worst point", unit: "× the best plan", runs: [regrets.last ?? .nan]).print()
        Measurement("plan", "planning", unit: "µs", runs: [Figures.median(planning)]).print()
        try honesty(records)
        withExtendedLifetime(database) {}
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

    /// The median time of the chosen plan over that of the best one, which it was, and what planning took.
    private func regret(_ records: Collection, _ point: Point) throws -> (Double, String, [Double]) {
        var chosen: [Double] = [], others: [String: [Double]] = [:], planning: [Double] = [], name = ""
        for number in 0 ..< pointQueries {
            let query = queries[number * queries.count / pointQueries]
            let explanation = try records.explain(near: query, k: point.k, where: point.filter, recall: point.recall, compare: true)
            chosen.append(explanation.root.actual?.microseconds ?? .nan)
            planning.append(explanation.planningMicroseconds)
            name = explanation.root.name
            for other in explanation.rejected {
                if let time = other.actualMicroseconds { others[Self.kind(other.plan), default: []].append(time) }
            }
        }
        let own = Figures.median(chosen)
        // A plan that was not always there, since now and then it was the one chosen, is no rival.
        let best = others.values.filter { $0.count == pointQueries }.map(Figures.median).min() ?? own
        return (own / min(own, best), name, planning)
    }

    private static func kind(_ plan: SearchPlan) -> String { String(plan.description.prefix { $0 != " " }) + (plan.description.contains("codes") ? " codes" : "") }

    /// The recall that searches give beside the one that they were asked for.
    private func honesty(_ records: Collection) throws {
        for filter in filters where filter.filter == nil || filter.name.hasPrefix("0.25") || filter.name.hasPrefix("0.5") || filter.name.hasPrefix("0.01 ") {
            for k in ks {
                let truth = try records.search(nearEach: queries, k: k, where: filter.filter, select: .none, exact: true)
                for target in targets {
                    var found = 0, wanted = 0
                    for (query, exact) in zip(queries, truth) {
                        let results = try records.search(near: query, k: k, where: filter.filter, select: .none, recall: target)
                        guard let last = exact.last else { continue }
                        found += min(results.count { $0.distance <= last.distance }, exact.count)
                        wanted += exact.count
                    }
                    let recall = Double(found) / Double(max(wanted, 1))
                    Measurement(
                        "plan", "recall@\(k) at target \(target), \(filter.name)", unit: "", runs: [recall],
                        note: recall < target - 0.01 ? "below the target by \(String(format: "%.4f", target - recall))" : nil
                    ).print()
                }
            }
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
