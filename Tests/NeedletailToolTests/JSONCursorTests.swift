import NeedletailTestSupport
import NeedletailTool
import Testing

@Suite("JSON reader")
struct JSONCursorTests {
    @Test("values are read as what they are", arguments: [
        ("null", JSONValue.null), ("true", .bool(true)), (" false ", .bool(false)), ("0", .int(0)), ("-12", .int(-12)),
        ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)), ("9223372036854775808", .double(9223372036854775808)),
        ("1.5", .double(1.5)), ("1e3", .double(1000)), ("\"a\"", .string("a")), ("[]", .strings([])), ("[ \"a\" , \"b\"]", .strings(["a", "b"])),
        ("[1, -2.5,3e2]", .numbers([1, -2.5, 300])), ("[1,\"a\"]", .other("[1,\"a\"]")), ("[[1],[2]]", .other("[[1],[2]]")),
        ("{\"a\": {\"b\": []}}", .other("{\"a\": {\"b\": []}}")),
    ])
    func values(text: String, expected: JSONValue) throws {
        #expect(try JSONCursor.value(of: text) == expected)
    }

    @Test("escapes are resolved")
    func escapes() throws {
        #expect(try JSONCursor.value(of: #""a\"\\\/\b\f\n\r\té\ud83d\ude00ü""#) == .string("a\"\\/\u{8}\u{c}\n\r\té😀ü"))
    }

    @Test("what is no JSON is refused with its place", arguments: [
        ("", 0), ("nul", 0), ("01", 0), ("1.", 0), ("[1,]", 3), ("[1 2]", 3), ("{\"a\" 1}", 5), ("\"a", 2), ("\"\\x\"", 1), ("NaN", 0),
        ("[1, NaN]", 4), ("1 2", 2), ("\"\\ud83d\"", 1), ("-", 0), ("\"\u{1}\"", 1), ("{a:1}", 1),
    ])
    func malformed(text: String, offset: Int) {
        #expect { try JSONCursor.value(of: text) } throws: { error in
            let error = error as? JSONSyntaxError
            return error?.offset == offset
        }
    }

    @Test("deep nesting is refused, not followed")
    func deepNesting() {
        #expect(throws: JSONSyntaxError.self) { try JSONCursor.value(of: String(repeating: "[", count: 1_000_000)) }
    }

    @Test("numbers are rounded as the C library rounds them", arguments: [1, 2, 3] as [UInt64])
    func rounding(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0 ..< 4_000 {
            let float = Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random))
            guard float.isFinite else { continue }
            // The shortest text of the Float, of the same value as a Double, and digits at random.
            let digits = String(UInt64.random(in: 0 ... .max, using: &random), radix: 10)
            let cut = Int.random(in: 1 ... digits.count, using: &random)
            let exponent = Int.random(in: -30 ... 30, using: &random)
            for text in ["\(float)", "\(Double(float))", "\(digits.prefix(cut)).\(digits.dropFirst(cut))0e\(exponent)"] {
                guard case .numbers(let numbers) = try JSONCursor.value(of: "[\(text)]") else { continue }
                #expect(numbers == [Float(text) ?? .nan], "\(text), seed \(seed)")
                if case .double(let double) = try JSONCursor.value(of: text) {
                    #expect(double == Double(text), "\(text), seed \(seed)")
                }
            }
        }
    }

    @Test("no cut-off text and no changed byte makes it crash", arguments: [7] as [UInt64])
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let text = Array(#"{"id": 17, "name": "Zoë \u00e9 \ud83d\ude00", "tags": ["a", "b"], "v": [0.1, -2e-3, 3], "x": {"y": [null, true]}}"#.utf8)
        for _ in 0 ..< 20_000 {
            var bytes = Array(text.prefix(Int.random(in: 0 ... text.count, using: &random)))
            for _ in 0 ..< Int.random(in: 0 ... 3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0 ..< bytes.count, using: &random)] = UInt8.random(in: 0 ... 255, using: &random)
            }
            bytes.withUnsafeBytes { bytes in
                _ = try? JSONCursor.members(of: bytes) { _, _ in }
            }
        }
    }
}
