import Needletail
import NeedletailTool
import Testing

@Suite("Results in the shell")
struct ResultPrinterTests {
    private func result() throws -> QueryResult {
        let day = try #require(Timestamp(iso8601: "2024-01-31T12:00:00Z"))
        return QueryResult(
            columns: [
                .init("id", .id), .init("name", .value(.string)), .init("price", .value(.double)), .init("on", .value(.timestamp)),
                .init("tags", .value(.strings)), .init("embedding", .vector(dimension: 8)), .init("distance", .value(.double)),
            ],
            rows: [
                ["a/1.jpg", "Käse, \"gut\"", 4.5, .value(.timestamp(day)), .value(["x", "y"]), .vector([1, 0.25, -3, 0.1, 5, 6, 7, 8]), 0.24494896829128265],
                [7, "日本\n語", nil, nil, nil, nil, 0.0],
            ])
    }

    @Test("a table is aligned by the width of characters, with NULL and short vectors")
    func table() throws {
        #expect(ResultPrinter(mode: .table, width: nil).text(try result()) == """
            id       name         price  on                   tags  embedding                   distance
            ───────  ───────────  ─────  ───────────────────  ────  ──────────────────────────  ────────
            a/1.jpg  Käse, "gut"    4.5  2024-01-31 12:00:00  x, y  [1, 0.250, -3, 0.100, … 8]    0.2449
            7        日本 語       NULL  NULL                 NULL  NULL                          0.0000
            2 rows

            """)
    }

    @Test("a wide table is cut to the terminal, and says what is missing", arguments: [20, 40, 60, 80])
    func narrow(width: Int) throws {
        let text = ResultPrinter(mode: .table, width: width).text(try result())
        let lines = text.split(separator: "\n")
        #expect(lines.prefix(4).allSatisfy { TextWidth.of($0) <= width }, "\(text)")
        #expect(text.contains("No room for ") == (width < 78))
    }

    @Test("JSON has one object a row, every value whole")
    func json() throws {
        #expect(ResultPrinter(mode: .json, width: 20).text(try result()) == #"""
            {"id":"a/1.jpg","name":"Käse, \"gut\"","price":4.5,"on":"2024-01-31T12:00:00Z","tags":["x","y"],"embedding":[1,0.25,-3,0.1,5,6,7,8],"distance":0.24494897}
            {"id":7,"name":"日本\n語","price":null,"on":null,"tags":null,"embedding":null,"distance":0}

            """#)
    }

    @Test("CSV is that of RFC 4180")
    func csv() throws {
        #expect(ResultPrinter(mode: .csv, width: 20).text(try result()) == [
            "id,name,price,on,tags,embedding,distance",
            #"a/1.jpg,"Käse, ""gut""",4.5,2024-01-31T12:00:00Z,"[""x"",""y""]","[1,0.25,-3,0.1,5,6,7,8]",0.24494897"#,
            "7,\"日本\n語\",,,,,0", "",
        ].joined(separator: "\r\n"))
    }

    @Test("line mode has a value a line, and a blank one between rows")
    func line() throws {
        let text = ResultPrinter(mode: .line, width: nil).text(try result())
        #expect(text.hasPrefix("       id = a/1.jpg\n     name = Käse, \"gut\"\n    price = 4.5\n"))
        #expect(text.contains(" distance = 0.2449\n\n       id = 7\n     name = 日本 語\n    price = NULL\n"))
    }

    @Test("a plan is printed as it is; in JSON it is rows")
    func explanation() {
        let result = QueryResult(
            columns: [.init("plan", .value(.string))], rows: [["a"], ["  b"]], explanation: "a\n  b")
        #expect(ResultPrinter(mode: .table, width: 3).text(result) == "a\n  b\n")
        #expect(ResultPrinter(mode: .json, width: nil).text(result) == "{\"plan\":\"a\"}\n{\"plan\":\"  b\"}\n")
    }
}
