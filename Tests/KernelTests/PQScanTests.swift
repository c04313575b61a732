import CNeedletailKernels
import NeedletailTestSupport
import Testing

/// Every variant of the product-quantization kernels that this CPU has, against the portable one and against plain sums.
@Suite("PQScan")
struct PQScanTests {
    static var variants: [nt_pq_kernels] {
        var found: [nt_pq_kernels] = []
        while let variant = nt_pq_variant(found.count) { found.append(variant.pointee) }
        return found
    }

    /// Blocks of random codes, terms and slots in memory that ends where a page does.
    struct Blocks {
        let memory: GuardedMemory
        let run: nt_pq_run
        /// Codes by row and subspace, scales, terms and slots by row.
        var codes: [[UInt8]] = []
        var terms: [UInt8] = []
        var scales: [UInt8] = []
        var slots: [UInt32] = []

        init(_ random: inout SeededGenerator, bits: Int, subspaces: Int, width: Int, rows: Int, hasScales: Bool = false) {
            let blockByteCount = nt_pq_block_bytes(UInt32(bits), UInt32(subspaces), UInt32(width), hasScales)
            let blockCount = (rows + width - 1) / width
            memory = GuardedMemory(byteCount: blockByteCount * blockCount)
            for i in 0 ..< memory.byteCount { memory.start.storeBytes(of: UInt8.random(in: 0 ... 255, using: &random), toByteOffset: i, as: UInt8.self) }
            var run = nt_pq_run()
            run.blocks = UnsafePointer(memory.start.assumingMemoryBound(to: UInt8.self))
            run.stride = blockByteCount
            run.rows = rows
            run.width = UInt32(width)
            run.subspaces = UInt32(subspaces)
            run.slot_count = UInt32(rows)
            run.has_scales = hasScales
            self.run = run
            let codeByteCount = subspaces * bits / 8
            for row in 0 ..< rows {
                let block = memory.start + row / width * blockByteCount, v = row % width
                codes.append((0 ..< subspaces).map { m in
                    let byte = block.load(fromByteOffset: (bits == 8 ? m : m / 2) * width + v, as: UInt8.self)
                    return bits == 8 ? byte : m % 2 == 0 ? byte & 15 : byte >> 4
                })
                if hasScales { scales.append(block.load(fromByteOffset: codeByteCount * width + v, as: UInt8.self)) }
                let termOffset = (codeByteCount + (hasScales ? 1 : 0)) * width
                terms.append(block.load(fromByteOffset: termOffset + v, as: UInt8.self))
                let slot = UInt32((row * 7) % rows)
                block.storeBytes(of: slot, toByteOffset: termOffset + width + 4 * v, as: UInt32.self)
                slots.append(slot)
            }
        }
    }

    /// A table no pair of whose subspaces exceeds 255.
    static func table(_ random: inout SeededGenerator, subspaces: Int, codes: Int) -> [UInt8] {
        (0 ..< subspaces / 2).flatMap { _ -> [UInt8] in
            let most = UInt8.random(in: 0 ... 255, using: &random)
            return (0 ..< codes).map { _ in UInt8.random(in: 0 ... most, using: &random) }
                + (0 ..< codes).map { _ in UInt8.random(in: 0 ... (255 - most), using: &random) }
        }
    }

    @Test("every variant keeps the rows that plain sums keep", arguments: [4, 8])
    func agrees(bits: Int) {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("PQScanTests seed \(random.seed)")
        for (subspaces, width, rows) in [(2, 64, 64), (2, 16, 1), (4, 64, 200), (6, 32, 31), (16, 64, 1000), (32, 48, 47), (64, 64, 333), (96, 16, 16), (254, 64, 130), (2, 8, 8), (18, 8, 5), (16, 24, 23), (8, 40, 33), (30, 56, 55)] {
            // A multiple of 7 rows would give slots twice.
            let hasScales = Bool.random(using: &random)
            let blocks = Blocks(&random, bits: bits, subspaces: subspaces, width: width, rows: rows, hasScales: hasScales)
            for queryCount in [1, 2, 3, 5, 7] {
                let tables = (0 ..< queryCount).map { _ in Self.table(&random, subspaces: subspaces, codes: 1 << bits) }
                let factor = Float.random(in: 0 ... 20, using: &random)
                let keep = [1, 10, 100, rows].randomElement(using: &random)!
                let allowed = (0 ..< rows / 64 + 1).map { _ in UInt64.random(in: 0 ... .max, using: &random) }
                let deleted = (0 ..< rows / 64 + 1).map { _ in UInt64.random(in: 0 ... .max, using: &random) & UInt64.random(in: 0 ... .max, using: &random) }
                let filters = Bool.random(using: &random)
                // Half of the greatest sum at least, so that no difference from it leaves 16 bits.
                let center = hasScales ? Int.random(in: min(32_767, subspaces / 2 * 128) ... 32_767, using: &random) : 0
                var expected: [[UInt64]] = []
                for table in tables {
                    var keys: [UInt64] = []
                    for row in 0 ..< rows {
                        let slot = Int(blocks.slots[row])
                        if filters, allowed[slot / 64] >> UInt64(slot % 64) & 1 == 0 || deleted[slot / 64] >> UInt64(slot % 64) & 1 == 1 { continue }
                        var sum = 0
                        for m in 0 ..< subspaces { sum += Int(table[m << bits + Int(blocks.codes[row][m])]) }
                        if hasScales { sum = center + ((sum - center) * Int(blocks.scales[row]) + 128) >> 8 }
                        sum = min(65535, sum + (Int(blocks.terms[row]) * Int(256 * factor + 0.5)) >> 8)
                        keys.append(nt_key(-3 + 0.5 * Float(sum), UInt32(slot)))
                    }
                    expected.append(Array(keys.sorted().prefix(keep)))
                }
                for variant in Self.variants {
                    let capacity = keep + 64 + Int.random(in: 0 ... 100, using: &random)
                    let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * queryCount)
                    let queries = UnsafeMutablePointer<nt_pq_query>.allocate(capacity: queryCount)
                    let held = UnsafeMutablePointer<UInt8>.allocate(capacity: subspaces << bits * queryCount)
                    defer {
                        keys.deallocate()
                        queries.deallocate()
                        held.deallocate()
                    }
                    var pointers: [UnsafeMutablePointer<nt_pq_query>?] = []
                    for (number, table) in tables.enumerated() {
                        (held + (number * subspaces) << bits).update(from: table, count: table.count)
                        var query = nt_pq_query()
                        query.table = UnsafePointer(held + (number * subspaces) << bits)
                        query.threshold = .infinity
                        query.center = UInt32(center)
                        query.keep = UInt32(keep)
                        query.capacity = UInt32(capacity)
                        query.keys = keys + number * capacity
                        (queries + number).initialize(to: query)
                        #expect(nt_pq_enter(queries + number, -3, 0.5, factor / 2))
                        pointers.append(queries + number)
                    }
                    var run = blocks.run
                    allowed.withUnsafeBufferPointer { allowed in
                        deleted.withUnsafeBufferPointer { deleted in
                            if filters {
                                run.allowed = allowed.baseAddress
                                run.deleted = deleted.baseAddress
                            }
                            if bits == 4 { variant.scan4(pointers, queryCount, &run) } else { variant.scan8(pointers, queryCount, &run) }
                        }
                    }
                    for number in 0 ..< queryCount {
                        let found = UnsafeBufferPointer(start: queries[number].keys, count: Int(queries[number].count)).sorted().prefix(keep)
                        #expect(
                            Array(found) == expected[number],
                            "\(String(cString: variant.name)), \(subspaces) subspaces, width \(width), \(rows) rows, keep \(keep), query \(number) of \(queryCount)")
                    }
                }
            }
        }
    }

    @Test("slots beyond the last, which only damage can cause, are left out")
    func damagedSlots() {
        var random = SeededGenerator(seed: 1)
        let blocks = Blocks(&random, bits: 4, subspaces: 4, width: 64, rows: 64)
        let table = Self.table(&random, subspaces: 4, codes: 16)
        for variant in Self.variants {
            var keys = [UInt64](repeating: 0, count: 200)
            var run = blocks.run
            run.slot_count = 10
            let count = keys.withUnsafeMutableBufferPointer { keys in
                table.withUnsafeBufferPointer { table in
                    var query = nt_pq_query()
                    query.table = table.baseAddress
                    query.threshold = .infinity
                    query.keep = 100
                    query.capacity = 200
                    query.keys = keys.baseAddress
                    return withUnsafeMutablePointer(to: &query) { query in
                        #expect(nt_pq_enter(query, 0, 1, 0))
                        var pointer: UnsafeMutablePointer<nt_pq_query>? = query
                        variant.scan4(&pointer, 1, &run)
                        return Int(query.pointee.count)
                    }
                }
            }
            #expect(count == 10)
        }
    }

    @Test("codes are those of the nearest codewords, products those of plain sums")
    func arithmetic() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("PQScanTests seed \(random.seed)")
        for (subspaces, width, codes) in [(1, 1, 16), (3, 5, 16), (32, 4, 16), (7, 8, 256)] {
            let words = (0 ..< subspaces * width * codes).map { _ in Float(Int.random(in: -9 ... 9, using: &random)) }
            var norms = [Float](repeating: 0, count: subspaces * codes)
            for m in 0 ..< subspaces { for i in 0 ..< width { for c in 0 ..< codes {
                norms[m * codes + c] += words[(m * width + i) * codes + c] * words[(m * width + i) * codes + c]
            } } }
            let vector = (0 ..< subspaces * width).map { _ in Float(Int.random(in: -9 ... 9, using: &random)) }
            var products = [Float](repeating: 0, count: subspaces * codes)
            var nearest = [UInt8](repeating: 0, count: subspaces)
            for m in 0 ..< subspaces {
                var best = Float.infinity
                for c in 0 ..< codes {
                    var dot: Float = 0
                    for i in 0 ..< width { dot += vector[m * width + i] * words[(m * width + i) * codes + c] }
                    products[m * codes + c] = norms[m * codes + c] - 2 * dot
                    if products[m * codes + c] < best {
                        best = products[m * codes + c]
                        nearest[m] = UInt8(c)
                    }
                }
            }
            words.withUnsafeBufferPointer { words in
                norms.withUnsafeBufferPointer { norms in
                    var book = nt_pq_codebook(
                        subspaces: UInt32(subspaces), width: UInt32(width), codes: UInt32(codes), codewords: words.baseAddress, norms: norms.baseAddress)
                    for variant in Self.variants {
                        var table = [Float](repeating: 0, count: subspaces * codes)
                        variant.products(&book, vector, -2, true, &table)
                        #expect(table == products, "\(String(cString: variant.name))")
                        var found = [UInt8](repeating: 99, count: subspaces)
                        variant.encode(&book, vector, subspaces * width, 1, &found)
                        #expect(found == nearest, "\(String(cString: variant.name))")
                    }
                }
            }
        }
    }

    @Test("argmin and the least values, with ties, NaN and infinities")
    func least() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("PQScanTests seed \(random.seed)")
        for n in [1, 2, 7, 16, 31, 33, 100, 1000] {
            let values = (0 ..< n).map { i -> Float in
                switch Int.random(in: 0 ..< 20, using: &random) {
                case 0: .nan
                case 1: .infinity
                default: Float(Int.random(in: -30 ... 30, using: &random))
                }
            }
            let sorted = values.indices.filter { !values[$0].isNaN }.map { nt_key(values[$0], UInt32($0)) }.sorted()
            for variant in Self.variants {
                var best: [Float] = [.infinity], label: [UInt32] = [77]
                variant.argmin_rows(values, n, 1, n, 1000, &best, &label)
                if let first = sorted.first, nt_key_distance(first) < .infinity {
                    #expect(best == [nt_key_distance(first)] && label == [1000 + nt_key_slot(first)], "\(String(cString: variant.name)), \(n)")
                } else {
                    #expect(label == [77])
                }
                for keep in [1, 3, 10, n] {
                    var keys = [UInt64](repeating: 0, count: keep + 64)
                    let count = variant.least_values(values, n, keep, &keys, keys.count)
                    #expect(keys.prefix(count).sorted() == Array(sorted.prefix(keep)), "\(String(cString: variant.name)), \(keep) of \(n)")
                }
            }
        }
    }

    @Test("a table of bytes stands for its values within half a step")
    func quantize() {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("PQScanTests seed \(random.seed)")
        for (subspaces, codes, limit) in [(1, 16, 49152), (3, 16, 49152), (32, 16, 49152), (5, 256, 49152), (512, 16, 49152), (64, 16, 1000)] {
            let values = (0 ..< subspaces * codes).map { _ in Float.random(in: -5 ... 5, using: &random) }
            var table = [UInt8](repeating: 77, count: (subspaces + 1) / 2 * 2 * codes)
            var offset: Float = 0
            let step = nt_pq_quantize(values, UInt32(subspaces), UInt32(codes), UInt32(limit), 0, &table, &offset)
            var leastSum: Float = 0, mostSum = 0
            for m in 0 ..< subspaces {
                let row = values[m * codes ..< (m + 1) * codes]
                let least = row.min()!
                leastSum += least
                mostSum += Int(table[m * codes ..< (m + 1) * codes].max()!)
                for c in 0 ..< codes { #expect(abs(row[m * codes + c] - least - step * Float(table[m * codes + c])) <= step * 0.5001) }
            }
            for m in stride(from: 0, to: subspaces, by: 2) {
                let most = (m ..< m + 2).map { Int(table[$0 * codes ..< ($0 + 1) * codes].max()!) }
                #expect(most[0] + most[1] <= 255)
            }
            #expect(mostSum <= limit)
            #expect(abs(offset - leastSum) <= abs(leastSum) * 1e-5 + 1e-4)
            if subspaces % 2 == 1 { #expect(table.suffix(codes).allSatisfy { $0 == 0 }) }
        }
        // All alike: a step of some size, entries of zero.
        var table = [UInt8](repeating: 9, count: 32)
        var offset: Float = 0
        #expect(nt_pq_quantize([Float](repeating: 2, count: 32), 2, 16, 1000, 0, &table, &offset) > 0)
        #expect(table.allSatisfy { $0 == 0 } && offset == 4)
    }
}
