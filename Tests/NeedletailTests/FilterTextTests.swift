import Needletail
import NeedletailTestSupport
import Testing

@Suite struct FilterTextTests {
    @Test("text and builder give the same tree")
    func sameTree() throws {
        let price = Filter.field("price")
        let label = Filter.field("label")
        let pairs: [(String, Filter)] = [
            ("price < 10", price < 10),
            ("10 > price", price < 10),
            ("price <= -1.5e3", price <= -1500.0),
            ("price == 3 or price <> 4", price == 3 || price != 4),
            ("a = 1 AND b = 2 AND c = 3", .field("a") == 1 && .field("b") == 2 && .field("c") == 3),
            ("a = 1 AND (b = 2 AND c = 3)", .field("a") == 1 && (.field("b") == 2 && .field("c") == 3)),
            ("a = 1 OR b = 2 AND NOT c = 3", .field("a") == 1 || .field("b") == 2 && !(.field("c") == 3)),
            ("(a = 1 OR b = 2) AND c = 3", (.field("a") == 1 || .field("b") == 2) && .field("c") == 3),
            ("label IN ('cat', 'dog')", label.in(["cat", "dog"])),
            ("label NOT IN ('it''s')", !label.in(["it's"])),
            ("price IN (1, 2.5)", price.in([1, 2.5])),
            ("price BETWEEN 1 AND 2 AND label = 'x'", price.between(1, 2) && label == "x"),
            ("price NOT BETWEEN 1 AND 2.5", !price.between(1, 2.5)),
            ("label IS NULL AND price is not null", label.isNull && !price.isNull),
            ("tags CONTAINS 'cat' and tags not contains 'dog'", .field("tags").contains("cat") && !Filter.field("tags").contains("dog")),
            ("label LIKE 'ab%'", label.hasPrefix("ab")),
            (#"label LIKE '100\%\_\\%'"#, label.hasPrefix(#"100%_\"#)),
            ("\"a \"\"b\"\"\" = TRUE", .field("a \"b\"") == true),
            ("sold", .field("sold") == true),
            ("NOT sold AND TRUE", !(.field("sold") == true) && .and([])),
            ("taken >= TIMESTAMP '2024-01-31T12:00Z'", .field("taken") >= Timestamp(microsecondsSince1970: 1_706_702_400_000_000)),
            ("taken >= '2024-01-31'", .field("taken") >= "2024-01-31"),
            ("date '1970-01-01' < taken", .field("taken") > Timestamp(microsecondsSince1970: 0)),
            ("größe = +.5 -- a comment\n AND x = 5.", .field("größe") == 0.5 && .field("x") == 5.0),
            ("x < -infinity OR x = -9223372036854775808", .field("x") < -Double.infinity || .field("x") == Int64.min),
            ("price<-1", price < -1),
        ]
        for (text, filter) in pairs {
            #expect(try Filter(parsing: text) == filter, "\(text)")
            #expect(try Filter(parsing: filter.description) == filter, "\(filter)")
        }
    }

    @Test("variables of usual types make the literals that text makes")
    func builderConversions() {
        let limit = 10
        let names = ["a", "b"]
        let id: RecordID = "x"
        #expect((Filter.field("p") < limit) == (Filter.field("p") < 10))
        #expect(Filter.field("p").in(names) == Filter.field("p").in(["a", "b"]))
        #expect(Filter.field("p").between(limit, limit + 1) == Filter.field("p").between(10, 11))
        #expect((Filter.field("id") == id) == (Filter.field("id") == "x"))
        #expect((Filter.field("p") == nil) == Filter.field("p").isNull)
        #expect((Filter.field("p") != nil) == !Filter.field("p").isNull)
    }

    @Test("an error points at the character and says what was meant")
    func errors() {
        let cases: [(String, Int, String)] = [
            ("", 0, "expected a condition"),
            ("a = 1 ADN b = 2", 6, "did you mean AND?"),
            ("label LKIE 'a%'", 6, "did you mean LIKE?"),
            ("a = ", 4, "expected a value, found the end"),
            ("a = 'x", 4, "no closing '"),
            ("é = \"x\"", 4, "a string is written in single quotes: 'x'"),
            ("label = cat", 8, "'cat'"),
            ("a = NULL", 4, "write IS NULL"),
            ("a IN (1, NULL)", 9, "NULL"),
            ("a IN 1", 5, "'('"),
            ("a IN (1 2)", 8, "','"),
            ("(a = 1", 6, "')'"),
            ("a = 1)", 5, "found ')'"),
            ("a LIKE '%x'", 7, "prefix"),
            ("a LIKE 'x'", 7, "for equality use ="),
            ("a LIKE 'x_%'", 7, "prefix"),
            ("a IS 3", 5, "NULL or NOT NULL"),
            ("a = 9223372036854775808", 4, "64 bits"),
            ("a = 1e999", 4, "range of a double"),
            ("a = 1 & b = 2", 6, "write AND"),
            ("a = ‘x’", 4, "typographic"),
            ("order = 1", 0, "in double quotes"),
            ("a = 2024-01-01", 8, "end of the filter"),
            ("a b", 2, "operator"),
            ("a NOT = 3", 6, "IN, BETWEEN"),
            ("x = 12px", 4, "followed by a letter"),
            ("a = TIMESTAMP 'soon'", 14, "ISO 8601"),
            ("1 = 2", 4, "name of a field"),
        ]
        for (text, position, part) in cases {
            let error = #expect(throws: NeedletailError.self) { try Filter(parsing: text) }
            #expect(error?.code == .syntax, "\(text)")
            #expect(error?.position == position, "\(text): \(error?.message ?? "")")
            #expect(error?.message.contains(part) == true, "\(text): \(error?.message ?? "")")
        }
    }

    @Test("the message shows the line with a caret below the culprit")
    func caret() {
        let error = #expect(throws: NeedletailError.self) { try Filter(parsing: "a = 1\nAND\tb ! 2") }
        #expect(error?.message.hasSuffix("\n  AND b ! 2\n        ^") == true, "\(error?.message ?? "")")
        let long = "a = 1 AND " + String(repeating: "b = 2 AND ", count: 1000) + "? " + String(repeating: "x", count: 1000)
        let cut = #expect(throws: NeedletailError.self) { try Filter(parsing: long) }
        #expect(cut?.position == 10_010)
        #expect((cut?.message.count ?? .max) < 400)
    }

    @Test("what nests or lasts too long is refused, and a long chain is not")
    func limits() throws {
        let deep = String(repeating: "(", count: 100_000) + "a = 1" + String(repeating: ")", count: 100_000)
        #expect(throws: NeedletailError.self) { try Filter(parsing: deep) }
        #expect(throws: NeedletailError.self) { try Filter(parsing: String(repeating: "NOT ", count: 10_000) + "a") }
        let fits = String(repeating: "(", count: 150) + "a = 1" + String(repeating: ")", count: 150)
        #expect(try Filter(parsing: fits) == (Filter.field("a") == 1))
        let long = #expect(throws: NeedletailError.self) { try Filter(parsing: String(repeating: " ", count: 1 << 20) + "a") }
        #expect(long?.code == .tooLarge)
        let chain = try Filter(parsing: Array(repeating: "a = 1", count: 100_000).joined(separator: " OR "))
        let terms = if case .or(let terms) = chain { terms } else { [Filter]() }
        #expect(terms.count == 100_000, "a chain is one node")
    }

    @Test("a description parses back to an equal filter", arguments: 1 ... 20)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sample = FilterSample()
        for _ in 0 ..< 200 {
            let filter = sample.filter(depth: 4, allowNaN: false, using: &random)
            let text = filter.description
            let back = try Filter(parsing: text)
            #expect(back == filter, "seed \(seed): \(text) came back as \(back)")
        }
    }

    @Test("no text, however odd, does anything but parse or throw", arguments: 1 ... 10)
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pieces = [
            "a", "\"", "'", "''", "(", ")", ",", "=", "<", ">", "!", "<>", "<->", "AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "IS", "NULL",
            "1", "-", ".", "e", "1e", "TRUE", "TIMESTAMP", "--", "\n", "\u{301}", "🐈", "\0", "\\%", "%", "CONTAINS", "[", ";",
        ]
        for _ in 0 ..< 2000 {
            let text = (0 ..< Int.random(in: 0 ... 12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined(separator: Bool.random(using: &random) ? " " : "")
            do {
                let filter = try Filter(parsing: text)
                let back = try? Filter(parsing: filter.description)
                #expect(back == filter, "seed \(seed): \(text)")
            } catch {
                #expect(error.position.map { $0 <= text.count } == true, "seed \(seed): \(text)")
            }
        }
    }
}

@Suite struct ValueTests {
    @Test("timestamps in ISO 8601 are read exactly")
    func timestamps() {
        let cases: [(String, Int64?)] = [
            ("1970-01-01", 0), ("1970-01-01T00:00", 0), ("1970-01-01 00:00:00Z", 0), ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59.999999Z", -1), ("2024-02-29T12:34:56.5Z", 1_709_210_096_500_000), ("2000-02-29", 951_782_400_000_000),
            ("1970-01-01T00:00:00.123456789", 123_456), ("1970-01-01T00:00:00-0130", 5_400_000_000), ("1970-01-01T00:00:00+01", -3_600_000_000),
            ("0000-01-01", -62_167_219_200_000_000), ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999), ("+010000-01-01", 253_402_300_800_000_000),
            ("2023-02-29", nil), ("1900-02-29", nil), ("2024-13-01", nil), ("2024-1-1", nil), ("2024-01-01T24:00", nil), ("2024-01-01T", nil),
            ("2024-01-01T12", nil), ("2024-01-01T12:00:00.", nil), ("2024-01-01T12:00:00.1234567890", nil), ("2024-01-01 12:00 Z", nil),
            ("+999999-01-01", nil), ("-000000-01-01", nil), ("", nil), ("2024-01-01Z", nil),
        ]
        for (text, expected) in cases { #expect(Timestamp(iso8601: text)?.microsecondsSince1970 == expected, "\(text)") }
    }

    @Test("every timestamp comes back from its text")
    func timestampRoundTrip() {
        let seed: UInt64 = 7
        var random = SeededGenerator(seed: seed)
        var values: [Int64] = [.min, .min + 1, .max, 0, -1, 1, 999_999, -999_999, 86_400_000_000, -62_167_219_200_000_001]
        for _ in 0 ..< 10_000 { values.append(Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0 ... 60, using: &random)) }
        for value in values {
            let time = Timestamp(microsecondsSince1970: value)
            #expect(Timestamp(iso8601: time.iso8601) == time, "seed \(seed): \(value) \(time)")
        }
    }

    @Test("field types are found by their usual names")
    func fieldTypes() {
        for type in FieldType.allCases { #expect(FieldType(name: type.rawValue.uppercased()) == type) }
        #expect(FieldType(name: "INTEGER") == .int)
        #expect(FieldType(name: "text[]") == .strings)
        #expect(FieldType(name: "float") == .double)
        #expect(FieldType(name: "blob") == nil)
    }

    @Test("literals make the values they look like")
    func literals() {
        let values: [Value] = [nil, true, 1, 0.5, "a", ["a", "b"]]
        #expect(values == [.null, .bool(true), .int(1), .double(0.5), .string("a"), .strings(["a", "b"])])
        let ids: [RecordID] = [1, "1"]
        #expect(ids == [.int(1), .string("1")])
        #expect(ids.sorted() == ids)
    }
}
