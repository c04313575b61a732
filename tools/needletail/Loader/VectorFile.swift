#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file of equally long vectors: rows of `dimension` components at a fixed stride.
///
/// `.fvecs`, `.bvecs` and `.npy` differ only in where the first component stands and how far it is to the next row,
/// so one value describes them all. The constructors have compared header and size: every row lies inside the map.
package struct VectorFile: Sendable {
    /// The type of a component in the file.
    package enum Component: String, Sendable, CaseIterable {
        case f32, f64, f16, i8, u8

        package var byteCount: Int {
            switch self {
            case .f64: 8
            case .f32: 4
            case .f16: 2
            case .i8, .u8: 1
            }
        }
    }

    package let file: MappedFile
    package let component: Component
    package let dimension: Int
    /// The number of rows.
    package let count: Int
    /// The offset of row 0's first component.
    package let firstOffset: Int
    /// Bytes from one row to the next.
    package let stride: Int
    /// Whether each row is preceded by its dimension as a 32-bit number (`.fvecs`, `.bvecs`).
    package let hasRowHeaders: Bool

    init(
        file: MappedFile, component: Component, dimension: Int, count: Int, firstOffset: Int, stride: Int, hasRowHeaders: Bool
    ) {
        precondition(count >= 0 && firstOffset >= 0 && stride >= dimension * component.byteCount)
        self.file = file
        self.component = component
        self.dimension = dimension
        self.count = count
        self.firstOffset = firstOffset
        self.stride = stride
        self.hasRowHeaders = hasRowHeaders
    }

    /// The largest dimension that is believed. Needletail's own limit is lower; a header beyond this one is no header.
    static let largestDimension = 1 << 20

    /// The endings that ``init(path:)`` reads.
    package static let pathExtensions: Set<String> = ["fvecs", "bvecs", "npy"]

    /// Opens a vector file, whose format its ending tells.
    package init(path: String) throws(InputError) {
        switch Path.pathExtension(of: path) {
        case "fvecs": try self.init(vecs: path, component: .f32)
        case "bvecs": try self.init(vecs: path, component: .u8)
        case "npy": try self.init(npy: path)
        default:
            throw InputError(path, status: .usage, "not a vector file; the formats are .fvecs, .bvecs and .npy")
        }
    }

    /// The offset of a row's first component.
    package func offset(ofRow row: Int) -> Int { firstOffset + row * stride }

    /// A row's first component. `row` is below ``count``.
    package func pointer(toRow row: Int) -> UnsafeRawPointer? {
        precondition(row >= 0 && row < count)
        return file.bytes.baseAddress.map { $0 + offset(ofRow: row) }
    }

    /// Whether the rows are `Float`s, of any alignment, that can be read where they lie.
    package var isMappedFloat: Bool { component == .f32 }

    /// Checks that each of `rows` says the dimension of the first.
    package func checkHeaders(ofRows rows: Range<Int>) throws(InputError) {
        guard hasRowHeaders else { return }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count)
        for row in rows {
            let headerOffset = offset(ofRow: row) - 4
            let found = file.bytes.loadUnaligned(fromByteOffset: headerOffset, as: Int32.self)
            guard Int(Int32(littleEndian: found)) == dimension else {
                throw InputError(
                    file.path, .row(row, offset: headerOffset),
                    "dimension \(Int32(littleEndian: found)) where the first row says \(dimension); "
                        + "all rows of a file must have one dimension (is this really a .\(Path.pathExtension(of: file.path)) file?)")
            }
        }
    }

    /// Copies `rows` as `Float`s, one after another, into `floats`, which holds `rows.count × dimension`.
    package func copy(rows: Range<Int>, into floats: UnsafeMutableBufferPointer<Float>) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count && floats.count == rows.count * dimension)
        guard let base = file.bytes.baseAddress, let target = floats.baseAddress else { return }
        for (position, row) in rows.enumerated() {
            let source = base + offset(ofRow: row)
            let target = target + position * dimension
            switch component {
            case .f32: memcpy(target, source, dimension * 4)
            case .f64: for i in 0 ..< dimension { target[i] = Float(source.loadUnaligned(fromByteOffset: i * 8, as: Double.self)) }
            case .f16: for i in 0 ..< dimension { target[i] = float(half: source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)) }
            case .i8: for i in 0 ..< dimension { target[i] = Float(source.load(fromByteOffset: i, as: Int8.self)) }
            case .u8: for i in 0 ..< dimension { target[i] = Float(source.load(fromByteOffset: i, as: UInt8.self)) }
            }
        }
    }
}

/// The value of an IEEE 754 half; `Float16` itself does not exist on every platform.
private func float(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1F
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0: // Zero and subnormals: fraction × 2^-24, exact in a Float.
        let magnitude = Float(fraction) * 0x1p-24
        return sign == 0 ? magnitude : -magnitude
    case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
}
