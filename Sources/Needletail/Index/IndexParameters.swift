import Foundation
import NeedletailIndex
import NeedletailStorage

/// What the catalog keeps of a graph index beside its arrays: the graph's header and, in the same JSON object, how it came about.
struct IndexParameters: Codable, Sendable {
    var header: HNSWHeader
    var build: IndexBuildReport
    /// Live records that the index covered when recall was last measured.
    var measuredCount: Int
    /// Slots that had been deleted when the graph was last built or repaired, and are not in it.
    var unlinkedCount: Int

    /// The name and the kind of a collection's index in the catalog.
    static let name = "hnsw", kind = "hnsw"

    private enum CodingKeys: String, CodingKey { case build, measuredCount, unlinkedCount }

    init(header: HNSWHeader, build: IndexBuildReport, measuredCount: Int, unlinkedCount: Int) {
        self.header = header
        self.build = build
        self.measuredCount = measuredCount
        self.unlinkedCount = unlinkedCount
    }

    init(from decoder: any Decoder) throws {
        header = try HNSWHeader(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        build = try container.decode(IndexBuildReport.self, forKey: .build)
        measuredCount = try container.decode(Int.self, forKey: .measuredCount)
        unlinkedCount = try container.decode(Int.self, forKey: .unlinkedCount)
    }

    func encode(to encoder: any Encoder) throws {
        try header.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(build, forKey: .build)
        try container.encode(measuredCount, forKey: .measuredCount)
        try container.encode(unlinkedCount, forKey: .unlinkedCount)
    }

    /// As the catalog keeps it.
    func encoded() throws(NeedletailError) -> Data {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(self)
        } catch {
            throw NeedletailError(.invalidArgument, "the description of an index cannot be written as JSON: \(error)")
        }
    }

    /// Reads what a descriptor of the file says.
    init(_ descriptor: IndexDescriptor, of collection: Collection) throws(NeedletailError) {
        func damaged(_ reason: String) -> NeedletailError {
            NeedletailError(
                .corrupt, "the index of collection '\(collection.name)' in \(collection.database.path) cannot be read: \(reason). Drop it and create it anew",
                path: collection.database.path)
        }
        guard descriptor.kind == Self.kind else {
            throw NeedletailError(
                .newerFormat,
                "the index of collection '\(collection.name)' in \(collection.database.path) is of the kind '\(descriptor.kind)', which this version does not know. Use a newer one, or drop the index",
                path: collection.database.path)
        }
        do {
            self = try JSONDecoder().decode(IndexParameters.self, from: descriptor.parameters)
        } catch {
            throw damaged("\(error)")
        }
        let schema = collection.schema
        guard header.metric == schema.metric.indexMetric, header.element == schema.element.indexElement, header.dimension == schema.dimension,
              header.count == descriptor.coveredCount
        else { throw damaged("it was built for other vectors") }
        guard header.count >= 0, (0 ... header.count).contains(unlinkedCount), (0 ... HNSWHeader.countLimit).contains(measuredCount) else {
            throw damaged("of \(header.count) records, \(unlinkedCount) are not linked and \(measuredCount) were measured")
        }
        // Plans are computed from these.
        for point in header.calibration {
            guard (1 ... Collection.maximumK).contains(point.k), IndexDescription.possibleEfSearch.contains(point.efSearch),
                  (0 ... 1).contains(point.recall)
            else { throw damaged("a recall of \(point.recall) for \(point.k) neighbours and an efSearch of \(point.efSearch) cannot have been measured") }
        }
    }
}
