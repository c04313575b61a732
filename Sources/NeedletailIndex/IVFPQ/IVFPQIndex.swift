import CNeedletailKernels
import NeedletailStorage
import Synchronization

/// An IVF-PQ index where it lies: in the memory map, or in the memory of a build.
///
/// Distances are estimated as ‖q − c‖² − 2q·r + t, for a vector coded as centroid c and residual r. The first part belongs to query
/// and list, the second is looked up in one table for all lists, and t, which belongs to the row (``IVFPQTerm``), stands beside its code
/// as a byte. So a query makes one table, where the usual form, ‖(q − c) − r‖², wants one for every list it visits.
///
/// Making one checks the header and the directory against the arrays, so that no search reads outside them; slots in blocks are
/// compared with the number of slots as they are met.
package final class IVFPQIndex: @unchecked Sendable {
    package let header: IVFPQHeader
    /// The vectors as stored; may hold more rows than the index covers.
    package let vectors: VectorBlocks
    let centroids: ChunkedRows
    let lists: ChunkedRows
    let blocks: ChunkedRows
    let tails: ChunkedRows
    let codebookRows: ChunkedRows
    let transformRows: ChunkedRows
    let coarseRows: ChunkedRows
    let coarseSearch: IVFPQCoarseSearch?
    let quantizer: ProductQuantizer
    let transform: IVFPQTransform
    let kernels: nt_distance
    /// Finds the centroids that are nearest to one query.
    let centroidKernels: nt_distance
    let scratches: ScratchPool<IVFPQScratch>
    /// The least step of a query's table: with a finer one, which only queries near the mean of all vectors would have, the terms
    /// of some list would not fit beside the sums.
    private(set) var leastStep: Float = 0
    /// What a sum and a term may be together, and what is left to the sum.
    static let sumLimit = 65_535
    static let tableLimit = 49_152
    /// Whether searches ask for pages before they read them: see `PageAdvice`.
    package let advisesPages: Bool
    private let owner: (any Sendable & AnyObject)?
    private let packedCentroids = Mutex<CentroidTable?>(nil)

    /// - Parameters:
    ///   - arrays: by ``IVFPQArray``.
    ///   - vectors: valid as long as this object is used.
    ///   - advisesPages: whether searches ask for pages before they read them; nil: where there is not memory for all.
    ///   - owner: what keeps the arrays where they are, an `IndexSnapshot` or a build; held as long as this object.
    package init(
        header: IVFPQHeader, arrays: [ChunkedRows], vectors: VectorBlocks, advisesPages: Bool? = false, owner: (any Sendable & AnyObject)?
    ) throws(IVFPQDamage) {
        self.owner = owner
        scratches = ScratchPool { IVFPQScratch(header) }
        guard header.isValid else { throw IVFPQDamage("a value of the header is out of its range") }
        guard arrays.count >= IVFPQArray.allCases.count else { throw IVFPQDamage("an array of the index is missing") }
        self.header = header
        self.vectors = vectors
        self.advisesPages = advisesPages ?? Self.exceedsMemory(
            byteCount: vectors.count * vectors.stride + arrays.reduce(0) { $0 + $1.count * $1.stride })
        func array(_ which: IVFPQArray, count: Int, stride: Int) throws(IVFPQDamage) -> ChunkedRows {
            let rows = arrays[which.rawValue]
            guard rows.count >= count, count == 0 && which == .coarse || rows.count == 0 || rows.stride == stride else {
                throw IVFPQDamage("array \(which) holds \(rows.count) rows of \(rows.stride) bytes, not \(count) of \(stride)")
            }
            return rows
        }
        guard header.count <= vectors.count, vectors.stride >= header.dimension * header.element.byteCount else {
            throw IVFPQDamage("\(header.count) slots of \(header.dimension) dimensions do not fit the collection")
        }
        centroids = try array(.centroids, count: header.nlist, stride: header.centroidStride)
        lists = try array(.lists, count: header.nlist, stride: IVFPQList.stride)
        blocks = try array(.blocks, count: 0, stride: header.blockStride)
        tails = try array(.tails, count: 0, stride: header.tailStride)
        let books = try array(.codebooks, count: header.codebookCount, stride: header.codebookStride)
        let rows = try array(.transform, count: 1 + (header.isRotated ? header.paddedDimension : 0), stride: header.centroidStride)

        let coarse = try array(
            .coarse, count: header.coarse == nil ? 0 : (header.nlist + IVFPQHeader.blockRows - 1) / IVFPQHeader.blockRows,
            stride: header.coarseForm?.blockStride ?? 1)
        coarseRows = coarse
        coarseSearch = IVFPQCoarseSearch(header, blocks: coarse)

        codebookRows = books
        transformRows = rows
        switch header.code {
        case .pq(let bits):
            let codewords = FloatMatrix(rows: header.paddedDimension, columns: 1 << bits)
            let bookFloats = header.codebookStride / 4
            for m in 0 ..< header.subspaces {
                UnsafeMutableRawPointer(codewords.base + m * bookFloats).copyMemory(from: books.row(m), byteCount: header.codebookStride)
            }
            quantizer = ProductQuantizer(subspaces: header.subspaces, bits: bits, codewords: codewords)
        case .rabitq(let bits):
            quantizer = ProductQuantizer(grid: bits, dimension: header.paddedDimension)
        }
        func matrix(_ range: Range<Int>) -> FloatMatrix {
            let matrix = FloatMatrix(rows: range.count, columns: header.paddedDimension)
            for i in range { UnsafeMutableRawPointer(matrix[i - range.lowerBound]).copyMemory(from: rows.row(i), byteCount: rows.stride) }
            return matrix
        }
        transform = IVFPQTransform(
            metric: header.metric, dimension: header.dimension, mean: matrix(0 ..< 1),
            rotation: header.isRotated ? matrix(1 ..< 1 + header.paddedDimension) : nil, randomRotation: header.randomRotation)
        kernels = nt_distance_for(header.metric.kernelMetric, header.element.kernelElement).pointee
        centroidKernels = nt_distance_for(header.metric == .dot ? NT_METRIC_DOT : NT_METRIC_L2, NT_ELEMENT_F32).pointee
        leastStep = try validateLists()
        if self.advisesPages {
            for rows in [blocks, tails] { PageAdvice.inNoOrder(rows) }
            PageAdvice.inNoOrder(vectors)
        }
    }

    /// Returns the value of ``leastStep``.
    private func validateLists() throws(IVFPQDamage) -> Float {
        var rowCount = 0
        var leastStep: Float = 0
        for number in 0 ..< header.nlist {
            let row = lists.row(number)
            let head = IVFPQList.Head(row)
            var left = head.rowCount
            guard head.runCount <= IVFPQList.runLimit else { throw IVFPQDamage("list \(number) has \(head.runCount) runs") }
            for number in 0 ..< head.runCount {
                let run = IVFPQList.run(row, number)
                guard run.first + run.count <= blocks.count else { throw IVFPQDamage("list \(number) has blocks beyond the last") }
                left -= run.count * IVFPQHeader.blockRows
            }
            let units = IVFPQList.tailUnits(max(left, 0))
            guard (0 ..< IVFPQHeader.blockRows).contains(left), head.tailFirst + units <= tails.count,
                units == 0 || head.tailFirst >> tails.shift == (head.tailFirst + units - 1) >> tails.shift,
                head.termLeast.isFinite, head.termStep.isFinite, head.termStep >= 0, head.scaleStep.isFinite, head.scaleStep >= 0
            else { throw IVFPQDamage("list \(number) does not fit the tails") }
            rowCount += head.rowCount
            leastStep = max(leastStep, Self.leastStep(termStep: head.termStep, unit: IVFPQList.unit(scaleStep: head.scaleStep)))
        }
        guard rowCount == header.rowCount else { throw IVFPQDamage("the lists hold \(rowCount) rows, not \(header.rowCount)") }
        return leastStep
    }

    /// The least step of a table with which terms of such steps fit beside its sums.
    static func leastStep(termStep: Float, unit: Float) -> Float { 255 * termStep / (Float(sumLimit - tableLimit) * unit) }

    /// Bytes of all arrays.
    package var byteCount: Int {
        header.nlist * (header.centroidStride + IVFPQList.stride) + header.codebookStride * header.codebookCount
            + blocks.count * blocks.stride + tails.count * tails.stride + coarseRows.count * coarseRows.stride
    }

    /// Rows of each list, those included that have been deleted since they were put in.
    package var listSizes: [Int] { (0 ..< header.nlist).map(rowCount) }

    /// The centroids as a matrix product wants them; made when the first batch asks.
    func centroidTable() -> CentroidTable {
        packedCentroids.withLock { table in
            if let table { return table }
            let matrix = centroidMatrix()
            let made = CentroidTable(matrix.base, count: matrix.rows, dimension: matrix.columns, metric: header.metric == .dot ? .dot : .l2)
            table = made
            return made
        }
    }

    func centroidMatrix() -> FloatMatrix {
        let matrix = FloatMatrix(rows: header.nlist, columns: header.paddedDimension)
        for i in 0 ..< header.nlist { UnsafeMutableRawPointer(matrix[i]).copyMemory(from: centroids.row(i), byteCount: centroids.stride) }
        return matrix
    }
}

/// What a search did.
package struct IVFPQStatistics: Sendable, Hashable {
    /// Lists whose codes were scanned; those that could hold nothing near enough were not.
    package var lists = 0
    /// Codes scanned.
    package var codes = 0
    /// Vectors of which the exact distance was computed.
    package var refined = 0

    package init() {}
}
