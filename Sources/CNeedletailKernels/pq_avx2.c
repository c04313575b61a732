// The scans with AVX2: 32 rows a register, two registers a block. For the form of the sums see pq_avx512.c.
#if defined(__x86_64__)
#include <immintrin.h>
#include "pq_kernels.h"
#include "pq_scan.h"

#define TARGET __attribute__((target("avx2,fma")))
#define ALWAYS static inline __attribute__((always_inline)) TARGET

/// Bits of 16 words that are at most `limit`.
ALWAYS uint32_t at_most(__m256i words, __m256i limit) {
    const __m256i above = _mm256_cmpeq_epi16(_mm256_subs_epu16(words, limit), _mm256_setzero_si256());
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(above), _mm256_extracti128_si256(above, 1));
    return (uint32_t)_mm_movemask_epi8(bytes);
}

ALWAYS void finish(nt_pq_query *query, const nt_pq_run *run, const __m256i *all, const __m256i *odd_sums, int halves,
                   const uint8_t *factors, size_t rows) {
    const uint8_t *terms = factors + (run->has_scales ? run->width : 0);
    const uint32_t *slots = (const uint32_t *)(const void *)(terms + run->width);
    const __m256i center = _mm256_set1_epi16((short)query->center), fraction = _mm256_set1_epi16(0x7F80);
    uint32_t hits_even = 0, hits_odd = 0;
    nt_pq_sums sums;
    const __m256i limit = _mm256_set1_epi16((short)query->limit), factor = _mm256_set1_epi16((short)query->term_factor);
    for (int h = 0; h < halves; h++) {
        __m256i odd = odd_sums[h], even = _mm256_sub_epi16(all[h], _mm256_slli_epi16(odd, 8));
        if (run->has_scales) {
            const __m256i scale = _mm256_loadu_si256((const __m256i *)(const void *)(factors + 32 * h));
            even = _mm256_add_epi16(center, _mm256_mulhrs_epi16(_mm256_sub_epi16(even, center),
                                                                _mm256_and_si256(_mm256_slli_epi16(scale, 7), fraction)));
            odd = _mm256_add_epi16(center, _mm256_mulhrs_epi16(_mm256_sub_epi16(odd, center),
                                                               _mm256_and_si256(_mm256_srli_epi16(scale, 1), fraction)));
        }
        const __m256i term = _mm256_loadu_si256((const __m256i *)(const void *)(terms + 32 * h));
        even = _mm256_adds_epu16(even, _mm256_mulhi_epu16(_mm256_slli_epi16(term, 8), factor));
        odd = _mm256_adds_epu16(odd, _mm256_mulhi_epu16(_mm256_and_si256(term, _mm256_set1_epi16((short)0xFF00)), factor));
        _mm256_store_si256((__m256i *)(void *)(sums.even + 16 * h), even);
        _mm256_store_si256((__m256i *)(void *)(sums.odd + 16 * h), odd);
        hits_even |= at_most(even, limit) << (16 * h);
        hits_odd |= at_most(odd, limit) << (16 * h);
    }
    hits_even &= nt_pq_row_bits(rows, 0);
    hits_odd &= nt_pq_row_bits(rows, 1);
    if (!(hits_even | hits_odd)) return;
    if (query->count + NT_PQ_BLOCK > query->capacity) nt_pq_make_room(query);
    nt_pq_keep(query, run, slots, sums.even, hits_even, 0);
    nt_pq_keep(query, run, slots, sums.odd, hits_odd, 1);
}

ALWAYS __m256i sixteen(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

ALWAYS void scan_blocks(nt_pq_query *const *queries, const int number, const int halves, const nt_pq_run *run) {
    const size_t width = run->width;
    const __m256i nibble = _mm256_set1_epi8(15);
    const uint8_t *block = run->blocks, *ahead = run->ahead, *const ahead_end = ahead + run->ahead_bytes;
    for (size_t first = 0; first < run->rows; first += width, block += run->stride) {
        const size_t rows = run->rows - first < width ? run->rows - first : width;
        __m256i all[2][2], odd[2][2];
        for (int q = 0; q < number; q++)
            for (int h = 0; h < halves; h++) all[q][h] = odd[q][h] = _mm256_setzero_si256();
        const uint8_t *codes = block;
        const size_t end = (size_t)run->subspaces * 16;
        for (size_t at = 0; at < end; at += 32, codes += width) {
            nt_pq_look_ahead(&ahead, ahead_end);
            for (int h = 0; h < halves; h++) {
                const __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)(codes + 32 * h));
                const __m256i low = _mm256_and_si256(both, nibble), high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
                for (int q = 0; q < number; q++) {
                    const uint8_t *table = queries[q]->table + at;
                    const __m256i sum = _mm256_add_epi8(_mm256_shuffle_epi8(sixteen(table), low),
                                                        _mm256_shuffle_epi8(sixteen(table + 16), high));
                    all[q][h] = _mm256_add_epi16(all[q][h], sum);
                    odd[q][h] = _mm256_add_epi16(odd[q][h], _mm256_srli_epi16(sum, 8));
                }
            }
        }
        for (int q = 0; q < number; q++) finish(queries[q], run, all[q], odd[q], halves, codes, rows);
    }
}

TARGET void nt_pq_scan4_avx2(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) {
    const bool wide = run->width > 32;
    for (; count >= 2; count -= 2, queries += 2) {
        if (wide) scan_blocks(queries, 2, 2, run);
        else scan_blocks(queries, 2, 1, run);
    }
    if (!count) return;
    if (wide) scan_blocks(queries, 1, 2, run);
    else scan_blocks(queries, 1, 1, run);
}

#define NT_TIER 2
#include "pq_arithmetic.h"
#else
typedef int nt_no_avx2;  // a translation unit must hold something
#endif
