import Dispatch
import NeedletailIndex
import Synchronization
import Testing

@Suite("The pool of search memory")
struct ScratchPoolTests {
    private final class Scratch {
        let isInUse = Atomic(false)
        let alive: Counter
        init(_ alive: Counter) {
            self.alive = alive
            alive.value.add(1, ordering: .relaxed)
        }
        deinit { alive.value.subtract(1, ordering: .relaxed) }
    }

    private final class Counter: Sendable {
        let value = Atomic(0)
    }

    @Test("no two searches have the same scratch, as many are made as are in use at once, and none outlives the pool")
    func exclusive() {
        let alive = Counter(), threads = 8
        do {
            let pool = ScratchPool { Scratch(alive) }
            DispatchQueue.concurrentPerform(iterations: threads) { _ in
                for _ in 0 ..< 20_000 {
                    let first = pool.take(), second = pool.take()
                    #expect(!first.isInUse.exchange(true, ordering: .acquiring) && !second.isInUse.exchange(true, ordering: .acquiring))
                    first.isInUse.store(false, ordering: .releasing)
                    second.isInUse.store(false, ordering: .releasing)
                    pool.giveBack(first)
                    pool.giveBack(second)
                }
            }
            // One that lies in the place of a CPU is not seen from another.
            #expect((1 ... 2 * threads + 64).contains(alive.value.load(ordering: .relaxed)))
        }
        #expect(alive.value.load(ordering: .relaxed) == 0)
    }

    @Test("what was given back is taken again")
    func reused() {
        let alive = Counter()
        let pool = ScratchPool { Scratch(alive) }
        for _ in 0 ..< 1_000 { pool.giveBack(pool.take()) }
        #expect(alive.value.load(ordering: .relaxed) <= 64)
    }
}
