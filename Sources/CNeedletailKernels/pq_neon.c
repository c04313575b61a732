// The scans with NEON: 16 rows a register, up to four registers a block. For the form of the sums see pq_avx512.c.
#if defined(__aarch64__)
#include <arm_neon.h>
#include "pq_kernels.h"
#include "pq_scan.h"

#define ALWAYS static inline __attribute__((always_inline))

/// Bits of eight words that are at most `limit`.
ALWAYS uint32_t at_most(uint16x8_t words, uint16x8_t limit) {
    static const uint16_t bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    return vaddvq_u16(vandq_u16(vcleq_u16(words, limit), vld1q_u16(bits)));
}

/// (x × factor) >> 16 of each word.
ALWAYS uint16x8_t high_product(uint16x8_t x, uint16x8_t factor) {
    const uint32x4_t low = vmull_u16(vget_low_u16(x), vget_low_u16(factor)), high = vmull_high_u16(x, factor);
    return vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

/// Sums whose distance from `center` is multiplied by fractions of 2¹⁵.
ALWAYS uint16x8_t scaled(uint16x8_t sums, int16x8_t center, uint16x8_t fractions) {
    const int16x8_t distance = vsubq_s16(vreinterpretq_s16_u16(sums), center);
    return vreinterpretq_u16_s16(vaddq_s16(center, vqrdmulhq_s16(distance, vreinterpretq_s16_u16(fractions))));
}

ALWAYS void finish(nt_pq_query *query, const nt_pq_run *run, const uint16x8_t *all, const uint16x8_t *odd_sums, int quarters,
                   const uint8_t *factors, size_t rows) {
    const uint8_t *terms = factors + (run->has_scales ? run->width : 0);
    const uint32_t *slots = (const uint32_t *)(const void *)(terms + run->width);
    const int16x8_t center = vdupq_n_s16((int16_t)query->center);
    uint32_t hits_even = 0, hits_odd = 0;
    nt_pq_sums sums;
    const uint16x8_t limit = vdupq_n_u16((uint16_t)query->limit), factor = vdupq_n_u16((uint16_t)query->term_factor);
    for (int h = 0; h < quarters; h++) {
        uint16x8_t odd = odd_sums[h], even = vsubq_u16(all[h], vshlq_n_u16(odd, 8));
        if (run->has_scales) {
            const uint16x8_t scale = vreinterpretq_u16_u8(vld1q_u8(factors + 16 * h)), fraction = vdupq_n_u16(0x7F80);
            even = scaled(even, center, vandq_u16(vshlq_n_u16(scale, 7), fraction));
            odd = scaled(odd, center, vandq_u16(vshrq_n_u16(scale, 1), fraction));
        }
        const uint16x8_t term = vreinterpretq_u16_u8(vld1q_u8(terms + 16 * h));
        even = vqaddq_u16(even, high_product(vshlq_n_u16(term, 8), factor));
        odd = vqaddq_u16(odd, high_product(vandq_u16(term, vdupq_n_u16(0xFF00)), factor));
        vst1q_u16(sums.even + 8 * h, even);
        vst1q_u16(sums.odd + 8 * h, odd);
        hits_even |= at_most(even, limit) << (8 * h);
        hits_odd |= at_most(odd, limit) << (8 * h);
    }
    hits_even &= nt_pq_row_bits(rows, 0);
    hits_odd &= nt_pq_row_bits(rows, 1);
    if (!(hits_even | hits_odd)) return;
    if (query->count + NT_PQ_BLOCK > query->capacity) nt_pq_make_room(query);
    nt_pq_keep(query, run, slots, sums.even, hits_even, 0);
    nt_pq_keep(query, run, slots, sums.odd, hits_odd, 1);
}

ALWAYS void scan_blocks(nt_pq_query *const *queries, const int number, const int quarters, const nt_pq_run *run) {
    const size_t width = run->width;
    const uint8x16_t nibble = vdupq_n_u8(15);
    const uint8_t *block = run->blocks, *ahead = run->ahead, *const ahead_end = ahead + run->ahead_bytes;
    for (size_t first = 0; first < run->rows; first += width, block += run->stride) {
        const size_t rows = run->rows - first < width ? run->rows - first : width;
        uint16x8_t all[2][4], odd[2][4];
        for (int q = 0; q < number; q++)
            for (int h = 0; h < quarters; h++) all[q][h] = odd[q][h] = vdupq_n_u16(0);
        const uint8_t *codes = block;
        const size_t end = (size_t)run->subspaces * 16;
        for (size_t at = 0; at < end; at += 32, codes += width) {
            nt_pq_look_ahead(&ahead, ahead_end);
            for (int h = 0; h < quarters; h++) {
                const uint8x16_t both = vld1q_u8(codes + 16 * h), low = vandq_u8(both, nibble), high = vshrq_n_u8(both, 4);
                for (int q = 0; q < number; q++) {
                    const uint8_t *table = queries[q]->table + at;
                    const uint16x8_t sum = vreinterpretq_u16_u8(
                        vaddq_u8(vqtbl1q_u8(vld1q_u8(table), low), vqtbl1q_u8(vld1q_u8(table + 16), high)));
                    all[q][h] = vaddq_u16(all[q][h], sum);
                    odd[q][h] = vsraq_n_u16(odd[q][h], sum, 8);
                }
            }
        }
        for (int q = 0; q < number; q++) finish(queries[q], run, all[q], odd[q], quarters, codes, rows);
    }
}

void nt_pq_scan4_neon(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) {
    for (; count; count--, queries++) {
        switch ((run->width + 15) / 16) {
        case 1: scan_blocks(queries, 1, 1, run); break;
        case 2: scan_blocks(queries, 1, 2, run); break;
        case 3: scan_blocks(queries, 1, 3, run); break;
        default:
            if (count >= 2) {
                scan_blocks(queries, 2, 4, run);
                count--, queries++;
            } else {
                scan_blocks(queries, 1, 4, run);
            }
        }
    }
}

#define NT_TIER 1
#include "pq_arithmetic.h"
#else
typedef int nt_no_neon;  // a translation unit must hold something
#endif
