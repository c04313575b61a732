import Needletail

/// Opening a large file and answering one `get`. Run it as a process of its own for every sample: what the second opening finds
/// warm would flatter it.
struct OpenFigure {
    let path: String, collection: String

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard arguments.count == 2 else { throw Usage("Figures open DATABASE COLLECTION") }
        (path, collection) = (arguments[0], arguments[1])
    }

    func run() throws {
        var found = false
        let start = ContinuousClock.now
        let database = try Database(path: path, mode: .readOnly)
        let records = try database.collection(collection)
        let opened = ContinuousClock.now
        found = try records.get(500_000) != nil
        let answered = ContinuousClock.now
        guard found else { throw Usage("Figures open needs a collection with a record 500000") }
        Measurement("open", "open + get", unit: "ms", runs: [(answered - start) / .milliseconds(1)]).print()
        Measurement("open", "open alone", unit: "ms", runs: [(opened - start) / .milliseconds(1)]).print()
    }
}
