import Foundation
import NeedletailTool
import Testing

@Suite("Output")
struct OutputTests {
    @Test("a table is aligned, and cut to the terminal's width")
    func table() {
        var table = Table([
            .init("#", alignment: .right, minimum: .max), .init("id", cut: .start), .init("distance", alignment: .right, minimum: .max), .init("label"),
        ])
        table.rows = [["1", "pictures/animals/birds/parrot.png", "0.0312", "a 图 wide\none"], ["10", "b.png", "1.5000", "cat"]]
        #expect(table.lines(width: nil) == [
            " #  id                                 distance  label",
            "──  ─────────────────────────────────  ────────  ─────────────",
            " 1  pictures/animals/birds/parrot.png    0.0312  a 图 wide one",
            "10  b.png                                1.5000  cat",
        ])
        let narrow = table.lines(width: 44)
        #expect(narrow.allSatisfy { TextWidth.of($0) <= 44 })
        #expect(narrow[2].contains("…ds/parrot.png") || narrow[2].contains("/parrot.png"))
    }

    @Test("progress on terminals of every width", arguments: [4, 10, 20, 40, 60, 80, 200])
    func progress(width: Int) {
        let line = ProgressBar.line(label: "loading", unit: "rows", done: 250_000, total: 1_000_000, seconds: 2, width: width)
        #expect(TextWidth.of(line) < width)
        if width >= 20 { #expect(line.contains("25%")) }
        if width >= 80 { #expect(line.contains("125k rows/s") && line.contains("0:06 left") && line.contains("█")) }
    }

    @Test("numbers as people read them")
    func format() {
        #expect(Format.count(1_234_567) == "1,234,567" && Format.count(-12) == "-12" && Format.count(999) == "999")
        #expect(Format.bytes(1023) == "1023 B" && Format.bytes(1536) == "1.5 KiB" && Format.bytes(1 << 40) == "1.0 TiB" && Format.bytes((1 << 20) - 1) == "1.0 MiB")
        #expect(Format.decimal(-0.00001, digits: 4) == "0.0000" && Format.decimal(1.25, digits: 1) == "1.3" && Format.decimal(-2.5, digits: 2) == "-2.50")
        #expect(Format.short(950) == "950" && Format.short(1234) == "1.2k" && Format.short(85_300) == "85k" && Format.short(3_400_000) == "3.4M")
        #expect(Format.clock(59.2) == "1:00" && Format.clock(3723) == "1:02:03" && Format.seconds(0.421) == "0.42 s")
        #expect(Format.counted(1, "picture") == "1 picture" && Format.counted(1200, "picture") == "1,200 pictures")
    }

    @Test("text is cut at characters, not inside them")
    func fit() {
        #expect(TextWidth.fit("abcdef", width: 4) == "abc…" && TextWidth.fit("abcdef", width: 4, cut: .start) == "…def")
        #expect(TextWidth.fit("图图图", width: 4) == "图…" && TextWidth.of("e\u{301}") == 1 && TextWidth.of("👩‍👩‍👧") == 2)
    }

    @Test("JSON strings are escaped")
    func json() {
        #expect(JSONText.string("a\"\\\n\u{1}ü") == "\"a\\\"\\\\\\n\\u0001ü\"")
        #expect(JSONText.number(Float(0.1)) == "0.1" && JSONText.number(Double.nan) == "null" && JSONText.number(3.0) == "3")
    }

    @Test("a sheet escapes what comes from outside")
    func sheet() {
        let sheet = ResultSheet(
            collection: "<c>", database: "d.ntl", question: "q\"<script>.png", picture: nil, facts: [("where", "a < 'b'")],
            hits: [.init(rank: 1, id: "x/<b>.png", distance: "0.1", fields: [("name", "<i>&")], thumbnail: Data([1, 2, 3]))])
        #expect(!sheet.html.contains("<script>") && !sheet.html.contains("<b>") && !sheet.html.contains("<i>"))
        #expect(sheet.html.contains("data:image/jpeg;base64,AQID"))
    }

    @Test("names cannot steer the terminal or look like several messages")
    func controlCharacters() {
        #expect(InputError("a\n\u{1B}[2Jb.png", .line(3), "odd").description == "a  [2Jb.png:3: odd")
        #expect(TextWidth.printable("a\u{1B}b\nc\u{9B}", keepsLines: true) == "a b\nc ")
        #expect(JSONText.string("\u{9B}\u{7F}") == #""\u009b\u007f""#)
    }
}
