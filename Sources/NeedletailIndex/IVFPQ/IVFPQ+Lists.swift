import CNeedletailKernels
import NeedletailStorage

// Which list holds what, for those who measure an index; searches have no use for it.

extension IVFPQIndex {
    /// The list of each slot that the index covers, 0 of one that is in none.
    package func listOfEachSlot() -> [UInt32] {
        var numbers = [UInt32](repeating: 0, count: header.count)
        for number in 0 ..< header.nlist {
            let list = IVFPQList(lists.row(number))
            func note(_ block: UnsafeRawPointer, width: Int, rows: Int) {
                let layout = IVFPQBlock(header, width: width)
                for row in 0 ..< rows {
                    let slot = Int(layout.slot(block, row))
                    if slot < numbers.count { numbers[slot] = UInt32(number) }
                }
            }
            for run in list.runs {
                for block in run.first ..< run.first + run.count {
                    note(blocks.row(block), width: IVFPQHeader.blockRows, rows: IVFPQHeader.blockRows)
                }
            }
            let left = list.tailRowCount
            if left > 0 { note(tails.row(list.tailFirst), width: IVFPQList.tailUnits(left) * IVFPQHeader.tailRows, rows: left) }
        }
        return numbers
    }

    /// The lists that a search with such an `nprobe` scans, nearest first.
    package func nearestLists(to query: UnsafeBufferPointer<Float>, nprobe: Int) -> [Int] {
        precondition(query.count == header.dimension, "a query has the index's dimension")
        guard let base = query.baseAddress else { return [] }
        let scratch = scratches.take()
        defer { scratches.giveBack(scratch) }
        transform.place(query: base, to: scratch.query[0])
        transform.rotate(scratch.query[0], count: 1, scratch: scratch.query[1])
        return chooseLists(scratch.query[0], scratch, nprobe: nprobe).map { Int(nt_key_slot($0)) }
    }
}
