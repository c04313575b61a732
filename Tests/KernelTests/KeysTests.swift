import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Keys")
struct KeysTests {
    @Test("are sorted and selected as integers are, whatever their order and however many are alike")
    func order() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("KeysTests seed \(random.seed)")
        for count in Array(0 ... 40) + [63, 64, 65, 100, 333, 2000] {
            for distinct: UInt64 in [1, 2, 7, .max] {
                let shuffled = (0 ..< count).map { _ in UInt64.random(in: 0 ..< distinct, using: &random) }
                let sorted = shuffled.sorted()
                for given in [shuffled, sorted, sorted.reversed()] {
                    var keys = given
                    nt_sort_keys(&keys, count)
                    #expect(keys == sorted, "\(count) of \(distinct)")
                    guard count > 0 else { continue }
                    for keep in Set([1, (count + 1) / 2, count, Int.random(in: 1 ... count, using: &random)]) {
                        var keys = given
                        #expect(nt_least_keys(&keys, count, keep) == sorted[keep - 1])
                        #expect(keys.prefix(keep).sorted() == Array(sorted.prefix(keep)) && keys.sorted() == sorted)
                    }
                }
            }
        }
    }
}
