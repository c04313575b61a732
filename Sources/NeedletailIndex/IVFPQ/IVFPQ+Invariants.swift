import NeedletailStorage

/// What holds for every index that a build or a merge has written, checked.
///
/// 1. Every slot below the covered count that has not been deleted is in exactly one list; no slot is in two places, and none is at
///    or beyond the count.
/// 2. The runs of lists lie inside the array of blocks, their tails inside one chunk of that of tails, and no two share a block or a row.
///    Blocks that no list leads to are as many as the header says, and so are the rows of all lists.
/// 3. A part's code is below the number of codewords: only a part that fills up to an even number can be otherwise, and is 0.
/// 4. Centroids, codewords, mean and rotation are finite, and so are the terms of lists; their steps are not negative.
///
/// The bytes may be anything: nothing is followed before it has been compared with the counts. Those that
/// making an ``IVFPQIndex`` refuses are not looked at again.
package struct IVFPQInvariants: Sendable {
    /// One sentence for each kind of violation, with the first place where it was found and how often it was.
    package private(set) var findings: [String] = []
    /// Rows met in all lists.
    package private(set) var rowCount = 0

    /// - Parameter deleted: bit set = slot need not be in a list. It may hold more than was deleted when the index was written.
    /// - Complexity: reads every block once; memory of a bit a slot and a byte a block.
    package init(checking index: IVFPQIndex, deleted: UnsafeBufferPointer<UInt64>? = nil) {
        var check = Check(index)
        check.numbers()
        for list in 0 ..< index.header.nlist { check.list(list) }
        check.blocks()
        check.slots(deleted)
        findings = check.findings.sentences
        rowCount = check.rowCount
    }
}

private struct Check {
    private let index: IVFPQIndex
    private let header: IVFPQHeader
    let findings = Findings()
    var rowCount = 0
    private var seen: [UInt64]
    private var usedBlocks: [Bool]
    private var usedTails: [Bool]

    init(_ index: IVFPQIndex) {
        self.index = index
        header = index.header
        seen = Array(repeating: 0, count: (header.count + 63) / 64)
        usedBlocks = Array(repeating: false, count: index.blocks.count)
        usedTails = Array(repeating: false, count: index.tails.count)
    }

    // MARK: Numbers

    mutating func numbers() {
        finite(index.centroids, "centroid", rows: header.nlist)
        finite(index.codebookRows, "codeword of part", rows: header.codebookCount)
        finite(index.transformRows, "row of the transform", rows: 1 + (header.isRotated ? header.paddedDimension : 0))
    }

    private func finite(_ rows: ChunkedRows, _ what: String, rows count: Int) {
        for number in 0 ..< min(count, rows.count) {
            let values = UnsafeRawBufferPointer(start: rows.row(number), count: rows.stride / 4 * 4).bindMemory(to: Float.self)
            if !values.allSatisfy(\.isFinite) { findings.add("a \(what) is not finite", "number \(number)") }
        }
    }

    // MARK: Lists

    mutating func list(_ number: Int) {
        let list = IVFPQList(index.lists.row(number))
        for run in list.runs {
            for block in run.first ..< run.first + run.count {
                if usedBlocks[block] { findings.add("a block is in two lists", "block \(block), list \(number)") }
                usedBlocks[block] = true
                rows(of: index.blocks.row(block), width: IVFPQHeader.blockRows, count: IVFPQHeader.blockRows, list: number)
            }
        }
        let left = list.tailRowCount, units = IVFPQList.tailUnits(left)
        guard left > 0 else { return }
        for unit in list.tailFirst ..< list.tailFirst + units {
            if usedTails[unit] { findings.add("a row of the tails is in two lists", "row \(unit), list \(number)") }
            usedTails[unit] = true
        }
        rows(of: index.tails.row(list.tailFirst), width: units * IVFPQHeader.tailRows, count: left, list: number)
    }

    private mutating func rows(of block: UnsafeRawPointer, width: Int, count: Int, list: Int) {
        let layout = IVFPQBlock(header, width: width)
        for row in 0 ..< count {
            rowCount += 1
            let slot = Int(layout.slot(block, row))
            guard slot < header.count else {
                findings.add("a list holds a slot beyond the last", "slot \(slot) of list \(list)")
                continue
            }
            if seen[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { findings.add("a slot stands twice in the lists", "slot \(slot), list \(list)") }
            seen[slot >> 6] |= 1 << UInt64(slot & 63)
        }
        // Codes of 4 and 8 bits take all values; only what fills up to an even number of parts has but one.
        guard header.storedSubspaces > header.subspaces else { return }
        let last = header.codeByteCount - 1
        for row in 0 ..< count {
            let byte = block.load(fromByteOffset: last * width + row, as: UInt8.self)
            if (header.lookupBits == 4 ? byte >> 4 : byte) != 0 {
                findings.add("a part that only fills up has a code", "row \(row) of list \(list)")
            }
        }
    }

    // MARK: The whole

    func blocks() {
        let unused = usedBlocks.reduce(0) { $0 + ($1 ? 0 : 1) }
        if unused != header.unusedBlockCount {
            findings.add("blocks that no list leads to are not as many as the header says", "\(unused), not \(header.unusedBlockCount)")
        }
        if rowCount != header.rowCount {
            findings.add("rows are not as many as the header says", "\(rowCount), not \(header.rowCount)")
        }
    }

    func slots(_ deleted: UnsafeBufferPointer<UInt64>?) {
        for (word, bits) in seen.enumerated() {
            var missing = ~bits
            if let deleted, word < deleted.count { missing &= ~deleted[word] }
            let behind = header.count - word * 64
            if behind < 64 { missing &= (1 << UInt64(behind)) - 1 }
            while missing != 0 {
                findings.add("a live record is in no list", "slot \(word * 64 + missing.trailingZeroBitCount)")
                missing &= missing - 1
            }
        }
    }
}
