import Foundation
import Needletail
import NeedletailTestSupport
import NeedletailVision
import Testing

/// The documents promise what the code does.
@Suite("Documentation", .serialized)
struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test("every example between markers stands in its document, word for word")
    func examplesAreInTheDocuments() throws {
        let source = try text("Tests/DocumentationTests/Examples.swift")
        var examples: [(document: String, lines: [String])] = []
        var isInside = false
        for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if trimmed.hasPrefix("// begin ") {
                examples.append((String(trimmed.dropFirst("// begin ".count)), []))
                isInside = true
            } else if trimmed == "// end" {
                isInside = false
            } else if isInside {
                examples[examples.count - 1].lines.append(String(line.dropFirst(8)))
            }
        }
        #expect(examples.count >= 7)
        for example in examples {
            let code = example.lines.joined(separator: "\n").replacing("folder + \"/", with: "\"")
            #expect(try text(example.document).contains(code), "\(example.document) lacks:\n\(code)")
        }
    }

    @Test("the example of the landing page finds what it says")
    func landingPage() async throws {
        let folder = try TemporaryFolder()
        let results = try await Examples.colours(folder.url.path)
        #expect(results.map(\.id) == [2])
        #expect(abs(results[0].distance - 0.2449) < 0.0001)
        #expect(results.plan.description == "exact scan of 1 record")
    }

    @Test("the steps of Getting started run")
    func gettingStarted() async throws {
        let folder = try TemporaryFolder()
        try await Examples.articles(folder.path("articles.ntl"))
    }

    @Test("the steps of Choosing an index and of Recall run")
    func indexes() async throws {
        let folder = try TemporaryFolder()
        try await Examples.indexes(folder.path("articles.ntl"))
    }

    @Test("the Swift of Statements finds what it asks for")
    func statements() async throws {
        let folder = try TemporaryFolder()
        let results = try await Examples.statements(folder.path("photos.ntl"))
        #expect(results.map(\.rows) == [[["a", "cat", 0.25]], [["a", 0.25]], [["b", 1.25]]])
    }

    @Test("a filter in Swift and as text are equal")
    func filtering() throws {
        #expect(try Examples.filters())
    }

    @Test("the example of the README finds the same picture first")
    func readme() async throws {
        let folder = try TemporaryFolder()
        for (name, colour) in [("tom.jpg", [200, 120, 40]), ("rex.jpg", [30, 30, 160]), ("query.jpg", [205, 125, 45])] as [(String, [UInt8])] {
            let pixels = (0 ..< 64 * 64).flatMap { i in i / 64 % 16 < 8 ? colour : [255, 255, 255] }
            let jpeg = try ImageEncoder.jpeg(PixelImage(width: 64, height: 64, pixels: pixels), quality: 90)
            try jpeg.write(to: folder.url.appendingPathComponent(name))
        }
        let hits = try await Examples.pictures(folder.url.path)
        #expect(hits.map(\.id) == ["tom.jpg", "rex.jpg"])
    }

    @Test("the grammar in Filtering is that of the parser, line by line")
    func grammar() throws {
        let article = try text("Sources/Needletail/Needletail.docc/Filtering.md")
        let parser = try text("Sources/Needletail/Filter/FilterParser.swift")
        let lines = parser.split(separator: "\n").filter { $0.hasPrefix("//     ") }.map { $0.dropFirst(7) }
        #expect(lines.count > 10)
        for line in lines { #expect(article.contains(line), "Filtering.md lacks: \(line)") }
    }

    @Test("documents name only commands that this release has", arguments: [
        "README.md", "CHANGELOG.md", "tools/demo", "Sources/Needletail/Needletail.docc/ChoosingAnIndex.md",
        "Sources/Needletail/Needletail.docc/BulkLoading.md", "Sources/Needletail/Needletail.docc/Shell.md",
    ])
    func commands(document: String) throws {
        let known: Set = ["create", "load", "images", "index", "search", "bench", "info", "check", "optimize", "shell", "backup", "compact", "FILE"]
        for line in try text(document).split(separator: "\n") where line.hasPrefix("needletail ") {
            let command = line.split(separator: " ")[1]
            #expect(known.contains(String(command)), "\(document): \(line)")
        }
    }

    @Test("scripts are free of syntax errors", arguments: ["tools/setup", "tools/test", "tools/demo", "tools/shell-session", ".ci/run", "Benchmarks/run", "Benchmarks/data/setup"])
    func scripts(path: String) throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        shell.arguments = ["bash", "-n", Self.root.appendingPathComponent(path).path]
        try shell.run()
        shell.waitUntilExit()
        #expect(shell.terminationStatus == 0)
        #expect(FileManager.default.isExecutableFile(atPath: Self.root.appendingPathComponent(path).path))
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }
}
