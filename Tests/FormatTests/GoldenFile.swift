import Foundation
import Needletail

/// A database with every structure of the newest format version, made the same way each time but for its uuid and date.
///
/// Collection `everything` has sealed blocks and a tail of several segments; all field types with nulls; integer ids in a
/// run, single ones, and strings; payloads and attachments; long strings; deletions, replacements and updates.
/// The collection `bytes` has another element type, another metric and a model; the ids of `counted` are an open run.
enum GoldenFile {
    static let everything = Schema(
        dimension: 3, metric: .l2, element: .f32,
        fields: [
            Field("flag", .bool), Field("count", .int), Field("price", .double), Field("taken", .timestamp, indexed: true),
            Field("label", .string), Field("tags", .strings),
        ])

    static let bytes = Schema(
        dimension: 4, metric: .cosine, element: .i8, fields: [Field("label", .string)],
        model: EmbeddingModel(name: "a model", version: "2", checksum: "0123456789abcdef"))

    /// Two strings over 400 bytes, the same up to there.
    private static func longText(_ row: Int) -> String { String(repeating: "long é ", count: 60) + "\(row % 2)" }

    private static func text(_ row: Int) -> String {
        switch row % 10 {
        case 0: ""
        case 1: longText(row / 10)
        case 2: "caf\u{E9}"
        case 3: "cafe\u{301}"
        default: "text \(row % 9)"
        }
    }

    static func record(_ row: Int, id: RecordID) -> Record {
        var fields: [String: Value] = [:]
        if row % 7 != 6 { fields["flag"] = .bool(row % 2 == 0) }
        if row % 5 != 4 { fields["count"] = .int([.min, .max, 0, Int64(row), -Int64(row)][row % 5]) }
        if row % 6 != 5 { fields["price"] = .double([.infinity, -.infinity, .leastNonzeroMagnitude, Double(row) / 3, -1e300][row % 5]) }
        if row % 4 != 3 { fields["taken"] = .timestamp(Timestamp(microsecondsSince1970: Int64(row) * 86_400_000_000 - 1)) }
        if row % 8 != 7 { fields["label"] = .string(text(row)) }
        if row % 9 != 8 { fields["tags"] = .strings((0 ..< row % 4).map { text(row + $0) }) }
        return Record(
            id: id, vector: [Float(row), Float(row) / 8, -1], fields: fields,
            payload: row % 3 == 0 ? Data("{\"row\":\(row)}".utf8) : nil,
            attachment: row % 5 == 0 ? Data((0 ..< 3 + row % 7).map { UInt8(truncatingIfNeeded: row + $0) }) : nil)
    }

    static func small(_ row: Int) -> Record {
        Record(
            id: .string("é/\(row)"), vector: [Float(row - 2), -128, 127, 1],
            fields: row % 2 == 0 ? ["label": .string("label \(row)")] : [:])
    }

    static let counted = Schema(dimension: 2, metric: .dot, element: .f16)

    static func counted(_ row: Int) -> Record { Record(id: .int(Int64(row) + 1000), vector: [Float(row), 1]) }

    /// What the collection `everything` holds, in order of arrival.
    static var records: [Record] {
        var records = (0 ..< 100).map { record($0, id: .int(Int64($0) - 40)) }
        records += (100 ..< 140).map { record($0, id: .string("id \($0)")) }
        records += (140 ..< 145).map { record($0, id: .int(Int64($0) * 1000)) }
        let deleted: Set<RecordID> = [-40, -3, 20, 59, "id 110", "id 139"]
        records.removeAll { deleted.contains($0.id) }
        records.append(record(145, id: 20))
        for (id, change) in changes {
            guard let position = records.firstIndex(where: { $0.id == id }) else { continue }
            for (name, value) in change {
                records[position].fields[name] = value
                // A field that is null is not among those of a record.
                if value == .null { records[position].fields.removeValue(forKey: name) }
            }
        }
        for (id, payload) in payloads {
            guard let position = records.firstIndex(where: { $0.id == id }) else { continue }
            records[position].payload = payload
        }
        return records
    }

    /// Updates of a sealed record, of one in the tail, and of one with a string id.
    private static let changes: [(RecordID, [String: Value])] = [
        (-1, ["label": "changed", "tags": ["a", "b", "a"], "flag": .null]),
        (144_000, ["count": 77, "tags": ["c"], "price": .null]),
        ("id 105", ["tags": [], "label": .null, "taken": .timestamp(Timestamp(microsecondsSince1970: 1))]),
    ]

    private static let payloads: [(RecordID, Data?)] = [(0, Data("[1,2]".utf8)), (-37, nil), (143_000, Data("null".utf8))]

    static func write(to path: String) async throws {
        let new = try Database(path: path)
        _ = try await new.createCollection("dropped", schema: Schema(dimension: 2))
        _ = try await new.createCollection("everything", schema: everything)
        _ = try await new.createCollection("bytes", schema: bytes)
        _ = try await new.createCollection("counted", schema: counted)
        try await new.dropCollection("dropped")
        new.close()
        try useSmallBlocks(path)

        let database = try Database(path: path, mode: .readWrite)
        let things = try database.collection("everything")
        let run = (0 ..< 100).map { record($0, id: .int(Int64($0) - 40)) }
        try await things.insert(run)
        try await things.insert((100 ..< 140).map { record($0, id: .string("id \($0)")) })
        for row in 140 ..< 145 { try await things.insert(record(row, id: .int(Int64(row) * 1000))) }
        try await things.delete([-40, -3, 59, "id 110", "id 139"])
        try await things.upsert(record(145, id: 20))
        for (id, change) in changes { try await things.update(id, set: change) }
        for (id, payload) in payloads { try await things.setPayload(payload, of: id) }
        try await database.collection("bytes").insert((0 ..< 6).map(small))
        for row in 0 ..< 3 { try await database.collection("counted").insert(counted(row)) }
        database.close()
    }

    /// Gives the collections blocks of 64 rows. The format allows that with any vector; the engine itself would choose
    /// 4096 for vectors so short, and the file would be large.
    private static func useSmallBlocks(_ path: String) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let (large, small) = (Data("\"blockRows\":4096".utf8), Data("\"blockRows\":64  ".utf8))
        while let place = data.range(of: large) { data.replaceSubrange(place, with: small) }
        try data.write(to: URL(fileURLWithPath: path))
    }
}
