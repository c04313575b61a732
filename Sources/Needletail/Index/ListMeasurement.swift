import NeedletailIndex
import NeedletailStorage

/// Measures how much an IVF-PQ index finds, by `nprobe` and `refineFactor`: a sample of its own records is asked with, or queries that
/// are no records, and what comes back is compared with the exact answer.
///
/// One search with each tells about all settings: with the greatest `nprobe`, it returns rows in the order in which they seem near by
/// their codes. A lower `nprobe` finds those of them whose list is among as many nearest ones, and a factor is how many of these, for
/// each of the k, are compared in full precision.
struct ListMeasurement {
    let index: IVFPQIndex
    let table: TableSnapshot
    let schema: Schema
    let threads: Int
    /// Queries to ask with in place of records.
    var queries: [[Float]]?

    /// How many are asked with: all queries that there are. Of records as many that their exact answers cost no more than the lists did:
    /// these cost as many distances of each record as there are in the sample, and to put a record into its list has cost `nlist`.
    private var queryCount: Int { queries?.count ?? max(Calibration.maximumQueryCount, min(1_000, index.header.nlist / 4)) }
    /// As many are asked with at once.
    private static let pieceCount = 64

    /// The curves by k and factor; `nil` where `isWanted` said no.
    func curves(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [ListCalibration.Curve]? {
        let nlist = index.header.nlist
        var ladder = ListCalibration.ladder.filter { $0 < nlist }
        if nlist <= (ListCalibration.ladder.last ?? 0) { ladder.append(nlist) }
        let total = queryCount
        guard isWanted(0, total) else { return nil }
        guard index.header.count - table.deletedCount(in: 0 ..< index.header.count) > 1 else { return ListTally.all }
        // Twice as deep, as several may be as far away as the last: each is as good as the other.
        let depth = 2 * (ListCalibration.measuredK.max() ?? 1), count = index.header.count
        let sample = if let queries {
            RecallSample(queries: queries, table, schema, count: count, depth: depth, threads: threads)
        } else {
            RecallSample(table, schema, count: count, queryCount: total, depth: depth + ListTally.duplicateCount, threads: threads)
        }
        var tally = ListTally(index, ladder, hiddenCount: queries == nil ? ListTally.duplicateCount : 0)
        for first in stride(from: 0, to: sample.truth.count, by: Self.pieceCount) {
            guard isWanted(first, total) else { return nil }
            let piece = first ..< min(first + Self.pieceCount, sample.truth.count)
            for (position, found) in zip(piece, search(sample, piece, nprobe: ladder.last ?? 1)) {
                sample.queries.withUnsafeBufferPointer { queries in
                    let query = UnsafeBufferPointer(rebasing: queries[position * sample.dimension ..< (position + 1) * sample.dimension])
                    tally.add(query, sample.slot(position), sample.truth[position], found)
                }
            }
        }
        return isWanted(total, total) ? tally.curves : nil
    }

    /// What a piece of the sample finds, in the order in which it seems near by its code.
    private func search(_ sample: RecallSample, _ piece: Range<Int>, nprobe: Int) -> [[Neighbor]] {
        var statistics = IVFPQStatistics()
        let kept = ListCalibration.maximumCandidates + 1 + ListTally.duplicateCount
        let parameters = IVFPQIndex.Parameters(k: min(kept, index.header.rowCount), nprobe: nprobe, refineFactor: 0)
        do throws(TrainingError) {
            return try sample.queries.withUnsafeBufferPointer { queries throws(TrainingError) in
                try index.search(
                    batch: UnsafeBufferPointer(rebasing: queries[piece.lowerBound * sample.dimension ..< piece.upperBound * sample.dimension]),
                    count: piece.count, parameters, deleted: table.deleted, crew: TrainingCrew(threads: threads), statistics: &statistics)
            }
        } catch {
            preconditionFailure("a search that nobody cancels ends: \(error)")
        }
    }
}

/// What the records or queries of a sample have found so far.
private struct ListTally {
    private let index: IVFPQIndex
    private let ladder: [Int]
    private let listOfSlot: [UInt32]
    /// The step of the ladder from which on a list is scanned, for the query at hand.
    private var stepOfList: [Int]
    /// The rank of a slot among the true neighbours of the query at hand; of other slots -1, and -2 where they are to be overlooked.
    private var place: [Int16]
    /// For each k, factor and step the sum of the shares that were found, and of their squares.
    private var sums: [(share: Double, square: Double)]
    private var count = 0
    /// How many of its nearest are hidden from each.
    private let hiddenCount: Int

    /// How many of a record's nearest are to be hidden from it.
    ///
    /// Collections hold near-duplicates, which a record finds and a question that is new does not. At settings by which SIFT's
    /// records find 0.95 of their ten nearest, its queries find 0.91; without their ten nearest, the records find as many as
    /// the queries. MiniLM's queries find one or two points more.
    static let duplicateCount = 10

    init(_ index: IVFPQIndex, _ ladder: [Int], hiddenCount: Int) {
        self.index = index
        self.hiddenCount = hiddenCount
        self.ladder = ladder
        listOfSlot = index.listOfEachSlot()
        stepOfList = Array(repeating: 0, count: index.header.nlist)
        place = Array(repeating: -1, count: index.header.count)
        sums = Array(repeating: (0, 0), count: ListCalibration.measuredK.count * ListCalibration.refineFactors.count * ladder.count)
    }

    /// The curves of a single record, or none.
    static var all: [ListCalibration.Curve] {
        settings.map { ListCalibration.Curve(k: $0.k, refineFactor: $0.refineFactor, nprobe: [1], recall: [1]) }
    }

    private static var settings: [(k: Int, refineFactor: Int)] {
        ListCalibration.measuredK.flatMap { k in ListCalibration.refineFactors.map { (k, $0) } }
    }

    /// What was found, less what it may be off by as chance would have it with so many queries: one standard error.
    var curves: [ListCalibration.Curve] {
        let count = Double(max(count, 1))
        return Self.settings.enumerated().map { number, setting in
            let recall = sums[number * ladder.count ..< (number + 1) * ladder.count].map { sum in
                let mean = sum.share / count
                return max(0, mean - (max(0, sum.square / count - mean * mean) / count).squareRoot())
            }
            return ListCalibration.Curve(k: setting.k, refineFactor: setting.refineFactor, nprobe: ladder, recall: recall)
        }
    }

    /// - Parameters:
    ///   - own: The slot of a record that is asked with.
    ///   - truth: Its nearest, ascending.
    ///   - found: What it found, ascending by estimate.
    mutating func add(_ query: UnsafeBufferPointer<Float>, _ own: UInt32?, _ truth: [Neighbor], _ found: [Neighbor]) {
        let hiddenCount = min(hiddenCount, truth.count / 2)
        let wanted = Array(truth.dropFirst(hiddenCount))
        guard !wanted.isEmpty else { return }
        count += 1
        var step = 0
        for (rank, list) in index.nearestLists(to: query, nprobe: ladder.last ?? 1).enumerated() {
            while ladder[step] <= rank { step += 1 }
            stepOfList[list] = step
        }
        if let own { place[Int(own)] = -2 }
        for neighbor in truth.prefix(hiddenCount) { place[Int(neighbor.slot)] = -2 }
        for (rank, neighbor) in wanted.enumerated() { place[Int(neighbor.slot)] = Int16(rank) }
        let ranks = ranks(wanted.count, found)
        if let own { place[Int(own)] = -1 }
        for neighbor in truth { place[Int(neighbor.slot)] = -1 }

        for (number, setting) in Self.settings.enumerated() {
            let exact = min(setting.k, wanted.count)
            let farthest = wanted[exact - 1].distance
            let candidates = min(setting.k * setting.refineFactor, ListCalibration.maximumCandidates)
            for step in ladder.indices {
                var hits = 0
                for (rank, neighbor) in wanted.enumerated() {
                    if neighbor.distance > farthest { break }
                    if ranks[rank * ladder.count + step] < candidates { hits += 1 }
                }
                let share = Double(min(hits, exact)) / Double(exact)
                sums[number * ladder.count + step].share += share
                sums[number * ladder.count + step].square += share * share
            }
        }
    }

    /// For each true neighbour and step, how many of the rows that are scanned come before it by their codes; `Int.max` where it is not met.
    private func ranks(_ wanted: Int, _ found: [Neighbor]) -> [Int] {
        var ranks = [Int](repeating: .max, count: wanted * ladder.count)
        var met = [Int](repeating: 0, count: ladder.count)
        for neighbor in found {
            let place = Int(place[Int(neighbor.slot)])
            if place == -2 { continue }
            let first = stepOfList[Int(listOfSlot[Int(neighbor.slot)])]
            if place >= 0 {
                var before = 0
                for step in ladder.indices {
                    before += met[step]
                    if step >= first { ranks[place * ladder.count + step] = before }
                }
            }
            met[first] += 1
        }
        return ranks
    }
}
