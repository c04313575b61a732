import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// The article on statements promises what the parser does.
@Suite struct SQLDocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The statements of the article's examples.
    private static func examples() throws -> [String] {
        let article = try text("Sources/Needletail/Needletail.docc/Statements.md")
        let blocks = article.components(separatedBy: "```sql\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        return blocks.flatMap { StatementSplitter.statements(in: $0).map(\.text) }
    }

    @Test("the grammar in the article is that of the parser, line by line")
    func grammar() throws {
        let article = try Self.text("Sources/Needletail/Needletail.docc/Statements.md")
        let parser = try Self.text("Sources/Needletail/SQL/StatementParser.swift")
        let lines = parser.split(separator: "\n").filter { $0.hasPrefix("//     ") }.map { String($0.dropFirst(7)) }
        #expect(lines.count > 30)
        #expect(article.contains("```\n" + lines.joined(separator: "\n") + "\n```"))
    }

    @Test("every rule that the grammar names is there, or one of a filter's")
    func rules() throws {
        let parser = try Self.text("Sources/Needletail/SQL/StatementParser.swift")
        let lines = parser.split(separator: "\n").filter { $0.hasPrefix("//     ") }.map { String($0.dropFirst(7)) }
        let defined = Set(lines.filter { !$0.hasPrefix(" ") }.map { String($0.prefix { $0 != " " }) })
        var bare = ""
        for line in lines {
            // Terminals and comments name no rules.
            let parts = line.components(separatedBy: "(*")[0].components(separatedBy: "\"")
            bare += stride(from: 0, to: parts.count, by: 2).map { parts[$0] }.joined(separator: " ") + "\n"
        }
        let named = Set(bare.split { !$0.isLetter }.map(String.init))
        #expect(named.subtracting(defined).isSubset(of: ["filter", "name", "value", "string", "number", "word", "digits"]), "\(named.subtracting(defined))")
    }

    @Test("every example of the article parses, and its description to the same")
    func parsing() throws {
        let examples = try Self.examples()
        #expect(examples.count > 25)
        for example in examples {
            let (statement, _) = try StatementParser.parse(example)
            #expect(try StatementParser.parse(statement.description).statement == statement, "\(example)")
        }
    }

    @Test("the examples of the article run, one after the other")
    func running() async throws {
        let folder = try TemporaryFolder()
        let database = try Database(path: folder.path("x.ntl"))
        let options = QueryOptions(resolveImage: { _, _ in [0.1, 0.1, 0.1, 0.1] })
        for example in try Self.examples() {
            let statement = try database.prepare(example)
            // An id and a vector for INSERT, a vector for a search.
            let parameters: [any QueryParameter] = statement.parameterCount == 2 ? ["c.jpg", [0.5, 0.5, 0.5, 0.5]] : [[0.5, 0.5, 0.5, 0.5]]
            let result = try await statement.run(parameters: Array(parameters.prefix(statement.parameterCount)), options: options)
            #expect(result.changedCount != nil || !result.columns.isEmpty, "\(example)")
            // So many that indexes can be made of them.
            if example.contains("COLLECTION photos") {
                try await database.collection("photos").insert((0 ..< 400).map(Self.record))
            }
        }
    }

    private static func record(_ i: Int) -> Record {
        let vector: [Float] = (0 ..< 4).map { j in
            let place: Int = i * (j + 7) % 101
            return Float(place) / 100
        }
        return Record(id: .int(Int64(i)), vector: vector, fields: ["label": i % 3 == 0 ? "cat" : "wolf"])
    }

    @Test("the message of the article is the message")
    func message() async throws {
        let sample = try await SQLSample()
        let error = await sample.error("SELECT id FROM photos WHERE lable = 'cat'")
        let article = try Self.text("Sources/Needletail/Needletail.docc/Statements.md")
        #expect(article.contains("```\n\(error?.message ?? "-")\n```"), "\(error?.message ?? "")")
    }
}
