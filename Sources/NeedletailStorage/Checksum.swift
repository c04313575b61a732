import CNeedletailKernels

/// CRC-32C, chainable: `crc32c(crc32c(0, a), b)` is the checksum of `a` followed by `b`.
@inline(__always)
func crc32c(_ seed: UInt32, _ bytes: UnsafeRawPointer?, _ count: Int) -> UInt32 {
    nt_crc32c(seed, bytes, count)
}
