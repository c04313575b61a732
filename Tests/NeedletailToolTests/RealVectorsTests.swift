import Foundation
import NeedletailTestSupport
import NeedletailTool
import Testing

@Suite("Real vectors", .enabled(if: SharedData.exists("vectors"), "needs the shared test data"))
struct RealVectorsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Row `row` of a vector file, as the text of a JSON list.
    private func vector(_ file: VectorFile, row: Int) -> String {
        let floats = [Float](unsafeUninitializedCapacity: file.dimension) { buffer, count in
            file.copy(rows: row ..< row + 1, into: UnsafeMutableBufferPointer(rebasing: buffer[..<file.dimension]))
            count = file.dimension
        }
        return JSONText.list(floats.map { JSONText.number($0) })
    }

    /// The first `k` of row `row` of an `.ivecs` file.
    private func truth(_ path: String, row: Int, k: Int) throws -> [Int] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let numbers = data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count - 3, by: 4).map { Int(bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self)) }
        }
        let width = try #require(numbers.first) + 1
        return Array(numbers[row * width + 1 ..< row * width + 1 + k])
    }

    private func ids(_ run: ToolRun) throws -> [Int] {
        try run.lines.map { line in
            let hit = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return hit?["id"] as? Int ?? -1
        }
    }

    @Test("SIFT from .bvecs: the nearest are those of the ground truth")
    func sift() throws {
        let sift = try #require(SharedData.url("vectors/sift-200k")).path
        let load = try ToolRun(["load", "s.ntl", "sift", sift + "/base.bvecs"], in: folder.url)
        #expect(load.status == 0 && load.output.contains("Loaded 200,000 rows into 'sift' (128 dimensions, l2, f32, no fields)"))
        let queries = try VectorFile(path: sift + "/query.bvecs")
        for row in [0, 17, 999] {
            let run = try ToolRun(["search", "s.ntl", "sift", "--vector", vector(queries, row: row), "-k", "10", "--json"], in: folder.url)
            // Equal distances may come in another order.
            #expect(try Set(ids(run)).intersection(truth(sift + "/truth.ivecs", row: row, k: 10)).count >= 9)
        }
    }

    @Test("sentences from .npy with metadata: neighbours, and a filter on them")
    func sentences() throws {
        let minilm = try #require(SharedData.url("vectors/minilm-20k")).path
        let load = try ToolRun(
            ["load", "m.ntl", "packages", minilm + "/base.npy", "--metadata", minilm + "/base.jsonl", "--metric", "cosine"], in: folder.url)
        #expect(load.status == 0 && load.output.contains("384 dimensions, cosine, f16, 7 fields"), "\(load.errors)")
        let queries = try VectorFile(path: minilm + "/query.npy")
        for row in [0, 499] {
            let run = try ToolRun(["search", "m.ntl", "packages", "--vector", vector(queries, row: row), "-k", "10", "--json"], in: folder.url)
            #expect(try Set(ids(run)).intersection(truth(minilm + "/truth.ivecs", row: row, k: 10)).count >= 9)
        }
        let filtered = try ToolRun(
            ["search", "m.ntl", "packages", "--vector", vector(queries, row: 0), "-k", "20", "--json", "--fields", "section",
             "--where", "section = 'python' AND installed_size < 500"], in: folder.url)
        #expect(filtered.lines.count == 20 && filtered.lines.allSatisfy { $0.hasSuffix(#""fields":{"section":"python"}}"#) })
    }
}
