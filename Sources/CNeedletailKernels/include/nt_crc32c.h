// CRC-32C (Castagnoli), the checksum of everything that Needletail writes.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "nt_cpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The CRC-32C of `byte_count` bytes: polynomial 0x1EDC6F41, reflected, initial value and final exclusive-or 0xFFFFFFFF
/// (RFC 3720, as iSCSI, ext4 and SQLite's peers use it); "123456789" gives 0xE3069283.
///
/// `seed` is 0 at the start, or the result for the bytes that went before: crc(crc(0, a), b) = crc(0, a followed by b).
/// `bytes` need not be aligned, and may be null where `byte_count` is 0.
uint32_t nt_crc32c(uint32_t seed, const void *bytes, size_t byte_count);

/// The same by the means of a given tier; a tier that this CPU lacks gives the portable one. For tests.
uint32_t nt_crc32c_for(nt_cpu_tier tier, uint32_t seed, const void *bytes, size_t byte_count);

#ifdef __cplusplus
}
#endif
