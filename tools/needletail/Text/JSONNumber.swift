#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A number in a JSON text, split into sign, digits and power of ten: value = ± `significand` × 10^`exponent`.
///
/// Conversion is correctly rounded. Most numbers are so short that one exact multiplication or division does it; what
/// the short way cannot decide for certain goes to the C library, which is some ten times slower.
struct JSONNumber {
    /// The bytes of the text that it takes up.
    let range: Range<Int>
    private let isNegative: Bool
    private let isInteger: Bool
    private let significand: UInt64
    private let exponent: Int
    /// More digits than `significand` holds.
    private let isCut: Bool

    /// Reads the number at `start`; `nil` where there is none.
    init?(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        var offset = start
        let end = bytes.count
        var significand: UInt64 = 0
        var digitCount = 0
        var exponent = 0
        var isCut = false
        var isInteger = true

        let isNegative = offset < end && bytes[offset] == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        let integerStart = offset
        while offset < end, bytes[offset].isDigit {
            if digitCount < 19 {
                significand = significand &* 10 &+ UInt64(bytes[offset] &- 0x30)
                if significand != 0 { digitCount += 1 }
            } else {
                exponent += 1
                isCut = true
            }
            offset += 1
        }
        let integerDigits = offset - integerStart
        guard integerDigits == 1 || (integerDigits > 1 && bytes[integerStart] != 0x30) else { return nil }
        if offset < end, bytes[offset] == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            let fractionStart = offset
            while offset < end, bytes[offset].isDigit {
                if digitCount < 19 {
                    significand = significand &* 10 &+ UInt64(bytes[offset] &- 0x30)
                    if significand != 0 { digitCount += 1 }
                    exponent -= 1
                } else {
                    isCut = true
                }
                offset += 1
            }
            guard offset > fractionStart else { return nil }
        }
        if offset < end, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            offset += 1
            var isNegativeExponent = false
            if offset < end, bytes[offset] == UInt8(ascii: "-") || bytes[offset] == UInt8(ascii: "+") {
                isNegativeExponent = bytes[offset] == UInt8(ascii: "-")
                offset += 1
            }
            let exponentStart = offset
            var written = 0
            while offset < end, bytes[offset].isDigit {
                if written < 100_000 { written = written * 10 + Int(bytes[offset] &- 0x30) }
                offset += 1
            }
            guard offset > exponentStart else { return nil }
            exponent += isNegativeExponent ? -written : written
        }
        range = start ..< offset
        self.isNegative = isNegative
        self.isInteger = isInteger
        self.significand = significand
        self.exponent = exponent
        self.isCut = isCut
    }

    /// The value, if it is written as an integer and fits into 64 bits.
    var integer: Int64? {
        guard isInteger, !isCut else { return nil }
        if isNegative { return significand == 1 << 63 ? .min : significand < 1 << 63 ? -Int64(significand) : nil }
        return Int64(exactly: significand)
    }

    /// The nearest `Double`. `bytes` is the text that the number was read from.
    func double(in bytes: UnsafeRawBufferPointer) -> Double {
        // Both operands are exact, so the one operation rounds correctly (Clinger 1990).
        guard !isCut, significand <= 1 << 53, abs(exponent) <= 22 else { return withText(bytes) { strtod($0, nil) } }
        return signed(scaled(Double(significand)))
    }

    /// The nearest `Float`. `bytes` is the text that the number was read from.
    func float(in bytes: UnsafeRawBufferPointer) -> Float {
        guard !isCut, abs(exponent) <= 22 else { return withText(bytes) { strtof($0, nil) } }
        // At most two roundings lie in this Double, together below two units of its last place. Rounding it to a Float
        // gives the right one unless it stands that close to the middle between two of them: the 29 bits that go are
        // then about 100…0. Below the normal Floats more bits go; leave those to the C library as well.
        let approximate = scaled(Double(significand))
        let lost = approximate.bitPattern & 0x1FFF_FFFF
        let distanceFromMiddle = Int64(lost) - 0x1000_0000
        let isNormal = approximate == 0 || (approximate >= 0x1p-126 && approximate < 0x1p127)
        guard isNormal, abs(distanceFromMiddle) > 4 else { return withText(bytes) { strtof($0, nil) } }
        return Float(signed(approximate))
    }

    private func scaled(_ value: Double) -> Double {
        exponent < 0 ? value / Self.powersOfTen[-exponent] : value * Self.powersOfTen[exponent]
    }

    private func signed(_ value: Double) -> Double { isNegative ? -value : value }

    /// All powers of ten that a `Double` holds exactly.
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// The C library wants a terminating zero.
    private func withText<Result>(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: range.count + 1) { text in
            for (position, byte) in bytes[range].enumerated() { text[position] = CChar(bitPattern: byte) }
            text[range.count] = 0
            guard let base = text.baseAddress else { preconditionFailure("a temporary allocation has an address") }
            return body(base)
        }
    }
}
