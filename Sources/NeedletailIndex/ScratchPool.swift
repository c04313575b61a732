import CNeedletailKernels
import Synchronization

/// The memory of searches that no search uses at the moment: one takes it and gives it back.
///
/// What a search gives back on a CPU, the next one there takes, so that the memory stays in that CPU's cache: where all took the
/// one that was given back last, two threads would pass theirs to and fro (1.7 times the queries of one, not 2).
package final class ScratchPool<Scratch: AnyObject>: Sendable {
    /// One scratch for each of so many CPUs, far enough apart not to share a cache line; 0: none.
    private struct Places: @unchecked Sendable {
        // `@unchecked`: allocated once; what it points to changes by atomic operations alone.
        let base: UnsafeMutablePointer<Atomic<UInt>>
    }

    /// What found its place taken. A scratch belongs to one search at a time, so it may pass from thread to thread.
    private struct Rest: @unchecked Sendable {
        var scratches: [Scratch] = []
    }

    private static var placeCount: Int { 64 }
    private static var placeStride: Int { 16 }
    private let places: Places
    private let rest = Mutex(Rest())
    private let make: @Sendable () -> Scratch

    /// - Parameter make: makes a scratch where all are in use.
    package init(_ make: @escaping @Sendable () -> Scratch) {
        self.make = make
        let count = Self.placeCount * Self.placeStride
        places = Places(base: .allocate(capacity: count))
        for position in 0 ..< count { (places.base + position).initialize(to: Atomic(0)) }
    }

    deinit {
        for place in 0 ..< Self.placeCount { _ = takePlaced(place) }
        places.base.deinitialize(count: Self.placeCount * Self.placeStride)
        places.base.deallocate()
    }

    package func take() -> Scratch {
        takePlaced(Self.place) ?? rest.withLock { $0.scratches.popLast() } ?? make()
    }

    package func giveBack(_ scratch: Scratch) {
        let reference = Unmanaged.passRetained(scratch)
        let bits = UInt(bitPattern: reference.toOpaque())
        let (stored, _) = places.base[Self.place * Self.placeStride].compareExchange(
            expected: 0, desired: bits, successOrdering: .releasing, failureOrdering: .relaxed)
        if stored { return }
        reference.release()
        nonisolated(unsafe) let scratch = scratch
        rest.withLock { $0.scratches.append(scratch) }
    }

    private static var place: Int { Int(nt_cpu_number()) % placeCount }

    private func takePlaced(_ place: Int) -> Scratch? {
        let bits = places.base[place * Self.placeStride].exchange(0, ordering: .acquiring)
        // What the place held is owned by it until it is taken out.
        return UnsafeRawPointer(bitPattern: bits).map { Unmanaged<Scratch>.fromOpaque($0).takeRetainedValue() }
    }
}
