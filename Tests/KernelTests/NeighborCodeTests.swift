import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Neighbour codes")
struct NeighborCodeTests {
    static let dimensions = [1, 7, 33, 64, 65, 100, 128, 200, 256, 384, 768, 1100, 2048]

    static func functions(_ tier: nt_cpu_tier) throws -> nt_rabitq {
        let functions: UnsafePointer<nt_rabitq>? = nt_rabitq_of(tier)
        return try #require(functions).pointee
    }

    @Test("sums of tables are the same in every tier, where all entries are largest too", arguments: availableTiers)
    func sums(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodeTests seed \(random.seed)")
        let functions = try Self.functions(tier)
        for dimension in Self.dimensions.map(nt_rabitq_dimension) + [4096] {
            for extreme in [false, true] {
                let tables = AlignedBytes(4 * dimension) { _ in extreme ? 255 : UInt8.random(in: 0 ... 255, using: &random) }
                let codes = AlignedBytes(4 * dimension) { _ in UInt8.random(in: 0 ... 255, using: &random) }
                var sums = [UInt32](repeating: 7, count: 32)
                withExtendedLifetime((tables, codes)) { functions.sums(tables.bytes, codes.bytes, dimension, &sums) }
                let expected = (0 ..< 32).map { neighbor in
                    (0 ..< dimension / 4).reduce(UInt32(0)) { sum, table in
                        let byte = codes.bytes[16 * table + neighbor % 16]
                        return sum + UInt32(tables.bytes[16 * table + Int(neighbor < 16 ? byte & 15 : byte >> 4)])
                    }
                }
                #expect(sums == expected, "dimension \(dimension)")
            }
        }
    }

    @Test("a rotation keeps lengths and products, and is the same in every tier but for rounding", arguments: availableTiers)
    func rotations(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodeTests seed \(random.seed)")
        let functions = try Self.functions(tier), portable = try Self.functions(NT_CPU_PORTABLE)
        for dimension in Self.dimensions {
            let rotation = Rotation(seed: random.next(), dimension: dimension)
            let x = (0 ..< dimension).map { _ in random.normal() }, y = (0 ..< dimension).map { _ in random.normal() }
            let a = rotation.apply(functions, x), b = rotation.apply(functions, y)
            let tolerance = 1e-4 * Double(dimension)
            #expect(abs(product(a.floats, a.floats) - product(x, x)) < tolerance, "dimension \(dimension)")
            #expect(abs(product(a.floats, b.floats) - product(x, y)) < tolerance, "dimension \(dimension)")
            for (one, other) in zip(a.floats, rotation.apply(portable, x).floats) { #expect(abs(one - other) < 1e-4) }
        }
    }

    @Test("the table of a query gives its products with signs, to half a step a table", arguments: availableTiers)
    func tables(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodeTests seed \(random.seed)")
        let functions = try Self.functions(tier)
        for dimension in [64, 384, 768] {
            for scale in [Float(1), 0, 1e6] {
                let query = AlignedBytes(floats: (0 ..< dimension).map { _ in scale * random.normal() })
                let tables = AlignedBytes(4 * dimension) { _ in 0 }
                let prepared = withExtendedLifetime((query, tables)) { functions.prepare(query.floatPointer, dimension, tables.bytes) }
                for t in 0 ..< dimension / 4 {
                    for pattern in 0 ..< 16 {
                        let exact = (0 ..< 4).reduce(Float(0)) { $0 + (pattern >> $1 & 1 == 1 ? 1 : -1) * query.floats[4 * t + $1] }
                        let range = (0 ..< 4).reduce(Float(0)) { $0 + abs(query.floats[4 * t + $1]) }
                        let found = prepared.step * Float(tables.bytes[16 * t + pattern]) - range
                        #expect(abs(found - exact) <= 0.51 * prepared.step, "table \(t), pattern \(pattern)")
                    }
                }
            }
        }
    }

    @Test("estimates are right on average, whatever the metric", arguments: [NT_METRIC_L2, NT_METRIC_COSINE, NT_METRIC_DOT])
    func estimates(metric: nt_metric) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodeTests seed \(random.seed)")
        for tier in availableTiers {
            let functions = try Self.functions(tier)
            for dimension in [7, 100, 384] {
                let node = unit(dimension, &random), neighbor = unit(dimension, &random), query = unit(dimension, &random)
                let truth = distance(metric, query, neighbor), base = distance(metric, query, node)
                let rounds = 300
                var errors: [Double] = []
                for _ in 0 ..< rounds {
                    let rotation = Rotation(seed: random.next(), dimension: dimension)
                    let group = Group(rotatedDimension: rotation.dimension)
                    let position = Int.random(in: 0 ..< 32, using: &random)
                    group.encode(functions, rotation.apply(functions, node), rotation.apply(functions, neighbor), metric, position)
                    let tables = AlignedBytes(4 * rotation.dimension) { _ in 0 }, rotated = rotation.apply(functions, query)
                    let difference = withExtendedLifetime((tables, rotated)) {
                        let prepared = functions.prepare(rotated.floatPointer, rotation.dimension, tables.bytes)
                        return group.estimate(functions, prepared, at: position)
                    }
                    errors.append(Double(difference) + base - truth)
                }
                let mean = errors.reduce(0, +) / Double(rounds)
                let deviation = (errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rounds)).squareRoot()
                // A rounding of the stored terms to eight bits may lie behind a mean of other than zero.
                #expect(abs(mean) < 5 * deviation / Double(rounds).squareRoot() + 0.01, "dimension \(dimension)")
                #expect(deviation < 4 / Double(dimension).squareRoot())
            }
        }
    }

    @Test("the codes of neighbours beside each other do not disturb each other; equal vectors give no NaN", arguments: availableTiers)
    func groups(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("NeighborCodeTests seed \(random.seed)")
        let functions = try Self.functions(tier)
        let dimension = 128, node = AlignedBytes(floats: unit(dimension, &random))
        let neighbors = (0 ..< 32).map { $0 == 13 ? node : AlignedBytes(floats: unit(dimension, &random)) }
        let group = Group(rotatedDimension: dimension)
        for (position, neighbor) in neighbors.enumerated() { group.encode(functions, node, neighbor, NT_METRIC_L2, position) }
        for (position, neighbor) in neighbors.enumerated() {
            for i in 0 ..< dimension {
                let byte = group.bytes[Int(NT_RABITQ_CODES) + i / 4 * 16 + position % 16]
                let bit = Int(position < 16 ? byte & 15 : byte >> 4) >> (i % 4) & 1
                #expect((bit == 1) == (neighbor.floats[i] - node.floats[i] >= 0))
            }
        }
        let tables = AlignedBytes(4 * dimension) { _ in 0 }
        withExtendedLifetime((tables, node)) {
            let prepared = functions.prepare(node.floatPointer, dimension, tables.bytes)
            #expect(group.estimate(functions, prepared, at: 13) == 0)
        }
    }
}

/// Memory on a 64-byte border.
final class AlignedBytes {
    let raw: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int, _ byte: (Int) -> UInt8) {
        self.count = count
        raw = .allocate(byteCount: max(count, 1), alignment: 64)
        for i in 0 ..< count { raw.storeBytes(of: byte(i), toByteOffset: i, as: UInt8.self) }
    }

    convenience init(floats: [Float]) {
        self.init(4 * floats.count) { _ in 0 }
        for (i, value) in floats.enumerated() { raw.storeBytes(of: value, toByteOffset: 4 * i, as: Float.self) }
    }

    deinit { raw.deallocate() }

    var bytes: UnsafeMutablePointer<UInt8> { raw.assumingMemoryBound(to: UInt8.self) }
    var floatPointer: UnsafeMutablePointer<Float> { raw.assumingMemoryBound(to: Float.self) }
    var floats: [Float] { (0 ..< count / 4).map { floatPointer[$0] } }
}

private final class Rotation {
    let dimension: Int
    private let signs: AlignedBytes
    private let kernel: nt_rabitq_rotation

    init(seed: UInt64, dimension: Int) {
        self.dimension = nt_rabitq_dimension(dimension)
        signs = AlignedBytes(4 * Int(NT_RABITQ_ROUNDS) * self.dimension) { _ in 0 }
        nt_rabitq_signs(seed, Int(NT_RABITQ_ROUNDS) * self.dimension, signs.floatPointer)
        kernel = nt_rabitq_rotation(dimension: dimension, rotated_dimension: self.dimension, signs: signs.floatPointer)
    }

    func apply(_ functions: nt_rabitq, _ vector: [Float]) -> AlignedBytes {
        let rotated = AlignedBytes(4 * dimension) { _ in 0xFF }
        withExtendedLifetime((signs, rotated)) {
            withUnsafePointer(to: kernel) { functions.rotate($0, vector, rotated.floatPointer) }
        }
        return rotated
    }
}

private final class Group {
    let rotatedDimension: Int
    private let memory: AlignedBytes

    init(rotatedDimension: Int) {
        self.rotatedDimension = rotatedDimension
        memory = AlignedBytes(nt_rabitq_group_bytes(rotatedDimension)) { _ in 0 }
    }

    var bytes: UnsafeMutablePointer<UInt8> { memory.bytes }

    func encode(_ functions: nt_rabitq, _ node: AlignedBytes, _ neighbor: AlignedBytes, _ metric: nt_metric, _ position: Int) {
        withExtendedLifetime((node, neighbor)) {
            functions.encode(node.floatPointer, neighbor.floatPointer, rotatedDimension, metric, memory.raw, position)
        }
    }

    /// By how much the neighbour is estimated to be farther from the query than the node.
    func estimate(_ functions: nt_rabitq, _ query: nt_rabitq_query, at position: Int) -> Float {
        var sums = [UInt32](repeating: 0, count: 32)
        functions.sums(query.tables, bytes + Int(NT_RABITQ_CODES), rotatedDimension, &sums)
        let add = widened(memory.raw.load(fromByteOffset: 128 + 2 * position, as: UInt16.self))
        let scale = widened(memory.raw.load(fromByteOffset: 192 + 2 * position, as: UInt16.self))
        return add + scale * (query.bias + query.step * Float(sums[position]))
    }

    private func widened(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }
}

private func product(_ x: [Float], _ y: [Float]) -> Double { zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) } }

private func unit(_ dimension: Int, _ random: inout SeededGenerator) -> [Float] {
    let vector = (0 ..< dimension).map { _ in random.normal() }, norm = Float(product(vector, vector).squareRoot())
    return vector.map { $0 / norm }
}

private func distance(_ metric: nt_metric, _ x: [Float], _ y: [Float]) -> Double {
    switch metric {
    case NT_METRIC_L2: zip(x, y).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    case NT_METRIC_COSINE: 1 - product(x, y)
    default: -product(x, y)
    }
}
