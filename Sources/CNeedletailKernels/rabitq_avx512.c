// Neighbour codes with AVX-512 (F, BW, VL, DQ and VNNI): one shuffle looks up 64 bytes, four tables of 16 neighbours.
#if defined(__x86_64__)
#include "nt_rabitq.h"
#include <immintrin.h>
#include <stdbool.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,popcnt,bmi,bmi2")))
#define FUNCTIONS nt_rabitq_avx512
#define ALWAYS static inline __attribute__((always_inline)) TARGET

// Sums of bytes that stay below 2¹⁶.
#define TABLES_AT_ONCE 256

ALWAYS __m128i sum_of_parts(__m512i x) {
    const __m256i half = _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Sums of 16 neighbours out of sums of 16-bit words and of their upper bytes, for four tables side by side.
ALWAYS __m512i neighbor_sums(__m512i words, __m512i upper) {
    const __m128i even = sum_of_parts(_mm512_sub_epi16(words, _mm512_slli_epi16(upper, 8))), odd = sum_of_parts(upper);
    return _mm512_cvtepu16_epi32(_mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd)));
}

ALWAYS void table_sums(const uint8_t *tables, const uint8_t *codes, size_t table_count, const uint8_t *ahead, uint32_t *sums) {
    const __m512i half = _mm512_set1_epi8(15);
    __m512i first_sums = _mm512_setzero_si512(), last_sums = first_sums;
    for (size_t first = 0; first < table_count; first += TABLES_AT_ONCE) {
        const size_t end = table_count - first < TABLES_AT_ONCE ? table_count : first + TABLES_AT_ONCE;
        // Bytes are added in pairs as words: the upper byte of a pair goes into one sum alone, and is taken out of the other.
        __m512i low = _mm512_setzero_si512(), low_upper = low, high = low, high_upper = low;
        for (size_t t = first; t < end; t += 4) {
            __builtin_prefetch(ahead + 16 * t, 0, 2);
            const __m512i code = _mm512_loadu_si512(codes + 16 * t), table = _mm512_loadu_si512(tables + 16 * t);
            const __m512i a = _mm512_shuffle_epi8(table, _mm512_and_si512(code, half));
            const __m512i b = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(code, 4), half));
            low = _mm512_add_epi16(low, a);
            low_upper = _mm512_add_epi16(low_upper, _mm512_srli_epi16(a, 8));
            high = _mm512_add_epi16(high, b);
            high_upper = _mm512_add_epi16(high_upper, _mm512_srli_epi16(b, 8));
        }
        first_sums = _mm512_add_epi32(first_sums, neighbor_sums(low, low_upper));
        last_sums = _mm512_add_epi32(last_sums, neighbor_sums(high, high_upper));
    }
    _mm512_storeu_si512(sums, first_sums);
    _mm512_storeu_si512(sums + 16, last_sums);
}

/// Σd² by VNNI, which multiplies unsigned with signed bytes: d² = d (d - 128) + 128 d.
ALWAYS uint32_t raw_l2(const uint8_t *query, const uint8_t *row, size_t byte_count) {
    const __m512i flip = _mm512_set1_epi8((char)0x80), one = _mm512_set1_epi8(1);
    __m512i squares = _mm512_setzero_si512(), lengths = _mm512_setzero_si512();
    for (size_t i = 0; i < byte_count; i += 64) {
        const __m512i q = _mm512_loadu_si512(query + i), c = _mm512_loadu_si512(row + i);
        const __m512i d = _mm512_or_si512(_mm512_subs_epu8(q, c), _mm512_subs_epu8(c, q));
        squares = _mm512_dpbusd_epi32(squares, d, _mm512_xor_si512(d, flip));
        lengths = _mm512_dpbusd_epi32(lengths, d, one);
    }
    return (uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(squares, _mm512_slli_epi32(lengths, 7)));
}

ALWAYS uint32_t raw_dot(const int8_t *query, const uint8_t *row, size_t byte_count) {
    __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 128 <= byte_count; i += 128) {
        even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
        odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(row + i + 64), _mm512_loadu_si512(query + i + 64));
    }
    if (i < byte_count) even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
    return (uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
}

/// Keys of 16 estimates that are within, in order.
ALWAYS void put_keys(__m512 estimates, __m512i numbers, __mmask16 within, uint64_t *keys) {
    const __m512i bits = _mm512_castps_si512(_mm512_maskz_compress_ps(within, estimates));
    const __m512i number = _mm512_maskz_compress_epi32(within, numbers);
    const __m512i order = _mm512_xor_si512(bits, _mm512_or_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32((int)0x80000000)));
    for (int half = 0; half < 2; ++half) {
        const __m256i o = half ? _mm512_extracti64x4_epi64(order, 1) : _mm512_castsi512_si256(order);
        const __m256i n = half ? _mm512_extracti64x4_epi64(number, 1) : _mm512_castsi512_si256(number);
        const __m512i key = _mm512_or_si512(_mm512_slli_epi64(_mm512_cvtepu32_epi64(o), 32), _mm512_cvtepu32_epi64(n));
        _mm512_storeu_si512(keys + 8 * half, key);
    }
}

ALWAYS size_t append_near(const nt_rabitq_level *level, const uint8_t *group, const uint32_t *sums, float distance,
                          float threshold, nt_seen *seen, uint64_t *keys) {
    const __m512 step = _mm512_set1_ps(level->signs.step), bias = _mm512_set1_ps(level->signs.bias);
    const __m512i count = _mm512_set1_epi32((int)level->count), one = _mm512_set1_epi32(1), low = _mm512_set1_epi32(31);
    size_t found = 0;
    for (int i = 0; i < NT_RABITQ_GROUP; i += 16) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums + i));
        const __m512 add = _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(group + 128 + 2 * i))), 16));
        const __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(group + 192 + 2 * i))), 16));
        const __m512 products = _mm512_fmadd_ps(sum, step, bias);
        const __m512 estimates = _mm512_fmadd_ps(products, scale, _mm512_add_ps(add, _mm512_set1_ps(distance)));
        const __m512i numbers = _mm512_loadu_si512(group + 4 * i);
        __mmask16 within = _mm512_cmp_ps_mask(estimates, _mm512_set1_ps(threshold), _CMP_LT_OQ);
        within = _mm512_mask_cmplt_epu32_mask(within, numbers, count);
        const __m512i words = _mm512_mask_i32gather_epi32(one, within, _mm512_srli_epi32(numbers, 5), seen->bits, 4);
        within = _mm512_mask_testn_epi32_mask(within, words, _mm512_sllv_epi32(one, _mm512_and_si512(numbers, low)));
        put_keys(estimates, numbers, within, keys + found);
        const size_t end = found + (size_t)__builtin_popcount(within);
        for (; found < end; ++found) nt_seen_insert(seen, (uint32_t)keys[found]);
    }
    return found;
}

ALWAYS size_t nearest_key(const uint64_t *keys, size_t count) {
    __m512i least = _mm512_set1_epi64(-1), least_at = _mm512_setzero_si512();
    __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    for (size_t i = 0; i < count; i += 8, at = _mm512_add_epi64(at, _mm512_set1_epi64(8))) {
        const __mmask8 part = count - i < 8 ? (__mmask8)((1u << (count - i)) - 1) : (__mmask8)0xFF;
        const __m512i key = _mm512_loadu_si512(keys + i);
        const __mmask8 less = _mm512_mask_cmplt_epu64_mask(part, key, least);
        least = _mm512_mask_mov_epi64(least, less, key);
        least_at = _mm512_mask_mov_epi64(least_at, less, at);
    }
    const __mmask8 lanes = _mm512_cmpeq_epi64_mask(least, _mm512_set1_epi64((long long)_mm512_reduce_min_epu64(least)));
    return (size_t)_mm512_reduce_max_epu64(_mm512_maskz_mov_epi64(lanes & -lanes, least_at));
}

#include "rabitq_loop.h"

#else
typedef int nt_no_avx512_rabitq;  // a translation unit must hold something
#endif
