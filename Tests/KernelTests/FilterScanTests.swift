import CNeedletailKernels
import NeedletailTestSupport
import Testing

/// Every scan in every tier against its definition, on all lengths up to a few words.
@Suite struct FilterScanTests {
    static let tiers: [UInt32] = [NT_CPU_PORTABLE, NT_CPU_NEON, NT_CPU_AVX2, NT_CPU_AVX512].map(\.rawValue)
    static let lengths = Array(0 ... 130) + [1000, 1024]

    private func check(_ count: Int, _ name: String, scan: (UnsafeMutablePointer<UInt64>) -> Void, expected: (Int) -> Bool) {
        let wordCount = (count + 63) / 64
        var words = [UInt64](repeating: 0xDEAD, count: wordCount + 1)
        words.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { scan(base) } }
        for i in 0 ..< wordCount * 64 {
            let bit = words[i / 64] >> UInt64(i % 64) & 1 != 0
            guard bit != (i < count && expected(i)) else { continue }
            Issue.record("\(name), \(count) values: bit \(i) is \(bit)")
            return
        }
        #expect(words[wordCount] == 0xDEAD, "\(name) wrote beyond the last word")
    }

    @Test("ranges", arguments: tiers)
    func ranges(tier: UInt32) {
        let tier = nt_cpu_tier(rawValue: tier)
        let seed: UInt64 = 3
        var random = SeededGenerator(seed: seed)
        let edges: [Int64] = [.min, .min + 1, -1, 0, 1, 5, .max - 1, .max]
        let doubleEdges: [Double] = [.nan, -.infinity, -1.5, -0.0, 0, .leastNonzeroMagnitude, 2, .infinity]
        for count in Self.lengths {
            let values = (0 ..< count).map { _ in edges[Int(random.next() % 8)] }
            let doubles = (0 ..< count).map { _ in doubleEdges[Int(random.next() % 8)] }
            for _ in 0 ..< 4 {
                let (low, high) = (edges[Int(random.next() % 8)], edges[Int(random.next() % 8)])
                check(count, "i64 \(low)...\(high)", scan: { nt_filter_range_i64_for(tier, values, count, low, high, $0) }) {
                    low <= values[$0] && values[$0] <= high
                }
                let (from, to) = (doubleEdges[Int(random.next() % 8)], doubleEdges[Int(random.next() % 8)])
                check(count, "f64 \(from)...\(to)", scan: { nt_filter_range_f64_for(tier, doubles, count, from, to, $0) }) {
                    from <= doubles[$0] && doubles[$0] <= to
                }
            }
        }
    }

    @Test("codes and flags", arguments: tiers)
    func codes(tier: UInt32) {
        let tier = nt_cpu_tier(rawValue: tier)
        var random = SeededGenerator(seed: 4)
        for count in Self.lengths {
            for limit in [0, 1, 3, 63, 64, 511, 512, 5000] as [UInt32] {
                // Some codes are at and above the limit, up to the largest.
                let values = (0 ..< count).map { _ in
                    random.next() % 16 == 0 ? UInt32.max - UInt32(random.next() % 3) : UInt32(random.next() % UInt64(limit + 2))
                }
                var bits = (0 ..< Int(limit / 512 + 1) * 8).map { _ in random.next() }
                for bit in Int(limit) ..< bits.count * 64 { bits[bit / 64] &= ~(1 << UInt64(bit % 64)) }
                bits.withUnsafeBufferPointer { buffer in
                    let set = nt_code_set(bits: buffer.baseAddress, limit: limit)
                    check(count, "set below \(limit)", scan: { nt_filter_set_u32_for(tier, values, count, set, $0) }) {
                        values[$0] < limit && buffer[Int(values[$0] / 64)] >> UInt64(values[$0] % 64) & 1 != 0
                    }
                }
                let code = values.first ?? 0
                check(count, "code", scan: { nt_filter_equal_u32_for(tier, values, count, code, $0) }) { values[$0] == code }
            }
            let flags = (0 ..< count).map { _ in UInt8(truncatingIfNeeded: random.next() % 3) }
            check(count, "flags", scan: { nt_filter_nonzero_u8_for(tier, flags, count, $0) }) { flags[$0] != 0 }
        }
    }

    @Test("sets of numbers, few and many", arguments: tiers)
    func numbers(tier: UInt32) {
        let tier = nt_cpu_tier(rawValue: tier)
        var random = SeededGenerator(seed: 5)
        for count in Self.lengths {
            for memberCount in [1, 3, 16, 17, 100] {
                let doubles = Set((0 ..< memberCount).map { _ in Double(random.next() % 200) })
                let members = doubles.map { Int64(bitPattern: $0.bitPattern) }
                let bits = 9
                var places = [Int64](repeating: -1, count: 1 << bits)
                for member in members {
                    var place = Int(nt_filter_hash(member) >> UInt64(64 - bits))
                    while places[place] != -1 { place = (place + 1) % places.count }
                    places[place] = member
                }
                let values = (0 ..< count).map { _ in
                    random.next() % 8 == 0 ? [-0.0, .nan, .infinity, -1][Int(random.next() % 4)] : Double(random.next() % 200)
                }
                let patterns = values.map { Int64(bitPattern: $0.bitPattern) }
                members.withUnsafeBufferPointer { list in
                    places.withUnsafeBufferPointer { table in
                        var set = nt_number_set(
                            members: list.baseAddress, member_count: list.count, places: table.baseAddress, shift: UInt32(64 - bits), vacant: -1)
                        check(count, "f64 in \(list.count)", scan: { nt_filter_set_f64_for(tier, values, count, &set, $0) }) {
                            doubles.contains(values[$0])
                        }
                        check(count, "i64 in \(list.count)", scan: { nt_filter_set_i64_for(tier, patterns, count, &set, $0) }) {
                            list.contains(patterns[$0])
                        }
                    }
                }
            }
        }
    }

    @Test("bits are counted")
    func count() {
        var random = SeededGenerator(seed: 6)
        let words = (0 ..< 1000).map { _ in random.next() }
        #expect(nt_filter_count(words, words.count) == words.reduce(0) { $0 + $1.nonzeroBitCount })
        #expect(nt_filter_count(nil, 0) == 0)
    }
}
