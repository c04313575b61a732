import Foundation
import NeedletailStorage

// Where a file is larger than the memory there is for it, a search waits for the disk, and what it reads counts. A page that is
// met without warning costs two things: the search waits for this one page, and the system reads on about it, 128 KiB or, as some
// systems are set, 8 MiB, which is right for scans and far too much for a vector here and there. A range that is asked for beforehand
// is read as it is, together with others; and pages that are said to be read in no order are read one by one. That costs a system call
// a range, as long as all of it may be in memory for nothing: a fifth of the time of a search. So only large collections ask.
// An exact scan of such a collection is slower for it.

/// Tells the system which pages will be needed.
package enum PageAdvice {
    private static let pageMask = UInt(max(1, sysconf(Int32(_SC_PAGESIZE)))) - 1

    package static func willNeed(_ address: UnsafeRawPointer, _ byteCount: Int) { advise(address, byteCount, POSIX_MADV_WILLNEED) }

    /// What is read here and there, for as long as the file is open.
    package static func inNoOrder(_ address: UnsafeRawPointer, _ byteCount: Int) { advise(address, byteCount, POSIX_MADV_RANDOM) }

    static func inNoOrder(_ rows: ChunkedRows) {
        for chunk in 0 ..< rows.chunkCount {
            inNoOrder(rows.pointers[chunk], ChunkedRows.rowCount(chunk: chunk, rows: rows.count, shift: rows.shift) * rows.stride)
        }
    }

    static func inNoOrder(_ vectors: VectorBlocks) {
        for block in 0 ..< vectors.blockCount { inNoOrder(vectors.pointers[block], vectors.stride << vectors.blockShift) }
    }

    @inline(__always)
    private static func advise(_ address: UnsafeRawPointer, _ byteCount: Int, _ advice: Int32) {
        let position = UInt(bitPattern: address)
        let start = position & ~pageMask
        // Advice that is not taken changes nothing but time.
        guard let page = UnsafeMutableRawPointer(bitPattern: start) else { return }
        _ = posix_madvise(page, byteCount + Int(position - start), advice)
    }
}

/// The memory that the process may fill, file pages included.
enum MemorySize {
    /// That of the machine, or of the control group that the process is in where that is less.
    static let byteCount: Int = {
        var least = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        for group in controlGroups() { least = min(least, group) }
        return least
    }()

    /// The limits of the memory control groups around the process, of version 1 or 2; none but on Linux.
    private static func controlGroups() -> [Int] {
        guard let lines = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else { return [] }
        var limits: [Int] = []
        for line in lines.split(separator: "\n") {
            // number:controllers:path, the controllers being empty in version 2.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isSecond = parts[1].isEmpty
            guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
            let root = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            var path = parts[2].split(separator: "/")
            while true {
                let file = ([root] + path.map(String.init) + [isSecond ? "memory.max" : "memory.limit_in_bytes"]).joined(separator: "/")
                if let text = try? String(contentsOfFile: file, encoding: .utf8), let limit = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) {
                    limits.append(limit)
                }
                if path.popLast() == nil { break }
            }
        }
        return limits
    }
}

extension IVFPQIndex {
    /// Whether an index and the vectors under it are too much for the memory, so that searches had better ask for what they read.
    static func exceedsMemory(byteCount: Int) -> Bool { byteCount / 4 > MemorySize.byteCount / 5 }

    /// Asks for the rows of a list.
    func advise(list number: Int) {
        let row = lists.row(number)
        let head = IVFPQList.Head(row)
        var left = head.rowCount
        for run in 0 ..< head.runCount {
            var (first, blockCount) = IVFPQList.run(row, run)
            left -= blockCount * IVFPQHeader.blockRows
            while blockCount > 0 {
                let part = min(blockCount, (1 << blocks.shift) - first & ((1 << blocks.shift) - 1))
                PageAdvice.willNeed(blocks.row(first), part * blocks.stride)
                first += part
                blockCount -= part
            }
        }
        if left > 0 { PageAdvice.willNeed(tails.row(head.tailFirst), IVFPQList.tailUnits(left) * tails.stride) }
    }

    /// Asks for vectors, and their norms where distances want them.
    func advise(vectors slots: UnsafePointer<UInt32>, count: Int) {
        for i in 0 ..< count {
            let slot = Int(slots[i])
            PageAdvice.willNeed(vectors.vector(slot), header.dimension * header.element.byteCount)
            guard header.metric == .cosine else { continue }
            // Norms stand behind the vectors of a block.
            let mask = (1 << vectors.blockShift) - 1
            PageAdvice.willNeed(vectors.pointers[slot >> vectors.blockShift] + (mask + 1) * vectors.stride + (slot & mask) * 4, 4)
        }
    }
}
