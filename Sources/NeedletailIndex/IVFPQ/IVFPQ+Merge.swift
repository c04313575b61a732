import NeedletailStorage

// Living data. Rows behind those an index covers are scanned exactly until a merge takes them in; deleted rows are left out
// of results by the bitmap until a merge drops them. A merge keeps centroids and codebooks; whether they still fit is what
// `retraining` says.

extension IVFPQIndex {
    /// An index that also covers what was inserted since: every slot of `source`, whose first are those that this one covers.
    ///
    /// Full blocks stay as they are, so that an install writes the tails and the new blocks, unless so many rows have been
    /// deleted that all lists are written anew without them. The result shares memory with this index's arrays.
    ///
    /// - Parameter compacts: whether to drop deleted rows everywhere; nil: where it pays.
    /// - Throws: `notFinite`, `cancelled`, `invalid`.
    package func merged(
        with source: IVFPQSource, compacts: Bool? = nil, crew: TrainingCrew = TrainingCrew()
    ) throws(TrainingError) -> IVFPQBuild {
        guard source.metric == header.metric, source.element == header.element, source.dimension == header.dimension,
            source.vectors.count >= header.count
        else { throw .invalid("the vectors are not those of this index") }
        let model = IVFPQModel(header: header, transform: transform, centroids: centroidMatrix(), quantizer: quantizer)
        let encoded = try IVFPQEncoder(source: source, model: model, crew: crew).encode(header.count ..< source.vectors.count)
        let compacts = compacts ?? paysToCompact(source)
        let layout = try IVFPQLayout(header, encoded, over: self, compacts: compacts, isWanted: { !source.isDeleted(Int($0)) }, crew: crew)

        var header = header
        header.count = source.vectors.count
        header.rowCount = layout.rowCount
        header.unusedBlockCount = layout.unusedBlockCount
        let appended = header.appendedCount + encoded.rowCount
        if appended > 0 {
            header.appendedError =
                (header.appendedError * Double(header.appendedCount) + encoded.assignmentError * Double(encoded.rowCount)) / Double(appended)
        }
        header.appendedCount = appended
        let kept = [centroids, codebookRows, transformRows].map { IVFPQRows(stride: $0.stride, count: $0.count, extending: $0) }
        let coarse = IVFPQRows(stride: max(coarseRows.stride, 1), count: coarseRows.count, extending: coarseRows)
        return IVFPQBuild(header: header, arrays: kept + [layout.lists, layout.blocks, layout.tails, coarse], warnings: [], base: self)
    }

    /// Whether a fifth of what lists hold is deleted, or of the blocks belongs to none.
    private func paysToCompact(_ source: IVFPQSource) -> Bool {
        let live = (0 ..< header.count).reduce(0) { $0 + (source.isDeleted($1) ? 0 : 1) }
        return (header.rowCount - live) * 5 > header.rowCount || header.unusedBlockCount * 5 > blocks.count
    }

    /// Why the index would be better trained anew, if it would.
    package enum Retraining: Sendable, Hashable {
        /// Vectors that came later lie so much farther from their centroids than those it was trained on.
        case drift(ratio: Double)
        /// The collection has grown so many times over; its lists are long.
        case growth(ratio: Double)
    }

    /// Appended vectors' mean squared distance from their centroids, as a multiple of what it was in training; 1 where none are.
    package var drift: Double {
        header.appendedCount > 0 && header.trainingError > 0 ? header.appendedError / header.trainingError : 1
    }

    /// Whether training anew would pay: where a tenth of all rows came later and fits a quarter worse, or where lists have grown
    /// to four times their length.
    package var retraining: Retraining? {
        if header.appendedCount * 10 >= header.rowCount, drift > 1.25 { return .drift(ratio: drift) }
        let growth = Double(header.rowCount) / Double(max(header.trainedCount, 1))
        return growth >= 4 ? .growth(ratio: growth) : nil
    }

    /// Rows in a list.
    func rowCount(_ list: Int) -> Int { IVFPQList.Head(lists.row(list)).rowCount }

    /// Copies the full blocks of a list one behind the other.
    func copyBlocks(of list: Int, to target: IVFPQRows, at first: Int) {
        var position = first
        for run in IVFPQList(lists.row(list)).runs {
            for block in run.first ..< run.first + run.count {
                target.row(position).copyMemory(from: blocks.row(block), byteCount: blocks.stride)
                position += 1
            }
        }
    }
}

/// The lists of an index whose rows are taken out: all of them, or those of the tails.
struct IVFPQOpenedLists {
    private let index: IVFPQIndex
    private let whole: Bool

    init(_ index: IVFPQIndex, whole: Bool) {
        self.index = index
        self.whole = whole
    }

    func count(_ list: Int, where isWanted: (UInt32) -> Bool) -> Int {
        var count = 0
        forEachBlock(list) { block, width, rows in
            let layout = IVFPQBlock(index.header, width: width)
            for v in 0 ..< rows where isWanted(layout.slot(block, v)) { count += 1 }
        }
        return count
    }

    func append(_ list: Int, to rows: inout IVFPQListRows, where isWanted: (UInt32) -> Bool) {
        forEachBlock(list) { block, width, count in
            rows.append(block: block, width: width, rows: count, index.header, where: isWanted)
        }
    }

    private func forEachBlock(_ number: Int, _ body: (_ block: UnsafeRawPointer, _ width: Int, _ rows: Int) -> Void) {
        let list = IVFPQList(index.lists.row(number))
        if whole {
            for run in list.runs {
                for block in run.first ..< run.first + run.count {
                    body(index.blocks.row(block), IVFPQHeader.blockRows, IVFPQHeader.blockRows)
                }
            }
        }
        let left = list.tailRowCount
        if left > 0 { body(index.tails.row(list.tailFirst), IVFPQList.tailUnits(left) * IVFPQHeader.tailRows, left) }
    }
}
