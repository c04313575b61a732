// Scans by signs with AVX2: a bit becomes a byte by a shuffle, a mask and a comparison.
#if defined(__x86_64__)
#include "nt_codescan.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define FUNCTIONS nt_codescan_avx2
#define TIER NT_CPU_AVX2
#define UNROLL _Pragma("clang loop unroll(full)")

static inline __attribute__((always_inline)) TARGET void sign_sums(
    const int8_t *codes, const uint8_t *const *rows, size_t words, int32_t *raw) {
    const __m256i spread = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u), pairs = _mm256_set1_epi16(1);
    const __m256i one = _mm256_set1_epi8(1);
    __m256i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) sums[r] = _mm256_setzero_si256();
    for (size_t i = 0; i < 2 * words; ++i) {
        const __m256i code = _mm256_load_si256((const __m256i *)(codes + 32 * i));
        UNROLL for (int r = 0; r < 4; ++r) {
            int32_t four;
            memcpy(&four, rows[r] + 4 * i, sizeof four);
            const __m256i byte = _mm256_shuffle_epi8(_mm256_set1_epi32(four), spread);
            const __m256i mask = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bits), bits);
            const __m256i words16 = _mm256_maddubs_epi16(one, _mm256_and_si256(mask, code));
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(words16, pairs));
        }
    }
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    _mm_storeu_si128((__m128i *)raw, _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
}

#include "codescan_loop.h"

#else
typedef int nt_no_avx2_codescan;  // a translation unit must hold something
#endif
