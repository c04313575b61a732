import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// Records in the order of a field, pages and facets, compared with a model.
@Suite struct OrderedRecordsTests {
    static let fields = [
        Field("flag", .bool, indexed: true), Field("count", .int, indexed: true), Field("price", .double, indexed: true),
        Field("taken", .timestamp, indexed: true), Field("label", .string, indexed: true), Field("tags", .strings),
        Field("plainCount", .int), Field("plainLabel", .string),
    ]

    static func record(_ id: RecordID, using random: inout SeededGenerator) -> Record {
        var fields: [String: Value] = [:]
        func maybe(_ name: String, _ value: Value) { if Int.random(in: 0 ..< 6, using: &random) > 0 { fields[name] = value } }
        maybe("flag", .bool(Bool.random(using: &random)))
        let count = Int64.random(in: -20 ... 20, using: &random)
        maybe("count", .int(count))
        maybe("plainCount", .int(count))
        maybe("price", .double([Double.nan, -0.0, 0, .infinity, Double(count) / 3, Double.random(in: -1 ... 1, using: &random)].randomElement(using: &random) ?? 0))
        maybe("taken", .timestamp(Timestamp(microsecondsSince1970: Int64.random(in: 0 ... 1 << 40, using: &random))))
        let number = Int.random(in: 0 ..< 30, using: &random)
        let label = number == 7 ? String(repeating: "long ", count: 100) + "\(count % 3)" : "wörd \(number)"
        maybe("label", .string(label))
        maybe("plainLabel", .string(label))
        maybe("tags", .strings((0 ..< Int.random(in: 0 ..< 4, using: &random)).map { _ in "tag \(Int.random(in: 0 ..< 5, using: &random))" }))
        return Record(id: id, vector: [Float.random(in: -1 ... 1, using: &random)], fields: fields)
    }

    /// Whether `a` comes before `b` in ascending order; neither is null.
    static func precedes(_ a: Value, _ b: Value) -> Bool {
        switch (a, b) {
        case (.bool(let a), .bool(let b)): !a && b
        case (.int(let a), .int(let b)): a < b
        case (.double(let a), .double(let b)): a.isNaN ? false : b.isNaN || a < b
        case (.timestamp(let a), .timestamp(let b)): a.microsecondsSince1970 < b.microsecondsSince1970
        case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
        default: false
        }
    }

    static func value(_ record: Record, _ field: String) -> Value? {
        guard field == "id" else { return record.fields[field] }
        switch record.id {
        case .int(let id): return .int(id)
        case .string(let id): return .string(id)
        }
    }

    /// The model's records in an order: a stable sort, reversed where it descends, nulls behind.
    static func sorted(_ records: [Record], by field: String, ascending: Bool) -> [Record] {
        func isBefore(_ a: Record, _ b: Record) -> Bool {
            guard let x = value(a, field), let y = value(b, field) else { return false }
            if case (.int, .string) = (x, y) { return true }
            return precedes(x, y)
        }
        let present = records.filter { value($0, field) != nil }
        let order = present.enumerated().sorted { isBefore($0.element, $1.element) || (!isBefore($1.element, $0.element) && $0.offset < $1.offset) }.map(\.element)
        return (ascending ? order : order.reversed()) + records.filter { value($0, field) == nil }
    }

    static func all(_ cursor: RecordCursor) throws -> [RecordID] {
        var ids: [RecordID] = []
        while let record = try cursor.next() { ids.append(record.id) }
        return ids
    }

    @Test("orders, pages and facets equal a model's after random changes", arguments: [1, 2, 3] as [UInt64])
    func model(seed: UInt64) async throws {
        print("OrderedRecordsTests seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let fixture = try Fixture()
        let things = try await fixture.database.createCollection("things", schema: Schema(dimension: 1, fields: Self.fields))
        var records: [Record] = []
        var made = 0
        func add(_ count: Int) async throws {
            var new: [Record] = []
            for _ in 0 ..< count {
                let number = made
                made += 1
                new.append(Self.record(number % 5 == 0 ? .string("key \(number * 7919 % 1000)-\(number)") : .int(Int64(number * 31 % 10_007) - 5000), using: &random))
            }
            try await things.insert(new, onConflict: .fail, durability: .relaxed)
            records += new
        }
        try await add(4096)
        try await add(700)
        for round in 0 ..< 3 {
            for _ in 0 ..< 200 {
                let position = Int.random(in: 0 ..< records.count, using: &random)
                let changed = Self.record(records[position].id, using: &random)
                var set: [String: Value] = [:]
                for field in ["count", "price", "label", "taken"] { set[field] = changed.fields[field] ?? .null }
                try await things.update(records[position].id, set: set, durability: .relaxed)
                for (name, value) in set {
                    // `= nil` would store null: a value can be written so.
                    if value.isNull { records[position].fields.removeValue(forKey: name) } else { records[position].fields[name] = value }
                }
            }
            let gone = Set((0 ..< 100).map { _ in records[Int.random(in: 0 ..< records.count, using: &random)].id })
            try await things.delete(Array(gone), durability: .relaxed)
            records.removeAll { gone.contains($0.id) }
            if round == 1 { try await add(4000) }

            let filters: [(Filter?, (Record) -> Bool)] = [
                (nil, { _ in true }), (.comparison(field: "plainCount", .less, 0), { ($0.fields["plainCount"]?.intValue ?? 0) < 0 }),
                (.comparison(field: "count", .equal, 3), { $0.fields["count"] == .int(3) }),
                (.hasPrefix(field: "label", "long"), { $0.fields["label"]?.stringValue?.hasPrefix("long") ?? false }),
            ]
            for (filter, passes) in filters {
                let matching = records.filter(passes)
                if let filter { #expect(try things.count(where: filter) == matching.count) }
                for field in Self.fields.map(\.name) + ["id"] where field != "tags" {
                    for ascending in [true, false] {
                        let expected = Self.sorted(matching, by: field, ascending: ascending).map(\.id)
                        let place = "round \(round), \(field), \(ascending), \(filter.map(String.init(describing:)) ?? "all")"
                        #expect(try Self.all(things.records(where: filter, orderBy: field, ascending: ascending, select: .none)) == expected, "\(place)")
                        let offset = Int.random(in: 0 ... 50, using: &random), limit = Int.random(in: 0 ... 200, using: &random)
                        let page = try things.records(where: filter, orderBy: field, ascending: ascending, limit: limit, offset: offset, select: .none)
                        #expect(try Self.all(page) == Array(expected.dropFirst(offset).prefix(limit)), "\(place)")
                        // Pages, each from the position of the one before, as text.
                        var paged: [RecordID] = []
                        var position: RecordPosition?
                        while true {
                            let cursor = try things.records(where: filter, orderBy: field, ascending: ascending, after: position, limit: 777, select: .none)
                            let ids = try Self.all(cursor)
                            paged += ids
                            guard ids.count == 777, let last = cursor.position else { break }
                            position = RecordPosition(last.description)
                            #expect(position == last)
                        }
                        #expect(paged == expected, "pages: \(place)")
                    }
                }
                for field in Self.fields {
                    let facets = try things.facets(of: field.name, where: filter)
                    var counts: [Value: Int] = [:]
                    for record in matching {
                        switch record.fields[field.name] {
                        case nil: break
                        case .strings(let list): for string in Set(list) { counts[.string(string), default: 0] += 1 }
                        case .double(let value): counts[value.isNaN ? .string("NaN") : .double(value + 0), default: 0] += 1
                        case .some(let value): counts[value, default: 0] += 1
                        }
                    }
                    #expect(facets.nullCount == matching.count { $0.fields[field.name] == nil })
                    #expect(facets.distinctCount == counts.count && facets.count == counts.count)
                    for facet in facets {
                        let key: Value = if case .double(let value) = facet.value, value.isNaN { "NaN" } else { facet.value }
                        #expect(counts[key] == facet.count, "\(field.name) \(facet.value)")
                    }
                    for (a, b) in zip(facets, facets.dropFirst()) {
                        #expect(a.count > b.count || (a.count == b.count && Self.precedes(a.value, b.value)))
                    }
                    // As text, in which a NaN equals itself.
                    let few = try things.facets(of: field.name, where: filter, limit: 3)
                    #expect(few.map { "\($0)" } == facets.prefix(3).map { "\($0)" } && few.distinctCount == facets.distinctCount)
                }
            }
        }
        #expect(try fixture.database.check().isEmpty)
    }

    @Test("a page goes on where the one before ended, whatever was written meanwhile")
    func stablePages() async throws {
        let fixture = try Fixture()
        let things = try await fixture.database.createCollection("things", schema: Schema(dimension: 1, fields: [Field("label", .string, indexed: true), Field("n", .int)]))
        func record(_ n: Int) -> Record { Record(id: .int(Int64(n)), vector: [1], fields: ["label": .string("m\(n % 10)"), "n": .int(Int64(n / 10))]) }
        try await things.insert((0 ..< 100).map(record), durability: .relaxed)
        for field in ["label", "n"] {
            let first = try things.records(orderBy: field, limit: 35)
            let ids = try Self.all(first)
            let position = try #require(first.position)
            // The last record of the page goes, and others come before and behind it.
            try await things.delete(ids[34])
            try await things.insert(Record(id: .string("before \(field)"), vector: [1], fields: ["label": "a", "n": -5]))
            try await things.insert(Record(id: .string("behind \(field)"), vector: [1], fields: ["label": "z", "n": 500]))
            let rest = try Self.all(things.records(orderBy: field, after: position))
            #expect(Set(rest).isDisjoint(with: ids))
            #expect(!rest.contains(.string("before \(field)")) && rest.last == .string("behind \(field)"))
            #expect(rest.count + ids.count + 1 == (try things.count()) + 1)
            try await things.delete([.string("before \(field)"), .string("behind \(field)")])
            try await things.insert(record(Int(try #require(ids[34].intValue))))
        }
        let arrival = try things.records(limit: 10, offset: 5)
        let ids = try Self.all(arrival)
        #expect(ids.count == 10)
        #expect(try Self.all(things.records(after: arrival.position)).count == 85)
    }

    @Test("filters through an ordered index find what a scan finds")
    func filters() async throws {
        var random = SeededGenerator(seed: 77)
        let fixture = try Fixture()
        let things = try await fixture.database.createCollection(
            "things", schema: Schema(dimension: 1, fields: [
                Field("n", .int, indexed: true), Field("m", .int), Field("x", .double, indexed: true), Field("y", .double),
                Field("s", .string, indexed: true), Field("t", .string), Field("b", .bool, indexed: true), Field("c", .bool),
            ]))
        // Enough rows for the index to be asked at all.
        for batch in 0 ..< 6 {
            let records = (0 ..< 10_000).map { row in
                let id = batch * 10_000 + row
                var fields: [String: Value] = [:]
                if row % 11 != 0 {
                    let n = Int64.random(in: 0 ..< 5000, using: &random)
                    let x = n % 100 == 0 ? Double.nan : Double(n) / 7 - 300
                    fields = [
                        "n": .int(n), "m": .int(n), "x": .double(x), "y": .double(x), "s": .string("s\(n % 900)"), "t": .string("s\(n % 900)"),
                        "b": .bool(n % 50 == 0), "c": .bool(n % 50 == 0),
                    ]
                }
                return Record(id: .int(Int64(id)), vector: [1], fields: fields)
            }
            try await things.insert(records, durability: .relaxed)
        }
        try await things.delete((0 ..< 3000).map { .int(Int64($0 * 13)) }, durability: .relaxed)
        try await things.update(where: Filter(parsing: "m < 40"), set: ["n": 4999, "m": 4999, "s": "changed", "t": "changed"], durability: .relaxed)
        for (indexed, plain) in [
            ("n = 77", "m = 77"), ("n < 20", "m < 20"), ("n BETWEEN 100 AND 180", "m BETWEEN 100 AND 180"), ("n IN (5, 70, 900)", "m IN (5, 70, 900)"),
            ("n > 4990", "m > 4990"), ("NOT (n < 4900)", "NOT (m < 4900)"), ("n < 4000", "m < 4000"), ("x < -299.5", "y < -299.5"),
            ("x = -300", "y = -300"), ("x IN (-300, -299, 7)", "y IN (-300, -299, 7)"), ("x > 414", "y > 414"), ("s = 's17'", "t = 's17'"),
            ("s LIKE 's88%'", "t LIKE 's88%'"), ("s IN ('s1', 's2', 'changed')", "t IN ('s1', 's2', 'changed')"), ("s < 's100'", "t < 's100'"),
            ("b", "c"), ("NOT b", "NOT c"), ("n IS NULL", "m IS NULL"), ("n = 77 OR s = 's3' AND NOT b", "m = 77 OR t = 's3' AND NOT c"),
            ("n < 300 AND x > -290 AND s LIKE 's1%'", "m < 300 AND y > -290 AND t LIKE 's1%'"), ("n != 3", "m != 3"),
        ] {
            let a = try things.ids(where: Filter(parsing: indexed)), b = try things.ids(where: Filter(parsing: plain))
            #expect(a == b, "\(indexed): \(a.count), \(b.count)")
        }
        #expect(try fixture.database.check().isEmpty)
    }

    @Test("what is wrong with an order is said")
    func errors() async throws {
        let fixture = try Fixture()
        let things = try await fixture.database.createCollection(
            "things", schema: Schema(dimension: 1, fields: [Field("price", .double, indexed: true), Field("tags", .strings), Field("n", .int)]))
        let others = try await fixture.database.createCollection("others", schema: Schema(dimension: 1, fields: [Field("n", .int)]))
        for collection in [things, others] { try await collection.insert((0 ..< 5).map { Record(id: .int($0), vector: [1], fields: ["n": .int($0)]) }) }
        func failure(_ body: () throws -> Void) -> NeedletailError? {
            do { try body() } catch { return error as? NeedletailError }
            return nil
        }
        let unknown = failure { _ = try things.records(orderBy: "prise") }
        #expect(unknown?.code == .unknownField && unknown?.message == "no field is named 'prise': did you mean 'price'?")
        #expect(failure { _ = try things.records(orderBy: "tags") }?.code == .typeMismatch)
        #expect(failure { _ = try things.records(orderBy: "n", limit: -1) }?.code == .invalidArgument)
        #expect(failure { _ = try things.records(offset: -1) }?.code == .invalidArgument)
        #expect(failure { _ = try things.facets(of: "tag") }?.message == "no field is named 'tag': did you mean 'tags'?")
        #expect(failure { _ = try things.facets(of: "n", limit: -2) }?.code == .invalidArgument)
        let cursor = try things.records(orderBy: "n", limit: 2)
        #expect(cursor.position == nil)
        _ = try Self.all(cursor)
        #expect(failure { _ = try things.records(orderBy: "price", after: cursor.position) }?.code == .invalidArgument)
        #expect(failure { _ = try things.records(orderBy: "n", ascending: false, after: cursor.position) }?.code == .invalidArgument)
        #expect(failure { _ = try others.records(orderBy: "n", after: cursor.position) }?.code == .invalidArgument)
        #expect(RecordPosition("nonsense") == nil)
        let refused = await #expect(throws: NeedletailError.self) {
            try await fixture.database.createCollection("lists", schema: Schema(dimension: 1, fields: [Field("tags", .strings, indexed: true)]))
        }
        #expect(refused?.code == .invalidArgument && refused?.message.contains("'tags' is a list of strings") == true)
    }
}
