import CNeedletailKernels
import NeedletailIndex
import NeedletailTestSupport
import Testing

@Suite("TopK")
struct TopKTests {
    @Test("keeps the k least keys, whatever their order", arguments: [1, 2, 3, 10, 100, 1000])
    func keepsLeast(k: Int) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("TopKTests seed \(random.seed)")
        let storage = UnsafeMutablePointer<UInt64>.allocate(capacity: k)
        defer { storage.deallocate() }
        var heap = TopK(capacity: k, keys: storage)
        for count in [0, 1, k - 1, k, k + 1, 5 * k] {
            let keys = (0 ..< count).map { nt_key(Float(Int.random(in: -20 ... 20, using: &random)), UInt32($0)) }
            for key in keys.shuffled(using: &random) { heap.offer(key) }
            let least = Array(keys.sorted().prefix(k))
            #expect(heap.threshold == (count < k ? .infinity : nt_key_distance(least[k - 1])))
            #expect(Array(heap.takeSorted()) == least)
            #expect(heap.count == 0)
        }
    }

    @Test("keys order as (distance, slot) do")
    func keyOrder() {
        let distances: [Float] = [-.infinity, -1e30, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 0.5, 1, 1e30, .infinity]
        var keys: [UInt64] = []
        for distance in distances {
            for slot: UInt32 in [0, 1, .max] {
                let key = nt_key(distance, slot)
                #expect(nt_key_distance(key) == distance)
                #expect(nt_key_slot(key) == slot)
                keys.append(key)
            }
        }
        #expect(keys == keys.sorted())
    }
}
