// Traversal with AVX2.
#if defined(__x86_64__)
#include "nt_graph.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

ALWAYS void reduce_four(const __m256i *sums, uint32_t *raw) {
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    _mm_storeu_si128((__m128i *)raw, _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

ALWAYS void sq8_l2(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) {
        __m256i sum = zero;
        for (size_t i = 0; i < byte_count; i += 32) {
            __m256i q = _mm256_loadu_si256((const __m256i *)(query + i)), c = _mm256_loadu_si256((const __m256i *)(rows[r] + i));
            __m256i d = _mm256_or_si256(_mm256_subs_epu8(q, c), _mm256_subs_epu8(c, q));
            __m256i low = _mm256_unpacklo_epi8(d, zero), high = _mm256_unpackhi_epi8(d, zero);
            sum = _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
        }
        sums[r] = sum;
    }
    reduce_four(sums, raw);
}

ALWAYS void sq8_dot(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    __m256i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) {
        __m256i sum = _mm256_setzero_si256();
        // Widened to 16 bits: the sums of pairs that vpmaddubsw makes would not fit in them.
        for (size_t i = 0; i < byte_count; i += 16) {
            __m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + i)));
            __m256i c = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(rows[r] + i)));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(q, c));
        }
        sums[r] = sum;
    }
    reduce_four(sums, raw);
}

#include "graph_keys.h"
#include "graph_loop.h"

extern const nt_traversal *const nt_traversals_avx2;
const nt_traversal *const nt_traversals_avx2 = traversals;

#else
typedef int nt_no_avx2_graph;  // a translation unit must hold something
#endif
