/// The settings of a search, as `WITH (…)` has them.
struct SearchSettings: Sendable {
    var recall: Double?
    var efSearch: Int?
    var nprobe: Int?
    var refineFactor: Int?
    var isExact = false
    var threads: Int?

    static let names = ["recall", "exact", "ef_search", "nprobe", "refine_factor", "threads"]
}

extension StatementRun {
    /// Reads the settings of a search. Each is checked by the search, too; here the error can point at it.
    func searchSettings(_ settings: [Setting]) throws(NeedletailError) -> SearchSettings {
        var result = SearchSettings()
        for setting in settings {
            let name = setting.name.content
            switch Self.folded(name) {
            case "recall":
                let recall = try number(setting.value, "the recall")
                guard recall > 0, recall <= 1 else {
                    throw failure(.invalidArgument, "a recall of \(recall) is not possible: it must be above 0 and at most 1", at: setting.value.offset)
                }
                result.recall = recall
            case "efsearch": result.efSearch = try integer(setting.value, "ef_search")
            case "nprobe": result.nprobe = try integer(setting.value, "nprobe")
            case "refinefactor": result.refineFactor = try integer(setting.value, "refine_factor")
            case "exact": result.isExact = try bool(setting.value, "exact")
            case "threads": result.threads = try integer(setting.value, "the number of threads")
            default: throw unknownSetting(setting, of: "a search", among: SearchSettings.names)
            }
        }
        return result
    }

    /// `ef_search` and `efSearch` are the same setting.
    static func folded(_ name: String) -> String { name.lowercased().filter { $0 != "_" } }

    func unknownSetting(_ setting: Setting, of what: String, among names: [String]) -> NeedletailError {
        let name = setting.name.content
        let remedy = TextDiagnostic.nearest(to: name, among: names).map { "did you mean \($0)?" } ?? "there are: " + names.joined(separator: ", ")
        return failure(.invalidArgument, "\(what) has no setting \(name); \(remedy)", at: setting.name.offset)
    }
}
