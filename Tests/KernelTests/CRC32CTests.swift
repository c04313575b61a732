import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("CRC-32C")
struct CRC32CTests {
    static let tiers: [nt_cpu_tier] = [NT_CPU_PORTABLE, NT_CPU_NEON, NT_CPU_AVX2, NT_CPU_AVX512]

    /// One bit at a time, straight from the definition.
    static func reference(_ seed: UInt32, _ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc = ~seed
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0 ..< 8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~crc
    }

    @Test("the check value of the catalogue of CRCs", arguments: tiers)
    func checkValue(tier: nt_cpu_tier) {
        let digits = Array("123456789".utf8)
        #expect(nt_crc32c_for(tier, 0, digits, digits.count) == 0xE306_9283)
        #expect(nt_crc32c(0, digits, digits.count) == 0xE306_9283)
        #expect(nt_crc32c_for(tier, 0, nil, 0) == 0)
    }

    @Test("the test vectors of RFC 3720")
    func requestForComments() {
        #expect(nt_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8A91_36AA)
        #expect(nt_crc32c(0, [UInt8](repeating: 0xFF, count: 32), 32) == 0x62A8_AB43)
        #expect(nt_crc32c(0, [UInt8](0 ..< 32), 32) == 0x46DD_794E)
        #expect(nt_crc32c(0, [UInt8]((0 ..< 32).reversed()), 32) == 0x113F_DB5C)
    }

    @Test("every variant equals the bitwise reference at every length, offset and seed", arguments: tiers)
    func matchesReference(tier: nt_cpu_tier) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CRC32CTests seed \(random.seed)")
        let bytes = (0 ..< 24_000).map { _ in UInt8.random(in: 0 ... 255, using: &random) }
        let lengths = Array(0 ... 520) + [6_143, 6_144, 6_145, 12_288, 12_701, 18_811]
        bytes.withUnsafeBufferPointer { bytes in
            for length in lengths {
                let offset = Int.random(in: 0 ... 64, using: &random)
                let seed = UInt32.random(in: 0 ... .max, using: &random)
                let part = UnsafeBufferPointer(rebasing: bytes[offset ..< offset + length])
                let crc = nt_crc32c_for(tier, seed, part.baseAddress, length)
                #expect(crc == Self.reference(seed, part), "length \(length), offset \(offset)")
            }
        }
    }

    @Test("the CRC of a whole is the CRC of its parts chained", arguments: tiers)
    func chains(tier: nt_cpu_tier) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CRC32CTests seed \(random.seed)")
        let bytes = (0 ..< 20_000).map { _ in UInt8.random(in: 0 ... 255, using: &random) }
        let whole = nt_crc32c_for(tier, 0, bytes, bytes.count)
        for _ in 0 ..< 20 {
            let cut = Int.random(in: 0 ... bytes.count, using: &random)
            let first = nt_crc32c_for(tier, 0, bytes, cut)
            #expect(nt_crc32c_for(tier, first, Array(bytes[cut...]), bytes.count - cut) == whole)
        }
    }
}
