// The distances with NEON, as every arm64 CPU has it: no optional extension is used. A tail is taken from the last whole
// vector of the row, its leading elements, already counted, put to zero; a row shorter than a vector goes through a
// small buffer.
#if defined(__aarch64__)
#include "nt_distance.h"
#include <arm_neon.h>
#include <math.h>

#define TARGET
#define TIER NT_CPU_NEON
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline))

ALWAYS float32x4_t load_f32(const void *p, size_t i) { return vld1q_f32((const float *)p + i); }
ALWAYS float32x4_t load_f32_tail(const void *p, size_t i, size_t n) {
    static const uint32_t zeros_then_ones[8] = {0, 0, 0, 0, ~0u, ~0u, ~0u, ~0u};
    if (i) {
        uint32x4_t last = vreinterpretq_u32_f32(vld1q_f32((const float *)p + i + n - 4));
        return vreinterpretq_f32_u32(vandq_u32(last, vld1q_u32(zeros_then_ones + n)));
    }
    float buffer[4] = {0};
    for (size_t j = 0; j < n; ++j) buffer[j] = ((const float *)p)[j];
    return vld1q_f32(buffer);
}
ALWAYS float32x4_t load_f16(const void *p, size_t i) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p + i)));
}
ALWAYS float32x4_t load_f16_tail(const void *p, size_t i, size_t n) {
    static const uint16_t zeros_then_ones[8] = {0, 0, 0, 0, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF};
    if (i) {
        uint16x4_t last = vand_u16(vld1_u16((const uint16_t *)p + i + n - 4), vld1_u16(zeros_then_ones + n));
        return vcvt_f32_f16(vreinterpret_f16_u16(last));
    }
    uint16_t buffer[4] = {0};
    for (size_t j = 0; j < n; ++j) buffer[j] = ((const uint16_t *)p)[j];
    return load_f16(buffer, 0);
}

ALWAYS float32x4_t add_l2sq(float32x4_t sum, float32x4_t q, float32x4_t x) {
    float32x4_t difference = vsubq_f32(q, x);
    return vfmaq_f32(sum, difference, difference);
}
ALWAYS float32x4_t add_dot(float32x4_t sum, float32x4_t q, float32x4_t x) { return vfmaq_f32(sum, q, x); }

// Two sums a row, which hide each other's latency; the CPU overlaps the rows by itself. The rows are read one after the
// other, since neighbouring rows then make one sequential stream (see distance_avx512.c).
#define ROWS_FLOAT(name, load, add) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            float32x4_t even = vdupq_n_f32(0), odd = vdupq_n_f32(0); \
            size_t i = 0; \
            for (; i + 8 <= dimension; i += 8) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                odd = add(odd, load_f32(query, i + 4), load(row, i + 4)); \
            } \
            if (i + 4 <= dimension) { \
                even = add(even, load_f32(query, i), load(row, i)); \
                i += 4; \
            } \
            if (i < dimension) \
                odd = add(odd, load_f32_tail(query, i, dimension - i), load##_tail(row, i, dimension - i)); \
            raw[r] = vaddvq_f32(vaddq_f32(even, odd)); \
        } \
    }

ROWS_FLOAT(rows_l2sq_f32, load_f32, add_l2sq)
ROWS_FLOAT(rows_dot_f32, load_f32, add_dot)
ROWS_FLOAT(rows_l2sq_f16, load_f16, add_l2sq)
ROWS_FLOAT(rows_dot_f16, load_f16, add_dot)

ALWAYS int8x8_t load_i8(const void *p, size_t i) { return vld1_s8((const int8_t *)p + i); }
ALWAYS int8x8_t load_i8_tail(const void *p, size_t i, size_t n) {
    static const int8_t zeros_then_ones[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    if (i) return vand_s8(vld1_s8((const int8_t *)p + i + n - 8), vld1_s8(zeros_then_ones + n));
    int8_t buffer[8] = {0};
    for (size_t j = 0; j < n; ++j) buffer[j] = ((const int8_t *)p)[j];
    return vld1_s8(buffer);
}
// Differences take 9 bits, their squares are added in 32; the sums wrap, so that 2^32 is the bound for L2.
ALWAYS int32x4_t add_l2sq_i8(int32x4_t sum, int8x8_t q, int8x8_t x) {
    int16x8_t difference = vsubl_s8(q, x);
    sum = vmlal_s16(sum, vget_low_s16(difference), vget_low_s16(difference));
    return vmlal_high_s16(sum, difference, difference);
}
// A product of two int8 is at most 2^14, and the pairwise addition widens before it adds.
ALWAYS int32x4_t add_dot_i8(int32x4_t sum, int8x8_t q, int8x8_t x) { return vpadalq_s16(sum, vmull_s8(q, x)); }

#define ROWS_I8(name, add, result_type) \
    ALWAYS void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        UNROLL for (int r = 0; r < n; ++r) { \
            const void *row = rows[r]; \
            int32x4_t sum = vdupq_n_s32(0); \
            size_t i = 0; \
            for (; i + 8 <= dimension; i += 8) sum = add(sum, load_i8(query, i), load_i8(row, i)); \
            if (i < dimension) \
                sum = add(sum, load_i8_tail(query, i, dimension - i), load_i8_tail(row, i, dimension - i)); \
            raw[r] = (float)(result_type)vaddvq_s32(sum); \
        } \
    }

ROWS_I8(rows_l2sq_i8, add_l2sq_i8, uint32_t)
ROWS_I8(rows_dot_i8, add_dot_i8, int32_t)

static void widen_f16(const uint16_t *from, float *to, size_t count) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) vst1q_f32(to + i, load_f16(from, i));
    if (i == count) return;
    float buffer[4];
    vst1q_f32(buffer, load_f16_tail(from + i, 0, count - i));
    memcpy(to + i, buffer, (count - i) * sizeof(float));
}

static void widen_i8(const int8_t *from, float *to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = from[i];
}

static void narrow_f16(const float *from, uint16_t *to, size_t count) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) vst1_u16(to + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + i))));
    if (i == count) return;
    uint16_t buffer[4];
    vst1_u16(buffer, vreinterpret_u16_f16(vcvt_f16_f32(load_f32_tail(from + i, 0, count - i))));
    memcpy(to + i, buffer, (count - i) * sizeof(uint16_t));
}

static void narrow_i8(const float *from, int8_t *to, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        float value = from[i] < -128 ? -128 : from[i] > 127 ? 127 : from[i];
        to[i] = value == value ? (int8_t)rintf(value) : 0;
    }
}

static size_t survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                        const float *limits, uint32_t *out) {
    size_t found = 0;
    for (size_t row = 0; row < m; ++row, c += ldc) {
        const float32x4_t b = vdupq_n_f32(bias[row]), s = vdupq_n_f32(scale[row]);
        size_t column = 0;
        for (; column + 16 <= n; column += 16) {
            uint32x4_t far = vdupq_n_u32(~0u);  // all ones while every value is above its limit
            UNROLL for (size_t j = 0; j < 16; j += 4) {
                float32x4_t value = vfmaq_f32(b, s, vld1q_f32(c + column + j));
                far = vandq_u32(far, vcgtq_f32(value, vld1q_f32(limits + column + j)));
            }
            if (vminvq_u32(far)) continue;
            for (size_t j = column; j < column + 16; ++j)
                if (!(fmaf(scale[row], c[j], bias[row]) > limits[j])) out[found++] = (uint32_t)(row << 16 | j);
        }
        for (; column < n; ++column)
            if (!(fmaf(scale[row], c[column], bias[row]) > limits[column]))
                out[found++] = (uint32_t)(row << 16 | column);
    }
    return found;
}

#include "distance_drivers.h"

extern const nt_kernels *const nt_kernels_neon;
const nt_kernels *const nt_kernels_neon = &table;

#else
typedef int nt_no_neon;  // a translation unit must hold something
#endif
