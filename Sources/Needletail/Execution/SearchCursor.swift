import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// The records near a vector page by page, as far as you care to go: each page continues where the one before ended, on one
    /// snapshot.
    ///
    /// ```swift
    /// let pages = try photos.pages(near: vector)
    /// let first = try pages.next(20), second = try pages.next(20)
    /// ```
    /// - Parameters: Those of ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``; `recall` is aimed at for the first
    ///   ten, and later pages find about as large a share.
    /// - Throws: As ``search(near:k:where:select:recall:efSearch:nprobe:refineFactor:exact:threads:)``.
    public func pages(
        near vector: [Float], where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, efSearch: Int? = nil, nprobe: Int? = nil, refineFactor: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchCursor {
        let request = SearchRequest(
            k: 1, recall: recall, efSearch: efSearch, nprobe: nprobe, refineFactor: refineFactor, isExact: exact, threads: threads, isOpenEnded: true)
        try request.validate()
        try check(query: vector)
        return try SearchCursor(try SearchExecution(self, filter, fields), vector: vector, request)
    }
}

/// Hands out the records near a vector page by page. For one task at a time.
///
/// While it is held, the space that its snapshot's records take cannot be used again: do not keep it for long.
public final class SearchCursor {
    /// How the pages are found.
    public let plan: SearchPlan
    private let search: SearchExecution
    private let vector: [Float]
    private let threads: Int
    /// The walk through the graph, if there is one.
    private var walk: GraphPages?
    /// Searches through lists, if there are such.
    private var lists: ListPages?
    /// The records that neither covers; without them, all.
    private var scan: ScanPages

    fileprivate init(_ search: SearchExecution, vector: [Float], _ request: SearchRequest) throws(NeedletailError) {
        self.search = search
        self.vector = vector
        threads = request.threads
        plan = try search.plan(request)
        if case .hnsw(let efSearch, _, _, _) = plan, case .graph(let graph) = try search.view.index() {
            let cursor = vector.withUnsafeBufferPointer { query in
                search.withMasks { graph.cursor(query, efSearch: efSearch, allowed: $0, deleted: $1) }
            }
            walk = GraphPages(cursor)
            scan = ScanPages(first: graph.coveredCount)
        } else if case .ivfpq = plan {
            lists = ListPages(request)
            scan = ScanPages(first: search.table.slotCount)
        } else {
            scan = ScanPages(first: 0)
        }
    }

    /// The next `count` records, from nearer to farther; fewer at the end, none after it.
    ///
    /// A search through an index may come upon a record late, which then stands in a later page than it should.
    public func next(_ count: Int = 10) throws(NeedletailError) -> SearchResults {
        guard (1 ... Collection.maximumK).contains(count) else {
            throw NeedletailError(.invalidArgument, "a page of \(count) records is not possible: it has 1 to \(Collection.maximumK)", actual: count)
        }
        var page: [Neighbor] = []
        page.reserveCapacity(min(count, search.candidateCount))
        while page.count < count, let neighbor = try lists?.next(search, vector, wanted: count - page.count) { page.append(neighbor) }
        while page.count < count {
            let wanted = count - page.count
            let walked = walk?.peek(wanted: wanted), scanned = scan.peek(search, vector, wanted: wanted, threads: threads)
            if let walked, scanned.map({ (walked.distance, walked.slot) < ($0.distance, $0.slot) }) ?? true {
                page.append(walked)
                walk?.advance()
            } else if let scanned {
                page.append(scanned)
                scan.advance()
            } else {
                break
            }
        }
        return try search.results(page, plan)
    }
}

/// Pages that a walk through the graph fills.
private struct GraphPages {
    private let cursor: HNSWCursor
    private var found: [Neighbor] = []
    private var position = 0

    init(_ cursor: HNSWCursor) { self.cursor = cursor }

    /// The next record; `nil` at the end.
    mutating func peek(wanted: Int) -> Neighbor? {
        if position == found.count {
            found = cursor.next(wanted)
            position = 0
        }
        return position < found.count ? found[position] : nil
    }

    mutating func advance() { position += 1 }
}

/// Pages that searches through lists fill: for the nearest so many, then for four times as many, those left out that have been
/// handed out before.
private struct ListPages {
    private var request: SearchRequest
    private var found: [Neighbor] = []
    private var position = 0
    private var handedOut: Set<UInt32> = []
    private var isComplete = false

    init(_ request: SearchRequest) {
        self.request = request
        self.request.k = 0
    }

    /// The next record; `nil` at the end.
    mutating func next(_ search: SearchExecution, _ vector: [Float], wanted: Int) throws(NeedletailError) -> Neighbor? {
        while position == found.count, !isComplete {
            // Of as many as there are, all come back: a search that finds fewer compares all records.
            request.k = min(max(4 * request.k, 2 * (handedOut.count + wanted), 32), search.candidateCount)
            isComplete = request.k == search.candidateCount
            let plan = try search.plan(request)
            found = try search.nearest(to: vector, k: request.k, plan: plan, threads: request.threads).0
            found.removeAll { handedOut.contains($0.slot) }
            position = 0
        }
        guard position < found.count else { return nil }
        defer { position += 1 }
        handedOut.insert(found[position].slot)
        return found[position]
    }
}

/// Pages that an exact scan fills: of the nearest so many, then of four times as many.
private struct ScanPages {
    /// The scan begins with this slot.
    private let first: Int
    private var found: [Neighbor] = []
    private var position = 0
    private var isComplete = false

    init(first: Int) { self.first = first }

    /// The next record; `nil` at the end.
    mutating func peek(_ search: SearchExecution, _ vector: [Float], wanted: Int, threads: Int) -> Neighbor? {
        if position == found.count, !isComplete {
            let slotCount = search.table.slotCount
            let k = min(max(4 * found.count, 2 * wanted, 32), slotCount)
            found = vector.withUnsafeBufferPointer { query in
                search.withMasks { search.view.flat.search(query, k: k, from: first, allowed: $0, deleted: $1, threads: threads) }
            }
            isComplete = found.count < k || k == slotCount
        }
        return position < found.count ? found[position] : nil
    }

    mutating func advance() { position += 1 }
}
