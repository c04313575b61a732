/// A statement as it was written: names are not looked up, parameters not filled in.
///
/// Two statements are equal if they say the same, wherever their words stand. The ``description`` is a statement that parses back
/// to an equal one.
package enum Statement: Hashable, Sendable {
    case select(SelectStatement)
    case explain(ExplainStatement)
    case insert(InsertStatement)
    case update(UpdateStatement)
    case delete(DeleteStatement)
    case createCollection(CreateCollectionStatement)
    case dropCollection(DropStatement)
    case createIndex(CreateIndexStatement)
    case dropIndex(DropStatement)
}

/// `SELECT`.
package struct SelectStatement: Hashable, Sendable {
    /// `DISTINCT WITHIN`: of records nearer to each other than this, only the one that comes first.
    package var collapse: Operand?
    /// What each row holds; empty for `*` alone.
    package var columns: [SelectColumn] = []
    package var collection: Name
    package var condition: Condition?
    package var groupBy: Name?
    package var order: SelectOrder?
    package var limit: Operand?
    package var offset: Operand?
    /// `WITH (…)`: the recall that is asked for, and the like.
    package var settings: [Setting] = []
}

/// A column of `SELECT`.
package struct SelectColumn: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        /// `*`: the id, all fields, and the distance if there is one.
        case all
        /// A field, the vector, `id`, `distance` or `score`.
        case name(String)
        /// `COUNT(*)`.
        case count
    }

    package var source: Located<Source>
    /// The name behind `AS`.
    package var alias: String?
}

/// `ORDER BY`.
package enum SelectOrder: Hashable, Sendable {
    /// By the distance to a vector, the nearest first.
    case distance(Distance)
    /// By a field, the id, or the distance of a radius search.
    case field(Name, isDescending: Bool)
    /// By the number of records in each group.
    case count(isDescending: Bool)
}

/// `embedding <-> [0.1, 0.2]`: how far a record's vector is from another.
package struct Distance: Hashable, Sendable {
    package var vectorName: Name
    /// The metric that the operator stands for.
    package var metric: Located<Metric>
    package var query: Operand
}

/// `WHERE`: a filter, and the bound of a radius search.
package struct Condition: Hashable, Sendable {
    /// What the fields must fulfil; of no terms where the condition is about the distance only.
    package var filter: Filter
    /// Which literals of the filter, counted in the order of the text, stand for which parameters.
    package var parameters: [Int: Int] = [:]
    /// `embedding <-> q < 0.5`, or `distance < 0.5`.
    package var radius: Radius?
    /// Where the filter's fields and literals stand, in the order of the text.
    package var places = Located(FilterPlaces(), at: 0)

    /// The largest distance at which a record is found.
    package struct Radius: Hashable, Sendable {
        /// The distance; `nil` for the word `distance`, which means the one of `ORDER BY`.
        package var distance: Distance?
        /// Whether the bound itself is out: `<` and not `<=`.
        package var isStrict: Bool
        package var bound: Operand
    }

    package static func == (a: Condition, b: Condition) -> Bool {
        a.filter == b.filter && a.parameters == b.parameters && a.radius == b.radius
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(filter)
        hasher.combine(parameters)
        hasher.combine(radius)
    }
}

/// `EXPLAIN`.
package struct ExplainStatement: Hashable, Sendable {
    /// Whether the search is run, and told what it really took.
    package var analyze: Bool
    /// Whether what it finds is compared with an exact search.
    package var verify: Bool
    package var select: SelectStatement
}

/// `INSERT`.
package struct InsertStatement: Hashable, Sendable {
    /// `OR REPLACE` and `OR IGNORE`.
    package var onConflict: ConflictPolicy
    package var collection: Name
    package var columns: [Name]
    package var rows: [[Operand]]
}

/// `UPDATE`.
package struct UpdateStatement: Hashable, Sendable {
    package struct Assignment: Hashable, Sendable {
        package var field: Name
        package var value: Operand
    }

    package var collection: Name
    package var assignments: [Assignment]
    package var condition: Condition?
}

/// `DELETE`.
package struct DeleteStatement: Hashable, Sendable {
    package var collection: Name
    package var condition: Condition?
}

/// `CREATE COLLECTION`.
package struct CreateCollectionStatement: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            case vector(dimension: Int, ElementType)
            case field(FieldType, isIndexed: Bool)
        }

        package var name: Name
        package var kind: Kind
    }

    package var ifNotExists: Bool
    package var name: Name
    package var columns: [Column]
    package var settings: [Setting]
}

/// `CREATE INDEX`.
package struct CreateIndexStatement: Hashable, Sendable {
    package var collection: Name
    /// `USING`.
    package var method: Name?
    package var settings: [Setting]
}

/// `DROP COLLECTION` and `DROP INDEX`.
package struct DropStatement: Hashable, Sendable {
    package var ifExists: Bool
    package var collection: Name
}

/// `recall = 0.9` within `WITH (…)`. A name alone is true.
package struct Setting: Hashable, Sendable {
    package var name: Name
    package var value: Operand
}

// MARK: - Parts

/// Something with the byte of the text at which it stands, which equality does not look at.
package struct Located<Content: Hashable & Sendable>: Hashable, Sendable {
    package var content: Content
    package var offset: Int

    package init(_ content: Content, at offset: Int) {
        self.content = content
        self.offset = offset
    }

    package static func == (a: Self, b: Self) -> Bool { a.content == b.content }

    package func hash(into hasher: inout Hasher) { hasher.combine(content) }
}

/// A name and where it stands.
package typealias Name = Located<String>

/// A literal, a vector or a parameter, and where it stands.
package typealias Operand = Located<Term>

/// What stands where a value or a vector is expected.
package indirect enum Term: Hashable, Sendable {
    case value(Value)
    case vector([Float])
    /// `record('id')`: the vector of that record.
    case record(Operand)
    /// `image('file')`: the vector of that picture.
    case image(Operand)
    /// `?`, counted from 1.
    case parameter(Int)
}

/// Where the names and literals of a filter stand, in bytes, each in the order of the text.
package struct FilterPlaces: Hashable, Sendable {
    /// The name of each condition's field.
    package var fields: [Int] = []
    package var literals: [Int] = []
}
