import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// The nearest record of each group: of the records with the same value of a field only the best is a hit, and `k` groups come
    /// back whenever there are so many.
    ///
    /// ```swift
    /// let albums = try photos.search(near: vector, k: 10, groupBy: "album")      // ten albums, the best picture of each
    /// ```
    /// Records without a value are a group of their own; so are those whose value is NaN.
    ///
    /// - Parameters:
    ///   - vector: As in ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``, like all parameters not named here.
    ///   - k: How many groups.
    ///   - field: The field whose values are the groups: of any type but a list of strings.
    ///   - distance: If given, hits are dropped too as ``search(near:k:collapsing:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``
    ///     tells; a group whose best record is dropped is represented by its next one.
    /// - Throws: `unknownField`, with the nearest name; `typeMismatch` for a list of strings; and as
    ///   ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    /// - Complexity: A search for some multiple of `k`; where that meets too few groups, further searches among the records of
    ///   all other groups, each of which finds at least one.
    public func search(
        near vector: [Float], k: Int = 10, groupBy field: String, collapsing distance: Double? = nil, where filter: Filter? = nil,
        select fields: FieldSelection = .all, recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil,
        exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        let position = try schema.position(of: field)
        guard schema.fields[position].type != .strings else {
            throw NeedletailError(
                .typeMismatch, "the field '\(field)' is a list of strings: a record would belong to several groups. Group by another field, or count its strings with facets")
        }
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads)
        return try selective(near: vector, request, SelectionRule(groupBy: position, collapsing: distance), filter, fields)
    }

    /// The nearest records without near-duplicates: a record is passed over where a hit before it is nearer to it than `distance`.
    ///
    /// ```swift
    /// let different = try photos.search(near: vector, k: 10, collapsing: 0.05)
    /// ```
    /// `k` records come back as long as there are enough that are not so near to each other.
    /// - Parameters:
    ///   - vector: As in ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``, like all parameters not named here.
    ///   - distance: In the unit of ``SearchHit/distance``: Euclidean or cosine distance. Under `dot`, whose distances do not tell
    ///     how alike two records are, the Euclidean distance. Above 0.
    /// - Throws: As ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    /// - Complexity: A search for some multiple of `k`, repeated for four times as many while too few are left; and a distance for
    ///   each pair of a hit and a record that was looked at.
    public func search(
        near vector: [Float], k: Int = 10, collapsing distance: Double, where filter: Filter? = nil,
        select fields: FieldSelection = .all, recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil,
        exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchResults {
        let request = SearchRequest(
            k: k, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads)
        return try selective(near: vector, request, SelectionRule(groupBy: nil, collapsing: distance), filter, fields)
    }

    /// A search of which not every neighbour is a hit: asks for more than `k`, and goes on where they do not suffice.
    private func selective(
        near vector: [Float], _ request: SearchRequest, _ rule: SelectionRule, _ filter: Filter?, _ fields: FieldSelection
    ) throws(NeedletailError) -> SearchResults {
        try request.validate()
        try rule.validate()
        try check(query: vector)
        // All steps are on one snapshot.
        let snapshot: NeedletailStorage.Snapshot
        if let pinned { snapshot = pinned } else { snapshot = try database.newestSnapshot() }
        let collection = Collection(database: database, name: name, schema: schema, tableID: tableID, pinned: snapshot)
        let first = try SearchExecution(collection, filter, fields)
        var selection = Selection(rule, collection, first.table)
        var search = first
        var wanted = min(max(4 * request.k, 32), Self.maximumK)
        var firstPlan: SearchPlan?
        while true {
            var step = request
            step.k = wanted
            step.efSearch = request.efSearch.map { min(max($0, wanted), IndexDescription.possibleEfSearch.upperBound) }
            let (found, plan) = try search.nearest(to: vector, k: wanted, plan: search.plan(step), threads: request.threads)
            firstPlan = firstPlan ?? plan
            let groupCount = selection.groupCount
            try storage { () throws(StorageError) in try selection.take(found, upTo: request.k) }
            // Fewer than were asked for: there are no others.
            if selection.count >= request.k || found.count < wanted || found.count == search.candidateCount { break }
            if let rest = try selection.restOfGroups(beyond: groupCount) {
                search = try SearchExecution(collection, filter.map { $0 && rest } ?? rest, fields)
                wanted = min(max(4 * (request.k - selection.count), wanted), Self.maximumK)
            } else if wanted < Self.maximumK {
                wanted = min(4 * wanted, Self.maximumK)
            } else {
                break
            }
        }
        return try first.results(selection.hits(request.k), firstPlan ?? .exact(compared: first.candidateCount))
    }
}

/// Which neighbours are hits.
private struct SelectionRule {
    /// Of each value of this field one.
    var groupBy: Int?
    /// None so near to a better one.
    var collapsing: Double?

    func validate() throws(NeedletailError) {
        guard let collapsing else { return }
        guard collapsing.isFinite, collapsing > 0 else {
            throw NeedletailError(.invalidArgument, "near-duplicates within a distance of \(collapsing) cannot be collapsed: it must be finite and above 0")
        }
    }
}

/// The hits of a search that passes over some of the neighbours.
private struct Selection {
    private let rule: SelectionRule
    private let collection: Collection
    private let table: TableSnapshot
    private var taken: [Neighbor] = []
    private var vectors: [[Float]] = []
    private var groups: Set<Group> = []

    /// A value of the field that groups; `nil` is null.
    private struct Group: Hashable {
        var number: UInt64?
    }

    init(_ rule: SelectionRule, _ collection: Collection, _ table: TableSnapshot) {
        self.rule = rule
        self.collection = collection
        self.table = table
    }

    var count: Int { taken.count }
    var groupCount: Int { groups.count }

    func hits(_ k: Int) -> [Neighbor] {
        Array(taken.sorted { ($0.distance, $0.slot) < ($1.distance, $1.slot) }.prefix(k))
    }

    /// Takes what the rule lets through of neighbours that ascend. Without groups, which are never looked at twice, they are all the
    /// neighbours so far, and the selection begins anew.
    mutating func take(_ neighbors: [Neighbor], upTo k: Int) throws(StorageError) {
        if rule.groupBy == nil {
            taken.removeAll()
            vectors.removeAll()
        }
        for neighbor in neighbors where taken.count < k {
            var group: Group?
            if let field = rule.groupBy {
                let found = try self.group(of: neighbor.slot, field)
                guard !groups.contains(found) else { continue }
                group = found
            }
            if let limit = rule.collapsing {
                let vector = collection.vector(at: neighbor.slot, of: table)
                guard !vectors.contains(where: { collection.schema.metric.difference($0, vector) < limit }) else { continue }
                vectors.append(vector)
            }
            if let group { groups.insert(group) }
            taken.append(neighbor)
        }
    }

    private func group(of slot: UInt32, _ field: Int) throws(StorageError) -> Group {
        let column = try table.column(field)
        let segment = column.segment(containing: slot)
        let row = Int(slot) - segment.firstSlot
        guard segment.isPresent(row) else { return Group() }
        return Group(number: OrderedValue.number(column.type, bits: OrderedValue.bits(column.type, segment.values, row)))
    }

    /// A filter for the records of all groups that were not met, if there are new ones among these: else asking for more of the same
    /// is what leads on.
    func restOfGroups(beyond known: Int) throws(NeedletailError) -> Filter? {
        guard let position = rule.groupBy, groups.count > known else { return nil }
        let field = collection.schema.fields[position].name
        let type = collection.schema.fields[position].type
        var values: [Value] = []
        var hasNull = false, hasNaN = false
        for group in groups {
            guard let number = group.number else {
                hasNull = true
                continue
            }
            let bits = OrderedValue.bits(type.columnType, number: number)
            switch type {
            case .bool: values.append(.bool(bits != 0))
            case .int: values.append(.int(Int64(bitPattern: bits)))
            case .timestamp: values.append(.timestamp(Timestamp(microsecondsSince1970: Int64(bitPattern: bits))))
            case .double where number == .max: hasNaN = true
            case .double: values.append(.double(Double(bitPattern: bits)))
            case .string:
                values.append(.string(try storage { () throws(StorageError) in try table.string(column: position, code: UInt32(truncatingIfNeeded: bits)) }))
            case .strings: break
            }
        }
        var rest = Filter.not(.isIn(field: field, values))
        // A comparison with NaN is false, whatever it asks.
        if hasNaN { rest = rest && .comparison(field: field, .lessOrEqual, .double(.infinity)) }
        // Of null, what is not in a list is unknown.
        return hasNull ? rest && .not(.isNull(field: field)) : rest || .isNull(field: field)
    }
}
