/// What a search asks for beside the query itself.
struct SearchRequest: Sendable {
    var k: Int
    var recall: Double?
    var efSearch: Int?
    var nprobe: Int?
    var refineFactor: Int?
    var isExact: Bool
    var threads: Int
    /// Whether it is not known beforehand how many are wanted: all within a distance, or page by page.
    var isOpenEnded = false

    /// The settings of an index that are given, by name.
    private var settings: [String] {
        [efSearch.map { _ in "efSearch" }, nprobe.map { _ in "nprobe" }, refineFactor.map { _ in "refineFactor" }].compactMap { $0 }
    }

    /// Throws where a parameter is out of its range, or says the opposite of another.
    func validate() throws(NeedletailError) {
        guard (1 ... Collection.maximumK).contains(k) else {
            throw NeedletailError(.invalidArgument, "\(k) neighbours cannot be asked for: from 1 to \(NumberText.count(Collection.maximumK)) can", actual: k)
        }
        guard (1 ... 1_024).contains(threads) else {
            throw NeedletailError(.invalidArgument, "\(threads) threads are not possible: from 1 to 1,024 are", actual: threads)
        }
        if let recall, !(recall > 0 && recall <= 1) {
            throw NeedletailError(.invalidArgument, "a recall of \(recall) is not possible: it must be above 0 and at most 1")
        }
        try check(efSearch, "efSearch", IndexDescription.possibleEfSearch)
        try check(nprobe, "nprobe", IndexDescription.possibleNlist)
        try check(refineFactor, "refineFactor", IndexDescription.possibleRefineFactor)
        if let efSearch, efSearch < k {
            throw NeedletailError(
                .invalidArgument, "an efSearch of \(efSearch) cannot find \(k) neighbours: it must be at least k", expected: k, actual: efSearch)
        }
        if efSearch != nil, let other = settings.last, other != "efSearch" {
            throw NeedletailError(.invalidArgument, "efSearch is for an hnsw index, \(other) for an ivfpq one: leave out one of the two")
        }
        if isExact, let setting = settings.first {
            throw NeedletailError(.invalidArgument, "\(setting) does not apply to an exact search: leave out one of the two")
        }
        // A recall with a refineFactor still leaves nprobe to be found.
        if recall != nil, let setting = settings.first(where: { $0 != "refineFactor" }) {
            throw NeedletailError(.invalidArgument, "recall and \(setting) set the same thing: leave out one of the two")
        }
    }

    /// Throws where a setting is given that means nothing to the index there is; `kind`: `nil` where there is none.
    func checkSettings(apply kind: String?, collection: String) throws(NeedletailError) {
        guard let setting = settings.first else { return }
        guard let kind else {
            throw NeedletailError(
                .unknownIndex, "\(setting) is for searches through an index, and collection '\(collection)' has none: leave it out, or create an index")
        }
        let wanted = setting == "efSearch" ? IndexParameters.graphKind : IndexParameters.listKind
        guard kind == wanted else {
            let remedy = wanted == IndexParameters.graphKind ? "nprobe" : "efSearch"
            throw NeedletailError(
                .invalidArgument, "\(setting) is for an \(wanted) index, and that of collection '\(collection)' is \(kind): set \(remedy), or recall, which suits both")
        }
    }

    private func check(_ value: Int?, _ name: String, _ range: ClosedRange<Int>) throws(NeedletailError) {
        guard let value, !range.contains(value) else { return }
        throw NeedletailError(
            .invalidArgument, "\(name == "efSearch" || name == "nprobe" ? "an" : "a") \(name) of \(value) is not possible: from 1 to \(NumberText.count(range.upperBound)) are",
            actual: value)
    }
}
