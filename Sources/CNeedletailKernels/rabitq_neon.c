// Neighbour codes with NEON: a table look-up of 16 bytes at a time.
#if defined(__aarch64__)
#include "nt_rabitq.h"
#include <arm_neon.h>

#define TARGET
#define FUNCTIONS nt_rabitq_neon
#define ALWAYS static inline __attribute__((always_inline))

// Sums of bytes that stay below 2¹⁶.
#define TABLES_AT_ONCE 256

ALWAYS void table_sums(const uint8_t *tables, const uint8_t *codes, size_t table_count, const uint8_t *ahead, uint32_t *sums) {
    const uint8x16_t half = vdupq_n_u8(15);
    memset(sums, 0, NT_RABITQ_GROUP * sizeof(uint32_t));
    for (size_t first = 0; first < table_count; first += TABLES_AT_ONCE) {
        const size_t end = table_count - first < TABLES_AT_ONCE ? table_count : first + TABLES_AT_ONCE;
        uint16x8_t part[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
        for (size_t t = first; t < end; ++t) {
            if (!(t & 3)) __builtin_prefetch(ahead + 16 * t, 0, 2);
            const uint8x16_t code = vld1q_u8(codes + 16 * t), table = vld1q_u8(tables + 16 * t);
            const uint8x16_t a = vqtbl1q_u8(table, vandq_u8(code, half)), b = vqtbl1q_u8(table, vshrq_n_u8(code, 4));
            part[0] = vaddw_u8(part[0], vget_low_u8(a));
            part[1] = vaddw_high_u8(part[1], a);
            part[2] = vaddw_u8(part[2], vget_low_u8(b));
            part[3] = vaddw_high_u8(part[3], b);
        }
        for (int i = 0; i < 4; ++i) {
            vst1q_u32(sums + 8 * i, vaddw_u16(vld1q_u32(sums + 8 * i), vget_low_u16(part[i])));
            vst1q_u32(sums + 8 * i + 4, vaddw_high_u16(vld1q_u32(sums + 8 * i + 4), part[i]));
        }
    }
}

ALWAYS uint32_t raw_l2(const uint8_t *query, const uint8_t *row, size_t byte_count) {
    uint32x4_t sum = vdupq_n_u32(0);
    for (size_t i = 0; i < byte_count; i += 16) {
        const uint8x16_t d = vabdq_u8(vld1q_u8(query + i), vld1q_u8(row + i));
        sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(d), vget_low_u8(d)));
        sum = vpadalq_u16(sum, vmull_high_u8(d, d));
    }
    return vaddvq_u32(sum);
}

/// The row's codes less 128 are signed; what that takes away is 128 × Σ query.
ALWAYS uint32_t raw_dot(const int8_t *query, const uint8_t *row, size_t byte_count) {
    int32x4_t sum = vdupq_n_s32(0), length = vdupq_n_s32(0);
    for (size_t i = 0; i < byte_count; i += 16) {
        const int8x16_t q = vld1q_s8(query + i), c = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + i), vdupq_n_u8(128)));
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(q), vget_low_s8(c)));
        sum = vpadalq_s16(sum, vmull_high_s8(q, c));
        length = vpadalq_s16(length, vpaddlq_s8(q));
    }
    return (uint32_t)(vaddvq_s32(sum) + 128 * vaddvq_s32(length));
}

#include "rabitq_generic.h"
#include "rabitq_loop.h"

#else
typedef int nt_no_neon_rabitq;  // a translation unit must hold something
#endif
