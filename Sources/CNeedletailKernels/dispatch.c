// Chooses the function table of the tier in use, and holds the distance functions that are the same in every tier.
#include "nt_distance.h"
#include <math.h>

extern const nt_kernels *const nt_kernels_portable;
#if defined(__x86_64__)
extern const nt_kernels *const nt_kernels_avx2, *const nt_kernels_avx512;
#elif defined(__aarch64__)
extern const nt_kernels *const nt_kernels_neon;
#endif

static const nt_kernels *current;

// Runs after cpu.c has found the tier (priority 101).
__attribute__((constructor(102))) static void nt_dispatch_start(void) {
    current = nt_kernels_for(nt_cpu_current());
    if (!current) current = nt_kernels_portable;
}

const nt_kernels *nt_kernels_for(nt_cpu_tier tier) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return nt_kernels_portable;
#if defined(__x86_64__)
    case NT_CPU_AVX2: return nt_kernels_avx2;
    case NT_CPU_AVX512: return nt_kernels_avx512;
#elif defined(__aarch64__)
    case NT_CPU_NEON: return nt_kernels_neon;
#endif
    default: return NULL;
    }
}

const nt_distance *nt_distance_of(const nt_kernels *kernels, nt_metric metric, nt_element element) {
    return &kernels->distances[metric - 1][element - 1];
}

const nt_distance *nt_distance_for(nt_metric metric, nt_element element) {
    return nt_distance_of(current, metric, element);
}

float nt_l2sq_f32(const float *q, const float *row, size_t d) { return current->l2sq_f32(q, row, d); }
float nt_l2sq_f16(const float *q, const uint16_t *row, size_t d) { return current->l2sq_f16(q, row, d); }
float nt_l2sq_i8(const int8_t *q, const int8_t *row, size_t d) { return current->l2sq_i8(q, row, d); }
float nt_dot_f32(const float *q, const float *row, size_t d) { return current->dot_f32(q, row, d); }
float nt_dot_f16(const float *q, const uint16_t *row, size_t d) { return current->dot_f16(q, row, d); }
float nt_dot_i8(const int8_t *q, const int8_t *row, size_t d) { return current->dot_i8(q, row, d); }

void nt_widen_f16(const uint16_t *from, float *to, size_t count) { current->widen_f16(from, to, count); }
void nt_widen_i8(const int8_t *from, float *to, size_t count) { current->widen_i8(from, to, count); }
void nt_narrow_f16(const float *from, uint16_t *to, size_t count) { current->narrow_f16(from, to, count); }
void nt_narrow_i8(const float *from, int8_t *to, size_t count) { current->narrow_i8(from, to, count); }

size_t nt_survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                    const float *limits, uint32_t *out) {
    return current->survivors(c, ldc, m, n, bias, scale, limits, out);
}

// In double precision, eight sums at once: norms are computed once a vector, when it is stored or asked with, and neither
// overflow nor lose tiny vectors as squares in f32 would.
double nt_sqnorm_f32(const float *vector, size_t dimension) {
    typedef float floats __attribute__((vector_size(32)));
    typedef double doubles __attribute__((vector_size(64)));
    doubles sums = {0};
    size_t i = 0;
    for (; i + 8 <= dimension; i += 8) {
        floats part;
        memcpy(&part, vector + i, sizeof part);
        const doubles wide = __builtin_convertvector(part, doubles);
        sums += wide * wide;
    }
    for (; i < dimension; ++i) sums[0] += (double)vector[i] * vector[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

double nt_sqnorm_f16(const uint16_t *vector, size_t dimension) {
    double sum = 0;
    float wide[256];
    for (size_t i = 0; i < dimension; i += 256) {
        size_t n = dimension - i < 256 ? dimension - i : 256;
        current->widen_f16(vector + i, wide, n);
        sum += nt_sqnorm_f32(wide, n);
    }
    return sum;
}

double nt_sqnorm_i8(const int8_t *vector, size_t dimension) {
    int64_t sum = 0;
    for (size_t i = 0; i < dimension; ++i) sum += vector[i] * vector[i];
    return (double)sum;
}

static float cosine(double dot, double query_square, double row_square) {
    // The comparison lets NaN through to the division.
    if (query_square == 0 || row_square == 0) return dot == dot ? 1 : NAN;
    const double distance = 1 - dot / sqrt(query_square * row_square);
    return distance < 0 ? 0 : distance > 2 ? 2 : (float)distance;
}

float nt_cosine_f32(const float *q, const float *row, size_t d) {
    return cosine(nt_dot_f32(q, row, d), nt_sqnorm_f32(q, d), nt_sqnorm_f32(row, d));
}
float nt_cosine_f16(const float *q, const uint16_t *row, size_t d) {
    return cosine(nt_dot_f16(q, row, d), nt_sqnorm_f32(q, d), nt_sqnorm_f16(row, d));
}
float nt_cosine_i8(const int8_t *q, const int8_t *row, size_t d) {
    return cosine(nt_dot_i8(q, row, d), nt_sqnorm_i8(q, d), nt_sqnorm_i8(row, d));
}
