import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// A database in a folder of its own.
struct Fixture {
    let folder: TemporaryFolder
    let database: Database

    init() throws {
        folder = try TemporaryFolder()
        database = try Database(path: folder.path("test.ntl"))
    }

    static let fields: [Field] = [
        Field("flag", .bool), Field("count", .int), Field("price", .double), Field("taken", .timestamp),
        Field("label", .string), Field("tags", .strings),
    ]

    func collection(dimension: Int = 3, metric: Metric = .l2, element: ElementType = .f32) async throws -> Collection {
        try await database.createCollection("things", schema: Schema(dimension: dimension, metric: metric, element: element, fields: Self.fields))
    }
}

/// Runs `body` and checks the code of the error it throws.
func expect(_ code: NeedletailError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async {
    do {
        try await body()
        Issue.record("nothing was thrown; expected \(code)", sourceLocation: sourceLocation)
    } catch let error as NeedletailError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        #expect(!error.message.isEmpty, sourceLocation: sourceLocation)
    } catch {
        Issue.record("another error: \(error)", sourceLocation: sourceLocation)
    }
}

@Suite struct CollectionWriteTests {
    @Test("a range of more ids than a collection can have is refused", arguments: [0 ..< Int64.max, .min ..< .max])
    func impossibleRange(ids: Range<Int64>) async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        await expect(.tooLarge) { _ = try await things.insert(RecordBatch(ids: .range(ids), vectors: [])) }
    }

    static let full = Record(
        id: "full", vector: [1, 2, 3],
        fields: [
            "flag": true, "count": -7, "price": 2.5, "taken": .timestamp(Timestamp(microsecondsSince1970: 1_700_000_000_000_000)),
            "label": "cat", "tags": ["a", "b", "a"],
        ],
        payload: Data(#"{"a":[1,2]}"#.utf8), attachment: Data([1, 2, 3]))

    @Test func aPayloadThatIsNotJSONIsRefused() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await things.insert(Self.full)
        await expect(.invalidArgument) { try await things.setPayload(Data("{".utf8), of: "full") }
        #expect(try things.get("full") == Self.full)
        try await things.setPayload(nil, of: "full")
        #expect(try things.get("full")?.payload == nil)
    }

    @Test func idsThatDifferOnlyInTheirBytesAreTwo() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        let (composed, decomposed): (RecordID, RecordID) = ("caf\u{E9}", "cafe\u{301}")
        #expect(composed != decomposed)
        try await things.insert([Record(id: composed, vector: [1, 0, 0]), Record(id: decomposed, vector: [0, 1, 0])], onConflict: .replace)
        #expect(try things.count() == 2)
        #expect(try things.get(decomposed)?.vector == [0, 1, 0])
        #expect(Set([composed, decomposed]).count == 2)
    }

    @Test func aRecordComesBackAsItWasGiven() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await things.insert(Self.full)
        try await things.insert(Record(id: 5, vector: [0, 0, 0]))
        #expect(try things.get("full") == Self.full)
        #expect(try things.get(5) == Record(id: 5, vector: [0, 0, 0]))
        #expect(try things.get("5") == nil)
        #expect(try things.count() == 2)
        #expect(try things.attachment(of: "full") == Data([1, 2, 3]))
        #expect(try things.get("full", select: ["label"])?.fields == ["label": "cat"])
    }

    @Test func whatWasCommittedIsThereAfterReopening() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        var records: [Record] = []
        for i in 0 ..< 3_000 {
            records.append(Record(id: .int(Int64(i)), vector: [Float(i), 0, 1], fields: ["count": .int(Int64(i)), "label": .string("l\(i % 7)")]))
        }
        try await things.insert(records)
        _ = try await things.delete([3, 4, 9_999])
        _ = try await things.update(10, set: ["label": "new", "count": .null])
        fixture.database.close()

        let reopened = try Database(path: fixture.folder.path("test.ntl"), mode: .readOnly).collection("things")
        #expect(reopened.schema == things.schema)
        #expect(try reopened.count() == 2_998)
        #expect(try reopened.get(3) == nil)
        #expect(try reopened.get(10)?.fields == ["label": "new"])
        #expect(try reopened.get(2_999) == records[2_999])
        await expect(.readOnly) { try await reopened.insert(records[3]) }
    }

    @Test func anIdThatExistsIsRefusedAndNothingOfItsBatchIsWritten() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await things.insert(Record(id: 1, vector: [1, 1, 1]))
        await expect(.duplicateID) { try await things.insert([Record(id: 2, vector: [0, 0, 0]), Record(id: 1, vector: [2, 2, 2])]) }
        await expect(.duplicateID) { try await things.insert([Record(id: 3, vector: [0, 0, 0]), Record(id: 3, vector: [2, 2, 2])]) }
        #expect(try things.count() == 1)
        #expect(try things.get(2) == nil)
        #expect(try await things.insert([Record(id: 2, vector: [0, 0, 0]), Record(id: 1, vector: [2, 2, 2])], onConflict: .skip) == 1)
        #expect(try things.get(1)?.vector == [1, 1, 1])
        try await things.upsert(Record(id: 1, vector: [3, 3, 3], fields: ["label": "x"]))
        #expect(try things.get(1) == Record(id: 1, vector: [3, 3, 3], fields: ["label": "x"]))
        #expect(try things.count() == 2)
    }

    @Test func aBatchByColumnEqualsTheSameRecords() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(dimension: 2)
        let count = 5_000
        let vectors = (0 ..< 2 * count).map { Float($0) / 7 }
        try await things.insert(
            RecordBatch(
                ids: .range(100 ..< Int64(100 + count)), vectors: vectors,
                columns: [
                    "count": .int((0 ..< count).map { $0 % 3 == 0 ? nil : Int64($0) }),
                    "tags": .strings((0 ..< count).map { $0 % 2 == 0 ? ["even", "n\($0 % 10)"] : [] }),
                ]))
        for row in [0, 1, 2, 2_047, 2_048, 4_095, 4_096, 4_999] {
            var fields: [String: Value] = ["tags": row % 2 == 0 ? ["even", "n\(row % 10)"] : []]
            if row % 3 != 0 { fields["count"] = .int(Int64(row)) }
            #expect(try things.get(.int(Int64(100 + row))) == Record(id: .int(Int64(100 + row)), vector: [vectors[2 * row], vectors[2 * row + 1]], fields: fields))
        }
        #expect(try things.count(where: Filter(parsing: "tags CONTAINS 'n4'")) == 500)
    }

    @Test func badInputIsRefusedAndNamed() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(metric: .cosine)
        await expect(.dimensionMismatch) { try await things.insert(Record(id: 1, vector: [1])) }
        await expect(.invalidVector) { try await things.insert(Record(id: 1, vector: [1, .nan, 0])) }
        await expect(.invalidVector) { try await things.insert(Record(id: 1, vector: [1, .infinity, 0])) }
        await expect(.invalidVector) { try await things.insert(Record(id: 1, vector: [1e30, 0, 0])) }
        await expect(.zeroVector) { try await things.insert(Record(id: 1, vector: [0, 0, 0])) }
        await expect(.unknownField) { try await things.insert(Record(id: 1, vector: [1, 0, 0], fields: ["colour": "red"])) }
        await expect(.typeMismatch) { try await things.insert(Record(id: 1, vector: [1, 0, 0], fields: ["count": "red"])) }
        await expect(.typeMismatch) { _ = try await things.update(1, set: ["label": 3]) }
        await expect(.invalidArgument) { try await things.insert(Record(id: 1, vector: [1, 0, 0], payload: Data("{".utf8))) }
        await expect(.dimensionMismatch) { try await things.insert(RecordBatch(ids: .range(0 ..< 2), vectors: [1, 2, 3])) }
        await expect(.unknownCollection) { _ = try fixture.database.collection("thing") }
        await expect(.collectionExists) { _ = try await fixture.collection() }
        await expect(.invalidArgument) { _ = try await fixture.database.createCollection("x", schema: Schema(dimension: 0)) }
        await expect(.tooLarge) { try await things.insert(Record(id: .string(String(repeating: "x", count: 1_000)), vector: [1, 0, 0])) }
        #expect(try things.count() == 0)
        try await things.insert(Record(id: 1, vector: [1, 0, 0]))
        #expect(try things.count() == 1)
    }

    @Test(arguments: [ElementType.f16, .i8])
    func smallElementsRefuseWhatTheyCannotHold(element: ElementType) async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection(element: element)
        try await things.insert(Record(id: 1, vector: [1, -128, 100]))
        #expect(try things.get(1)?.vector == [1, -128, 100])
        await expect(.invalidVector) { try await things.insert(Record(id: 2, vector: [1, 1e6, 0])) }
        await expect(.invalidVector) { try await things.insert(Record(id: 2, vector: [1, .nan, 0])) }
        if element == .i8 {
            await expect(.invalidVector) { try await things.insert(Record(id: 2, vector: [0.5, 1, 0])) }
        }
    }

    @Test func writersOfManyTasksAllSucceed() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0 ..< 8 {
                group.addTask {
                    for i in 0 ..< 50 {
                        try await things.insert(Record(id: .int(Int64(task * 1_000 + i)), vector: [Float(task), Float(i), 0], fields: ["label": .string("t\(task)")]))
                        _ = try things.search(near: [0, 0, 0], k: 3)
                    }
                }
            }
            group.addTask {
                // A writer whose every call fails does not disturb the others.
                for _ in 0 ..< 50 { await expect(.duplicateID) { try await things.insert([Record(id: -1, vector: [0, 0, 0]), Record(id: -1, vector: [0, 0, 0])]) } }
            }
            try await group.waitForAll()
        }
        #expect(try things.count() == 400)
        #expect(try things.count(where: Filter(parsing: "label = 't3'")) == 50)
        #expect(try fixture.database.check() == [])
    }

    @Test func aSnapshotDoesNotSeeLaterWrites() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await things.insert(Record(id: 1, vector: [1, 1, 1], fields: ["label": "old"]))
        let before = try fixture.database.snapshot().collection("things")
        _ = try await things.update(1, set: ["label": "new"])
        try await things.insert(Record(id: 2, vector: [2, 2, 2]))
        _ = try await things.delete(1)
        #expect(try before.get(1)?.fields["label"] == "old")
        #expect(try before.count() == 1)
        #expect(try before.search(near: [0, 0, 0]).map(\.id) == [1])
        #expect(try things.search(near: [0, 0, 0]).map(\.id) == [2])
        await expect(.readOnly) { try await before.insert(Record(id: 3, vector: [0, 0, 0])) }
    }

    @Test func aDroppedCollectionIsGone() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        try await things.insert(Record(id: 1, vector: [1, 1, 1], fields: ["label": "old"], attachment: Data([1])))
        try await fixture.database.dropCollection("things")
        await expect(.unknownCollection) { _ = try things.count() }
        await expect(.unknownCollection) { try await things.insert(Record(id: 1, vector: [1, 1, 1])) }
        let again = try await fixture.collection()
        #expect(try again.count() == 0)
        await expect(.unknownCollection) { _ = try things.count() }
        #expect(try fixture.database.collectionNames() == ["things"])
    }

    @Test func recordsAreIteratedInOrderOfArrival() async throws {
        let fixture = try Fixture()
        let things = try await fixture.collection()
        for i in 0 ..< 20 { try await things.insert(Record(id: .int(Int64(i)), vector: [0, 0, Float(i)], fields: ["count": .int(Int64(i % 4))])) }
        _ = try await things.delete(where: Filter(parsing: "count = 1"))
        var ids: [RecordID] = []
        let cursor = try things.records(where: Filter(parsing: "count >= 1"), select: .none)
        while let record = try cursor.next() { ids.append(record.id) }
        #expect(ids == [2, 3, 6, 7, 10, 11, 14, 15, 18, 19])
        #expect(try await things.update(where: Filter(parsing: "count = 3"), set: ["label": "x"]) == 5)
        #expect(try things.ids(where: Filter(parsing: "label = 'x'")) == [3, 7, 11, 15, 19])
    }
}
