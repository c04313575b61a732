import CNeedletailKernels
import NeedletailStorage
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The nodes whose rows a merge has changed, where they are few: then only these rows are written, not the chunks that they stand in,
/// which are nearly all.
///
/// Of a million nodes to which ten thousand come, a tenth are changed, in every chunk.
final class ChangedNodes: @unchecked Sendable {
    // `@unchecked`: not changed once made.
    /// Rows below it stay as they are stored, those from it on are written.
    let keptCount: Int
    private let count: Int
    /// A row for each 64 nodes of the graph.
    private let changes: UnsafeMutableBufferPointer<nt_changes>
    /// Where the rows of the nodes are that have changed.
    private let links, blocks: UnsafeMutableBufferPointer<UnsafeRawPointer>
    private let linkStride, blockStride: Int

    /// One in so many nodes may have changed, else all rows are written. What stands apart is written by every merge: with this limit
    /// a row of merges of a hundredth each writes four tenths of a graph at a time.
    private static let largestShare = 3

    /// Nil where nothing stays, or too much has changed.
    ///
    /// - Parameters:
    ///   - base: what is stored.
    ///   - links, blocks: all rows as they are to be, longer in memory than this object.
    init?(since base: HNSWGraph, links: ChunkedRows, blocks: ChunkedRows) {
        let hasBlocks = blocks.count > 0
        // Whole chunks of both arrays stay.
        let shift = max(ChunkedRows.shift(stride: links.stride), hasBlocks ? ChunkedRows.shift(stride: blocks.stride) : 0)
        let kept = (base.header.count >> shift) << shift, limit = kept / Self.largestShare
        var changed: [Int] = []
        for node in 0 ..< kept where memcmp(links.row(node), base.links.stored.row(node), 4 * base.header.degree) != 0 {
            guard changed.count < limit else { return nil }
            changed.append(node)
        }
        guard kept > 0 else { return nil }
        keptCount = kept
        count = changed.count
        linkStride = links.stride
        blockStride = blocks.stride
        changes = .allocate(capacity: (links.count + 63) / 64)
        self.links = .allocate(capacity: count)
        self.blocks = .allocate(capacity: hasBlocks ? count : 0)
        var place = 0
        for word in changes.indices {
            changes.initializeElement(at: word, to: nt_changes(nodes: 0, first: UInt32(place), reserved: 0))
            while place < count, changed[place] >> 6 == word {
                changes[word].nodes |= 1 << UInt64(changed[place] & 63)
                self.links.initializeElement(at: place, to: links.row(changed[place]))
                if hasBlocks { self.blocks.initializeElement(at: place, to: blocks.row(changed[place])) }
                place += 1
            }
        }
    }

    deinit {
        changes.deallocate()
        links.deallocate()
        blocks.deallocate()
    }

    /// The arrays from ``HNSWArray/changes`` on.
    var contents: [IndexArrayContent] {
        guard count > 0, let changes = changes.baseAddress, let links = links.baseAddress else { return [] }
        let stride = MemoryLayout<nt_changes>.stride, shift = ChunkedRows.shift(stride: stride), words = self.changes.count
        let chunks = (0 ..< ChunkedRows.chunkCount(rows: words, shift: shift)).map { UnsafeRawPointer(changes + ($0 << shift)) }
        return [
            IndexArrayContent(stride: stride, count: words, chunks: chunks, owner: self),
            IndexArrayContent(stride: linkStride, count: count, rows: links, owner: self),
            IndexArrayContent(stride: blockStride, count: blocks.count, rows: blocks.baseAddress ?? links, owner: self),
        ]
    }
}
