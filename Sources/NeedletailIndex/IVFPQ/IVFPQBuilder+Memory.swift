import NeedletailStorage

// What a build holds at its greatest, reckoned before it begins: its parts are known in advance, but for a few buffers.

extension IVFPQBuilder {
    /// Bytes that the build takes at most, about.
    package var peakByteCount: Int { peak(pointsPerList: options.pointsPerList) }

    /// Bytes that it takes with as few vectors to train on as make sense.
    package var leastByteCount: Int { peak(pointsPerList: IVFPQOptions.fewPointsPerList) }

    /// The same build with fewer vectors to train on, so that it stays within a limit; nil where it cannot.
    package func fitting(memoryLimit: Int) -> IVFPQBuilder? {
        var smaller = options
        while peak(pointsPerList: smaller.pointsPerList) > memoryLimit {
            guard smaller.pointsPerList > IVFPQOptions.fewPointsPerList else { return nil }
            smaller.pointsPerList = max(IVFPQOptions.fewPointsPerList, smaller.pointsPerList * 3 / 4)
        }
        return IVFPQBuilder(source, options: smaller, crew: crew)
    }

    /// Bytes that a merge takes at most, about: with all lists written anew, as it does where much has been deleted.
    package static func mergePeakByteCount(_ index: IVFPQIndex, _ source: IVFPQSource, threads: Int) -> Int {
        let header = index.header
        let added = source.vectors.count - header.count
        return encoding(rows: added, header, threads: threads) + lists(rows: header.rowCount + added, header) + model(header)
    }

    private func peak(pointsPerList: Int) -> Int {
        let header = IVFPQHeader(
            metric: source.metric, element: source.element, dimension: source.dimension, nlist: options.nlist, code: options.code,
            subspaces: options.subspaces, isRotated: options.rotates)
        let rows = source.vectors.count
        var codewordRows = 0
        if case .pq(let bits) = options.code { codewordRows = min(rows, ProductQuantizer.sampleCount(bits: bits)) }
        let sampled = min(rows, max(options.nlist * pointsPerList, codewordRows))
        let row = header.paddedDimension * 4
        // The sample, its clusters, the residuals of a part of it, and those rotated.
        let training = sampled * (row + 12) + codewordRows * (row + header.subspaces) * (options.rotates ? 3 : 1)
        let coding = Self.encoding(rows: rows, header, threads: crew.threads) + Self.lists(rows: rows, header)
        return Self.model(header) + max(training, coding)
    }

    /// Centroids, also as a matrix product wants them, codewords and the rotation.
    private static func model(_ header: IVFPQHeader) -> Int {
        2 * header.nlist * header.centroidStride + 2 * header.codebookCount * header.codebookStride
            + (header.isRotated ? 3 * header.paddedDimension * header.centroidStride : 0)
    }

    /// Rows that have been coded, and what the threads code in.
    private static func encoding(rows: Int, _ header: IVFPQHeader, threads: Int) -> Int {
        rows * (header.codeByteCount + 12) + threads * CentroidTable.tileRows * 4 * (2 * header.centroidStride + 4 * 1024)
    }

    /// Lists, their blocks and tails, half of which are empty.
    private static func lists(rows: Int, _ header: IVFPQHeader) -> Int {
        rows * header.rowByteCount + header.nlist * (3 * IVFPQList.stride + 8 * header.rowByteCount)
    }
}
