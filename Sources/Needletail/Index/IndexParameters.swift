import Foundation
import NeedletailIndex
import NeedletailStorage

/// What the catalog keeps of an index beside its arrays: its header and, in the same JSON object, how it came about.
struct IndexParameters: Sendable {
    var content: Content
    var build: IndexBuildReport
    /// Live records that the index covered when recall was last measured.
    var measuredCount: Int

    /// What the two kinds do not share.
    enum Content: Sendable {
        /// - Parameters:
        ///   - unlinkedCount: Slots that had been deleted when the graph was last built or repaired, and are not in it.
        ///   - queryPoints: The recall that was measured with real queries; empty where none was.
        case graph(HNSWHeader, unlinkedCount: Int, queryPoints: [HNSWHeader.CalibrationPoint])
        /// - Parameters:
        ///   - request: What was asked for when it was created, which a later training goes by.
        ///   - curves: The recall that was measured with records.
        ///   - queryCurves: The recall that was measured with real queries; empty where none was.
        case lists(IVFPQHeader, request: ListRequest, curves: [ListCalibration.Curve], queryCurves: [ListCalibration.Curve])
    }

    /// The kinds of a collection's index in the catalog, where they are names too.
    static let graphKind = "hnsw", listKind = IVFPQHeader.kind

    /// Whether it is the collection's index, be it of a kind that this version does not know.
    static func isIndex(_ descriptor: IndexDescriptor) -> Bool { isName(descriptor.name) }

    /// Whether a collection's index may have this name.
    static func isName(_ name: String) -> Bool { name == graphKind || name == listKind }

    var kind: String {
        switch content {
        case .graph: Self.graphKind
        case .lists: Self.listKind
        }
    }

    /// Slots below it are covered.
    var coveredCount: Int {
        switch content {
        case .graph(let header, _, _): header.count
        case .lists(let header, _, _, _): header.count
        }
    }

    /// Slots of a graph that had been deleted before it was made.
    var unlinkedCount: Int { if case .graph(_, let count, _) = content { count } else { 0 } }

    /// The recall of a graph that was measured with real queries.
    var queryPoints: [HNSWHeader.CalibrationPoint] { if case .graph(_, _, let points) = content { points } else { [] } }

    /// What was asked for when the lists were made.
    var request: ListRequest? { if case .lists(_, let request, _, _) = content { request } else { nil } }

    /// The recall of lists that was measured with records.
    var curves: [ListCalibration.Curve] { if case .lists(_, _, let curves, _) = content { curves } else { [] } }

    /// The recall of lists that was measured with real queries.
    var queryCurves: [ListCalibration.Curve] { if case .lists(_, _, _, let curves) = content { curves } else { [] } }
}

// MARK: For a report

extension IndexParameters {
    /// What was measured with records, of a graph under filters too.
    var recallPoints: [RecallPoint] {
        switch content {
        case .graph(let header, _, _): header.calibration.map { RecallPoint($0) }
        case .lists(_, _, let curves, _): curves.flatMap(\.points)
        }
    }

    /// What was measured with real queries; `nil` where nothing was.
    var queryRecallPoints: [RecallPoint]? {
        let points = switch content {
        case .graph(_, _, let points): points.map { RecallPoint($0) }
        case .lists(_, _, _, let curves): curves.flatMap(\.points)
        }
        return points.isEmpty ? nil : points
    }
}

extension RecallPoint {
    init(_ point: HNSWHeader.CalibrationPoint) { self.init(k: point.k, efSearch: point.efSearch, recall: point.recall) }
}

extension ListCalibration.Curve {
    fileprivate var points: [RecallPoint] {
        zip(nprobe, recall).map { RecallPoint(k: k, nprobe: $0, refineFactor: refineFactor, recall: $1) }
    }
}

// MARK: As the catalog keeps it

/// The JSON object of a graph.
private struct StoredGraph: Codable {
    var header: HNSWHeader
    var build: IndexBuildReport
    var measuredCount, unlinkedCount: Int
    var queryCalibration: [HNSWHeader.CalibrationPoint]?

    private enum CodingKeys: String, CodingKey { case build, measuredCount, unlinkedCount, queryCalibration }

    init(
        _ header: HNSWHeader, _ build: IndexBuildReport, measuredCount: Int, unlinkedCount: Int, queryCalibration: [HNSWHeader.CalibrationPoint]?
    ) {
        (self.header, self.build, self.measuredCount, self.unlinkedCount) = (header, build, measuredCount, unlinkedCount)
        self.queryCalibration = queryCalibration
    }

    init(from decoder: any Decoder) throws {
        header = try HNSWHeader(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        build = try container.decode(IndexBuildReport.self, forKey: .build)
        measuredCount = try container.decode(Int.self, forKey: .measuredCount)
        unlinkedCount = try container.decode(Int.self, forKey: .unlinkedCount)
        queryCalibration = try container.decodeIfPresent([HNSWHeader.CalibrationPoint].self, forKey: .queryCalibration)
    }

    func encode(to encoder: any Encoder) throws {
        try header.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(build, forKey: .build)
        try container.encode(measuredCount, forKey: .measuredCount)
        try container.encode(unlinkedCount, forKey: .unlinkedCount)
        try container.encodeIfPresent(queryCalibration, forKey: .queryCalibration)
    }
}

/// The JSON object of an IVF-PQ index.
private struct StoredLists: Codable {
    var header: IVFPQHeader
    var build: IndexBuildReport
    var measuredCount: Int
    var request: ListRequest
    var calibration: [ListCalibration.Curve]
    var queryCalibration: [ListCalibration.Curve]?

    private enum CodingKeys: String, CodingKey { case build, measuredCount, request, calibration, queryCalibration }

    init(
        _ header: IVFPQHeader, _ build: IndexBuildReport, measuredCount: Int, _ request: ListRequest, _ calibration: [ListCalibration.Curve],
        queryCalibration: [ListCalibration.Curve]?
    ) {
        (self.header, self.build, self.measuredCount, self.request, self.calibration) = (header, build, measuredCount, request, calibration)
        self.queryCalibration = queryCalibration
    }

    init(from decoder: any Decoder) throws {
        header = try IVFPQHeader(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        build = try container.decode(IndexBuildReport.self, forKey: .build)
        measuredCount = try container.decode(Int.self, forKey: .measuredCount)
        request = try container.decode(ListRequest.self, forKey: .request)
        calibration = try container.decode([ListCalibration.Curve].self, forKey: .calibration)
        queryCalibration = try container.decodeIfPresent([ListCalibration.Curve].self, forKey: .queryCalibration)
    }

    func encode(to encoder: any Encoder) throws {
        try header.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(build, forKey: .build)
        try container.encode(measuredCount, forKey: .measuredCount)
        try container.encode(request, forKey: .request)
        try container.encode(calibration, forKey: .calibration)
        try container.encodeIfPresent(queryCalibration, forKey: .queryCalibration)
    }
}

extension IndexParameters {
    /// What is installed.
    func descriptor() throws(NeedletailError) -> IndexDescriptor {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            let json = switch content {
            case .graph(let header, let unlinkedCount, let queryPoints):
                try encoder.encode(StoredGraph(
                    header, build, measuredCount: measuredCount, unlinkedCount: unlinkedCount,
                    queryCalibration: queryPoints.isEmpty ? nil : queryPoints))
            case .lists(let header, let request, let curves, let queryCurves):
                try encoder.encode(StoredLists(
                    header, build, measuredCount: measuredCount, request, curves, queryCalibration: queryCurves.isEmpty ? nil : queryCurves))
            }
            return IndexDescriptor(name: kind, kind: kind, coveredCount: coveredCount, parameters: json)
        } catch {
            throw NeedletailError(.invalidArgument, "the description of an index cannot be written as JSON: \(error)")
        }
    }

    /// Reads what a descriptor of the file says.
    init(_ descriptor: IndexDescriptor, of collection: Collection) throws(NeedletailError) {
        do {
            switch descriptor.kind {
            case Self.graphKind:
                let stored = try JSONDecoder().decode(StoredGraph.self, from: descriptor.parameters)
                content = .graph(stored.header, unlinkedCount: stored.unlinkedCount, queryPoints: stored.queryCalibration ?? [])
                (build, measuredCount) = (stored.build, stored.measuredCount)
            case Self.listKind:
                let stored = try JSONDecoder().decode(StoredLists.self, from: descriptor.parameters)
                content = .lists(
                    stored.header, request: stored.request, curves: stored.calibration, queryCurves: stored.queryCalibration ?? [])
                (build, measuredCount) = (stored.build, stored.measuredCount)
            default:
                throw NeedletailError(
                    .newerFormat,
                    "the index of collection '\(collection.name)' in \(collection.database.path) is of the kind '\(descriptor.kind)', which this version does not know. Use a newer one, or drop the index",
                    path: collection.database.path)
            }
        } catch let error as NeedletailError {
            throw error
        } catch {
            throw .damagedIndex(of: collection, "\(error)")
        }
        if let reason = contradiction(with: descriptor, collection.schema) { throw .damagedIndex(of: collection, reason) }
    }

    /// Why what a file says cannot be reckoned with, if so.
    private func contradiction(with descriptor: IndexDescriptor, _ schema: Schema) -> String? {
        let fits = switch content {
        case .graph(let header, _, _):
            header.metric == schema.metric.indexMetric && header.element == schema.element.indexElement && header.dimension == schema.dimension
        case .lists(let header, _, _, _):
            header.metric == schema.metric.indexMetric && header.element == schema.element.indexElement && header.dimension == schema.dimension
        }
        guard fits, coveredCount == descriptor.coveredCount else { return "it was built for other vectors" }
        guard coveredCount >= 0, (0 ... coveredCount).contains(unlinkedCount), (0 ... HNSWHeader.countLimit).contains(measuredCount) else {
            return "of \(coveredCount) records, \(unlinkedCount) are not linked and \(measuredCount) were measured"
        }
        // Plans are computed from these.
        switch content {
        case .lists(_, let request, let curves, let queryCurves):
            guard (curves + queryCurves).allSatisfy({ $0.nprobe.count == $0.recall.count }) else { return "its calibration is not whole" }
            if let reason = request.contradiction { return reason }
        case .graph(let header, _, _):
            guard header.calibration.allSatisfy({ $0.selectivity.map { $0 > 0 && $0 < 1 } ?? true }) else { return "a filter of no or all records was measured" }
        }
        for point in recallPoints + (queryRecallPoints ?? []) {
            guard (1 ... Collection.maximumK).contains(point.k), (0 ... 1).contains(point.recall),
                  point.efSearch.map(IndexDescription.possibleEfSearch.contains) ?? true,
                  point.nprobe.map(IndexDescription.possibleNlist.contains) ?? true,
                  point.refineFactor.map(IndexDescription.possibleRefineFactor.contains) ?? true
            else { return "a recall of \(point.recall) for \(point.k) neighbours cannot have been measured" }
        }
        return nil
    }
}
