// Traversal with AVX-512 (F, BW, VL, DQ and VNNI): rows are read in whole vectors of 64 bytes.
#if defined(__x86_64__)
#include "nt_graph.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

/// The sums of four vectors, transposed while they are added.
ALWAYS void reduce_four(const __m512i *sums, uint32_t *raw) {
    __m256i half[4];
    UNROLL for (int r = 0; r < 4; ++r)
        half[r] = _mm256_add_epi32(_mm512_castsi512_si256(sums[r]), _mm512_extracti64x4_epi64(sums[r], 1));
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
    _mm_storeu_si128((__m128i *)raw, _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
}

/// Σd² by VNNI, which multiplies unsigned with signed bytes: d² = d (d - 128) + 128 d.
ALWAYS void sq8_l2(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    const __m512i flip = _mm512_set1_epi8((char)0x80), one = _mm512_set1_epi8(1);
    __m512i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) {
        __m512i squares = _mm512_setzero_si512(), lengths = _mm512_setzero_si512();
        for (size_t i = 0; i < byte_count; i += 64) {
            __m512i q = _mm512_loadu_si512(query + i), c = _mm512_loadu_si512(rows[r] + i);
            __m512i d = _mm512_or_si512(_mm512_subs_epu8(q, c), _mm512_subs_epu8(c, q));
            squares = _mm512_dpbusd_epi32(squares, d, _mm512_xor_si512(d, flip));
            lengths = _mm512_dpbusd_epi32(lengths, d, one);
        }
        sums[r] = _mm512_add_epi32(squares, _mm512_slli_epi32(lengths, 7));
    }
    reduce_four(sums, raw);
}

ALWAYS void sq8_dot(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    __m512i sums[4];
    UNROLL for (int r = 0; r < 4; ++r) {
        __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
        size_t i = 0;
        for (; i + 128 <= byte_count; i += 128) {
            even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(rows[r] + i), _mm512_loadu_si512(query + i));
            odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(rows[r] + i + 64), _mm512_loadu_si512(query + i + 64));
        }
        if (i < byte_count) even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(rows[r] + i), _mm512_loadu_si512(query + i));
        sums[r] = _mm512_add_epi32(even, odd);
    }
    reduce_four(sums, raw);
}

ALWAYS size_t keys_within(const float *distances, const uint32_t *numbers, size_t count, float threshold,
                          unsigned shift, uint64_t *keys) {
    const __m256 limit = _mm256_set1_ps(threshold);
    const __m256i top = _mm256_set1_epi32((int)0x80000000);
    size_t found = 0;
    for (size_t i = 0; i < count; i += 8) {
        const __mmask8 part = count - i < 8 ? (__mmask8)((1u << (count - i)) - 1) : (__mmask8)0xFF;
        const __m256 distance = _mm256_maskz_loadu_ps(part, distances + i);
        const __mmask8 within = _mm256_mask_cmp_ps_mask(part, distance, limit, _CMP_LE_OQ);
        const __m256i bits = _mm256_castps_si256(distance);
        const __m256i order = _mm256_xor_si256(bits, _mm256_or_si256(_mm256_srai_epi32(bits, 31), top));
        const __m256i number = _mm256_sll_epi32(_mm256_maskz_loadu_epi32(part, numbers + i), _mm_cvtsi32_si128((int)shift));
        const __m512i key = _mm512_or_si512(_mm512_slli_epi64(_mm512_cvtepu32_epi64(order), 32), _mm512_cvtepu32_epi64(number));
        // To a register and then whole: a compressing store is slow on some CPUs. Hence the room behind `keys`.
        _mm512_storeu_si512(keys + found, _mm512_maskz_compress_epi64(within, key));
        found += (size_t)__builtin_popcount(within);
    }
    return found;
}

#include "graph_loop.h"

extern const nt_traversal *const nt_traversals_avx512;
const nt_traversal *const nt_traversals_avx512 = traversals;

#else
typedef int nt_no_avx512_graph;  // a translation unit must hold something
#endif
