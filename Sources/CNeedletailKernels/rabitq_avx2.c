// Neighbour codes with AVX2: 32 tables' worth of one shuffle each time.
#if defined(__x86_64__)
#include "nt_rabitq.h"
#include <immintrin.h>
#include <stdbool.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define FUNCTIONS nt_rabitq_avx2
#define ALWAYS static inline __attribute__((always_inline)) TARGET

// Sums of bytes that stay below 2¹⁶.
#define TABLES_AT_ONCE 256

/// Sums of 16 neighbours out of sums of 16-bit words and of their upper bytes, for two tables side by side.
ALWAYS void put_sums(__m256i words, __m256i upper, bool first, uint32_t *sums) {
    const __m256i even = _mm256_sub_epi16(words, _mm256_slli_epi16(upper, 8));
    const __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    const __m128i o = _mm_add_epi16(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
    __m256i low = _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(e, o)), high = _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(e, o));
    if (!first) {
        low = _mm256_add_epi32(low, _mm256_loadu_si256((const __m256i *)sums));
        high = _mm256_add_epi32(high, _mm256_loadu_si256((const __m256i *)(sums + 8)));
    }
    _mm256_storeu_si256((__m256i *)sums, low);
    _mm256_storeu_si256((__m256i *)(sums + 8), high);
}

ALWAYS void table_sums(const uint8_t *tables, const uint8_t *codes, size_t table_count, const uint8_t *ahead, uint32_t *sums) {
    const __m256i half = _mm256_set1_epi8(15);
    for (size_t first = 0; first < table_count; first += TABLES_AT_ONCE) {
        const size_t end = table_count - first < TABLES_AT_ONCE ? table_count : first + TABLES_AT_ONCE;
        // Bytes are added in pairs as words: the upper byte of a pair goes into one sum alone, and is taken out of the other.
        __m256i low = _mm256_setzero_si256(), low_upper = low, high = low, high_upper = low;
        for (size_t t = first; t < end; t += 2) {
            if (!(t & 2)) __builtin_prefetch(ahead + 16 * t, 0, 2);
            const __m256i code = _mm256_loadu_si256((const __m256i *)(codes + 16 * t));
            const __m256i table = _mm256_loadu_si256((const __m256i *)(tables + 16 * t));
            const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(code, half));
            const __m256i b = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(code, 4), half));
            low = _mm256_add_epi16(low, a);
            low_upper = _mm256_add_epi16(low_upper, _mm256_srli_epi16(a, 8));
            high = _mm256_add_epi16(high, b);
            high_upper = _mm256_add_epi16(high_upper, _mm256_srli_epi16(b, 8));
        }
        put_sums(low, low_upper, first == 0, sums);
        put_sums(high, high_upper, first == 0, sums + 16);
    }
}

ALWAYS uint32_t total_words(__m256i x) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
}

ALWAYS uint32_t raw_l2(const uint8_t *query, const uint8_t *row, size_t byte_count) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t i = 0; i < byte_count; i += 16) {
        const __m256i q = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
        const __m256i c = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row + i)));
        const __m256i d = _mm256_sub_epi16(q, c);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(d, d));
    }
    return total_words(sum);
}

ALWAYS uint32_t raw_dot(const int8_t *query, const uint8_t *row, size_t byte_count) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t i = 0; i < byte_count; i += 16) {
        const __m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
        const __m256i c = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(row + i)));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(q, c));
    }
    return total_words(sum);
}

/// Estimates the distances of a group's neighbours, eight at a time; the rest as in rabitq_generic.h.
ALWAYS size_t append_near(const nt_rabitq_level *level, const uint8_t *group, const uint32_t *sums, float distance,
                          float threshold, nt_seen *seen, uint64_t *keys) {
    const __m256 step = _mm256_set1_ps(level->signs.step), bias = _mm256_set1_ps(level->signs.bias);
    const __m256 start = _mm256_set1_ps(distance), limit = _mm256_set1_ps(threshold);
    const uint32_t *numbers = (const uint32_t *)group;
    float estimates[NT_RABITQ_GROUP];
    uint32_t within = 0;
    for (int i = 0; i < NT_RABITQ_GROUP; i += 8) {
        const __m256 sum = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(sums + i)));
        const __m256 add = _mm256_castsi256_ps(_mm256_slli_epi32(
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(group + 128 + 2 * i))), 16));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(group + 192 + 2 * i))), 16));
        const __m256 estimate = _mm256_fmadd_ps(_mm256_fmadd_ps(sum, step, bias), scale, _mm256_add_ps(add, start));
        _mm256_storeu_ps(estimates + i, estimate);
        within |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(estimate, limit, _CMP_LT_OQ)) << i;
    }
    size_t found = 0;
    for (; within; within &= within - 1) {
        const int i = __builtin_ctz(within);
        // What stands for numbers that no node has counts as seen.
        const uint32_t number = numbers[i] < level->count ? numbers[i] : level->count;
        if (nt_seen_contains(seen, number)) continue;
        nt_seen_insert(seen, number);
        keys[found++] = nt_key(estimates[i], number);
    }
    return found;
}

/// The position of the least key; there is one. Keys are compared as signed numbers, with their highest bit changed.
ALWAYS size_t nearest_key(const uint64_t *keys, size_t count) {
    const __m256i flip = _mm256_set1_epi64x(INT64_MIN), four = _mm256_set1_epi64x(4);
    __m256i least = _mm256_set1_epi64x(INT64_MAX), least_at = _mm256_setzero_si256(), at = _mm256_set_epi64x(3, 2, 1, 0);
    size_t i = 0;
    for (; i + 4 <= count; i += 4, at = _mm256_add_epi64(at, four)) {
        const __m256i key = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(keys + i)), flip);
        const __m256i less = _mm256_cmpgt_epi64(least, key);
        least = _mm256_blendv_epi8(least, key, less);
        least_at = _mm256_blendv_epi8(least_at, at, less);
    }
    uint64_t positions[4];
    _mm256_storeu_si256((__m256i *)positions, least_at);
    // Where there were fewer than four, all lanes say 0.
    size_t best = positions[0];
    for (int lane = 1; lane < 4; ++lane) best = keys[positions[lane]] < keys[best] ? positions[lane] : best;
    for (; i < count; ++i) best = keys[i] < keys[best] ? i : best;
    return best;
}

#include "rabitq_loop.h"

#else
typedef int nt_no_avx2_rabitq;  // a translation unit must hold something
#endif
