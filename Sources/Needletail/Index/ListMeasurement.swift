import NeedletailIndex
import NeedletailStorage

/// Measures how much an IVF-PQ index that has just been built finds, by `nprobe` and `refineFactor`: a sample of its own records is
/// asked with, and what comes back is compared with the exact answer.
///
/// One search an `nprobe` tells about all factors: it returns rows in the order in which they seem near by their codes, and a
/// factor is how many of these, for each of the k, are compared in full precision.
struct ListMeasurement {
    let index: IVFPQIndex
    let table: TableSnapshot
    let schema: Schema
    let threads: Int

    /// More `nprobe` than this finds hardly more, for any k.
    private static let enough = 0.9995

    /// The curves by k and factor; `nil` where `isWanted` said no.
    func curves(_ isWanted: (_ done: Int, _ total: Int) -> Bool) -> [ListCalibration.Curve]? {
        let nlist = index.header.nlist
        var ladder = ListCalibration.ladder.filter { $0 < nlist }
        if nlist <= (ListCalibration.ladder.last ?? 0) { ladder.append(nlist) }
        let (measuredK, factors) = (ListCalibration.measuredK, ListCalibration.refineFactors)
        var curves = measuredK.flatMap { k in
            factors.map { ListCalibration.Curve(k: k, refineFactor: $0, nprobe: [], recall: []) }
        }
        guard isWanted(0, ladder.count) else { return nil }
        guard index.header.count - table.deletedCount(in: 0 ..< index.header.count) > 1 else {
            for position in curves.indices { (curves[position].nprobe, curves[position].recall) = ([1], [1]) }
            return curves
        }
        // Twice as deep, as several may be as far away as the last: each is as good as the other.
        let deepest = measuredK.max() ?? 1
        let sample = RecallSample(
            table, schema, count: index.header.count, depth: 2 * deepest + Self.hidden, threads: threads)
        let kept = ListCalibration.maximumCandidates + 1 + Self.hidden
        var best = [Double](repeating: 0, count: measuredK.count)
        for (number, nprobe) in ladder.enumerated() {
            guard isWanted(number, ladder.count) else { return nil }
            let found = search(sample, nprobe: nprobe, kept: kept)
            let ranks = Self.ranks(sample, found)
            for position in curves.indices {
                let (k, factor) = (curves[position].k, curves[position].refineFactor)
                let recall = Self.recall(k, among: min(k * factor, ListCalibration.maximumCandidates), sample, ranks)
                curves[position].nprobe.append(nprobe)
                curves[position].recall.append(recall)
                if factor == factors.last, let which = measuredK.firstIndex(of: k) { best[which] = max(best[which], recall) }
            }
            if best.allSatisfy({ $0 >= Self.enough }) { break }
        }
        return isWanted(ladder.count, ladder.count) ? curves : nil
    }

    /// What each record of the sample finds, in the order in which it seems near by its code.
    private func search(_ sample: RecallSample, nprobe: Int, kept: Int) -> [[Neighbor]] {
        var statistics = IVFPQStatistics()
        let parameters = IVFPQIndex.Parameters(k: min(kept, index.header.rowCount), nprobe: nprobe, refineFactor: 0)
        do throws(TrainingError) {
            return try sample.queries.withUnsafeBufferPointer { queries throws(TrainingError) in
                try index.search(
                    batch: queries, count: sample.slots.count, parameters, deleted: table.deleted, crew: TrainingCrew(threads: threads),
                    statistics: &statistics)
            }
        } catch {
            preconditionFailure("a search that nobody cancels ends: \(error)")
        }
    }

    /// How many of a record's nearest are hidden from it.
    ///
    /// Collections hold near-duplicates, which a record finds and a question that is new does not. At settings by which SIFT's
    /// records find 0.95 of their ten nearest, its queries find 0.91; without their ten nearest, the records find as many as
    /// the queries. MiniLM's queries find one or two points more.
    private static let hidden = 10
    private static func hiddenCount(of count: Int) -> Int { min(hidden, count / 2) }

    /// For each record of the sample, the rank by code of each of its true neighbours but those hidden, and without these; `Int.max`
    /// where it is not met.
    private static func ranks(_ sample: RecallSample, _ found: [[Neighbor]]) -> [[Int]] {
        sample.slots.indices.map { position in
            let truth = sample.truth[position]
            let hidden = hiddenCount(of: truth.count)
            var left = Set(truth.prefix(hidden).map(\.slot))
            left.insert(UInt32(sample.slots[position]))
            var rankOfSlot: [UInt32: Int] = [:]
            for neighbor in found[position] where !left.contains(neighbor.slot) { rankOfSlot[neighbor.slot] = rankOfSlot.count }
            return truth.dropFirst(hidden).map { rankOfSlot[$0.slot] ?? .max }
        }
    }

    /// The share of the `k` nearest that are among the first `candidates` by their codes.
    private static func recall(_ k: Int, among candidates: Int, _ sample: RecallSample, _ ranks: [[Int]]) -> Double {
        var (found, wanted) = (0, 0)
        for (truth, ranks) in zip(sample.truth, ranks) {
            let truth = truth.dropFirst(hiddenCount(of: truth.count))
            let exact = min(k, truth.count)
            guard exact > 0 else { continue }
            let farthest = truth[truth.startIndex + exact - 1].distance
            var hits = 0
            for (neighbor, rank) in zip(truth, ranks) where neighbor.distance <= farthest && rank < candidates { hits += 1 }
            found += min(hits, exact)
            wanted += exact
        }
        return wanted == 0 ? 1 : Double(found) / Double(wanted)
    }
}
