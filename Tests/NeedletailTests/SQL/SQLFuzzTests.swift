import Foundation
import Needletail
import NeedletailTestSupport
import Testing

/// `NEEDLETAIL_SQL_ROUNDS=N swift test --filter SQLFuzzTests` runs N rounds, `NEEDLETAIL_SQL_SEED` repeats a seed.
@Suite struct SQLFuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let rounds = environment["NEEDLETAIL_SQL_ROUNDS"].flatMap { Int($0) } ?? 1_000
    static let seed = environment["NEEDLETAIL_SQL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1 ... 1_000_000)

    @Test("a statement of the grammar parses, and so does its description, to an equal statement")
    func roundTrip() throws {
        print("SQLFuzzTests.roundTrip: \(Self.rounds) rounds, NEEDLETAIL_SQL_SEED=\(Self.seed)")
        var grammar = SQLGrammar(random: SeededGenerator(seed: Self.seed))
        for _ in 0 ..< Self.rounds {
            let text = grammar.statement()
            do {
                let (statement, parameterCount) = try StatementParser.parse(text)
                let (back, _) = try StatementParser.parse(statement.description)
                #expect(back == statement, "seed \(Self.seed): \(text)\ncame back as \(back)")
                #expect(back.description == statement.description, "seed \(Self.seed): \(text)")
                #expect(parameterCount >= 0 && (parameterCount > 0) == text.contains("?"))
            } catch {
                Issue.record("seed \(Self.seed): \(text)\n\(error)")
                return
            }
        }
    }

    @Test("no statement, however broken, does anything but run or throw an error that points into it")
    func mutations() async throws {
        print("SQLFuzzTests.mutations: \(Self.rounds) rounds, NEEDLETAIL_SQL_SEED=\(Self.seed)")
        let sample = try await SQLSample()
        var grammar = SQLGrammar(random: SeededGenerator(seed: Self.seed))
        for round in 0 ..< Self.rounds {
            let text = round % 4 == 0 ? Self.noise(&grammar.random) : Self.mutated(grammar.statement(), &grammar.random)
            do {
                let statement = try sample.database.prepare(text)
                #expect(try sample.database.prepare(statement.description).description == statement.description, "seed \(Self.seed): \(text)")
                // What it finds is not looked at: no name of the grammar is in the sample but by chance.
                if statement.isReadOnly {
                    _ = try statement.read(parameters: (0 ..< statement.parameterCount).map { _ in Self.parameter(&grammar.random) })
                }
            } catch {
                guard let position = error.position else { continue }
                #expect(position <= text.count, "seed \(Self.seed): \(text)")
                #expect((error.line ?? 0) >= 1 && (error.column ?? 0) >= 1, "seed \(Self.seed): \(text)")
            }
            Self.checkSplitting(of: text)
        }
    }

    /// A text is cut into the same statements however it arrives.
    private static func checkSplitting(of text: String) {
        let whole = StatementSplitter.statements(in: text)
        var splitter = StatementSplitter()
        var pieces: [StatementSplitter.Statement] = []
        for scalar in text.unicodeScalars {
            splitter.append(String(scalar))
            while let statement = splitter.next() { pieces.append(statement) }
        }
        if let rest = splitter.finish() { pieces.append(rest) }
        #expect(pieces == whole, "seed \(seed): \(text)")
    }

    private static let pieces = [
        "SELECT", "FROM", "WHERE", "photos", "label", "embedding", "id", "COUNT(*)", "<->", "<=>", "[", "]", "[1, 2]", "(", ")", ",", ";", "'", "''", "\"", "?", "?2",
        "ORDER BY", "GROUP BY", "LIMIT", "WITH", "=", "<", "-", "--", "\n", "1", "1e", "e9", ".", "*", "NOT", "AND", "OR", "NULL", "IN", "record(", "image(", "🐈", "\u{301}", "\0", "\u{FEFF}",
        "INSERT INTO", "VALUES", "UPDATE", "SET", "DELETE", "CREATE COLLECTION", "INDEX", "DROP", "EXPLAIN", "ANALYZE", "DISTINCT WITHIN", "distance", "year", "sold", "'cat'", "2020",
    ]

    private static func noise(_ random: inout SeededGenerator) -> String {
        if Bool.random(using: &random) {
            return String(decoding: (0 ..< Int.random(in: 0 ... 40, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }, as: UTF8.self)
        }
        return (0 ..< Int.random(in: 0 ... 16, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined(separator: " ")
    }

    /// The text with bytes changed, cut out, doubled, or pieces put in; with a name of the sample for a name of the grammar.
    private static func mutated(_ text: String, _ random: inout SeededGenerator) -> String {
        var bytes = Array(text.replacing(" a ", with: " embedding ").replacing("_x1", with: "photos").utf8)
        for _ in 0 ..< Int.random(in: 0 ... 3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0 ..< bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1 ... 8, using: &random))
            switch Int.random(in: 0 ..< 4, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes.removeSubrange(place ..< end)
            case 2: bytes.insert(contentsOf: bytes[place ..< end], at: place)
            default: bytes.insert(contentsOf: (pieces.randomElement(using: &random) ?? "").utf8, at: place)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func parameter(_ random: inout SeededGenerator) -> any QueryParameter {
        let parameters: [any QueryParameter] = [1, 0, -1, Int64.max, 0.5, Double.nan, "cat", "a%", [0.5, 1], [1.0], ["a", "b"], Value.null, true, Timestamp.now]
        return parameters[Int.random(in: 0 ..< parameters.count, using: &random)]
    }
}
