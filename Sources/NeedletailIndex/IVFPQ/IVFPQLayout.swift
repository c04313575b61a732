import NeedletailStorage

/// The rows of one list, before they are interleaved or after they have been taken apart.
struct IVFPQListRows {
    let codeByteCount: Int
    private(set) var slots: [UInt32] = []
    /// Terms in steps of the list.
    private(set) var terms: [UInt8] = []
    /// Scales in steps of the list, one a row where rows have them.
    private(set) var scales: [UInt8] = []
    /// Codes as a block has them, pair by pair, `codeByteCount` bytes a row.
    private(set) var codes: [UInt8] = []

    init(_ header: IVFPQHeader) { codeByteCount = header.codeByteCount }

    var count: Int { slots.count }

    mutating func append(slot: UInt32, term: UInt8, scale: UInt8?, code: UnsafePointer<UInt8>) {
        slots.append(slot)
        terms.append(term)
        if let scale { scales.append(scale) }
        codes.append(contentsOf: UnsafeBufferPointer(start: code, count: codeByteCount))
    }

    /// Appends the rows of a block that are wanted.
    mutating func append(
        block: UnsafeRawPointer, width: Int, rows: Int, _ header: IVFPQHeader, where isWanted: (_ slot: UInt32) -> Bool
    ) {
        let layout = IVFPQBlock(header, width: width)
        for v in 0 ..< rows {
            let slot = layout.slot(block, v)
            guard isWanted(slot) else { continue }
            slots.append(slot)
            terms.append(layout.term(block, v))
            if header.hasScales { scales.append(layout.scale(block, v)) }
            for i in 0 ..< codeByteCount { codes.append(block.load(fromByteOffset: i * width + v, as: UInt8.self)) }
        }
    }

    /// Writes some of the rows as one block of `width` rows, those it lacks as zeros.
    func write(_ rows: Range<Int>, width: Int, _ header: IVFPQHeader, to block: UnsafeMutableRawPointer) {
        let layout = IVFPQBlock(header, width: width)
        let bytes = block.assumingMemoryBound(to: UInt8.self)
        bytes.update(repeating: 0, count: width * header.rowByteCount)
        for (v, row) in rows.enumerated() {
            for i in 0 ..< codeByteCount { bytes[i * width + v] = codes[row * codeByteCount + i] }
            bytes[layout.terms + v] = terms[row]
            if header.hasScales { bytes[layout.scales + v] = scales[row] }
            block.storeBytes(of: slots[row], toByteOffset: layout.slots + 4 * v, as: UInt32.self)
        }
    }
}

/// Where a block of `width` rows has what; see `nt_pq.h`.
struct IVFPQBlock {
    /// Where rows have scales.
    let scales: Int
    let terms: Int
    let slots: Int

    init(_ header: IVFPQHeader, width: Int) {
        scales = header.codeByteCount * width
        terms = scales + (header.hasScales ? width : 0)
        slots = terms + width
    }

    func slot(_ block: UnsafeRawPointer, _ row: Int) -> UInt32 { block.load(fromByteOffset: slots + 4 * row, as: UInt32.self) }
    func scale(_ block: UnsafeRawPointer, _ row: Int) -> UInt8 { block.load(fromByteOffset: scales + row, as: UInt8.self) }
    func term(_ block: UnsafeRawPointer, _ row: Int) -> UInt8 { block.load(fromByteOffset: terms + row, as: UInt8.self) }
}

/// The steps in which a list's terms are counted.
struct IVFPQTermScale {
    let least: Float
    let step: Float

    init(least: Float, step: Float) {
        self.least = least
        self.step = step
    }

    /// For the terms of a list as it is first filled, with some room for those that come later.
    init(least: Float, most: Float) {
        let margin = (most - least) / 32
        self.init(least: least - margin, step: (most - least + 2 * margin) / 255)
    }

    func byte(_ term: Float) -> UInt8 {
        guard step > 0 else { return 0 }
        return UInt8(max(0, min(255, ((term - least) / step).rounded())))
    }
}

/// The steps in which a list's terms and scales are counted.
struct IVFPQListScale {
    let term: IVFPQTermScale
    /// A step of the scales; 0 where rows have none.
    let step: Float

    init(term: IVFPQTermScale, step: Float) {
        self.term = term
        self.step = step
    }

    func byte(_ scale: Float) -> UInt8 { step > 0 ? UInt8(max(0, min(255, (scale / step).rounded()))) : 0 }
}

/// Rows that have just been coded, sorted by list.
struct IVFPQOrder {
    private let encoded: IVFPQCodes
    private let starts: [Int]
    private let order: [UInt32]

    init(_ encoded: IVFPQCodes, nlist: Int) {
        self.encoded = encoded
        var starts = [Int](repeating: 0, count: nlist + 1)
        for number in 0 ..< encoded.slots.count where encoded.labels[number] != IVFPQCodes.noList {
            starts[Int(encoded.labels[number]) + 1] += 1
        }
        for list in 0 ..< nlist { starts[list + 1] += starts[list] }
        var order = [UInt32](repeating: 0, count: encoded.rowCount)
        var next = starts
        for number in 0 ..< encoded.slots.count where encoded.labels[number] != IVFPQCodes.noList {
            let list = Int(encoded.labels[number])
            order[next[list]] = UInt32(number)
            next[list] += 1
        }
        self.starts = starts
        self.order = order
    }

    func count(_ list: Int) -> Int { starts[list + 1] - starts[list] }

    /// Steps for the rows of a list; nil where it has none.
    func scale(_ list: Int) -> IVFPQListScale? {
        var least = Float.infinity, most = -Float.infinity, longest: Float = 0
        for position in starts[list] ..< starts[list + 1] {
            let term = encoded.terms[Int(order[position])]
            least = min(least, term)
            most = max(most, term)
            if let scales = encoded.scales { longest = max(longest, scales[Int(order[position])]) }
        }
        // With some room for rows that come later, as the terms have.
        return least <= most ? IVFPQListScale(term: IVFPQTermScale(least: least, most: most), step: longest * (1 + 1 / 16) / 255) : nil
    }

    /// Appends the rows of a list, in the order of their slots.
    func append(_ list: Int, scale: IVFPQListScale, to rows: inout IVFPQListRows) {
        for position in starts[list] ..< starts[list + 1] {
            let number = Int(order[position])
            rows.append(
                slot: UInt32(encoded.slots.lowerBound + number), term: scale.term.byte(encoded.terms[number]),
                scale: encoded.scales.map { scale.byte($0[number]) },
                code: UnsafePointer(encoded.codes + number * encoded.codeByteCount))
        }
    }
}

/// Gives tails their places: one after the other, none across the end of a chunk.
struct IVFPQTailPlan {
    private let chunkRows: Int
    private(set) var count = 0

    init(stride: Int) { chunkRows = 1 << ChunkedRows.shift(stride: stride) }

    /// The first row of a tail of so many rows of the array.
    mutating func place(units: Int) -> Int {
        if units == 0 { return 0 }
        if count % chunkRows + units > chunkRows { count += chunkRows - count % chunkRows }
        defer { count += units }
        return count
    }
}

/// The lists of an index, made of rows that have just been coded and of those that an older index has.
///
/// Over an older index, its full blocks stay as and where they are, and only its tails are opened, unless it is to be
/// compacted: then every row that is not deleted is taken out of its block and all lists are written anew.
struct IVFPQLayout {
    let lists: IVFPQRows
    let blocks: IVFPQRows
    let tails: IVFPQRows
    let rowCount: Int
    let unusedBlockCount: Int

    /// - Parameter base: the older index, and which of its rows still count.
    init(
        _ header: IVFPQHeader, _ encoded: IVFPQCodes, over base: IVFPQIndex? = nil, compacts: Bool = true,
        isWanted: (_ slot: UInt32) -> Bool = { _ in true }, crew: TrainingCrew
    ) throws(TrainingError) {
        let nlist = header.nlist
        let order = IVFPQOrder(encoded, nlist: nlist)
        let opened = base.map { IVFPQOpenedLists($0, whole: compacts) }

        // How many rows each list has to place; those of an older index are counted first.
        let loose = UnsafeMutablePointer<Int>.allocate(capacity: max(nlist, 1))
        defer { loose.deallocate() }
        try crew.forEach(nlist, piece: 64) { _, range in
            for list in range { loose[list] = order.count(list) + (opened?.count(list, where: isWanted) ?? 0) }
        }
        var plan = Plan(header, keeping: compacts ? nil : base)
        for list in 0 ..< nlist { plan.place(list, rows: loose[list]) }
        let directory = plan.directory
        let blocks = IVFPQRows(stride: header.blockStride, count: plan.blockCount, extending: compacts ? nil : base?.blocks)
        let tails = IVFPQRows(stride: header.tailStride, count: plan.tails.count)
        let lists = IVFPQRows(stride: IVFPQList.stride, count: nlist)
        let moved = plan.moved
        try crew.forEach(nlist, piece: 16, phase: "lists") { _, range in
            for list in range {
                var entry = directory[list]
                let scale: IVFPQListScale
                if let base, base.rowCount(list) > 0 {
                    let head = IVFPQList.Head(base.lists.row(list))
                    // Where all rows of old lie on the centroid, their scales are 0 in whatever steps.
                    let step = head.scaleStep > 0 ? head.scaleStep : order.scale(list)?.step ?? 0
                    scale = IVFPQListScale(term: IVFPQTermScale(least: head.termLeast, step: head.termStep), step: step)
                } else {
                    scale = order.scale(list) ?? IVFPQListScale(term: IVFPQTermScale(least: 0, step: 0), step: 0)
                }
                entry.termLeast = scale.term.least
                entry.termStep = scale.term.step
                entry.scaleStep = scale.step
                entry.store(to: lists.row(list))
                var rows = IVFPQListRows(header)
                opened?.append(list, to: &rows, where: isWanted)
                order.append(list, scale: scale, to: &rows)

                let full = rows.count / IVFPQHeader.blockRows
                if full > 0, let run = entry.runs.last {
                    // A list that had too many runs has its old blocks in front of the new ones, in one.
                    if let base, moved.contains(list) { base.copyBlocks(of: list, to: blocks, at: run.first) }
                    for number in 0 ..< full {
                        let first = number * IVFPQHeader.blockRows
                        rows.write(
                            first ..< first + IVFPQHeader.blockRows, width: IVFPQHeader.blockRows, header,
                            to: blocks.row(run.first + run.count - full + number))
                    }
                }
                let left = rows.count % IVFPQHeader.blockRows
                if left > 0 {
                    let width = IVFPQList.tailUnits(left) * IVFPQHeader.tailRows
                    rows.write(rows.count - left ..< rows.count, width: width, header, to: tails.row(entry.tailFirst))
                }
            }
        }
        self.blocks = blocks
        self.tails = tails
        self.lists = lists
        rowCount = directory.reduce(0) { $0 + $1.rowCount }
        unusedBlockCount = plan.blockCount - directory.reduce(0) { $0 + $1.fullBlockCount }
    }

    /// Where everything goes.
    private struct Plan {
        private let header: IVFPQHeader
        private let base: IVFPQIndex?
        private(set) var directory: [IVFPQList] = []
        private(set) var blockCount: Int
        private(set) var tails: IVFPQTailPlan
        /// Lists whose old blocks are copied.
        private(set) var moved: Set<Int> = []

        init(_ header: IVFPQHeader, keeping base: IVFPQIndex?) {
            self.header = header
            self.base = base
            blockCount = base?.blocks.count ?? 0
            tails = IVFPQTailPlan(stride: header.tailStride)
        }

        /// The next list, which has so many rows to place beside the full blocks that it keeps.
        mutating func place(_ list: Int, rows: Int) {
            var entry = IVFPQList()
            if let base { entry.runs = IVFPQList(base.lists.row(list)).runs }
            let full = rows / IVFPQHeader.blockRows
            if full > 0 {
                if let last = entry.runs.last, last.first + last.count == blockCount {
                    entry.runs[entry.runs.count - 1].count += full
                    blockCount += full
                } else if entry.runs.count < IVFPQList.runLimit {
                    entry.runs.append((blockCount, full))
                    blockCount += full
                } else {
                    let all = entry.fullBlockCount + full
                    entry.runs = [(blockCount, all)]
                    blockCount += all
                    moved.insert(list)
                }
            }
            entry.rowCount = entry.fullBlockCount * IVFPQHeader.blockRows + rows % IVFPQHeader.blockRows
            entry.tailFirst = tails.place(units: IVFPQList.tailUnits(rows % IVFPQHeader.blockRows))
            directory.append(entry)
        }
    }
}
