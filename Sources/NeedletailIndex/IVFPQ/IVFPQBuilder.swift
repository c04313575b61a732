import CNeedletailKernels
import NeedletailStorage

/// An index as built: in memory, in the layout in which it is installed.
package final class IVFPQBuild: @unchecked Sendable {
    package let header: IVFPQHeader
    /// What the caller should know, such as too few vectors to train on.
    package let warnings: [String]
    let arrays: [IVFPQRows]
    /// Whose chunks the arrays share.
    private let base: IVFPQIndex?

    init(header: IVFPQHeader, arrays: [IVFPQRows], warnings: [String], base: IVFPQIndex? = nil) {
        self.base = base
        self.header = header
        self.arrays = arrays
        self.warnings = warnings
    }

    /// The arrays by ``IVFPQArray``; valid as long as this object.
    package var rows: [ChunkedRows] { arrays.map(\.view) }

    /// What an install writes; valid as long as this object.
    package var contents: [IndexArrayContent] { arrays.map(\.content) }

    /// The index where it is, which keeps this object.
    package func index(vectors: VectorBlocks) throws(IVFPQDamage) -> IVFPQIndex {
        try IVFPQIndex(header: header, arrays: rows, vectors: vectors, owner: self)
    }
}

/// Builds an IVF-PQ index (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011).
///
/// The phases of a build:
///
/// 1. *sample*: some vectors per list, in random order, into memory; their mean is taken from all vectors from here on.
/// 2. *clustering*: k-means makes centroids of them.
/// 3. *codebooks*: a product quantizer is trained on what is left of vectors when their centroid is taken away.
/// 4. *encoding*: every vector is assigned to its centroid and coded, tile by tile.
/// 5. *lists*: codes are sorted by list and interleaved into blocks.
///
/// The result depends on vectors, options and seed, not on the number of threads.
package struct IVFPQBuilder {
    let source: IVFPQSource
    let options: IVFPQOptions
    let crew: TrainingCrew

    package init(_ source: IVFPQSource, options: IVFPQOptions, crew: TrainingCrew = TrainingCrew()) {
        self.source = source
        self.options = options
        self.crew = crew
    }

    /// Builds an index of all slots that are not deleted.
    ///
    /// - Throws: `tooManyClusters`, `notFinite`, `invalid`, `cancelled`.
    package func build() throws(TrainingError) -> IVFPQBuild {
        try options.validate(dimension: source.dimension)
        let (model, warnings) = try train()
        var header = model.header
        let encoded = try IVFPQEncoder(source: source, model: model, crew: crew).encode(0 ..< source.vectors.count)
        header.count = source.vectors.count
        header.rowCount = encoded.rowCount
        header.trainingError = encoded.assignmentError
        header.quantizationError = encoded.quantizationError
        let coarse = model.coarseCodes()
        header.coarse = coarse.codes
        let layout = try IVFPQLayout(header, encoded, crew: crew)
        crew.report("lists", 1)
        let arrays = [
            IVFPQRows(model.centroids), IVFPQRows(model.codebookRows), IVFPQRows(model.transformRows), layout.lists, layout.blocks, layout.tails,
            coarse.rows,
        ]
        return IVFPQBuild(header: header, arrays: arrays, warnings: warnings)
    }
}

/// What training makes: all that is needed to code a vector.
struct IVFPQModel {
    var header: IVFPQHeader
    let transform: IVFPQTransform
    let centroids: FloatMatrix
    let quantizer: ProductQuantizer

    /// As ``IVFPQArray/codebooks`` holds them: a subspace a row, none where codewords are known.
    var codebookRows: FloatMatrix {
        let rows = FloatMatrix(rows: header.codebookCount, columns: quantizer.width * quantizer.codes)
        rows.base.update(from: quantizer.codewords.base, count: rows.count)
        return rows
    }

    var transformRows: FloatMatrix {
        let rotation = transform.rotation
        let rows = FloatMatrix(rows: 1 + (rotation?.rows ?? 0), columns: transform.paddedDimension)
        rows.copyRow(0, from: transform.mean.base)
        if let rotation { rows[1].update(from: rotation.base, count: rotation.count) }
        return rows
    }
}
