// The distances in portable C: the specification that every other tier is tested against, in the same form.
//
// Sums run in 16 lanes, which compilers turn into vector instructions without leave to reorder floating point; it also
// keeps rounding errors small.
#include "nt_distance.h"
#include <math.h>

#define TARGET
#define TIER NT_CPU_PORTABLE
#define LANES 16

/// Half to single precision: exponent and mantissa move up; a subnormal half is a normal float after scaling.
static inline float half_to_float(uint16_t half) {
    uint32_t magnitude = half & 0x7FFFu, bits;
    float value;
    if (magnitude >= 0x7C00u) {
        bits = (magnitude << 13) | 0x7F800000u;  // infinity and NaN keep their mantissa
        memcpy(&value, &bits, sizeof value);
    } else {
        bits = magnitude << 13;  // exponent bias 15 read as bias 127: 2^-112 of the value
        memcpy(&value, &bits, sizeof value);
        value *= 0x1p112f;
    }
    return half & 0x8000u ? -value : value;
}

static inline uint16_t float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    bits &= 0x7FFFFFFFu;
    if (bits > 0x7F800000u) return sign | 0x7E00u;  // NaN, quiet
    if (bits >= 0x477FF000u) return sign | 0x7C00u;  // from 65,520 on rounds to infinity
    if (bits < 0x38800000u) {
        // Below 2^-14: adding 1/2 lets the float addition itself round to a multiple of 2^-24, the subnormal step.
        float shifted;
        memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        return sign | (uint16_t)(bits - 0x3F000000u);
    }
    bits += 0xFFFu + ((bits >> 13) & 1);  // nearest, ties to even
    return sign | (uint16_t)((bits - 0x38000000u) >> 13);
}

static void widen_f16(const uint16_t *from, float *to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = half_to_float(from[i]);
}

static void widen_i8(const int8_t *from, float *to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = from[i];
}

static void narrow_f16(const float *from, uint16_t *to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = float_to_half(from[i]);
}

static void narrow_i8(const float *from, int8_t *to, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        float value = from[i] < -128 ? -128 : from[i] > 127 ? 127 : from[i];
        to[i] = value == value ? (int8_t)rintf(value) : 0;
    }
}

static inline float sum_lanes(const float *lanes) {
    float half[8], quarter[4];
    for (int j = 0; j < 8; ++j) half[j] = lanes[j] + lanes[j + 8];
    for (int j = 0; j < 4; ++j) quarter[j] = half[j] + half[j + 4];
    return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
}

// The rows are taken one after another: without known vector registers there is nothing to gain by interleaving.
#define ROWS_FLOAT(name, row_type, load, term) \
    static inline void name(const void *query, const void *const *rows, int n, size_t dimension, float *raw) { \
        const float *q = query; \
        for (int r = 0; r < n; ++r) { \
            const row_type *row = rows[r]; \
            float lanes[LANES] = {0}; \
            size_t i = 0; \
            for (; i + LANES <= dimension; i += LANES) \
                for (int j = 0; j < LANES; ++j) { \
                    float x = q[i + j], y = load(row[i + j]); \
                    lanes[j] += term; \
                } \
            for (int j = 0; i + j < dimension; ++j) { \
                float x = q[i + j], y = load(row[i + j]); \
                lanes[j] += term; \
            } \
            raw[r] = sum_lanes(lanes); \
        } \
    }

ROWS_FLOAT(rows_l2sq_f32, float, , (x - y) * (x - y))
ROWS_FLOAT(rows_dot_f32, float, , x * y)
ROWS_FLOAT(rows_l2sq_f16, uint16_t, half_to_float, (x - y) * (x - y))
ROWS_FLOAT(rows_dot_f16, uint16_t, half_to_float, x * y)

static inline void rows_l2sq_i8(const void *query, const void *const *rows, int n, size_t dimension, float *raw) {
    const int8_t *q = query;
    for (int r = 0; r < n; ++r) {
        const int8_t *row = rows[r];
        uint32_t sum = 0;
        for (size_t i = 0; i < dimension; ++i) {
            int difference = q[i] - row[i];
            sum += (uint32_t)(difference * difference);
        }
        raw[r] = (float)sum;
    }
}

static inline void rows_dot_i8(const void *query, const void *const *rows, int n, size_t dimension, float *raw) {
    const int8_t *q = query;
    for (int r = 0; r < n; ++r) {
        const int8_t *row = rows[r];
        int32_t sum = 0;
        for (size_t i = 0; i < dimension; ++i) sum += q[i] * row[i];
        raw[r] = (float)sum;
    }
}

static size_t survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                        const float *limits, uint32_t *out) {
    size_t found = 0;
    for (size_t row = 0; row < m; ++row)
        for (size_t column = 0; column < n; ++column)
            if (!(bias[row] + scale[row] * c[row * ldc + column] > limits[column]))
                out[found++] = (uint32_t)(row << 16 | column);
    return found;
}

#include "distance_drivers.h"

extern const nt_kernels *const nt_kernels_portable;
const nt_kernels *const nt_kernels_portable = &table;
