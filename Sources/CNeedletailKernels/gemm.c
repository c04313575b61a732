// Packing, and the choice of the kernel by CPU tier.
#include "gemm_call.h"
#include <string.h>

size_t nt_sgemm_packed_count(size_t k, size_t n) { return k * ((n + 7) / 8 * 8); }

void nt_sgemm_pack(const float *b, ptrdiff_t row_stride, ptrdiff_t column_stride, size_t k, size_t n, float *packed) {
    for (size_t j0 = 0; j0 < n; j0 += NT_PANEL) {
        const size_t left = n - j0, columns = left < NT_PANEL ? left : NT_PANEL, width = (columns + 7) / 8 * 8;
        const float *panel = b + (ptrdiff_t)j0 * column_stride;
        if (column_stride == 1) {
            for (size_t p = 0; p < k; p++) {
                memcpy(packed + p * width, panel + (ptrdiff_t)p * row_stride, columns * sizeof(float));
                for (size_t j = columns; j < width; j++) packed[p * width + j] = 0;
            }
        } else {
            // Four rows at a time: a transposition reads whole cache lines and writes a few.
            for (size_t p0 = 0; p0 < k; p0 += 4) {
                const size_t rows = k - p0 < 4 ? k - p0 : 4;
                float *out = packed + p0 * width;
                for (size_t j = 0; j < columns; j++) {
                    const float *in = panel + (ptrdiff_t)j * column_stride + (ptrdiff_t)p0 * row_stride;
                    for (size_t p = 0; p < rows; p++) memcpy(out + p * width + j, in + (ptrdiff_t)p * row_stride, sizeof(float));
                }
                for (size_t p = 0; p < rows; p++)
                    for (size_t j = columns; j < width; j++) out[p * width + j] = 0;
            }
        }
        packed += k * width;
    }
}

static nt_sgemm_function function_for(nt_cpu_tier tier) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return nt_sgemm_portable;
#if defined(__aarch64__)
    case NT_CPU_NEON: return nt_sgemm_neon;
#elif defined(__x86_64__)
    case NT_CPU_AVX2: return nt_sgemm_avx2;
    case NT_CPU_AVX512: return nt_sgemm_avx512;
#endif
    default: return NULL;
    }
}

static nt_sgemm_function chosen = nt_sgemm_portable;

// Priority 102: after nt_cpu has looked at the CPU.
__attribute__((constructor(102))) static void nt_gemm_start(void) {
    nt_sgemm_function function = function_for(nt_cpu_current());
    if (function) chosen = function;
}

void nt_sgemm_fused(const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n, float *c, size_t ldc,
                    const nt_sgemm_epilogue *epilogue) {
    const nt_sgemm_call call = {a, lda, m, packed, k, n, c, ldc, *epilogue};
    chosen(&call);
}

void nt_sgemm(const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n, float *c, size_t ldc) {
    const nt_sgemm_epilogue nothing = {0};
    nt_sgemm_fused(a, lda, m, packed, k, n, c, ldc, &nothing);
}

bool nt_sgemm_on_tier(nt_cpu_tier tier, const float *a, size_t lda, size_t m, const float *packed, size_t k, size_t n,
                      float *c, size_t ldc, const nt_sgemm_epilogue *epilogue) {
    nt_sgemm_function function = function_for(tier);
    if (!function) return false;
    const nt_sgemm_call call = {a, lda, m, packed, k, n, c, ldc, *epilogue};
    function(&call);
    return true;
}
