import CNeedletailKernels
import NeedletailTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The kernel tables that this build and CPU have, the portable one first.
let availableTiers: [nt_cpu_tier] = [NT_CPU_PORTABLE, NT_CPU_NEON, NT_CPU_AVX2, NT_CPU_AVX512].filter { nt_kernels_for($0) != nil }

/// The kernels of an available tier.
func kernels(of tier: nt_cpu_tier) throws -> nt_kernels {
    let table: UnsafePointer<nt_kernels>? = nt_kernels_for(tier)
    return try #require(table).pointee
}

let allMetrics: [nt_metric] = [NT_METRIC_L2, NT_METRIC_COSINE, NT_METRIC_DOT]
let allElements: [nt_element] = [NT_ELEMENT_F32, NT_ELEMENT_F16, NT_ELEMENT_I8]

func elementByteCount(_ element: nt_element) -> Int {
    element == NT_ELEMENT_F32 ? 4 : element == NT_ELEMENT_F16 ? 2 : 1
}

/// Memory whose last byte is the last byte of a page, with a page behind it that may not be touched: a kernel that reads
/// past the end of a row dies.
final class GuardedMemory {
    let start: UnsafeMutableRawPointer
    let byteCount: Int
    private let mapping: UnsafeMutableRawPointer
    private let mappedByteCount: Int

    init(byteCount: Int) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let payload = (byteCount + page - 1) / page * page
        mappedByteCount = payload + page
        let map = mmap(nil, mappedByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
        guard let map, map != MAP_FAILED else { preconditionFailure("no memory for a test") }
        guard mprotect(map + payload, page, PROT_NONE) == 0 else { preconditionFailure("a guard page cannot be set") }
        mapping = map
        start = map + payload - byteCount
        self.byteCount = byteCount
    }

    deinit { munmap(mapping, mappedByteCount) }
}

/// Components as a query and as a row of an element type hold them, and what they stand for.
struct TestVector {
    var values: [Float]
    var halves: [UInt16]
    var bytes: [Int8]

    init(_ random: inout SeededGenerator, dimension: Int, element: nt_element) {
        if element == NT_ELEMENT_I8 {
            bytes = (0 ..< dimension).map { _ in Int8.random(in: -128 ... 127, using: &random) }
            values = bytes.map(Float.init)
            halves = []
        } else {
            let raw = (0 ..< dimension).map { _ in Float.random(in: -1 ... 1, using: &random) }
            if element == NT_ELEMENT_F16 {
                halves = [UInt16](repeating: 0, count: dimension)
                nt_narrow_f16(raw, &halves, dimension)
                values = [Float](repeating: 0, count: dimension)
                nt_widen_f16(halves, &values, dimension)
            } else {
                halves = []
                values = raw
            }
            bytes = []
        }
    }

    /// Copies the components in the form of a row of `element` to memory of any alignment.
    func store(_ element: nt_element, to target: UnsafeMutableRawPointer) {
        switch element {
        case NT_ELEMENT_F32: values.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        case NT_ELEMENT_F16: halves.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        default: bytes.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        }
    }

    var squaredNorm: Double { values.reduce(0) { $0 + Double($1) * Double($1) } }
}

/// The internal distance in double precision, and a bound of how far f32 arithmetic in any order may be off.
func oracle(_ metric: nt_metric, _ query: TestVector, _ row: TestVector) -> (distance: Double, tolerance: Double) {
    let unit = Double(query.values.count + 16) * 0x1p-24
    var dot = 0.0, magnitude = 0.0, square = 0.0
    for (x, y) in zip(query.values, row.values) {
        dot += Double(x) * Double(y)
        magnitude += abs(Double(x) * Double(y))
        square += (Double(x) - Double(y)) * (Double(x) - Double(y))
    }
    if metric == NT_METRIC_L2 { return (square, unit * square) }
    if metric == NT_METRIC_DOT { return (-dot, unit * magnitude) }
    let norms = (query.squaredNorm * row.squaredNorm).squareRoot()
    return norms == 0 ? (1, 0) : (1 - dot / norms, unit * magnitude / norms + 0x1p-22)
}

func inverseNorm(_ vector: TestVector) -> Float {
    let squared = vector.squaredNorm
    return squared == 0 ? 0 : Float(1 / squared.squareRoot())
}
