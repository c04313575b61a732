import Needletail
import NeedletailTestSupport
import Testing

@Suite struct FilterEvaluationTests {
    @Test("a scan, a test of one slot and the definition agree on every row", arguments: 1 ... 24)
    func randomFilters(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sample = FilterSample()
        let rowCount = [0, 1, 63, 64, 65, 500, 1000, 9000][Int(seed) % 8]
        let table = FilterMemoryTable(sample, rowCount: rowCount, using: &random)
        let positions = Dictionary(uniqueKeysWithValues: sample.fields.enumerated().map { ($1.name, $0) })
        for _ in 0 ..< (rowCount > 1000 ? 20 : 100) {
            let filter = sample.filter(depth: Int.random(in: 0 ... 4, using: &random), using: &random)
            let program = try FilterProgram(BoundFilter(filter, fields: sample.fields), on: table)
            let expected = (0 ..< rowCount).map { slot in
                let outcome = FilterOracle.evaluate(filter) { name in
                    positions[name].map { table.rows[slot][$0] } ?? table.ids[slot].filterValue
                }
                return outcome == true
            }
            try expectEqual(program, expected, on: table, "seed \(seed): \(filter)", using: &random)
        }
    }

    private func expectEqual(
        _ program: FilterProgram, _ expected: [Bool], on table: FilterMemoryTable, _ message: String, using random: inout SeededGenerator
    ) throws {
        let slots = program.slots()
        for (slot, matches) in expected.enumerated() where !table.isDeleted(slot) {
            try #require(slots.contains(UInt32(slot)) == matches, "\(message), slot \(slot)")
            try #require(program.matches(UInt32(slot)) == matches, "\(message), slot \(slot) alone")
        }
        for slot in expected.indices where table.isDeleted(slot) { try #require(!slots.contains(UInt32(slot))) }
        try #require(slots.count == slots.words.reduce(0) { $0 + $1.nonzeroBitCount })
        if expected.count % 64 != 0 { #expect((slots.words.last ?? 0) >> UInt64(expected.count % 64) == 0) }
        // A stretch from the middle is the same as that part of the whole.
        guard slots.words.count > 1 else { return }
        let first = Int.random(in: 0 ..< slots.words.count, using: &random)
        let part = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: slots.words.count - first)
        defer { part.deallocate() }
        program.fill(part, from: first * 64)
        for slot in first * 64 ..< expected.count where !table.isDeleted(slot) {
            try #require((part[slot / 64 - first] >> UInt64(slot % 64) & 1 != 0) == expected[slot], "\(message), slot \(slot) in part")
        }
    }

    @Test("NOT of a comparison does not find null, IS NULL does")
    func threeValues() throws {
        var random = SeededGenerator(seed: 1)
        let sample = FilterSample()
        let table = FilterMemoryTable(sample, rowCount: 500, using: &random)
        func count(_ text: String) throws -> Set<Int> {
            let program = try FilterProgram(BoundFilter(Filter(parsing: text), fields: sample.fields), on: table)
            return Set((0 ..< table.slotCount).filter { program.matches(UInt32($0)) })
        }
        let nulls = Set((0 ..< table.slotCount).filter { table.rows[$0][0].isNull })
        #expect(!nulls.isEmpty)
        #expect(try count("flag IS NULL") == nulls)
        #expect(try count("NOT (flag = TRUE)").isDisjoint(with: nulls))
        #expect(try count("flag != TRUE") == count("NOT flag"))
        #expect(try count("flag = TRUE OR NOT flag = TRUE OR flag IS NULL").count == table.slotCount)
        #expect(try count("flag = TRUE OR TRUE").count == table.slotCount)
        #expect(try count("NOT (flag = TRUE AND FALSE)").count == table.slotCount)
        #expect(try count("flag NOT IN (TRUE, FALSE)").isEmpty)
        #expect(try count("flag IN ()").isEmpty)
        #expect(try count("NOT flag IN ()").count == table.slotCount)
    }

    @Test("a deep tree made by hand is refused or run, but does not crash")
    func deepTree() throws {
        var filter = Filter.field("count") == 1
        for _ in 0 ..< 900 { filter = .not(filter) }
        let sample = FilterSample()
        _ = try BoundFilter(filter, fields: sample.fields)
        for _ in 0 ..< 900 { filter = .not(filter) }
        let error = #expect(throws: NeedletailError.self) { try BoundFilter(filter, fields: sample.fields) }
        #expect(error?.code == .invalidArgument)
    }
}

@Suite struct FilterBindingTests {
    @Test("what does not fit the fields is refused with the reason")
    func errors() {
        let cases: [(String, NeedletailError.Code, String)] = [
            ("prcie < 3", .unknownField, "did you mean price?"),
            ("Label = 'x'", .unknownField, "did you mean label?"),
            ("zzzzzzzz = 1", .unknownField, "there are: flag, count"),
            ("price = 'x'", .typeMismatch, "is a double: it cannot be compared with the string 'x'"),
            ("label = 5", .typeMismatch, "single quotes"),
            ("flag = 1", .typeMismatch, "is a bool"),
            ("flag < TRUE", .typeMismatch, "has no order"),
            ("count = TRUE", .typeMismatch, "bool TRUE"),
            ("taken > 'soon'", .typeMismatch, "ISO 8601"),
            ("taken > 5", .typeMismatch, "date and time"),
            ("tags = 'x'", .typeMismatch, "CONTAINS"),
            ("label CONTAINS 'x'", .typeMismatch, "use = or LIKE"),
            ("count LIKE 'x%'", .typeMismatch, "no string"),
            ("price", .typeMismatch, "bool TRUE"),
            ("id = TRUE", .typeMismatch, "is the record's id"),
        ]
        for (text, code, part) in cases {
            let error = #expect(throws: NeedletailError.self) {
                try BoundFilter(try Filter(parsing: text), fields: FilterSample().fields)
            }
            #expect(error?.code == code, "\(text)")
            #expect(error?.message.contains(part) == true, "\(text): \(error?.message ?? "")")
        }
        let null = #expect(throws: NeedletailError.self) {
            try BoundFilter(.comparison(field: "count", .equal, .null), fields: FilterSample().fields)
        }
        #expect(null?.message.contains("IS NULL") == true)
    }

    @Test("a field named id hides the record's id")
    func fieldNamedID() throws {
        let error = #expect(throws: NeedletailError.self) { try BoundFilter(Filter.field("id") == 1, fields: [("id", .string)]) }
        #expect(error?.code == .typeMismatch)
    }
}
