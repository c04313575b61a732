import NeedletailStorage

/// The rows of a list in memory, before they are interleaved: what has been coded just now, or comes out of old blocks.
struct IVFPQRow {
    var slot: UInt32
    /// The term in steps of its list.
    var term: UInt8
    /// Bytes of the code, as a block has them.
    var code: UnsafePointer<UInt8>
}

/// The steps in which a list's terms are counted.
struct IVFPQTermScale {
    var least: Float = 0
    var step: Float = 0

    init(least: Float, step: Float) {
        self.least = least
        self.step = step
    }

    /// For the terms of a list as it is built, with some room for those that come later.
    init(least: Float, most: Float) {
        let margin = (most - least) / 32
        self.init(least: least - margin, step: (most - least + 2 * margin) / 255)
    }

    func byte(_ term: Float) -> UInt8 {
        guard step > 0 else { return 0 }
        return UInt8(max(0, min(255, ((term - least) / step).rounded())))
    }
}

/// Writes rows into the blocks of `nt_pq.h`.
struct IVFPQBlockWriter {
    let header: IVFPQHeader

    /// One block of `width` rows, of which the first are given; others are zeros.
    func write(_ count: Int, width: Int, to block: UnsafeMutableRawPointer, _ row: (Int) -> IVFPQRow) {
        let bytes = block.assumingMemoryBound(to: UInt8.self)
        let codeByteCount = header.codeByteCount
        let terms = bytes + codeByteCount * width
        let slots = UnsafeMutableRawPointer(terms + (header.hasTerms ? width : 0)).assumingMemoryBound(to: UInt32.self)
        bytes.update(repeating: 0, count: width * header.rowByteCount)
        for v in 0 ..< count {
            let row = row(v)
            for i in 0 ..< codeByteCount { bytes[i * width + v] = row.code[i] }
            if header.hasTerms { terms[v] = row.term }
            slots[v] = row.slot
        }
    }
}

/// Lists made of rows that have just been coded.
struct IVFPQLayout {
    let lists: IVFPQRows
    let blocks: IVFPQRows
    let tails: IVFPQRows

    init(_ header: IVFPQHeader, _ encoded: IVFPQCodes, crew: TrainingCrew) throws(TrainingError) {
        let nlist = header.nlist
        // A counting sort: the rows of list l are order[starts[l] ..< starts[l + 1]], in the order of their slots.
        var starts = [Int](repeating: 0, count: nlist + 1)
        for number in 0 ..< encoded.slots.count where encoded.labels[number] != IVFPQCodes.noList { starts[Int(encoded.labels[number]) + 1] += 1 }
        for list in 0 ..< nlist { starts[list + 1] += starts[list] }
        var order = [UInt32](repeating: 0, count: encoded.rowCount)
        var next = starts
        for number in 0 ..< encoded.slots.count where encoded.labels[number] != IVFPQCodes.noList {
            let list = Int(encoded.labels[number])
            order[next[list]] = UInt32(number)
            next[list] += 1
        }

        var directory: [IVFPQList] = []
        directory.reserveCapacity(nlist)
        var blockCount = 0
        var tailPlan = IVFPQTailPlan(stride: header.tailStride)
        for list in 0 ..< nlist {
            var entry = IVFPQList()
            entry.rowCount = starts[list + 1] - starts[list]
            let full = entry.rowCount / IVFPQHeader.blockRows
            if full > 0 { entry.runs = [(blockCount, full)] }
            blockCount += full
            entry.tailFirst = tailPlan.place(units: IVFPQList.tailUnits(entry.rowCount % IVFPQHeader.blockRows))
            directory.append(entry)
        }
        let blocks = IVFPQRows(stride: header.blockStride, count: blockCount)
        let tails = IVFPQRows(stride: header.tailStride, count: tailPlan.count)
        let lists = IVFPQRows(stride: IVFPQList.stride, count: nlist)
        let writer = IVFPQBlockWriter(header: header)
        let plan = directory
        try crew.forEach(nlist, piece: 16, phase: "lists") { _, range in
            for list in range {
                var entry = plan[list]
                let first = starts[list]
                var least = Float.infinity, most = -Float.infinity
                for position in first ..< starts[list + 1] {
                    let term = encoded.terms[Int(order[position])]
                    least = min(least, term)
                    most = max(most, term)
                }
                let scale = least <= most ? IVFPQTermScale(least: least, most: most) : IVFPQTermScale(least: 0, step: 0)
                entry.termLeast = scale.least
                entry.termStep = scale.step
                entry.store(to: lists.row(list))
                func row(_ position: Int) -> IVFPQRow {
                    let number = Int(order[position])
                    return IVFPQRow(
                        slot: UInt32(encoded.slots.lowerBound + number), term: scale.byte(encoded.terms[number]),
                        code: UnsafePointer(encoded.codes + number * encoded.codeByteCount))
                }
                var position = first
                for run in entry.runs {
                    for block in run.first ..< run.first + run.count {
                        writer.write(IVFPQHeader.blockRows, width: IVFPQHeader.blockRows, to: blocks.row(block)) { row(position + $0) }
                        position += IVFPQHeader.blockRows
                    }
                }
                let left = starts[list + 1] - position
                if left > 0 {
                    let width = IVFPQList.tailUnits(left) * IVFPQHeader.tailRows
                    writer.write(left, width: width, to: tails.row(entry.tailFirst)) { row(position + $0) }
                }
            }
        }
        self.blocks = blocks
        self.tails = tails
        self.lists = lists
    }
}

/// Gives tails their places: one after the other, none across the end of a chunk.
struct IVFPQTailPlan {
    private let chunkRows: Int
    private(set) var count = 0

    init(stride: Int) { chunkRows = 1 << ChunkedRows.shift(stride: stride) }

    /// The first row of a tail of so many rows of 16.
    mutating func place(units: Int) -> Int {
        if units == 0 { return 0 }
        if count % chunkRows + units > chunkRows { count += chunkRows - count % chunkRows }
        defer { count += units }
        return count
    }
}
