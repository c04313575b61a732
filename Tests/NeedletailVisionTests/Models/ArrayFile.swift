import Foundation

/// An array from a NumPy file (`.npy`), or from a compressed archive of them (`.npz`), for comparison with references.
struct ArrayFile {
    struct Malformed: Error { let reason: String }

    let shape: [Int]
    private let type: String
    private let data: ArraySlice<UInt8>

    init(npy url: URL) throws { try self.init([UInt8](Data(contentsOf: url))) }

    /// The array `name` of the archive at `url`.
    init(npz url: URL, name: String) throws {
        let bytes = try [UInt8](Data(contentsOf: url))
        // The central directory at the end tells where each file's local header is.
        guard let end = bytes.indices.dropLast(21).last(where: { bytes[$0 ..< $0 + 4].elementsEqual([0x50, 0x4b, 5, 6]) }) else {
            throw Malformed(reason: "no zip directory")
        }
        var entry = bytes.integer(at: end + 16, width: 4)
        for _ in 0 ..< bytes.integer(at: end + 10, width: 2) {
            let nameCount = bytes.integer(at: entry + 28, width: 2)
            if bytes[entry + 46 ..< entry + 46 + nameCount].elementsEqual(Array("\(name).npy".utf8)) {
                let method = bytes.integer(at: entry + 10, width: 2), packedCount = bytes.integer(at: entry + 20, width: 4)
                let local = bytes.integer(at: entry + 42, width: 4)
                let start = local + 30 + bytes.integer(at: local + 26, width: 2) + bytes.integer(at: local + 28, width: 2)
                let packed = bytes[start ..< start + packedCount]
                switch method {
                case 0: try self.init(Array(packed))
                case 8:
                    var inflater = Inflater(Array(packed))
                    try self.init(inflater.inflate())
                default: throw Malformed(reason: "zip method \(method)")
                }
                return
            }
            entry += 46 + nameCount + bytes.integer(at: entry + 30, width: 2) + bytes.integer(at: entry + 32, width: 2)
        }
        throw Malformed(reason: "no array \(name)")
    }

    private init(_ bytes: [UInt8]) throws {
        guard bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else { throw Malformed(reason: "no NumPy file") }
        let wide = bytes[6] >= 2
        let headerCount = bytes.integer(at: 8, width: wide ? 4 : 2), start = wide ? 12 : 10
        let header = String(decoding: bytes[start ..< start + headerCount], as: UTF8.self)
        guard !header.contains("True"), let typeMatch = header.firstMatch(of: /'descr': '([^']+)'/), let shapeMatch = header.firstMatch(of: /\(([0-9, ]*)\)/) else {
            throw Malformed(reason: header)
        }
        type = String(typeMatch.1)
        shape = shapeMatch.1.split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        data = bytes[(start + headerCount)...]
    }

    /// The values, of type f32, f64 or u8.
    func floats() throws -> [Float] {
        let count = shape.reduce(1, *)
        return try data.withUnsafeBytes { bytes in
            switch type {
            case "<f4": (0 ..< count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
            case "<f8": (0 ..< count).map { Float(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)) }
            case "|u1": (0 ..< count).map { Float(bytes[$0]) }
            default: throw Malformed(reason: "type \(type)")
            }
        }
    }
}

private extension [UInt8] {
    func integer(at offset: Int, width: Int) -> Int { (0 ..< width).reduce(0) { $0 | Int(self[offset + $1]) << (8 * $1) } }
}

/// Decompression of RFC 1951, bit by bit: slow, and short.
private struct Inflater {
    private let input: [UInt8]
    private var position = 0   // in bits
    private var output: [UInt8] = []

    init(_ input: [UInt8]) { self.input = input }

    mutating func inflate() throws -> [UInt8] {
        var isLast = false
        while !isLast {
            isLast = try bits(1) == 1
            switch try bits(2) {
            case 0:
                position = (position + 7) / 8 * 8
                let count = try bits(16)
                _ = try bits(16)
                for _ in 0 ..< count { output.append(UInt8(try bits(8))) }
            case 1:
                let lengths = [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112) + [Int](repeating: 7, count: 24) + [Int](repeating: 8, count: 8)
                try block(Code(lengths), Code([Int](repeating: 5, count: 30)))
            case 2:
                let (literals, distances) = try dynamicCodes()
                try block(literals, distances)
            default: throw ArrayFile.Malformed(reason: "deflate block type")
            }
        }
        return output
    }

    /// A canonical Huffman code: how many codes there are of each length, and the symbols in order of their codes.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        let symbols: [Int]

        init(_ lengths: [Int]) {
            for length in lengths where length > 0 { counts[length] += 1 }
            symbols = lengths.indices.filter { lengths[$0] > 0 }.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        }
    }

    private mutating func bits(_ count: Int) throws -> Int {
        guard position + count <= input.count * 8 else { throw ArrayFile.Malformed(reason: "deflate stream ends early") }
        var value = 0
        for i in 0 ..< count { value |= (Int(input[(position + i) >> 3]) >> ((position + i) & 7) & 1) << i }
        position += count
        return value
    }

    private mutating func symbol(_ code: Code) throws -> Int {
        var value = 0, first = 0, index = 0
        for length in 1 ... 15 {
            value |= try bits(1)
            let count = code.counts[length]
            if value - first < count { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        throw ArrayFile.Malformed(reason: "deflate code")
    }

    private mutating func dynamicCodes() throws -> (Code, Code) {
        let literalCount = try bits(5) + 257, distanceCount = try bits(5) + 1, lengthCount = try bits(4) + 4
        var lengthLengths = [Int](repeating: 0, count: 19)
        for i in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].prefix(lengthCount) { lengthLengths[i] = try bits(3) }
        let code = Code(lengthLengths)
        var lengths: [Int] = []
        while lengths.count < literalCount + distanceCount {
            switch try symbol(code) {
            case 16: lengths += [Int](repeating: lengths.last ?? 0, count: try bits(2) + 3)
            case 17: lengths += [Int](repeating: 0, count: try bits(3) + 3)
            case 18: lengths += [Int](repeating: 0, count: try bits(7) + 11)
            case let length: lengths.append(length)
            }
        }
        return (Code(Array(lengths[..<literalCount])), Code(Array(lengths[literalCount...])))
    }

    private mutating func block(_ literals: Code, _ distances: Code) throws {
        while true {
            let value = try symbol(literals)
            if value == 256 { return }
            if value < 256 { output.append(UInt8(value)); continue }
            let length: Int
            switch value {
            case 257 ..< 265: length = value - 254
            case 285: length = 258
            default:
                let extra = (value - 261) / 4
                length = (4 + (value - 261) % 4) << extra + 3 + (try bits(extra))
            }
            let slot = try symbol(distances)
            let distance = slot < 4 ? slot + 1 : (2 + slot % 2) << (slot / 2 - 1) + 1 + (try bits(slot / 2 - 1))
            for _ in 0 ..< length { output.append(output[output.count - distance]) }
        }
    }
}
