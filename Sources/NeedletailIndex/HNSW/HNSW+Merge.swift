import CNeedletailKernels
import NeedletailStorage

// A graph that covers slots 0 ..< n is extended to cover 0 ..< m, and what led to slots deleted since is mended. The old
// graph is only read: it may lie in a snapshot's map, under searches. Lists are copied, since threads
// change them in nearly every chunk; chunks of codes are shared. Of lists and neighbour blocks the rows that have changed are written,
// where they are few (ChangedNodes.swift).

extension HNSWBuilder {
    /// Where more of a graph's nodes than this are dead, it is built afresh: mending would touch nearly every list.
    private static let deadShareLimit = 0.5
    /// A graph that grows by more than this factor is built afresh: its codes' scale was found for the few.
    private static let growthLimit = 8

    /// A graph over all slots that are not deleted, made of one that covers the first of them. The graph's own parameters
    /// stand; of `options` only threads and memory limit are read.
    ///
    /// - Parameter trial: measures anew what a graph that has changed much finds; called where enough is new to measure with, or the
    ///   graph is built afresh. Where it is not, the old graph's calibration stands.
    /// - Complexity: as a build of the new slots alone, and a copy of the lists; one selection of neighbours for each node
    ///   that leads to a deleted one.
    package func merge(into base: HNSWGraph, measuring trial: HNSWTrial? = nil) throws(HNSWBuildError) -> HNSWBuild {
        let count = source.vectors.count, covered = base.header.count
        guard base.header.dimension == source.dimension, base.header.metric == source.metric, base.header.element == source.element else {
            throw .invalid("the graph was built over vectors of another metric, element or dimension")
        }
        guard covered <= count else { throw .invalid("the graph covers \(covered) slots of \(count)") }
        var options = options
        options.m = base.header.m
        options.efConstruction = base.header.efConstruction
        options.quantization = base.header.quantization
        options.seed = base.header.seed
        var builder = self
        builder.options = options
        return try builder.extend(base, measuring: trial)
    }

    private func extend(_ base: HNSWGraph, measuring trial: HNSWTrial?) throws(HNSWBuildError) -> HNSWBuild {
        let count = source.vectors.count, covered = base.header.count
        let deleted = source.deletedCount(below: covered)
        // A slot that was left out before is no node, and is never used again: such slots only become more.
        let dead = deleted == 0 ? 0 : (0 ..< covered).reduce(0) { $0 + (source.isDeleted($1) && base.list(level: 0, UInt32($1))[0] != NT_NO_NODE ? 1 : 0) }
        let linked = covered - deleted + dead
        let added = count - covered - (source.deletedCount(below: count) - deleted)
        let isWorthwhile = base.header.entrySlot != nil && linked > 0 && Double(dead) <= Self.deadShareLimit * Double(linked)
            && (linked - dead + added) / Self.growthLimit <= linked
        guard isWorthwhile else { return try build(measuring: trial) }

        try options.validate(count: count)
        let needed = Self.memoryEstimate(count: count, covered: covered, dimension: source.dimension, options: options)
        if let limit = options.memoryLimit, needed > limit { throw .memoryLimit(needed: needed, limit: limit) }

        var header = base.header
        header.count = count
        let codes: MutableRows
        if let quantizer = header.sq8 {
            codes = try MutableRows(stride: quantizer.rowByteCount, count: count, extending: base.codes.first(covered))
            try encode(covered ..< count, quantizer, to: codes)
        } else {
            codes = try MutableRows(stride: 64, count: 0)
        }

        // Upper nodes keep their order; those of deleted slots are left out.
        let old = UpperSurvivors(base: base, source: source)
        let new = UpperPlan(source: source, options: options, first: covered)
        let graph = BuildGraph(
            m: options.m, count: count,
            links: try MutableRows(stride: header.linkStride, count: count),
            upperNodes: try MutableRows(stride: HNSWHeader.upperNodeStride, count: old.survivors.count + new.nodes.count),
            upperLinks: try MutableRows(stride: header.upperLinkStride, count: old.listCount + new.listCount))
        graph.clearLists(from: covered)
        old.write(to: graph, base: base)
        new.write(to: graph, firstNode: old.survivors.count, firstList: old.listCount)

        return try complete(
            header, graph, codes, new, firstNode: old.survivors.count, slots: covered ..< count, base: base, measuring: trial
        ) { workers throws(HNSWBuildError) in
            try repair(graph, base: base, survivors: old, workers: workers)
        }
    }
}

extension ChunkedRows {
    /// The first rows, where there are more.
    func first(_ rows: Int) -> ChunkedRows {
        ChunkedRows(
            pointers: pointers, chunkCount: Self.chunkCount(rows: rows, shift: shift), shift: shift, stride: stride, count: rows)
    }
}
