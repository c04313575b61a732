// The scans with AVX-512: one register holds the bytes of 64 rows. Sums of the lookups of two subspaces are kept as words:
// `all` adds them as they are, even rows in the low byte and odd rows, 256-fold, above; `odd` adds the high bytes alone.
// In the end even = all - 256 × odd, exact modulo 65,536.
//
// Two variants. With VBMI a permutation takes the low six bits of its indices: over a table repeated four times that is the
// low nibble, and codes need no mask. Without, vpshufb wants the high nibble cleared.
#if defined(__x86_64__)
#include <immintrin.h>
#include "pq_kernels.h"
#include "pq_scan.h"

#define ALWAYS(isa) static inline __attribute__((always_inline, target(isa)))
#define TARGET "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
#define TARGET_VBMI TARGET ",avx512vbmi"

ALWAYS(TARGET) void finish(nt_pq_query *query, const nt_pq_run *run, __m512i all, __m512i odd, const uint8_t *factors, size_t rows) {
    const uint8_t *terms = factors + (run->has_scales ? run->width : 0);
    const uint32_t *slots = (const uint32_t *)(const void *)(terms + run->width);
    __m512i even = _mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8));
    if (run->has_scales) {
        // Half-words times scales as fractions of 2⁸, rounded.
        const __m512i center = _mm512_set1_epi16((short)query->center), scale = _mm512_loadu_si512(factors);
        const __m512i fraction = _mm512_set1_epi16(0x7F80);
        even = _mm512_add_epi16(center, _mm512_mulhrs_epi16(_mm512_sub_epi16(even, center),
                                                            _mm512_and_si512(_mm512_slli_epi16(scale, 7), fraction)));
        odd = _mm512_add_epi16(center, _mm512_mulhrs_epi16(_mm512_sub_epi16(odd, center),
                                                           _mm512_and_si512(_mm512_srli_epi16(scale, 1), fraction)));
    }
    const __m512i term = _mm512_loadu_si512(terms), factor = _mm512_set1_epi16((short)query->term_factor);
    even = _mm512_adds_epu16(even, _mm512_mulhi_epu16(_mm512_slli_epi16(term, 8), factor));
    odd = _mm512_adds_epu16(odd, _mm512_mulhi_epu16(_mm512_and_si512(term, _mm512_set1_epi16((short)0xFF00)), factor));
    const __m512i limit = _mm512_set1_epi16((short)query->limit);
    const uint32_t hits_even = _mm512_cmple_epu16_mask(even, limit) & nt_pq_row_bits(rows, 0);
    const uint32_t hits_odd = _mm512_cmple_epu16_mask(odd, limit) & nt_pq_row_bits(rows, 1);
    if (!(hits_even | hits_odd)) return;
    nt_pq_sums sums;
    _mm512_store_si512(sums.even, even);
    _mm512_store_si512(sums.odd, odd);
    if (query->count + NT_PQ_BLOCK > query->capacity) nt_pq_make_room(query);
    nt_pq_keep(query, run, slots, sums.even, hits_even, 0);
    nt_pq_keep(query, run, slots, sums.odd, hits_odd, 1);
}

ALWAYS(TARGET) __m512i sixteen(const uint8_t *table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table));
}

ALWAYS(TARGET) __m512i pair_shuffle(const uint8_t *table, __m512i codes, __m512i high) {
    const __m512i nibble = _mm512_set1_epi8(15);
    return _mm512_add_epi8(_mm512_shuffle_epi8(sixteen(table), _mm512_and_si512(codes, nibble)),
                           _mm512_shuffle_epi8(sixteen(table + 16), _mm512_and_si512(high, nibble)));
}
ALWAYS(TARGET_VBMI) __m512i pair_permute(const uint8_t *table, __m512i codes, __m512i high) {
    return _mm512_add_epi8(_mm512_permutexvar_epi8(codes, sixteen(table)), _mm512_permutexvar_epi8(high, sixteen(table + 16)));
}

// As many queries at once as keep their sums in registers: codes are loaded and shifted once for all.
#define SCAN4(name, isa, pair)                                                                                     \
    ALWAYS(isa) void name##_run(nt_pq_query *const *queries, const int number, const nt_pq_run *run) {             \
        const size_t width = run->width;                                                                           \
        const uint8_t *block = run->blocks, *ahead = run->ahead, *const ahead_end = ahead + run->ahead_bytes;      \
        for (size_t first = 0; first < run->rows; first += width, block += run->stride) {                          \
            const size_t rows = run->rows - first < width ? run->rows - first : width;                             \
            __m512i all[4], odd[4];                                                                                \
            for (int q = 0; q < number; q++) all[q] = odd[q] = _mm512_setzero_si512();                             \
            const uint8_t *codes = block;                                                                          \
            const size_t end = (size_t)run->subspaces * 16;                                                        \
            for (size_t at = 0; at < end; at += 32, codes += width) {                                              \
                nt_pq_look_ahead(&ahead, ahead_end);                                                               \
                const __m512i low = _mm512_loadu_si512(codes), high = _mm512_srli_epi16(low, 4);                   \
                for (int q = 0; q < number; q++) {                                                                 \
                    const __m512i sum = pair(queries[q]->table + at, low, high);                                    \
                    all[q] = _mm512_add_epi16(all[q], sum);                                                        \
                    odd[q] = _mm512_add_epi16(odd[q], _mm512_srli_epi16(sum, 8));                                  \
                }                                                                                                  \
            }                                                                                                      \
            for (int q = 0; q < number; q++) finish(queries[q], run, all[q], odd[q], codes, rows);                 \
        }                                                                                                          \
    }                                                                                                              \
    __attribute__((target(isa))) void name(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) {      \
        /* A load of 64 bytes would end beyond a block of 8 rows. */                                               \
        if (run->width < 16) {                                                                                     \
            nt_pq_scan4_avx2(queries, count, run);                                                                 \
            return;                                                                                                \
        }                                                                                                          \
        for (; count >= 4; count -= 4, queries += 4) name##_run(queries, 4, run);                                  \
        if (count & 2) { name##_run(queries, 2, run); queries += 2; }                                              \
        if (count & 1) name##_run(queries, 1, run);                                                                \
    }

SCAN4(nt_pq_scan4_avx512, TARGET, pair_shuffle)
SCAN4(nt_pq_scan4_vbmi, TARGET_VBMI, pair_permute)

/// 64 lookups in a table of 256 bytes: each half by one permutation over two registers, chosen by the code's high bit.
ALWAYS(TARGET_VBMI) __m512i lookup256(const uint8_t *table, __m512i codes) {
    const __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), codes, _mm512_loadu_si512(table + 64));
    const __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), codes, _mm512_loadu_si512(table + 192));
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(codes), high);
}

ALWAYS(TARGET_VBMI) void scan8_run(nt_pq_query *const *queries, const int number, const nt_pq_run *run) {
    const size_t width = run->width;
    const uint8_t *block = run->blocks;
    for (size_t first = 0; first < run->rows; first += width, block += run->stride) {
        const size_t rows = run->rows - first < width ? run->rows - first : width;
        __m512i all[2], odd[2];
        for (int q = 0; q < number; q++) all[q] = odd[q] = _mm512_setzero_si512();
        const uint8_t *codes = block;
        const size_t end = (size_t)run->subspaces * 256;
        for (size_t at = 0; at < end; at += 512, codes += 2 * width) {
            const __m512i first_codes = _mm512_loadu_si512(codes), second_codes = _mm512_loadu_si512(codes + width);
            for (int q = 0; q < number; q++) {
                const uint8_t *table = queries[q]->table + at;
                const __m512i sum = _mm512_add_epi8(lookup256(table, first_codes), lookup256(table + 256, second_codes));
                all[q] = _mm512_add_epi16(all[q], sum);
                odd[q] = _mm512_add_epi16(odd[q], _mm512_srli_epi16(sum, 8));
            }
        }
        for (int q = 0; q < number; q++) finish(queries[q], run, all[q], odd[q], codes, rows);
    }
}

__attribute__((target(TARGET_VBMI))) void nt_pq_scan8_vbmi(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) {
    if (run->width < 16) {
        nt_pq_scan8_portable(queries, count, run);
        return;
    }
    for (; count >= 2; count -= 2, queries += 2) scan8_run(queries, 2, run);
    if (count) scan8_run(queries, 1, run);
}

#define NT_TIER 3
#include "pq_arithmetic.h"
#else
typedef int nt_no_avx512;  // a translation unit must hold something
#endif
