/// The statement as text that parses back to an equal one.
extension Statement: CustomStringConvertible {
    package var description: String {
        switch self {
        case .select(let select): select.description
        case .explain(let explain):
            "EXPLAIN " + (explain.analyze ? "ANALYZE " : "") + (explain.verify ? "VERIFY " : "") + explain.select.description
        case .insert(let insert): insert.description
        case .update(let update):
            "UPDATE \(update.collection) SET "
                + update.assignments.map { "\($0.field) = \($0.value)" }.joined(separator: ", ") + update.condition.clause
        case .delete(let delete): "DELETE FROM \(delete.collection)" + delete.condition.clause
        case .createCollection(let create): create.description
        case .dropCollection(let drop): "DROP COLLECTION " + (drop.ifExists ? "IF EXISTS " : "") + "\(drop.collection)"
        case .createIndex(let create):
            "CREATE INDEX ON \(create.collection)" + (create.method.map { " USING \($0)" } ?? "") + create.settings.clause
        case .dropIndex(let drop): "DROP INDEX " + (drop.ifExists ? "IF EXISTS " : "") + "ON \(drop.collection)"
        }
    }
}

extension SelectStatement: CustomStringConvertible {
    package var description: String {
        var text = "SELECT "
        if let collapse { text += "DISTINCT WITHIN \(collapse) " }
        text += columns.isEmpty ? "*" : columns.map(\.description).joined(separator: ", ")
        text += " FROM \(collection)" + condition.clause
        if let groupBy { text += " GROUP BY \(groupBy)" }
        switch order {
        case .distance(let distance): text += " ORDER BY \(distance)"
        case .field(let name, let isDescending): text += " ORDER BY \(name)" + (isDescending ? " DESC" : "")
        case .count(let isDescending): text += " ORDER BY COUNT(*)" + (isDescending ? " DESC" : "")
        case nil: break
        }
        if let limit { text += " LIMIT \(limit)" }
        if let offset { text += " OFFSET \(offset)" }
        return text + settings.clause
    }
}

extension SelectColumn: CustomStringConvertible {
    package var description: String {
        let source =
            switch source.content {
            case .all: "*"
            case .name(let name): Statement.name(name)
            case .count: "COUNT(*)"
            }
        return source + (alias.map { " AS \(Statement.name($0))" } ?? "")
    }
}

extension Distance: CustomStringConvertible {
    package var description: String { "\(vectorName) \(metric.content.symbol.rawValue) \(query)" }
}

extension Condition: CustomStringConvertible {
    package var description: String {
        var ordinal = -1
        let filter = filter.description { value in
            ordinal += 1
            return parameters[ordinal].map { "?\($0)" } ?? Filter.literal(value)
        }
        guard let radius else { return filter }
        let bound = (radius.distance?.description ?? "distance") + (radius.isStrict ? " < " : " <= ") + "\(radius.bound)"
        switch self.filter {
        case .and(let terms) where terms.isEmpty: return bound
        case .or: return "\(bound) AND (\(filter))"
        default: return "\(bound) AND \(filter)"
        }
    }
}

extension InsertStatement: CustomStringConvertible {
    package var description: String {
        let verb =
            switch onConflict {
            case .fail: "INSERT INTO "
            case .replace: "INSERT OR REPLACE INTO "
            case .skip: "INSERT OR IGNORE INTO "
            }
        let rows = rows.map { "(" + $0.map(\.description).joined(separator: ", ") + ")" }
        return verb + "\(collection) (" + columns.map(\.description).joined(separator: ", ") + ") VALUES " + rows.joined(separator: ", ")
    }
}

extension CreateCollectionStatement: CustomStringConvertible {
    package var description: String {
        let columns = columns.map { column in
            switch column.kind {
            case .vector(let dimension, let element): "\(column.name) VECTOR(\(dimension)) \(element.rawValue.uppercased())"
            case .field(let type, let isIndexed): "\(column.name) \(type.rawValue.uppercased())" + (isIndexed ? " INDEXED" : "")
            }
        }
        return "CREATE COLLECTION " + (ifNotExists ? "IF NOT EXISTS " : "") + "\(name) (" + columns.joined(separator: ", ") + ")"
            + settings.clause
    }
}

/// What is written differently in a statement than by itself.
package protocol StatementText {
    var statementText: String { get }
}

extension Located: CustomStringConvertible where Content: StatementText {
    package var description: String { content.statementText }
}

extension String: StatementText {
    /// The name, in quotes where it needs them.
    package var statementText: String { Statement.name(self) }
}

extension Term: StatementText {
    package var statementText: String {
        switch self {
        case .value(.strings(let strings)): "[" + strings.map { Filter.literal(.string($0)) }.joined(separator: ", ") + "]"
        case .value(let value): Filter.literal(value)
        case .vector(let vector): "[" + vector.map { String($0) }.joined(separator: ", ") + "]"
        case .record(let id): "record(\(id))"
        case .image(let name): "image(\(name))"
        case .parameter(let number): "?\(number)"
        }
    }
}

extension Optional<Condition> {
    fileprivate var clause: String { map { " WHERE \($0)" } ?? "" }
}

extension [Setting] {
    fileprivate var clause: String {
        isEmpty ? "" : " WITH (" + map { "\($0.name) = \($0.value)" }.joined(separator: ", ") + ")"
    }
}

extension Statement {
    /// Words that are read as more than a name in places where a name may stand.
    static let contextualWords: Set<String> = ["DISTINCT", "IF"]

    /// A name as it stands in a statement.
    package static func name(_ name: String) -> String {
        contextualWords.contains(name.uppercased()) ? "\"\(name)\"" : Filter.name(name)
    }
}

extension Metric {
    /// The operator that stands for it.
    var symbol: Token.Symbol {
        switch self {
        case .l2: .l2Distance
        case .cosine: .cosineDistance
        case .dot: .negativeDot
        }
    }

    /// The metric that the operator stands for, if it is one.
    init?(_ symbol: Token.Symbol) {
        switch symbol {
        case .l2Distance: self = .l2
        case .cosineDistance: self = .cosine
        case .negativeDot: self = .dot
        default: return nil
        }
    }
}
