/// The 48 bytes before a chunk's elements, little-endian:
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | u32 | magic, the bytes `NTCK` |
/// | 4 | u8 | version, 1 |
/// | 5 | u8 | kind |
/// | 6 | u16 | flags: bit 0, minimum and maximum are valid |
/// | 8 | u32 | elements |
/// | 12 | u32 | nulls among them |
/// | 16 | u32 | CRC-32C of the 8 key bytes, the header but these four bytes, and everything after the header |
/// | 20 | u32 | 0 |
/// | 24 | u64 | generation of the table that wrote it last |
/// | 32 | u64 | minimum, the value's bits |
/// | 40 | u64 | maximum |
///
/// LMDB puts a value of its own pages at 16 bytes into the page, so what follows the header stands on 64 bytes.
struct ChunkHeader {
    static let byteCount = 48
    static let magic: UInt32 = 0x4B43_544E

    enum Kind: UInt8 {
        case vectors = 1, column = 2, bitmap = 3, listValues = 4, tail = 5, index = 6
    }

    var kind: Kind
    var count: Int
    var nullCount = 0
    var generation: UInt64
    var bounds: (minimum: UInt64, maximum: UInt64)?

    /// Writes the header before a value whose other bytes are in place, and its checksum last.
    func write(to base: UnsafeMutableRawPointer, byteCount: Int, key: (UInt32, UInt32)) {
        writeFields(to: base)
        let checksum = crc32c(Self.checksumOfHeader(base, key), base + Self.byteCount, byteCount - Self.byteCount)
        base.storeBytes(of: checksum.littleEndian, toByteOffset: 16, as: UInt32.self)
    }

    func writeFields(to base: UnsafeMutableRawPointer) {
        base.storeBytes(of: Self.magic.littleEndian, as: UInt32.self)
        base.storeBytes(of: 1, toByteOffset: 4, as: UInt8.self)
        base.storeBytes(of: kind.rawValue, toByteOffset: 5, as: UInt8.self)
        base.storeBytes(of: UInt16(bounds == nil ? 0 : 1).littleEndian, toByteOffset: 6, as: UInt16.self)
        base.storeBytes(of: UInt32(count).littleEndian, toByteOffset: 8, as: UInt32.self)
        base.storeBytes(of: UInt32(nullCount).littleEndian, toByteOffset: 12, as: UInt32.self)
        base.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
        base.storeBytes(of: generation.littleEndian, toByteOffset: 24, as: UInt64.self)
        base.storeBytes(of: (bounds?.minimum ?? 0).littleEndian, toByteOffset: 32, as: UInt64.self)
        base.storeBytes(of: (bounds?.maximum ?? 0).littleEndian, toByteOffset: 40, as: UInt64.self)
    }

    /// The checksum of the key and the header; that of the rest is chained to it.
    static func checksumOfHeader(_ base: UnsafeRawPointer, _ key: (UInt32, UInt32)) -> UInt32 {
        var keyBytes = (key.0.bigEndian, key.1.bigEndian)
        let seed = withUnsafeBytes(of: &keyBytes) { crc32c(0, $0.baseAddress, 8) }
        return crc32c(crc32c(seed, base, 16), base + 20, 28)
    }

    /// Reads and judges a header; nil where it is not a header of this kind or claims more than the value can hold.
    init?(_ bytes: UnsafeRawBufferPointer, kind: Kind) {
        guard bytes.count >= Self.byteCount, bytes.littleEndian32(0) == Self.magic, bytes[4] == 1, bytes[5] == kind.rawValue else { return nil }
        self.kind = kind
        count = Int(bytes.littleEndian32(8))
        nullCount = Int(bytes.littleEndian32(12))
        generation = bytes.littleEndian64(24)
        if bytes[6] & 1 == 1 { bounds = (bytes.littleEndian64(32), bytes.littleEndian64(40)) }
        guard nullCount <= count else { return nil }
    }

    init(kind: Kind, count: Int, nullCount: Int = 0, generation: UInt64, bounds: (minimum: UInt64, maximum: UInt64)? = nil) {
        self.kind = kind
        self.count = count
        self.nullCount = nullCount
        self.generation = generation
        self.bounds = bounds
    }

    /// Whether a value's checksum is right.
    static func isIntact(_ bytes: UnsafeRawBufferPointer, key: (UInt32, UInt32)) -> Bool {
        guard let base = bytes.baseAddress, bytes.count >= byteCount else { return false }
        return bytes.littleEndian32(16) == crc32c(checksumOfHeader(base, key), base + byteCount, bytes.count - byteCount)
    }
}
