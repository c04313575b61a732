import CNeedletailKernels
import NeedletailTestSupport
import Testing

@Suite("Graph traversal")
struct GraphTests {
    static let sq8Kinds = [NT_TRAVERSE_SQ8_L2, NT_TRAVERSE_SQ8_DOT]
    static let dimensions = [1, 7, 31, 63, 64, 65, 96, 127, 128, 129, 192, 200, 256, 320, 384, 500, 768, 1100]

    struct Case: CustomTestStringConvertible, Sendable {
        let tier: nt_cpu_tier
        let kind: nt_traversal_kind
        var testDescription: String { "tier \(tier.rawValue), kind \(kind.rawValue)" }
    }

    static let cases = availableTiers.flatMap { tier in sq8Kinds.map { Case(tier: tier, kind: $0) } }

    static func traversal(_ tier: nt_cpu_tier, _ kind: nt_traversal_kind) throws -> nt_traversal {
        let functions: UnsafePointer<nt_traversal>? = nt_traversal_of(tier, kind)
        return try #require(functions).pointee
    }

    @Test("distances of codes are the sums of whole numbers that they are defined as, extremes included", arguments: cases)
    func distancesOfCodes(test: Case) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("GraphTests seed \(random.seed)")
        let functions = try Self.traversal(test.tier, test.kind)
        let isL2 = test.kind == NT_TRAVERSE_SQ8_L2
        for dimension in Self.dimensions {
            for extreme in [false, true] {
                let rows = CodeRows(&random, count: 21, dimension: dimension, least: isL2 ? 0 : 1, extreme: extreme, shift: 2)
                let query = CodeQuery(&random, dimension: dimension, byteCount: rows.stride, isL2: isL2, extreme: extreme)
                let numbers = (0 ..< Int.random(in: 1 ... 70, using: &random)).map { _ in UInt32.random(in: 0 ..< 21, using: &random) }
                let expected = numbers.map { number -> Float in
                    let row = rows.row(Int(number))
                    var sum = 0
                    for i in 0 ..< dimension {
                        let q = isL2 ? Int(query.codes[i]) : Int(Int8(bitPattern: query.codes[i])), c = Int(row[i])
                        sum += isL2 ? (q - c) * (q - c) : q * (c - 128)
                    }
                    return 0.5 + -0.25 * Float(sum)
                }
                var distances = [Float](repeating: .nan, count: numbers.count)
                query.withQuery(scale: -0.25, offset: 0.5) { query in
                    rows.withRows { rows in
                        functions.distances(query, rows, numbers, numbers.count, &distances)
                        #expect(distances == expected, "dimension \(dimension)")
                        for threshold in [-.infinity, expected.sorted()[expected.count / 2], .infinity, .nan] {
                            var keys = [UInt64](repeating: 0, count: numbers.count + 16)
                            let found = functions.scan(query, rows, numbers, numbers.count, threshold, &keys)
                            let within = zip(numbers, expected).filter { $1 <= threshold }.map { nt_key($1, $0) }
                            #expect(Array(keys[..<found]) == within)
                        }
                    }
                }
            }
        }
    }

    @Test("codes round to nearest, are held within their range, and are zero behind the dimension")
    func encoding() {
        let values: [Float] = [-1e30, -2, -0.26, -0.24, 0, 0.24, 0.26, 2, 1e30]
        var codes = [UInt8](repeating: 7, count: 64)
        nt_sq8_encode_l2(values, values.count, -0.25, 2, &codes, codes.count)
        #expect(Array(codes[..<9]) == [0, 0, 0, 0, 1, 1, 1, 5, 255])
        #expect(codes[9...].allSatisfy { $0 == 0 })
        nt_sq8_encode_dot(values, values.count, 2, &codes, codes.count)
        #expect(Array(codes[..<9]) == [1, 124, 127, 128, 128, 128, 129, 132, 255])
        #expect(codes[9...].allSatisfy { $0 == 0 })
        var query = [Int8](repeating: 7, count: 64)
        #expect(nt_sq8_query_dot(codes, 9, &query, query.count) == 128 * (-127 - 4 - 1 + 0 + 0 + 0 + 1 + 4 + 127))
        #expect(Array(query[..<9]) == [-127, -4, -1, 0, 0, 0, 1, 4, 127] && query[9...].allSatisfy { $0 == 0 })
    }

    @Test("a pool holds the least keys in order")
    func poolInsertion() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("GraphTests seed \(random.seed)")
        for capacity in [1, 2, 3, 10, 64, 100] {
            var pool = [UInt64](repeating: 0, count: capacity + 1), count = 0, all: [UInt64] = []
            for _ in 0 ..< 200 {
                let key = UInt64.random(in: 0 ... 500, using: &random)
                let position = nt_pool_insert(&pool, &count, capacity, key)
                all = (all + [key]).sorted()
                #expect(Array(pool[..<count]) == Array(all.prefix(capacity)))
                #expect(position == capacity ? !(count < capacity) && key >= pool[capacity - 1] : pool[position] == key)
            }
        }
    }

    @Test("every tier searches as the portable one does: the same pool from the same number of distances", arguments: availableTiers)
    func tiersAgree(tier: nt_cpu_tier) throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("GraphTests seed \(random.seed)")
        for kind in Self.sq8Kinds {
            let functions = try Self.traversal(tier, kind), portable = try Self.traversal(NT_CPU_PORTABLE, kind)
            for (dimension, degree) in [(3, 4), (40, 16), (128, 32), (130, 40)] {
                let count = 500
                let rows = CodeRows(&random, count: count, dimension: dimension, least: 1, extreme: false, shift: 3)
                let lists = Lists(&random, count: count, degree: degree)
                let query = CodeQuery(&random, dimension: dimension, byteCount: rows.stride, isL2: kind == NT_TRAVERSE_SQ8_L2, extreme: false)
                let allowed = (0 ..< (count + 63) / 64).map { _ in UInt64.random(in: 0 ... .max, using: &random) }
                query.withQuery(scale: kind == NT_TRAVERSE_SQ8_L2 ? 1 : -1, offset: 0) { query in
                    rows.withRows { rows in
                        lists.withRows { rowsOfLists in
                            let links = nt_node_rows(rows: rowsOfLists.pointee, changes: nt_rows(), changed: nt_rows(), changed_count: 0)
                            let level = nt_level(
                                rows: rows.pointee, links: links, degree: UInt32(degree), count: UInt32(count), level: 0,
                                nodes: rows.pointee, row_count: UInt32(count), list_count: 0)
                            for mode in SearchMode.allCases {
                                for ef in [1, 5, 60] {
                                    let found = mode.run(functions, level, query, ef: ef, allowed: allowed)
                                    #expect(found == mode.run(portable, level, query, ef: ef, allowed: allowed))
                                    #expect(found.pool.count <= ef)
                                    if mode == .plain {
                                        #expect(found.pool == mode.reference(level, query, portable, lists: lists, ef: ef))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Rows of codes in chunks, each ending at a page that may not be touched.
private final class CodeRows {
    let stride: Int
    private let shift: Int
    private var chunks: [GuardedMemory] = []

    init(_ random: inout SeededGenerator, count: Int, dimension: Int, least: UInt8, extreme: Bool, shift: Int) {
        stride = (dimension + 63) / 64 * 64
        self.shift = shift
        for first in Swift.stride(from: 0, to: count, by: 1 << shift) {
            let memory = GuardedMemory(byteCount: min(1 << shift, count - first) * stride)
            for i in 0 ..< memory.byteCount {
                let code = extreme ? (Bool.random(using: &random) ? 255 : least) : UInt8.random(in: least ... 255, using: &random)
                (memory.start + i).storeBytes(of: i % stride < dimension ? code : 0, as: UInt8.self)
            }
            chunks.append(memory)
        }
    }

    func row(_ number: Int) -> UnsafePointer<UInt8> {
        UnsafePointer((chunks[number >> shift].start + (number & ((1 << shift) - 1)) * stride).assumingMemoryBound(to: UInt8.self))
    }

    func withRows(_ body: (UnsafePointer<nt_rows>) throws -> Void) rethrows {
        let pointers: [UnsafeRawPointer?] = chunks.map { UnsafeRawPointer($0.start) }
        try pointers.withUnsafeBufferPointer {
            var rows = nt_rows(blocks: $0.baseAddress, stride: stride, block_shift: UInt32(shift))
            try body(&rows)
        }
    }
}

/// A query of codes at the end of a page.
private final class CodeQuery {
    private let memory: GuardedMemory
    private let correction: Int32
    private let dimension: Int

    init(_ random: inout SeededGenerator, dimension: Int, byteCount: Int, isL2: Bool, extreme: Bool) {
        memory = GuardedMemory(byteCount: byteCount)
        self.dimension = dimension
        var sum = 0
        for i in 0 ..< byteCount {
            let code: UInt8 = extreme ? (Bool.random(using: &random) ? (isL2 ? 255 : 127) : (isL2 ? 0 : UInt8(bitPattern: -127)))
                : isL2 ? .random(in: 0 ... 255, using: &random) : UInt8(bitPattern: .random(in: -127 ... 127, using: &random))
            (memory.start + i).storeBytes(of: i < dimension ? code : 0, as: UInt8.self)
            if i < dimension { sum += Int(Int8(bitPattern: code)) }
        }
        correction = isL2 ? 0 : Int32(128 * sum)
    }

    var codes: UnsafePointer<UInt8> { UnsafePointer(memory.start.assumingMemoryBound(to: UInt8.self)) }

    func withQuery(scale: Float, offset: Float, _ body: (UnsafePointer<nt_traversal_query>) throws -> Void) rethrows {
        var query = nt_traversal_query()
        query.codes = UnsafeRawPointer(memory.start)
        query.byte_count = memory.byteCount
        query.scale = scale
        query.offset = offset
        query.correction = correction
        query.vector = nt_query(vector: nil, dimension: dimension, inverse_norm: 0)
        try body(&query)
    }
}

/// Random lists, some of them short, one in twenty damaged.
private final class Lists {
    let lists: [[UInt32]]
    private let memory: UnsafeMutablePointer<UInt32>
    private let stride: Int

    init(_ random: inout SeededGenerator, count: Int, degree: Int) {
        stride = (4 * degree + 63) / 64 * 64
        memory = .allocate(capacity: count * stride / 4)
        memory.initialize(repeating: 1, count: count * stride / 4)
        lists = (0 ..< count).map { _ in
            let length = Int.random(in: 1 ... degree, using: &random)
            var list = (0 ..< degree).map { $0 < length ? UInt32.random(in: 0 ..< UInt32(count), using: &random) : 0xFFFF_FFFF }
            if Int.random(in: 0 ..< 20, using: &random) == 0 { list[0] = UInt32(count) + .random(in: 0 ..< 1000, using: &random) }
            return list
        }
        for (i, list) in lists.enumerated() {
            for (j, number) in list.enumerated() { memory[i * stride / 4 + j] = number }
        }
    }

    deinit { memory.deallocate() }

    func withRows(_ body: (UnsafePointer<nt_rows>) throws -> Void) rethrows {
        let pointers: [UnsafeRawPointer?] = [UnsafeRawPointer(memory)]
        try pointers.withUnsafeBufferPointer {
            var rows = nt_rows(blocks: $0.baseAddress, stride: stride, block_shift: 20)
            try body(&rows)
        }
    }
}

private enum SearchMode: CaseIterable {
    case plain, filtered, twoHops, growing

    struct Found: Equatable {
        var pool: [UInt64], results: [UInt64], overflow: [UInt64]
        var hops: UInt64, distances: UInt64
    }

    func run(_ functions: nt_traversal, _ level: nt_level, _ query: UnsafePointer<nt_traversal_query>, ef: Int, allowed: [UInt64]) -> Found {
        var pool = [UInt64](repeating: 0, count: ef + 1), results = pool
        var overflow = [UInt64](repeating: 0, count: Int(level.count) + Int(NT_OVERFLOW_ROOM))
        var log = [UInt32](repeating: 0, count: Int(level.count) + Int(NT_SEEN_ROOM))
        var level = level, rows = level.rows, entry: UInt32 = 3, distance: Float = 0
        functions.distances(query, &rows, &entry, 1, &distance)
        pool[0] = nt_pool_key(distance, entry)
        let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: Int(level.count) / 64 + 1)
        bits.initialize(repeating: 0, count: Int(level.count) / 64 + 1)
        defer { bits.deallocate() }
        return pool.withUnsafeMutableBufferPointer { pool in
            results.withUnsafeMutableBufferPointer { results in
                overflow.withUnsafeMutableBufferPointer { overflow in
                    log.withUnsafeMutableBufferPointer { log in
                        allowed.withUnsafeBufferPointer { allowed in
                            var beam = nt_beam()
                            beam.pool = pool.baseAddress
                            beam.pool_count = 1
                            beam.capacity = ef
                            beam.seen = nt_seen(bits: bits, log: log.baseAddress, log_count: 0)
                            nt_seen_insert(&beam.seen, 3)
                            nt_seen_insert(&beam.seen, level.count)
                            beam.allowed = allowed.baseAddress
                            beam.results = results.baseAddress
                            beam.result_capacity = ef
                            beam.overflow = overflow.baseAddress
                            beam.overflow_capacity = overflow.count
                            switch self {
                            case .plain: functions.search(&level, query, &beam)
                            case .filtered: functions.search_filtered(&level, query, &beam)
                            case .twoHops: functions.search_two_hops(&level, query, &beam)
                            case .growing: functions.search_growing(&level, query, &beam)
                            }
                            nt_seen_clear(&beam.seen)
                            #expect((0 ... Int(level.count) / 64).allSatisfy { bits[$0] == 0 })
                            return Found(
                                pool: Array(pool[..<beam.pool_count]), results: Array(results[..<beam.result_count]),
                                overflow: Array(overflow[..<beam.overflow_count]), hops: beam.hops, distances: beam.distances)
                        }
                    }
                }
            }
        }
    }

    /// The plain search, as plainly as can be.
    func reference(
        _ level: nt_level, _ query: UnsafePointer<nt_traversal_query>, _ functions: nt_traversal, lists: Lists, ef: Int
    ) -> [UInt64] {
        var rows = level.rows
        func key(_ number: UInt32) -> UInt64 {
            var distance: Float = 0
            functions.distances(query, &rows, [number], 1, &distance)
            return nt_pool_key(distance, number)
        }
        var pool = [key(3)], seen: Set<UInt32> = [3], underWay: [UInt32]? = nil
        while true {
            // The next list is read before the results of this one are known.
            var neighbors: [UInt32]?
            if let next = pool.firstIndex(where: { $0 & 1 == 0 }) {
                neighbors = lists.lists[Int(nt_pool_node(pool[next]))].filter { $0 < level.count && seen.insert($0).inserted }
                pool[next] |= 1
            } else if underWay == nil {
                return pool
            }
            pool = Array((pool + (underWay ?? []).map(key)).sorted().prefix(ef))
            underWay = neighbors
        }
    }
}
