// Scans by signs with AVX-512 (F, BW, VL, DQ and VNNI): 64 bits of a row are a mask of 64 codes.
#if defined(__x86_64__)
#include "nt_codescan.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define FUNCTIONS nt_codescan_avx512
#define TIER NT_CPU_AVX512
#define SIGN_ROWS 4
#define UNROLL _Pragma("clang loop unroll(full)")

static inline __attribute__((always_inline)) TARGET void sign_sums(
    const int8_t *codes, const uint8_t *const *rows, size_t words, int32_t *raw) {
    // VNNI multiplies unsigned with signed bytes: one, where the bit is set, with the code.
    const __m512i one = _mm512_set1_epi8(1);
    __m512i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) sums[r] = _mm512_setzero_si512();
    for (size_t w = 0; w < words; ++w) {
        const __m512i code = _mm512_load_si512(codes + 64 * w);
        UNROLL for (int r = 0; r < 4; ++r) {
            __mmask64 mask;
            memcpy(&mask, rows[r] + 8 * w, sizeof mask);
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_maskz_mov_epi8(mask, one), code);
        }
    }
    __m256i half[4];
    UNROLL for (int r = 0; r < 4; ++r)
        half[r] = _mm256_add_epi32(_mm512_castsi512_si256(sums[r]), _mm512_extracti64x4_epi64(sums[r], 1));
    const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
    _mm_storeu_si128((__m128i *)raw, _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

#include "codescan_loop.h"

#else
typedef int nt_no_avx512_codescan;  // a translation unit must hold something
#endif
