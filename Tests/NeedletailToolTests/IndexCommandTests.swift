import Foundation
import Needletail
import NeedletailTestSupport
import NeedletailTool
import Testing

/// `index`, `bench`, `optimize`, and what the other commands say of an index.
@Suite("Index commands", .serialized)
struct IndexCommandTests {
    private let folder: TemporaryFolder
    private let seed: UInt64

    init() throws {
        folder = try TemporaryFolder()
        seed = .random(in: 1 ... 1_000_000)
        print("IndexCommandTests seed \(seed)")
    }

    private func run(_ arguments: String...) throws -> ToolRun { try ToolRun(arguments, in: folder.url) }

    private static func vectors(_ count: Int, dimension: Int, _ random: inout SeededGenerator) -> [[Float]] {
        (0 ..< count).map { _ in (0 ..< dimension).map { _ in random.normal() } }
    }

    private func write(_ name: String, _ rows: [[Float]]) throws {
        var bytes = Data()
        for row in rows {
            withUnsafeBytes(of: Int32(row.count).littleEndian) { bytes.append(contentsOf: $0) }
            row.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        try bytes.write(to: folder.url.appendingPathComponent(name))
    }

    /// The true ten nearest, as an .ivecs file.
    private func writeTruth(_ name: String, _ rows: [[Float]], _ queries: [[Float]]) throws {
        var bytes = Data()
        for query in queries {
            let distances = rows.map { row in zip(row, query).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
            let nearest = distances.indices.sorted { distances[$0] < distances[$1] }.prefix(10)
            for number in [10] + nearest { withUnsafeBytes(of: Int32(number).littleEndian) { bytes.append(contentsOf: $0) } }
        }
        try bytes.write(to: folder.url.appendingPathComponent(name))
    }

    /// A truth of other data: its last row names a record that is not there.
    private func writeForeignTruth(_ name: String) throws {
        var bytes = Data()
        for row in 0 ..< 60 {
            for number in [10] + (0 ..< 9) + [row == 59 ? 3_000 : 9] { withUnsafeBytes(of: Int32(number).littleEndian) { bytes.append(contentsOf: $0) } }
        }
        try bytes.write(to: folder.url.appendingPathComponent(name))
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// A collection `v` of 3,000 vectors in t.ntl, with queries, which are returned, and truth beside it.
    private func load() throws -> [[Float]] {
        var random = SeededGenerator(seed: seed)
        let rows = Self.vectors(3_000, dimension: 12, &random), queries = Self.vectors(60, dimension: 12, &random)
        try write("base.fvecs", rows)
        try write("query.fvecs", queries)
        try writeTruth("truth.ivecs", rows, queries)
        #expect(try run("load", "t.ntl", "v", "base.fvecs").status == 0)
        return queries
    }

    @Test("an index is built, told of, used by another process, brought up to date, checked and dropped")
    func life() throws {
        let queries = try load()
        let build = try run("index", "t.ntl", "v", "--type", "hnsw", "--m", "8", "--ef-construction", "60", "--threads", "2")
        #expect(build.status == 0 && build.errors.isEmpty, "\(build.errors)")
        #expect(build.output.hasPrefix("Built an index of 'v': hnsw, m 8, efConstruction 60, sq8, 3,000 records, "), "\(build.output)")
        let vector = JSONText.list(queries[0].map { JSONText.number($0) })
        let search = try run("search", "t.ntl", "v", "--vector", vector, "--ef", "80")
        #expect(search.lines.last?.contains("records; hnsw with efSearch 80, recall about ") == true, "\(search.output)")
        let exact = try run("search", "t.ntl", "v", "--vector", vector, "--exact")
        #expect(exact.lines.last?.contains("exact scan of 3,000 records") == true)

        var random = SeededGenerator(seed: seed + 1)
        try write("more.fvecs", Self.vectors(500, dimension: 12, &random))
        let alone = try run("load", "t.ntl", "v", "more.fvecs")
        #expect(alone.status == 65 && alone.errors.contains("new files come behind the ones loaded before"), "\(alone.errors)")
        #expect(try run("load", "t.ntl", "v", "base.fvecs", "more.fvecs", "--resume").status == 0)
        let info = try run("info", "t.ntl")
        #expect(info.output.contains("hnsw, m 8, efConstruction 60, sq8, 3,000 records") && info.output.contains("recall@10 "), "\(info.output)")
        #expect(info.output.contains("500 newer records compared one by one"))
        let json = try object(run("info", "t.ntl", "--json").output)
        let index = ((json["collections"] as? [[String: Any]])?.first?["index"] as? [String: Any]) ?? [:]
        #expect(index["coveredCount"] as? Int == 3_000 && index["tailCount"] as? Int == 500 && (index["byteCount"] as? Int ?? 0) > 200_000)

        let optimize = try run("optimize", "t.ntl")
        #expect(optimize.status == 0 && optimize.output.hasPrefix("Brought the index of 'v' up to date: 500 records merged, 0 deleted taken out, in "))
        #expect(try run("optimize", "t.ntl", "v").output == "The index of 'v' is up to date.\n")
        let merged = try object(run("optimize", "t.ntl", "--json").output)
        #expect(merged["merged"] as? Int == 0 && (merged["index"] as? [String: Any])?["coveredCount"] as? Int == 3_500)
        #expect(try run("check", "t.ntl").status == 0)
        #expect(try run("index", "t.ntl", "v", "--drop").output == "Dropped the index of 'v'.\n")
        #expect(try run("index", "t.ntl", "v", "--drop").status == 64)
        #expect(try run("optimize", "t.ntl").output == "t.ntl has no index yet: 'needletail index' makes one.\n")
    }

    @Test("bench prints a line a setting, with the recall that the truth tells")
    func bench() throws {
        _ = try load()
        #expect(try run("index", "t.ntl", "v", "--type", "hnsw", "--json").status == 0)
        let base = ["bench", "t.ntl", "v", "--queries", "query.fvecs", "--seconds", "0.01"]
        func lines(_ arguments: String...) throws -> [[String: Any]] {
            let run = try ToolRun(base + ["--json"] + arguments, in: folder.url)
            #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
            return try run.lines.map(object)
        }
        let ladder = try lines("--truth", "truth.ivecs", "--ef", "10,200")
        #expect(ladder.map { $0["parameter"] as? String } == ["ef=10", "ef=200"])
        for line in ladder {
            #expect(line["index"] as? String == "hnsw" && line["k"] as? Int == 10 && line["threads"] as? Int == 1 && line["queries"] as? Int == 60)
            #expect((line["qps"] as? Double ?? 0) > 0 && (line["p99_us"] as? Double ?? 0) >= (line["p50_us"] as? Double ?? .infinity))
            #expect(line.count == 9)
        }
        #expect((ladder[1]["recall"] as? Double ?? 0) > 0.97)
        let mixed = try lines("--recall", "0.9", "--exact", "--threads", "2", "-k", "5")
        #expect(mixed.map { $0["parameter"] as? String } == ["recall=0.9", "exact"] && mixed.map { $0["index"] as? String } == ["hnsw", "exact"])
        #expect(mixed[1]["recall"] as? Double == 1 && mixed[1]["threads"] as? Int == 2)
        let filtered = try lines("--truth", "truth.ivecs", "--where", "id < 1000", "--ef", "100")
        #expect((filtered[0]["recall"] as? Double ?? 0) > 0.9)
        let table = try ToolRun(base + ["--truth", "truth.ivecs", "--ef", "50"], in: folder.url)
        #expect(table.lines.first?.hasPrefix("index  parameter  recall@10  queries/s") == true && table.lines.count == 3)
    }

    @Test("an ivfpq index is built, told of, measured, searched, brought up to date, trained anew, checked and dropped")
    func lists() throws {
        let vector = "[" + (try load())[0].map { "\($0)" }.joined(separator: ",") + "]"
        let build = try run("index", "t.ntl", "v", "--type", "ivfpq", "--nlist", "40", "--pq-subspaces", "6", "--seed", "3")
        #expect(build.status == 0 && build.errors.isEmpty, "\(build.errors)")
        #expect(build.output.hasPrefix("Built an index of 'v': ivfpq, 40 lists, 6 subspaces of 4 bits, 9."), "\(build.output)")
        let info = try run("info", "t.ntl").output
        #expect(info.contains("ivfpq, 40 lists, 6 subspaces of 4 bits, ") && info.contains(" at nprobe ") && info.contains("drift 1.00"), "\(info)")
        let search = try run("search", "t.ntl", "v", "--vector", vector, "--nprobe", "20", "--refine", "9")
        #expect(search.lines.last?.contains("records; ivfpq with nprobe 20, refineFactor 9, recall about ") == true, "\(search.output)")
        let wrong = try run("search", "t.ntl", "v", "--vector", vector, "--ef", "20")
        #expect(wrong.status == 64 && wrong.errors.contains("efSearch is for an hnsw index"), "\(wrong.errors)")

        let base = ["bench", "t.ntl", "v", "--queries", "query.fvecs", "--truth", "truth.ivecs", "--seconds", "0.01", "--json"]
        for (more, count) in [([], 9), (["--batch", "25"], 10)] {
            let bench = try ToolRun(base + ["--nprobe", "1,40", "--refine", "32", "--recall", "0.9"] + more, in: folder.url)
            #expect(bench.status == 0 && bench.errors.isEmpty, "\(bench.errors)")
            let lines = try bench.lines.map(object)
            #expect(lines.map { $0["parameter"] as? String } == ["nprobe=1,refine=32", "nprobe=40,refine=32", "recall=0.9"])
            #expect(lines.allSatisfy { $0.count == count && ($0["qps"] as? Double ?? 0) > 0 && $0["queries"] as? Int == 60 })
            #expect(lines[0]["index"] as? String == "ivfpq" && lines[1]["recall"] as? Double ?? 0 > 0.97, "\(lines)")
        }
        let other = try ToolRun(base + ["--ef", "20"], in: folder.url)
        #expect(other.status == 64 && other.errors.contains("an index of kind ivfpq, and --ef is for hnsw"), "\(other.errors)")

        var random = SeededGenerator(seed: seed + 1)
        try write("more.fvecs", Self.vectors(500, dimension: 12, &random))
        try write("many.fvecs", Self.vectors(9_500, dimension: 12, &random))
        #expect(try run("load", "t.ntl", "v", "base.fvecs", "more.fvecs", "--resume").status == 0)
        let optimize = try run("optimize", "t.ntl")
        #expect(optimize.output.hasPrefix("Brought the index of 'v' up to date: 500 records merged, 0 deleted taken out, in "), "\(optimize.output)")
        #expect(try run("optimize", "t.ntl", "v").output == "The index of 'v' is up to date.\n")
        #expect(try run("load", "t.ntl", "v", "base.fvecs", "more.fvecs", "many.fvecs", "--resume").status == 0)
        let grown = try object(run("optimize", "t.ntl", "--json").output)
        #expect(((grown["retraining"] as? [String: Any])?["growth"] as? [String: Any])?["ratio"] as? Double ?? 0 > 4, "\(grown)")
        #expect(grown["merged"] as? Int == 9_500 && (grown["index"] as? [String: Any])?["nlist"] as? Int == 40)
        #expect(try run("check", "t.ntl").status == 0)
        let few = try run("index", "t.ntl", "v", "--type", "ivfpq", "--nlist", "5000", "--json")
        #expect(try few.status == 0 && few.errors.contains("warning: ") && object(few.output)["nlist"] as? Int == 5_000, "\(few.errors)")
        #expect(try run("index", "t.ntl", "v", "--drop").output == "Dropped the index of 'v'.\n")
    }

    @Test("what cannot be asked of index and bench is refused, by exit status", arguments: [
        (["index", "t.ntl", "v"], 64, "--type hnsw"),
        (["index", "t.ntl", "v", "--type", "tree"], 64, "hnsw"),
        (["index", "t.ntl", "v", "--type", "hnsw", "--nlist", "8"], 64, "--nlist is for --type ivfpq"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--m", "8"], 64, "--m is for --type hnsw"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--nlist", "3001"], 64, "3,001 lists cannot be made of 3,000 records"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--pq-subspaces", "13"], 64, "cut into 12 at most"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--pq-subspaces", "7"], 64, "Ask for 6"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--pq-bits", "6"], 64, "codes of 6 bits"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--bytes-per-vector", "3"], 64, "3 bytes a vector"),
        (["index", "t.ntl", "v", "--type", "ivfpq", "--memory-limit", "1k"], 64, "of memory to build, more than the limit of 1,024 bytes"),
        (["index", "t.ntl", "v", "--drop", "--rotate"], 64, "--drop"),
        (["search", "t.ntl", "v", "--like", "1", "--nprobe", "2"], 64, "has none"),
        (["search", "t.ntl", "v", "--like", "1", "--nprobe", "2", "--recall", "0.9"], 64, "leave out one of the two"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--nprobe", "4"], 64, "has no index for --nprobe to set"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--refine", "4"], 64, "--refine goes with --nprobe"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--batch", "0"], 64, "--batch"),
        (["index", "t.ntl", "v", "--type", "hnsw", "--m", "1"], 64, "m of 1"),
        (["index", "t.ntl", "v", "--type", "hnsw", "--ef-construction", "8"], 64, "efConstruction of 8"),
        (["index", "t.ntl", "v", "--type", "hnsw", "--memory-limit", "1k"], 64, "MiB of memory to build, more than the limit of 1,024 bytes"),
        (["index", "t.ntl", "v", "--drop"], 64, "nothing to drop"),
        (["index", "t.ntl", "v", "--type", "hnsw", "--memory-limit", "lots"], 64, "memory-limit"),
        (["index", "t.ntl", "v", "--drop", "--m", "8"], 64, "--drop"),
        (["index", "t.ntl", "w", "--type", "hnsw"], 64, "no collection 'w'"),
        (["index", "none.ntl", "v", "--type", "hnsw"], 74, "none.ntl"),
        (["optimize", "t.ntl", "v"], 64, "has no index"),
        (["search", "t.ntl", "v", "--like", "1", "--ef", "20"], 64, "has none"),
        (["search", "t.ntl", "v", "--like", "1", "--ef", "20", "--exact"], 64, "efSearch does not apply"),
        (["search", "t.ntl", "v", "--like", "1", "-k", "30", "--ef", "20"], 64, "at least k"),
        (["bench", "t.ntl", "v", "--queries", "none.fvecs", "--exact"], 74, "none.fvecs"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--truth", "query.fvecs", "--exact"], 65, "query.fvecs"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--truth", "truth.ivecs", "-k", "11", "--exact"], 65, "recall@11"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--truth", "foreign.ivecs", "--exact"], 65, "record 3,000"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--exact", "--ef", "20"], 64, "has no index"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--ef", "20,5"], 64, "--ef"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--recall", "2"], 64, "--recall"),
        (["bench", "t.ntl", "v", "--queries", "query.fvecs", "--threads", "0"], 64, "--threads"),
    ])
    func refusals(arguments: [String], status: Int32, word: String) throws {
        _ = try load()
        try writeForeignTruth("foreign.ivecs")
        let run = try ToolRun(arguments, in: folder.url)
        #expect(run.status == status && run.output.isEmpty, "\(run.status) \(run.output)")
        #expect(run.errors.contains(word), "\(run.errors)")
    }

    @Test("a build that is killed or interrupted leaves the file as it was", arguments: [SIGKILL, SIGINT], ["hnsw", "ivfpq"])
    func killed(signal: Int32, type: String) throws {
        var random = SeededGenerator(seed: seed)
        try write("base.fvecs", Self.vectors(40_000, dimension: 32, &random))
        #expect(try run("load", "t.ntl", "v", "base.fvecs").status == 0)
        func used() throws -> Int { try object(run("info", "t.ntl", "--json").output)["usedByteCount"] as? Int ?? -1 }
        let before = try used()
        for _ in 0 ..< 3 {
            let build = try ToolRun.Running(["index", "t.ntl", "v", "--type", type], in: folder.url)
            // Lists are made in a tenth of the time.
            usleep(type == "hnsw" ? .random(in: 300_000 ... 900_000, using: &random) : .random(in: 30_000 ... 250_000, using: &random))
            kill(build.process.processIdentifier, signal)
            let ended = try build.end()
            // On a busy machine the signal may come before the tool has asked for it, or when all is done.
            if ended.status == 0 { return }
            if signal == SIGINT, ended.status != SIGINT {
                #expect(ended.status == 130 && ended.errors.contains("nothing is changed"), "\(ended.status) \(ended.errors)")
            }
            #expect(try run("check", "t.ntl").status == 0)
            #expect(try object(run("info", "t.ntl", "--json").output).description.contains("calibration") == false)
        }
        #expect(try used() == before)
    }

    @Test("info and the shell tell what real queries found, where a program let them be kept")
    func realQueries() async throws {
        var random = SeededGenerator(seed: seed)
        let vectors = Self.vectors(2_000, dimension: 8, &random)
        let database = try Database(path: folder.path("t.ntl"))
        let collection = try await database.createCollection("v", schema: Schema(dimension: 8))
        try await collection.insert(vectors.enumerated().map { Record(id: .int(Int64($0)), vector: $1) })
        try await collection.createIndex(.ivfpq(nlist: 20))
        try collection.keepQueries(100)
        _ = try collection.search(nearEach: Self.vectors(100, dimension: 8, &random))
        try await collection.optimize()
        database.close()
        for output in [try run("info", "t.ntl").output, try run("shell", "t.ntl", "-c", ".indexes").output] {
            let lines = output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            let first = try #require(lines.firstIndex { $0.hasPrefix("recall@10 ") }, "\(output)")
            #expect(lines[first + 1].hasPrefix("with real queries: recall@10 ") && lines[first + 1].contains(" at nprobe "), "\(output)")
        }
    }
}
