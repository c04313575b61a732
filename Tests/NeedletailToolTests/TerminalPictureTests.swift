import Foundation
import NeedletailTool
import NeedletailVision
import Testing

@Suite("Pictures on terminals")
struct TerminalPictureTests {
    private let fourPixels: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 0, 0]

    @Test("a picture of 2 × 2 as sixels")
    func smallSixel() {
        #expect(Sixel.encode(width: 2, height: 2, pixels: fourPixels)
            == "\u{1B}Pq\"1;1;2;2#0;2;100;0;0#1;2;0;100;0#2;2;0;0;100#0@A$#1?@$#2A\u{1B}\\")
    }

    @Test("rows beyond six begin a band, repeated columns are counted")
    func bands() {
        let pixels = [UInt8](repeating: 51, count: 10 * 7 * 3)
        #expect(Sixel.encode(width: 10, height: 7, pixels: pixels) == "\u{1B}Pq\"1;1;10;7#0;2;20;20;20#0!10~-#0!10@\u{1B}\\")
    }

    @Test("many colours become 252, and the mean stays")
    func manyColours() throws {
        var pixels: [UInt8] = []
        for y in 0 ..< 40 { for x in 0 ..< 40 { pixels += [UInt8(x * 6), UInt8(y * 6), UInt8((x + y) * 3)] } }
        let text = Sixel.encode(width: 40, height: 40, pixels: pixels)
        #expect(text.components(separatedBy: ";2;").count == 253)
        #expect(text.hasSuffix("\u{1B}\\") && text.unicodeScalars.allSatisfy { $0.isASCII })
    }

    @Test("kitty's protocol sends raw pixels in pieces, and leaves the cursor")
    func kitty() throws {
        let small = try PictureProtocol.kitty.draw(PixelImage(width: 2, height: 2, pixels: fourPixels), columns: 3, rows: 1, cell: .usual)
        #expect(small == "\u{1B}_Ga=T,q=2,f=24,s=2,v=2,c=3,r=1,C=1,m=0;/wAAAP8AAAD//wAA\u{1B}\\")
        let large = PixelImage(width: 64, height: 64, pixels: [UInt8](repeating: 9, count: 64 * 64 * 3))
        let parts = try PictureProtocol.kitty.draw(large, columns: 8, rows: 4, cell: .usual).components(separatedBy: "\u{1B}\\").dropLast()
        #expect(parts.count == 4 && parts.dropLast().allSatisfy { $0.contains("m=1;") } && parts.last?.hasPrefix("\u{1B}_Gm=0;") == true)
    }

    @Test("iTerm2's protocol sends the picture as a file")
    func iTerm2() throws {
        let text = try PictureProtocol.iTerm2.draw(PixelImage(width: 2, height: 2, pixels: fourPixels), columns: 3, rows: 2, cell: .usual)
        #expect(text.hasPrefix("\u{1B}]1337;File=inline=1;width=3;height=2;") && text.hasSuffix("\u{07}"))
        let data = try #require(Data(base64Encoded: String(text.dropLast().split(separator: ":").last ?? "")))
        #expect(try ImageDecoder.decode(data, name: "it").image.width == 2)
    }

    @Test("a terminal is known by its environment, or by what it answers", arguments: [
        (["TERM": "xterm-kitty"], "", "kitty"), (["TERM_PROGRAM": "iTerm.app"], "\u{1B}[?62;4c", "iTerm2"), (["LC_TERMINAL": "iTerm2"], "", "iTerm2"),
        ([:], "\u{1B}_Gi=31;OK\u{1B}\\\u{1B}[?62;c", "kitty"), ([:], "\u{1B}[?62;4;22c", "sixel"), ([:], "\u{1B}[?64;1c", nil), ([:], "", nil),
        ([:], "\u{1B}[?4;6c", nil), (["TMUX": "x", "KITTY_WINDOW_ID": "1"], "\u{1B}[?1;2c", nil), (["TMUX": "x"], "\u{1B}[?1;2;4c", "sixel"),
    ] as [([String: String], String, String?)])
    func detection(environment: [String: String], reply: String, expected: String?) {
        #expect(TerminalProbe.run(environment: environment) { _ in reply }.pictures?.rawValue == expected)
    }

    @Test("the size of a character is the terminal's, where it tells")
    func cellSize() {
        #expect(TerminalProbe.run(environment: [:]) { _ in "\u{1B}[6;18;9t\u{1B}[?1c" }.cell == CellSize(width: 9, height: 18))
        #expect(TerminalProbe.run(environment: [:]) { _ in "\u{1B}[6;0;9t\u{1B}[?1c" }.cell == .usual)
        #expect(CellSize.usual.fit(width: 128, height: 64, columns: 10, rows: 4) == (10, 3))
        #expect(CellSize.usual.fit(width: 1, height: 1000, columns: 10, rows: 4) == (1, 4))
    }

    @Test("a row stands beside its picture, one without a picture is a line as ever")
    func rows() throws {
        let jpeg = try ImageEncoder.jpeg(PixelImage(width: 8, height: 8, pixels: [UInt8](repeating: 200, count: 192)))
        let text = PicturedRows(.kitty, cell: .usual).text(header: ["id"], rows: [["a"], ["b"]], jpegs: [jpeg, nil])
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first == "            id" && lines.suffix(2) == ["            b", ""])
        #expect(text.contains("\u{1B}[4A\u{1B}7\u{1B}_Ga=T") && text.contains("\u{1B}\\\u{1B}8\n\u{1B}[12Ca\n\n\n"))
    }
}
