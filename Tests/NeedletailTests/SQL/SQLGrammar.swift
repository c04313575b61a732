import Needletail
import NeedletailTestSupport

/// Random statements, made by the grammar: each function writes one of its rules.
struct SQLGrammar {
    var random: SeededGenerator

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0 ..< one, using: &random) == 0 }
    private mutating func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0 ..< choices.count, using: &random)] }
    private mutating func list(_ count: ClosedRange<Int>, _ element: (inout SQLGrammar) -> String) -> String {
        (0 ..< Int.random(in: count, using: &random)).map { _ in element(&self) }.joined(separator: pick([", ", ","]))
    }
    /// A keyword, in one or the other case.
    private mutating func word(_ keyword: String) -> String { chance(4) ? keyword.lowercased() : keyword }
    private mutating func words(_ keywords: String) -> String { keywords.split(separator: " ").map { word(String($0)) }.joined(separator: " ") }

    mutating func statement() -> String {
        let text =
            switch Int.random(in: 0 ..< 10, using: &random) {
            case 0: words("EXPLAIN") + (chance(2) ? " ANALYZE" : "") + (chance(2) ? " VERIFY " : " ") + select()
            case 1: insert()
            case 2: "UPDATE \(name()) \(word("SET")) \(assignments())" + (chance(2) ? " WHERE " + condition(depth: 2) : "")
            case 3: words("DELETE FROM") + " \(name())" + (chance(2) ? " WHERE " + condition(depth: 3) : "")
            case 4: createCollection()
            case 5: createIndex()
            case 6: pick(["DROP COLLECTION ", "drop collection if exists ", "DROP INDEX ON ", "DROP INDEX IF EXISTS ON "]) + name()
            default: select()
            }
        return text + (chance(3) ? " ;" : "")
    }

    mutating func name() -> String {
        pick(["photos", "label", "a", "Größe", "\"order\"", "\"a \"\"b\"\" c\"", "_x1", "count", "record", "image", "\"distinct\"", "recall", "\"if\"", "vector", "with"])
    }

    private mutating func select() -> String {
        var text = word("SELECT") + " "
        if chance(6) { text += "DISTINCT WITHIN \(bound()) " }
        text += chance(3) ? "*" : list(1 ... 3) { $0.column() }
        text += " \(word("FROM")) \(name())"
        if chance(2) { text += " \(word("WHERE")) " + searchCondition() }
        if chance(5) { text += " \(words("GROUP BY")) \(name())" }
        if chance(2) { text += " \(words("ORDER BY")) " + order() }
        if chance(2) { text += " LIMIT \(chance(4) ? parameter() : "10")" + (chance(2) ? " OFFSET 3" : "") } else if chance(4) { text += " OFFSET ? LIMIT 4" }
        if chance(3) { text += " WITH " + settings() }
        return text
    }

    private mutating func column() -> String {
        let source = pick(["*", "id", "distance", "score", "COUNT(*)", "count ( * )", name(), name()])
        return source == "*" || chance(2) ? source : "\(source) AS \(name())"
    }

    private mutating func order() -> String {
        chance(3) ? pick([name(), "COUNT(*)"]) + pick(["", " ASC", " DESC"]) : distance() + (chance(4) ? " asc" : "")
    }

    private mutating func distance() -> String { "\(name()) \(pick(["<->", "<=>", "<#>"])) \(vector())" }

    private mutating func vector() -> String {
        switch Int.random(in: 0 ..< 6, using: &random) {
        case 0: "record(\(pick(["'a'", "17", "-3", parameter(), "'it''s'"])))"
        case 1: "image(\(pick(["'x.jpg'", parameter(), "''"])))"
        case 2: parameter()
        case 3: "'[1, -2.5]'"
        default: "[" + list(1 ... 4) { $0.pick(["1", "-0.5", "+3e-2", ".5", "1e-40", "3.4028235e38", "0"]) } + "]"
        }
    }

    private mutating func parameter() -> String { pick(["?", "?", "?1", "?7"]) }

    private mutating func bound() -> String { pick(["0.5", "1", "-3", parameter(), "1e-3"]) }

    /// A condition with, now and then, a bound on the distance.
    private mutating func searchCondition() -> String {
        guard chance(3) else { return condition(depth: 3) }
        let bound = (chance(3) ? "DISTANCE" : distance()) + pick([" < ", " <= "]) + bound()
        switch Int.random(in: 0 ..< 4, using: &random) {
        case 0: return bound
        case 1: return "\(bound) AND (" + condition(depth: 2) + ")"
        case 2: return "(" + condition(depth: 2) + ") AND (\(bound)) AND " + condition(depth: 0)
        default: return condition(depth: 0) + " AND " + bound
        }
    }

    mutating func condition(depth: Int) -> String {
        guard depth > 0, !chance(3) else { return predicate() }
        switch Int.random(in: 0 ..< 4, using: &random) {
        case 0: return "NOT " + condition(depth: depth - 1)
        case 1: return "(" + condition(depth: depth - 1) + ")"
        case 2: return condition(depth: depth - 1) + " \(word("AND")) " + condition(depth: depth - 1)
        default: return "(" + condition(depth: depth - 1) + " \(word("OR")) " + condition(depth: depth - 1) + ")"
        }
    }

    private mutating func predicate() -> String {
        let not = pick(["", " NOT"])
        return switch Int.random(in: 0 ..< 9, using: &random) {
        case 0: "\(name()) \(pick(["=", "==", "!=", "<>", "<", "<=", ">", ">="])) \(value())"
        case 1: "\(pick(["3", "-INFINITY", "'x'", "?"])) \(pick(["=", "<", ">="])) \(name())"
        case 2: "\(name())\(not) IN (" + list(0 ... 3) { $0.value() } + ")"
        case 3: "\(name())\(not) BETWEEN \(value()) AND \(value())"
        case 4: "\(name())\(not) LIKE \(pick(["'a%'", #"'100\%%'"#, parameter()]))"
        case 5: "\(name())\(not) CONTAINS \(pick(["'a'", parameter()]))"
        case 6: "\(name()) IS\(not) NULL"
        case 7: pick(["TRUE", "FALSE"])
        default: name()
        }
    }

    private mutating func value() -> String {
        pick(["1", "-17", "2.5", "1e-3", "'x'", "'it''s'", "TRUE", "false", "TIMESTAMP '2024-01-31'", "INFINITY", "?", parameter(), "9223372036854775807"])
    }

    private mutating func operand() -> String {
        pick([value(), value(), "NULL", vector(), "['a', 'b']", "[]", "[0.5, 1]"])
    }

    /// Different names: a field is set once.
    private mutating func names() -> [String] {
        let all = ["id", "a", "label", "\"order\"", "Größe"]
        return Array(all.shuffled(using: &random).prefix(Int.random(in: 1 ... 4, using: &random)))
    }

    private mutating func assignments() -> String { names().map { "\($0) = \(operand())" }.joined(separator: ", ") }

    private mutating func insert() -> String {
        let names = names()
        let rows = (0 ..< Int.random(in: 1 ... 3, using: &random)).map { _ in "(" + names.map { _ in operand() }.joined(separator: ", ") + ")" }
        return words(pick(["INSERT INTO", "INSERT OR REPLACE INTO", "INSERT OR IGNORE INTO"])) + " \(name()) (" + names.joined(separator: ", ") + ") VALUES "
            + rows.joined(separator: ",")
    }

    private mutating func createCollection() -> String {
        var columns = ["embedding VECTOR(\(pick([1, 384, 65_536])))" + pick(["", " F32", " f16", " I8"])]
        for name in names() where name != "id" {
            columns.append("\(name) \(pick(["INT", "text", "STRING[]", "DOUBLE", "Timestamp", "bool", "STRINGS"]))" + pick(["", " INDEXED"]))
        }
        return words(pick(["CREATE COLLECTION", "CREATE COLLECTION IF NOT EXISTS"])) + " \(name()) (" + columns.shuffled(using: &random).joined(separator: ", ") + ")"
            + (chance(2) ? " WITH (metric = \(pick(["cosine", "L2", "'dot'"])))" : "")
    }

    private mutating func createIndex() -> String {
        words("CREATE INDEX ON") + " \(name())"
            + pick(["", " WITH " + settings(), " USING hnsw", " USING HNSW " + settings(), " USING ivfpq WITH " + settings()])
    }

    private mutating func settings() -> String {
        let names = ["recall", "ef_search", "exact", "m", "quantization"].shuffled(using: &random).prefix(Int.random(in: 1 ... 3, using: &random))
        return "(" + names.map { name in chance(5) ? name : "\(name) = \(pick(["0.9", "40", "TRUE", "sq8", "'x y'", parameter(), "-1"]))" }.joined(separator: ", ") + ")"
    }
}
