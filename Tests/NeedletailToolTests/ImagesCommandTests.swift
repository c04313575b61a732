import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

@Suite("Pictures on the command line")
struct ImagesCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(_ arguments: String...) throws -> ToolRun { try ToolRun(arguments, in: folder.url) }

    /// A picture of stripes; the seed decides on colours and widths.
    private func writePicture(_ path: String, seed: UInt64, side: Int = 64) throws {
        var random = SeededGenerator(seed: seed)
        var colours: [[UInt8]] = []
        for _ in 0 ..< 3 { colours.append((0 ..< 3).map { _ in UInt8.random(in: 0 ... 255, using: &random) }) }
        let width = Int.random(in: 2 ... 16, using: &random)
        var pixels: [UInt8] = []
        for y in 0 ..< side {
            for x in 0 ..< side { pixels += colours[(x / width + y / (width * 2)) % 3] }
        }
        let url = URL(fileURLWithPath: folder.path(path))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try ImageEncoder.jpeg(PixelImage(width: side, height: side, pixels: pixels), quality: 90).write(to: url)
    }

    @Test("pictures go in, the same picture comes out first; a second run embeds what is new or changed")
    func wholePath() throws {
        for seed in 0 ..< 12 as Range<UInt64> { try writePicture("in/\(seed % 3 == 0 ? "a/b" : "c")/p\(seed).jpg", seed: seed) }
        try Data("Stripes of number 5.\nes.utf8=Rayas.\n".utf8).write(to: URL(fileURLWithPath: folder.path("in/c/p5.txt")))
        try Data("not a picture".utf8).write(to: URL(fileURLWithPath: folder.path("in/c/bad.png")))

        let first = try run("images", "p.ntl", "pictures", "in")
        #expect(first.status == 0 && first.output.hasPrefix("Embedded 12 pictures into 'pictures' in "))
        #expect(first.output.hasSuffix("; 1 could not be loaded.\n"))
        #expect(first.errors.contains("--model") && first.errors.contains("in/c/bad.png"))

        let found = try run("search", "p.ntl", "pictures", "--image", "in/c/p5.jpg", "-k", "3", "--json", "--sheet", "sheet.html")
        let best = try #require(found.lines.first)
        let hit = try #require(try JSONSerialization.jsonObject(with: Data(best.utf8)) as? [String: Any])
        let path = folder.url.resolvingSymlinksInPath().appendingPathComponent("in/c/p5.jpg").path
        let fields = try #require(hit["fields"] as? [String: Any])
        #expect((hit["id"] as? String)?.hasSuffix(path) == true && (hit["distance"] as? Double ?? 1) < 1e-3)
        #expect(fields["description"] as? String == "Stripes of number 5." && fields["category"] as? String == "c")
        #expect(fields["folder"] as? String == "c" && fields["width"] as? Int == 64 && fields["bytes"] as? Int ?? 0 > 0)
        let sheet = try String(contentsOfFile: folder.path("sheet.html"), encoding: .utf8)
        #expect(sheet.components(separatedBy: "data:image/jpeg;base64,").count == 5)

        let like = try run("search", "p.ntl", "pictures", "--like", "in/c/p5.jpg", "-k", "20", "--json", "--where", "category = 'a/b'")
        #expect(like.lines.count == 4)

        let second = try run("images", "p.ntl", "pictures", "in", "--strict")
        #expect(second.status == 65 && second.output.contains("Embedded 0 pictures") && second.output.contains("12 were there already"))
        try writePicture("in/c/p5.jpg", seed: 99, side: 80)
        try writePicture("in/new.jpg", seed: 100)
        #expect(try run("images", "p.ntl", "pictures", "in/.").output.hasPrefix("Embedded 2 pictures"))
        #expect(try run("info", "p.ntl").output.contains("records    13 (and 1 deleted"))
        #expect(try run("check", "p.ntl").status == 0)
    }

    @Test("Ctrl-C keeps what is embedded, kill loses little, and the next run goes on", arguments: [SIGINT, SIGKILL])
    func interrupted(signal: Int32) throws {
        for seed in 0 ..< 60 as Range<UInt64> { try writePicture("in/p\(seed).jpg", seed: seed, side: 300) }
        let running = try ToolRun.Running(["images", "p.ntl", "pictures", "in", "--threads", "1"], in: folder.url)
        Thread.sleep(forTimeInterval: 0.4)
        kill(running.process.processIdentifier, signal)
        let first = try running.end()
        if signal == SIGINT, first.status != 0 {
            #expect(first.status == 130 && first.errors.contains("goes on where this one ended"))
        }
        let second = try run("images", "p.ntl", "pictures", "in", "--json")
        #expect(second.status == 0, "\(second.errors)")
        #expect(try run("info", "p.ntl").output.contains("records    60\n"))
        #expect(try run("check", "p.ntl").status == 0)
    }

    @Test("another model's vectors are refused, with the remedy",
        .enabled(if: SharedData.exists("models/vit_tiny_patch16_224"), "needs the shared test data"))
    func otherModel() throws {
        let model = try #require(SharedData.url("models/vit_tiny_patch16_224")).path
        try writePicture("in/p.jpg", seed: 1)
        #expect(try run("images", "p.ntl", "pictures", "in").status == 0)
        for arguments in [["images", "p.ntl", "pictures", "in"], ["search", "p.ntl", "pictures", "--image", "in/p.jpg"]] {
            let refused = try ToolRun(arguments + ["--model", model], in: folder.url)
            #expect(refused.status == 65 && refused.errors.contains("needletail-mini") && refused.errors.contains("new collection"))
        }
        #expect(try run("images", "p.ntl", "large", "in", "--model", model).status == 0)
        let search = try run("search", "p.ntl", "large", "--image", "in/p.jpg")
        #expect(search.status == 65 && search.errors.contains("--model"))
        #expect(try run("search", "p.ntl", "large", "--image", "in/p.jpg", "--model", model).status == 0)
    }

    @Test("of real pictures, exactly the bad ones are listed",
        .enabled(if: SharedData.exists("images/index.jsonl"), "needs the shared test data"))
    func realPictures() throws {
        let pictures = try #require(SharedData.url("images"))
        let run = try run("images", "p.ntl", "pictures", pictures.path)
        #expect(run.status == 0)
        let index = try String(contentsOf: pictures.appendingPathComponent("index.jsonl"), encoding: .utf8)
        for line in index.split(separator: "\n") {
            let entry = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            guard let path = entry["path"] as? String, let isGood = entry["ok"] as? Bool, !path.hasSuffix(".gif") else { continue }
            #expect(run.errors.contains("/" + path) == !isGood, "\(path)")
        }
    }

    @Test("a picture whose path is longer than an id is found again by it; control characters in names do not reach the terminal")
    func oddNames() throws {
        let deep = (0 ..< 4).map { _ in String(repeating: "d", count: 130) }.joined(separator: "/")
        try writePicture("in/\(deep)/p.jpg", seed: 1)
        try writePicture("in/q.jpg", seed: 2)
        try Data("no picture".utf8).write(to: URL(fileURLWithPath: folder.path("in/a\u{1B}[2J\nb.png")))
        let images = try run("images", "p.ntl", "pictures", "in")
        #expect(images.status == 0 && !images.errors.contains("\u{1B}") && images.errors.contains("a [2J b.png"))
        let path = folder.url.resolvingSymlinksInPath().appendingPathComponent("in/\(deep)/p.jpg").path
        let like = try run("search", "p.ntl", "pictures", "--like", path, "--json")
        #expect(like.status == 0 && like.lines.count == 1, "\(like.errors)")
    }
}
