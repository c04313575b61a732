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

#include "rabitq_generic.h"
#include "rabitq_loop.h"

#else
typedef int nt_no_avx2_rabitq;  // a translation unit must hold something
#endif
