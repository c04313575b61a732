import Foundation
import Needletail
import Synchronization

/// One way to search, to be measured.
enum BenchmarkSetting: Sendable {
    case efSearch(Int)
    case nprobe(Int, refineFactor: Int?)
    case recall(Double)
    case exact

    /// As it stands in the results: `ef=64`, `nprobe=16`, `nprobe=16,refine=4`, `recall=0.95`, `exact`.
    var name: String {
        switch self {
        case .efSearch(let value): "ef=\(value)"
        case .nprobe(let value, let refineFactor): "nprobe=\(value)" + (refineFactor.map { ",refine=\($0)" } ?? "")
        case .recall(let value): "recall=\(JSONText.number(value))"
        case .exact: "exact"
        }
    }
}

/// Asks a collection many queries through the public API, one at a time on each thread, and takes the time of each.
struct Benchmark: Sendable {
    let collection: Needletail.Collection
    let queries: BenchmarkQueries
    let truth: BenchmarkTruth
    let k: Int
    let filter: Filter?
    let threads: Int
    let seconds: Double
    /// Queries that are asked at once; `nil`: one at a time, by each thread.
    var batchCount: Int?

    /// Warms up, which also tells the recall, then measures.
    func run(_ setting: BenchmarkSetting) throws -> BenchmarkResult {
        if let batchCount { return try run(setting, batchesOf: batchCount) }
        var found: [[RecordID]] = []
        var plan: SearchPlan?
        for vector in queries.vectors {
            let results = try search(vector, setting)
            plan = plan ?? results.plan
            found.append(results.map(\.id))
            // A scan of every record takes as long for every query, and need not be asked all of them to be warm.
            if case .exact = results.plan, found.count == Self.exactQueries { break }
        }
        let (latencies, elapsed) = try measure(setting, isExact: Self.kind(of: plan) == "exact")
        return BenchmarkResult(
            index: Self.kind(of: plan), parameter: setting.name, k: k, threads: threads, queryCount: queries.vectors.count, recall: truth.recall(found),
            queriesPerSecond: Double(latencies.count) / elapsed, medianMicroseconds: Self.percentile(0.5, of: latencies),
            p99Microseconds: Self.percentile(0.99, of: latencies))
    }

    /// The index that a plan goes through, as it stands in the results.
    private static func kind(of plan: SearchPlan?) -> String {
        switch plan {
        case .hnsw: "hnsw"
        case .overfetch: "hnsw overfetch"
        case .ivfpq: "ivfpq"
        case .codes: "hnsw codes"
        case .exact, nil: "exact"
        }
    }

    /// Asks batch by batch, each with all threads. The times of a batch count as those of its queries.
    private func run(_ setting: BenchmarkSetting, batchesOf size: Int) throws -> BenchmarkResult {
        let batches = stride(from: 0, to: queries.vectors.count, by: size).map { first in
            Array(queries.vectors[first ..< min(first + size, queries.vectors.count)])
        }
        var found: [[RecordID]] = []
        var plan: SearchPlan?
        for batch in batches {
            let results = try search(batch, setting)
            plan = plan ?? results.first?.plan
            found += results.map { $0.map(\.id) }
        }
        var latencies: [UInt64] = []
        var count = 0
        let limit = UInt64(seconds * 1e9), start = Self.nanoseconds()
        repeat {
            for batch in batches {
                let before = Self.nanoseconds()
                _ = try search(batch, setting)
                latencies.append(Self.nanoseconds() - before)
                count += batch.count
            }
        } while Self.nanoseconds() - start < limit
        let elapsed = Double(Self.nanoseconds() - start) / 1e9
        latencies.sort()
        return BenchmarkResult(
            index: Self.kind(of: plan), parameter: setting.name, k: k, threads: threads, batchCount: size, queryCount: queries.vectors.count,
            recall: truth.recall(found), queriesPerSecond: Double(count) / elapsed, medianMicroseconds: Self.percentile(0.5, of: latencies),
            p99Microseconds: Self.percentile(0.99, of: latencies))
    }

    private static let exactQueries = 100

    private func search(_ vector: [Float], _ setting: BenchmarkSetting) throws(NeedletailError) -> SearchResults {
        switch setting {
        case .efSearch(let efSearch): try collection.search(near: vector, k: k, where: filter, select: .none, efSearch: efSearch)
        case .nprobe(let nprobe, let refineFactor):
            try collection.search(near: vector, k: k, where: filter, select: .none, nprobe: nprobe, refineFactor: refineFactor)
        case .recall(let recall): try collection.search(near: vector, k: k, where: filter, select: .none, recall: recall)
        case .exact: try collection.search(near: vector, k: k, where: filter, select: .none, exact: true)
        }
    }

    private func search(_ batch: [[Float]], _ setting: BenchmarkSetting) throws(NeedletailError) -> [SearchResults] {
        switch setting {
        case .efSearch(let efSearch): try collection.search(nearEach: batch, k: k, where: filter, select: .none, efSearch: efSearch, threads: threads)
        case .nprobe(let nprobe, let refineFactor):
            try collection.search(
                nearEach: batch, k: k, where: filter, select: .none, nprobe: nprobe, refineFactor: refineFactor, threads: threads)
        case .recall(let recall): try collection.search(nearEach: batch, k: k, where: filter, select: .none, recall: recall, threads: threads)
        case .exact: try collection.search(nearEach: batch, k: k, where: filter, select: .none, exact: true, threads: threads)
        }
    }

    /// What the threads share.
    private final class Shared: Sendable {
        let ready = Atomic<Int>(0)
        let started = Atomic<Bool>(false)
        let failure = Mutex<NeedletailError?>(nil)
        /// Nanoseconds of each query, sorted at the end.
        let latencies = Mutex<[UInt64]>([])
    }

    /// The time of each query in nanoseconds, ascending, and that of all in seconds.
    private func measure(_ setting: BenchmarkSetting, isExact: Bool) throws -> ([UInt64], Double) {
        let shared = Shared()
        let finished = DispatchGroup()
        for number in 0 ..< threads {
            finished.enter()
            let thread = Thread {
                ask(setting, thread: number, isExact: isExact, shared)
                finished.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        while shared.ready.load(ordering: .acquiring) < threads { usleep(100) }
        let start = ContinuousClock.now
        shared.started.store(true, ordering: .releasing)
        finished.wait()
        let elapsed = (ContinuousClock.now - start).seconds
        if let failure = shared.failure.withLock({ $0 }) { throw failure }
        return (shared.latencies.withLock { $0.sorted() }, elapsed)
    }

    /// One thread's part: the set of queries over and over, each thread from another place in it.
    private func ask(_ setting: BenchmarkSetting, thread: Int, isExact: Bool, _ shared: Shared) {
        let vectors = queries.vectors
        var latencies: [UInt64] = []
        latencies.reserveCapacity(1 << 20)
        let limit = UInt64(seconds * 1e9)
        var position = thread * vectors.count / threads
        shared.ready.add(1, ordering: .acquiringAndReleasing)
        while !shared.started.load(ordering: .acquiring) {}
        let start = Self.nanoseconds()
        var now = start
        do throws(NeedletailError) {
            // Whole passes, in which every query counts alike; a scan takes as long for every query, and may stop anywhere.
            repeat {
                for _ in vectors.indices {
                    let results = try search(vectors[position], setting)
                    let end = Self.nanoseconds()
                    latencies.append(end - now)
                    now = end
                    withExtendedLifetime(results) {}
                    position = position + 1 == vectors.count ? 0 : position + 1
                    if isExact, now - start >= limit { break }
                }
            } while now - start < limit
        } catch {
            shared.failure.withLock { $0 = error }
        }
        shared.latencies.withLock { $0 += latencies }
    }

    private static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Of ascending nanoseconds, in microseconds.
    private static func percentile(_ share: Double, of latencies: [UInt64]) -> Double {
        guard !latencies.isEmpty else { return 0 }
        return Double(latencies[min(latencies.count - 1, Int(share * Double(latencies.count)))]) / 1000
    }
}

/// What was measured of one setting.
struct BenchmarkResult: Sendable {
    let index: String
    let parameter: String
    let k: Int
    let threads: Int
    /// Queries asked at once, where they were.
    var batchCount: Int?
    let queryCount: Int
    let recall: Double
    let queriesPerSecond: Double
    let medianMicroseconds: Double
    let p99Microseconds: Double

    /// One line for a script.
    var json: String {
        JSONText.object([
            ("index", JSONText.string(index)), ("parameter", JSONText.string(parameter)), ("k", String(k)), ("threads", String(threads)),
        ] + (batchCount.map { [("batch", String($0))] } ?? []) + [
            ("queries", String(queryCount)), ("recall", Format.decimal(recall, digits: 5)), ("qps", Format.decimal(queriesPerSecond, digits: 1)),
            ("p50_us", Format.decimal(medianMicroseconds, digits: 1)), ("p99_us", Format.decimal(p99Microseconds, digits: 1)),
        ])
    }

    /// One line for a person who waits.
    var line: String { "\(parameter): recall \(Format.decimal(recall, digits: 4)), \(Format.short(queriesPerSecond)) queries/s" }

    static func table(_ results: [BenchmarkResult]) -> Table {
        var table = Table([
            .init("index", minimum: .max), .init("parameter", minimum: .max), .init("recall@\(results.first?.k ?? 10)", alignment: .right, minimum: .max),
            .init("queries/s", alignment: .right, minimum: .max), .init("p50 µs", alignment: .right, minimum: .max),
            .init("p99 µs", alignment: .right, minimum: .max), .init("threads", alignment: .right, minimum: .max),
        ])
        table.rows = results.map { result in
            [
                result.index, result.parameter, Format.decimal(result.recall, digits: 4), Format.count(Int(result.queriesPerSecond.rounded())),
                Format.decimal(result.medianMicroseconds, digits: 1), Format.decimal(result.p99Microseconds, digits: 1), String(result.threads),
            ]
        }
        return table
    }
}
