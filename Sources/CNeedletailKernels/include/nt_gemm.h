// Matrix product C = A·B in f32, with B packed once and used many times: weights of a network, or a batch of queries.
//
// All matrices are row-major. Nothing here allocates, locks, starts a thread or keeps state, so any number of threads
// may call with the same packed B. Sums run in an order that depends on the CPU tier, not on m: a row of C is the same
// bits whatever rows stand beside it. NaN and infinities follow IEEE arithmetic, except that a clamp turns NaN into
// its lower bound. A, B and C need only the alignment of a byte; C must not overlap A or the packed B.
#pragma once
#include "nt_cpu.h"
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What is done to a sum once the product is complete.
typedef enum {
    NT_ACTIVATION_NONE = 0,
    NT_ACTIVATION_RELU6 = 1,  ///< min(max(x, 0), 6)
    NT_ACTIVATION_GELU = 2,   ///< x · Φ(x), the exact one by erf, absolute error below 1e-6 · max(1, |x|)
} nt_activation;

/// C = activation(A·B + bias) + residual. All zero means C = A·B.
typedef struct {
    const float *bias;       ///< n values, one a column of C, or NULL
    const float *residual;   ///< m × n, or NULL; may be C itself (same leading dimension), for an addition in place, but
                             ///< not under GELU, whose tile passes through C
    size_t residual_stride;  ///< floats from one row of `residual` to the next
    nt_activation activation;
} nt_sgemm_epilogue;

/// Floats that `nt_sgemm_pack` writes for a k × n matrix: n is rounded up to a multiple of 8.
size_t nt_sgemm_packed_count(size_t k, size_t n);

/// Packs B (k × n), whose element (p, j) is b[p * row_stride + j * column_stride], in the layout that `nt_sgemm` reads:
/// panels of 32 columns (the last one of 8, 16, 24 or 32), each k rows of its width, padded with zeros.
/// The layout is the same for all CPU tiers. So row_stride = n, column_stride = 1 packs a row-major B, and
/// row_stride = 1, column_stride = k packs the transpose of a row-major n × k matrix (the rows of a batch of queries).
void nt_sgemm_pack(const float *b, ptrdiff_t row_stride, ptrdiff_t column_stride, size_t k, size_t n, float *packed);

/// C (m × n, rows `ldc` floats apart) = A (m × k, rows `lda` floats apart) · B. With k = 0, C is zeros.
void nt_sgemm(const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n, float *c, size_t ldc);

/// The same with an epilogue, applied while the tile of C is still in the nearest cache.
void nt_sgemm_fused(const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n, float *c, size_t ldc,
                    const nt_sgemm_epilogue *epilogue);

/// For tests: the kernel of one tier. False, and nothing done, where this CPU or this build has not got it.
bool nt_sgemm_on_tier(nt_cpu_tier tier, const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n,
                      float *c, size_t ldc, const nt_sgemm_epilogue *epilogue);

#ifdef __cplusplus
}
#endif
