// The distances with AVX2, FMA and F16C. AVX2's masked load knows only 32- and 64-bit elements: a tail of f16 or i8 is
// taken from the last whole vector of the row, its leading elements, already counted, put to zero; a row shorter than a
// vector goes through a small buffer.
#if defined(__x86_64__)
#include "nt_distance.h"
#include <immintrin.h>
#include <math.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TIER NT_CPU_AVX2
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

ALWAYS __m256 load_f32(const void *p, size_t i) { return _mm256_loadu_ps((const float *)p + i); }
ALWAYS __m256 load_f32_tail(const void *p, size_t i, size_t n) {
    static const int32_t ones[24] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    if (i) {
        __m256 mask = _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)(ones + n)));  // the last n
        return _mm256_and_ps(_mm256_loadu_ps((const float *)p + i + n - 8), mask);
    }
    return _mm256_maskload_ps((const float *)p, _mm256_loadu_si256((const __m256i *)(ones + 16 - n)));  // the first n
}
ALWAYS __m256 load_f16(const void *p, size_t i) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)p + i)));
}
ALWAYS __m256 load_f16_tail(const void *p, size_t i, size_t n) {
    static const int16_t zeros_then_ones[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    if (i) {
        __m128i last = _mm_loadu_si128((const __m128i *)((const uint16_t *)p + i + n - 8));
        return _mm256_cvtph_ps(_mm_and_si128(last, _mm_loadu_si128((const __m128i *)(zeros_then_ones + n))));
    }
    uint16_t buffer[8] = {0};
    for (size_t j = 0; j < n; ++j) buffer[j] = ((const uint16_t *)p)[j];
    return load_f16(buffer, 0);
}

ALWAYS __m256 add_l2sq(__m256 sum, __m256 q, __m256 x) {
    __m256 difference = _mm256_sub_ps(q, x);
    return _mm256_fmadd_ps(difference, difference, sum);
}
ALWAYS __m256 add_dot(__m256 sum, __m256 q, __m256 x) { return _mm256_fmadd_ps(q, x, sum); }

ALWAYS __m128 fold(__m256 v) { return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); }

/// The sums of n = 1 or 4 vectors, the four transposed while they are added; both in the same order of additions.
ALWAYS void reduce_ps(const __m256 *sums, int n, float *raw) {
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
// other, since neighbouring rows then make one sequential stream (see distance_avx512.c).
#define ROWS_FLOAT(name, load, add) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        __m256 sums[4]; \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps(); \
            size_t i = 0; \
            for (; i + 16 <= dimension; i += 16) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                odd = add(odd, load_f32(query, i + 8), load(row, i + 8)); \
            } \
            if (i + 8 <= dimension) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                i += 8; \
            } \
            if (i < dimension) \
                odd = add(odd, load_f32_tail(query, i, dimension - i), load##_tail(row, i, dimension - i)); \
            sums[r] = _mm256_add_ps(even, odd); \
        } \
        reduce_ps(sums, n, raw); \
    }

ROWS_FLOAT(rows_l2sq_f32, load_f32, add_l2sq)
ROWS_FLOAT(rows_dot_f32, load_f32, add_dot)
ROWS_FLOAT(rows_l2sq_f16, load_f16, add_l2sq)
ROWS_FLOAT(rows_dot_f16, load_f16, add_dot)

ALWAYS __m256i load_i8(const void *p, size_t i) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)((const int8_t *)p + i)));
}
ALWAYS __m256i load_i8_tail(const void *p, size_t i, size_t n) {
    static const int8_t zeros_then_ones[32] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                               -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    if (i) {
        __m128i last = _mm_loadu_si128((const __m128i *)((const int8_t *)p + i + n - 16));
        return _mm256_cvtepi8_epi16(_mm_and_si128(last, _mm_loadu_si128((const __m128i *)(zeros_then_ones + n))));
    }
    int8_t buffer[16] = {0};
    for (size_t j = 0; j < n; ++j) buffer[j] = ((const int8_t *)p)[j];
    return load_i8(buffer, 0);
}
// Pairs of 16-bit products fit 32 bits; the sums wrap, so that 2^32 is the bound for L2.
ALWAYS __m256i add_l2sq_i16(__m256i sum, __m256i q, __m256i x) {
    __m256i difference = _mm256_sub_epi16(q, x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(difference, difference));
}
ALWAYS __m256i add_dot_i16(__m256i sum, __m256i q, __m256i x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(q, x));
}
ALWAYS int32_t sum_epi32(__m256i v) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    four = _mm_hadd_epi32(four, four);
    return _mm_cvtsi128_si32(_mm_hadd_epi32(four, four));
}

#define ROWS_I8(name, add, result_type) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            __m256i sum = _mm256_setzero_si256(); \
            size_t i = 0; \
            for (; i + 16 <= dimension; i += 16) sum = add(sum, load_i8(query, i), load_i8(row, i)); \
            if (i < dimension) \
                sum = add(sum, load_i8_tail(query, i, dimension - i), load_i8_tail(row, i, dimension - i)); \
            raw[r] = (float)(result_type)sum_epi32(sum); \
        } \
    }

ROWS_I8(rows_l2sq_i8, add_l2sq_i16, uint32_t)
ROWS_I8(rows_dot_i8, add_dot_i16, int32_t)

TARGET static void widen_f16(const uint16_t *from, float *to, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) _mm256_storeu_ps(to + i, load_f16(from, i));
    for (; i < count; ++i) to[i] = _cvtsh_ss(from[i]);
}

TARGET static void widen_i8(const int8_t *from, float *to, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(from + i)))));
    for (; i < count; ++i) to[i] = from[i];
}

TARGET static void narrow_f16(const float *from, uint16_t *to, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < count; ++i) to[i] = _cvtss_sh(from[i], _MM_FROUND_TO_NEAREST_INT);
}

TARGET static void narrow_i8(const float *from, int8_t *to, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        float value = from[i] < -128 ? -128 : from[i] > 127 ? 127 : from[i];
        to[i] = value == value ? (int8_t)rintf(value) : 0;
    }
}

TARGET static size_t survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                               const float *limits, uint32_t *out) {
    size_t found = 0;
    for (size_t row = 0; row < m; ++row, c += ldc) {
        const __m256 b = _mm256_set1_ps(bias[row]), s = _mm256_set1_ps(scale[row]);
        size_t column = 0;
        for (; column + 8 <= n; column += 8) {
            __m256 value = _mm256_fmadd_ps(s, _mm256_loadu_ps(c + column), b);
            __m256 near = _mm256_cmp_ps(value, _mm256_loadu_ps(limits + column), _CMP_NGT_UQ);
            for (unsigned hits = (unsigned)_mm256_movemask_ps(near); hits; hits &= hits - 1)
                out[found++] = (uint32_t)(row << 16 | (column + (size_t)__builtin_ctz(hits)));
        }
        for (; column < n; ++column)
            if (!(bias[row] + scale[row] * c[column] > limits[column])) out[found++] = (uint32_t)(row << 16 | column);
    }
    return found;
}

#include "distance_drivers.h"

extern const nt_kernels *const nt_kernels_avx2;
const nt_kernels *const nt_kernels_avx2 = &table;

#else
typedef int nt_no_avx2;  // a translation unit must hold something
#endif
