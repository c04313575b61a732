// The distances with AVX-512 (F, BW, VL, DQ and VNNI). Tails are masked loads, which do not touch what they mask out.
#if defined(__x86_64__)
#include "nt_distance.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define TIER NT_CPU_AVX512
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

ALWAYS __mmask16 first16(size_t n) { return (__mmask16)((1u << n) - 1); }  // n < 16

ALWAYS __m512 load_f32(const void *p, size_t i) { return _mm512_loadu_ps((const float *)p + i); }
ALWAYS __m512 load_f32_masked(const void *p, size_t i, __mmask16 m) { return _mm512_maskz_loadu_ps(m, (const float *)p + i); }
ALWAYS __m512 load_f16(const void *p, size_t i) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)((const uint16_t *)p + i)));
}
ALWAYS __m512 load_f16_masked(const void *p, size_t i, __mmask16 m) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i));
}

ALWAYS __m512 add_l2sq(__m512 sum, __m512 q, __m512 x) {
    __m512 difference = _mm512_sub_ps(q, x);
    return _mm512_fmadd_ps(difference, difference, sum);
}
ALWAYS __m512 add_dot(__m512 sum, __m512 q, __m512 x) { return _mm512_fmadd_ps(q, x, sum); }

/// 16 lanes to 4, by halves.
ALWAYS __m128 fold(__m512 v) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/// The sums of n = 1 or 4 vectors, the four transposed while they are added; both in the same order of additions.
ALWAYS void reduce_ps(const __m512 *sums, int n, float *raw) {
    if (n == 4) {
        __m128 low = _mm_hadd_ps(fold(sums[0]), fold(sums[1])), high = _mm_hadd_ps(fold(sums[2]), fold(sums[3]));
        _mm_storeu_ps(raw, _mm_hadd_ps(low, high));
    } else {
        __m128 v = fold(sums[0]);
        v = _mm_hadd_ps(v, v);
        raw[0] = _mm_cvtss_f32(_mm_hadd_ps(v, v));
    }
}

// Two sums a row, which hide each other's latency; the CPU overlaps the rows by itself. The rows are read one after the
// other, since neighbouring rows then make one sequential stream: reading four at once, 512 bytes apart, reached half to
// three quarters of the memory's bandwidth.
#define ROWS_FLOAT(name, load, add) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        __m512 sums[4]; \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps(); \
            size_t i = 0; \
            for (; i + 32 <= dimension; i += 32) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                odd = add(odd, load_f32(query, i + 16), load(row, i + 16)); \
            } \
            if (i + 16 <= dimension) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                i += 16; \
            } \
            if (i < dimension) { \
                __mmask16 tail = first16(dimension - i); \
                odd = add(odd, load_f32_masked(query, i, tail), load##_masked(row, i, tail)); \
            } \
            sums[r] = _mm512_add_ps(even, odd); \
        } \
        reduce_ps(sums, n, raw); \
    }

ROWS_FLOAT(rows_l2sq_f32, load_f32, add_l2sq)
ROWS_FLOAT(rows_dot_f32, load_f32, add_dot)
ROWS_FLOAT(rows_l2sq_f16, load_f16, add_l2sq)
ROWS_FLOAT(rows_dot_f16, load_f16, add_dot)

ALWAYS __m512i load_i8(const void *p, size_t i) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)((const int8_t *)p + i)));
}
ALWAYS __m512i load_i8_masked(const void *p, size_t i, __mmask32 m) {
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(m, (const int8_t *)p + i));
}
// vpdpwssd: two products of 16-bit values added to each 32-bit sum, which wraps, so that 2^32 is the bound for L2.
ALWAYS __m512i add_l2sq_i16(__m512i sum, __m512i q, __m512i x) {
    __m512i difference = _mm512_sub_epi16(q, x);
    return _mm512_dpwssd_epi32(sum, difference, difference);
}
ALWAYS __m512i add_dot_i16(__m512i sum, __m512i q, __m512i x) { return _mm512_dpwssd_epi32(sum, q, x); }

#define ROWS_I8(name, add, result_type) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            __m512i sum = _mm512_setzero_si512(); \
            size_t i = 0; \
            for (; i + 32 <= dimension; i += 32) sum = add(sum, load_i8(query, i), load_i8(row, i)); \
            if (i < dimension) { \
                __mmask32 tail = (__mmask32)((1ull << (dimension - i)) - 1); \
                sum = add(sum, load_i8_masked(query, i, tail), load_i8_masked(row, i, tail)); \
            } \
            raw[r] = (float)(result_type)_mm512_reduce_add_epi32(sum); \
        } \
    }

ROWS_I8(rows_l2sq_i8, add_l2sq_i16, uint32_t)
ROWS_I8(rows_dot_i8, add_dot_i16, int32_t)

TARGET static void widen_f16(const uint16_t *from, float *to, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) _mm512_storeu_ps(to + i, load_f16(from, i));
    if (i == count) return;
    __mmask16 tail = first16(count - i);
    _mm512_mask_storeu_ps(to + i, tail, load_f16_masked(from, i, tail));
}

TARGET static void widen_i8(const int8_t *from, float *to, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm512_storeu_ps(to + i, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(from + i)))));
    if (i == count) return;
    __mmask16 tail = first16(count - i);
    _mm512_mask_storeu_ps(to + i, tail, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(tail, from + i))));
}

TARGET static void narrow_f16(const float *from, uint16_t *to, size_t count) {
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 part = count - i < 16 ? first16(count - i) : (__mmask16)0xFFFF;
        __m512 value = _mm512_maskz_loadu_ps(part, from + i);
        _mm256_mask_storeu_epi16(to + i, part, _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
}

TARGET static void narrow_i8(const float *from, int8_t *to, size_t count) {
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 part = count - i < 16 ? first16(count - i) : (__mmask16)0xFFFF;
        __m512 value = _mm512_maskz_loadu_ps(part, from + i);
        __mmask16 number = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q);
        // Clamped as floats: out of range, the conversion to int32 gives -2^31 whatever the sign.
        value = _mm512_min_ps(_mm512_max_ps(value, _mm512_set1_ps(-128)), _mm512_set1_ps(127));
        _mm512_mask_cvtepi32_storeu_epi8(to + i, part, _mm512_maskz_cvtps_epi32(number, value));
    }
}

TARGET static size_t survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                               const float *limits, uint32_t *out) {
    size_t found = 0;
    for (size_t row = 0; row < m; ++row, c += ldc) {
        const __m512 b = _mm512_set1_ps(bias[row]), s = _mm512_set1_ps(scale[row]);
        for (size_t column = 0; column < n; column += 64) {
            uint64_t near = 0;
            UNROLL for (int part = 0; part < 4; ++part) {
                size_t from = column + 16 * (size_t)part;
                if (from >= n) break;
                __mmask16 in = n - from < 16 ? first16(n - from) : (__mmask16)0xFFFF;
                __m512 value = _mm512_fmadd_ps(s, _mm512_maskz_loadu_ps(in, c + from), b);
                __mmask16 hit = _mm512_mask_cmp_ps_mask(in, value, _mm512_maskz_loadu_ps(in, limits + from), _CMP_NGT_UQ);
                near |= (uint64_t)hit << (16 * part);
            }
            for (; near; near &= near - 1)
                out[found++] = (uint32_t)(row << 16 | (column + (size_t)__builtin_ctzll(near)));
        }
    }
    return found;
}

#include "distance_drivers.h"

extern const nt_kernels *const nt_kernels_avx512;
const nt_kernels *const nt_kernels_avx512 = &table;

#else
typedef int nt_no_avx512;  // a translation unit must hold something
#endif
