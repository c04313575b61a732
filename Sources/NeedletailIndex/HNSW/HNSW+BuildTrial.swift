import CNeedletailKernels
import NeedletailStorage

// How much a graph finds can be told only by queries that are not in it: a record's own node leads to the very neighbours that are
// asked for, and to hide it, or to take it out again, leaves a hole or its traces. So some records are inserted last, after the others
// have been measured with them: by then the graph is what it will be, but for those few.

/// Measures a graph, which some records are not in yet, with those: recall by efSearch.
package typealias HNSWTrial = (_ graph: HNSWGraph, _ heldOut: [Int]) throws(HNSWBuildError) -> [HNSWHeader.CalibrationPoint]

extension HNSWBuilder {
    /// The least number of new records that a graph that is extended is measured with.
    private static let leastTrialCount = 100

    /// How many of so many records are held out: enough to tell one recall from another, but few of all.
    static func trialCount(_ liveCount: Int) -> Int { max(min(200, liveCount / 10), min(1_500, liveCount / 20)) }

    /// Inserts what the graph lacks, the upper nodes of the plan and `slots`, and makes it whole.
    ///
    /// - Parameters:
    ///   - firstNode: the number of the plan's first node.
    ///   - prepare: what comes before.
    func complete(
        _ header: HNSWHeader, _ graph: BuildGraph, _ codes: MutableRows, _ upper: UpperPlan, firstNode: Int, slots: Range<Int>,
        base: HNSWGraph?, measuring trial: HNSWTrial?,
        prepare: (UnsafeMutablePointer<BuildWorker>) throws(HNSWBuildError) -> Void = { _ in }
    ) throws(HNSWBuildError) -> HNSWBuild {
        let space = BuildSpace(source, quantizer: header.sq8, codes: codes.view)
        let heldOut = trial == nil ? [] : trialSlots(in: slots)
        // Until they are inserted, slots that are held out count as deleted.
        let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: (source.vectors.count + 63) / 64)
        defer { words.deallocate() }
        for word in words.indices { words[word] = source.deleted?[word] ?? 0 }
        for slot in heldOut { words[slot >> 6] |= 1 << UInt64(slot & 63) }
        var partial = self
        if !heldOut.isEmpty { partial.source = source.leavingOut(UnsafeBufferPointer(words)) }
        let isMeasured = trial != nil && (base == nil || heldOut.count >= Self.leastTrialCount)
        var built: HNSWBuild?
        try withWorkers(graph, space: space) { workers throws(HNSWBuildError) in
            try prepare(workers)
            try partial.insert(upper, into: graph, firstNode: firstNode, slots: slots, workers: workers)
            try partial.connect(graph, worker: workers)
            var whole = try partial.finish(
                header, graph, codes, covered: base?.header.count ?? 0, base: base, remeasures: base == nil || isMeasured, heldOut: heldOut)
            if isMeasured, let trial { whole = whole.with(calibration: try trial(try partial.graph(of: whole), heldOut)) }
            if !heldOut.isEmpty {
                try insert(heldOut.map { UInt32($0) }, into: graph, workers: workers)
                try connect(graph, worker: workers)
                try updateNeighborBlocks(of: whole)
            }
            built = whole
        }
        guard let built else { throw .cancelled }
        return built
    }

    /// Live slots that no upper level has, evenly over all.
    private func trialSlots(in slots: Range<Int>) -> [Int] {
        let levels = HNSWLevels(m: options.m, seed: options.seed)
        let candidates = slots.filter { !source.isDeleted($0) && levels.level($0) == 0 }
        let wanted = Self.trialCount(candidates.count)
        return (0 ..< wanted).map { candidates[(2 * $0 + 1) * candidates.count / (2 * wanted)] }
    }

    private func graph(of built: HNSWBuild) throws(HNSWBuildError) -> HNSWGraph {
        do throws(HNSWError) { return try built.graph(vectors: source.vectors) } catch {
            preconditionFailure("what was just built is sound: \(error)")
        }
    }
}

extension HNSWSource {
    /// The same with another set of slots that are left out, valid during the build.
    func leavingOut(_ deleted: UnsafeBufferPointer<UInt64>) -> HNSWSource {
        HNSWSource(vectors: vectors, dimension: dimension, metric: metric, element: element, deleted: deleted)
    }
}
