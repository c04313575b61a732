import Synchronization

/// Working memory of one forward pass: a stack that grows to what the model needs during the first picture and is
/// reused by the following ones, so that no layer allocates.
///
/// `@unchecked Sendable`: the pool hands a scratch to one thread at a time.
package final class Scratch: @unchecked Sendable {
    private var blocks: [AlignedBuffer] = []
    private var used = 0          // floats of the last block
    private var total = 0         // floats asked for since the last reset, rounded

    package init() {}

    /// Memory for `count` floats, of any contents, on a cache line's border; valid until ``reset()``.
    package func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        let rounded = (count + 15) / 16 * 16
        total += rounded
        if let block = blocks.last, block.count - used >= rounded {
            defer { used += rounded }
            return block.pointer + used
        }
        let block = AlignedBuffer(count: max(rounded, 1 << 16))
        blocks.append(block)
        used = rounded
        return block.pointer
    }

    /// Gives everything back. Several blocks become one that would have held them all.
    package func reset() {
        if blocks.count > 1 { blocks = [AlignedBuffer(count: total)] }
        used = 0
        total = 0
    }
}

/// As many scratches as there were ever pictures in work at once.
package final class ScratchPool: Sendable {
    private let idle = Mutex<[Scratch]>([])

    package init() {}

    /// Runs `body` with a scratch that nobody else has.
    package func with<R, E: Error>(_ body: (Scratch) throws(E) -> R) throws(E) -> R {
        let scratch = idle.withLock { $0.popLast() } ?? Scratch()
        defer {
            scratch.reset()
            idle.withLock { $0.append(scratch) }
        }
        return try body(scratch)
    }
}
