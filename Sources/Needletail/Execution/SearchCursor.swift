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
    /// - Parameters: Those of ``search(near:k:where:select:recall:efSearch:exact:threads:)``; `recall` is aimed at for the first
    ///   ten, and later pages find about as large a share.
    /// - Throws: As ``search(near:k:where:select:recall:efSearch:exact:threads:)``.
    public func pages(
        near vector: [Float], where filter: Filter? = nil, select fields: FieldSelection = .all,
        recall: Double? = nil, efSearch: Int? = nil, exact: Bool = false, threads: Int = 1
    ) throws(NeedletailError) -> SearchCursor {
        var request = SearchRequest(k: 1, recall: recall, efSearch: efSearch, isExact: exact, threads: threads)
        try request.validate()
        request.isExact = true
        try check(query: vector)
        let search = try SearchExecution(self, filter, fields)
        return SearchCursor(search, vector: vector, plan: try search.plan(request), graph: try search.view.graph(), threads: threads)
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
    /// The walk through the graph; `nil` without one, or when it has come to its end.
    private var walk: GraphPages?
    /// Records that the graph does not cover, or all.
    private var scan: ScanPages
    /// Slots that the walk has handed out.
    private var walked: [UInt32] = []

    fileprivate init(_ search: SearchExecution, vector: [Float], plan: SearchPlan, graph: GraphIndex?, threads: Int) {
        self.search = search
        self.vector = vector
        self.plan = plan
        self.threads = threads
        if case .hnsw(let efSearch, _, _, _) = plan, let graph {
            walk = GraphPages(graph.cursor(vector, efSearch: efSearch, search))
            scan = ScanPages(first: graph.coveredCount)
        } else {
            scan = ScanPages(first: 0)
        }
    }

    /// The next `count` records, from nearer to farther; fewer at the end, none after it.
    ///
    /// A walk through a graph may come upon a record late, which then stands in a later page than it should.
    public func next(_ count: Int = 10) throws(NeedletailError) -> SearchResults {
        guard (1 ... Collection.maximumK).contains(count) else {
            throw NeedletailError(.invalidArgument, "a page of \(count) records is not possible: it has 1 to \(Collection.maximumK)", actual: count)
        }
        var page: [Neighbor] = []
        page.reserveCapacity(min(count, search.candidateCount))
        while page.count < count {
            let near = walk?.peek(wanted: count - page.count)
            if walk != nil, near == nil { endWalk() }
            let far = scan.peek(search, vector, wanted: count - page.count, threads: threads)
            guard let nearer = [near, far].compactMap({ $0 }).min(by: { ($0.distance, $0.slot) < ($1.distance, $1.slot) }) else { break }
            page.append(nearer)
            if nearer == near {
                walk?.advance()
                walked.append(nearer.slot)
            } else {
                scan.advance()
            }
        }
        return try search.results(page, plan)
    }

    /// All that match come sooner or later: what no path led to, a scan finds.
    private func endWalk() {
        walk = nil
        scan = ScanPages(rest: search, without: walked, before: scan)
        walked = []
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

/// Pages that an exact scan fills: of the nearest so many, then of four times as many.
private struct ScanPages {
    /// The scan begins with this slot.
    private let first: Int
    /// Bit set = may still come; `nil`: all that the search lets through.
    private var allowed: [UInt64]?
    private var found: [Neighbor] = []
    private var position = 0
    private var isComplete = false

    init(first: Int) { self.first = first }

    /// All that `search` lets through, without those that the walk and the pages before have handed out.
    init(rest search: SearchExecution, without walked: [UInt32], before: ScanPages) {
        first = 0
        let slotCount = search.table.slotCount
        var words = search.withMasks { allowed, deleted in
            (0 ..< (slotCount + 63) / 64).map { word in (allowed.map { $0[word] } ?? ~0) & ~(deleted.map { $0[word] } ?? 0) }
        }
        for slot in walked { words[Int(slot >> 6)] &= ~(1 << UInt64(slot & 63)) }
        for neighbor in before.found[..<before.position] { words[Int(neighbor.slot >> 6)] &= ~(1 << UInt64(neighbor.slot & 63)) }
        allowed = words
    }

    mutating func peek(_ search: SearchExecution, _ vector: [Float], wanted: Int, threads: Int) -> Neighbor? {
        if position == found.count, !isComplete {
            let k = min(max(4 * found.count, 2 * wanted, 32), search.table.slotCount)
            found = scan(search, vector, k: k, threads: threads)
            isComplete = found.count < k || k == search.table.slotCount
        }
        return position < found.count ? found[position] : nil
    }

    mutating func advance() { position += 1 }

    private func scan(_ search: SearchExecution, _ vector: [Float], k: Int, threads: Int) -> [Neighbor] {
        vector.withUnsafeBufferPointer { query in
            guard let allowed else {
                return search.withMasks { search.view.flat.search(query, k: k, from: first, allowed: $0, deleted: $1, threads: threads) }
            }
            return allowed.withUnsafeBufferPointer { search.view.flat.search(query, k: k, from: first, allowed: $0, threads: threads) }
        }
    }
}
