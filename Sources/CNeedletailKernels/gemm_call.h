// One call of nt_sgemm as the kernels of all tiers receive it.
#pragma once
#include "nt_gemm.h"

/// Columns of a full panel of packed B.
enum { NT_PANEL = 32 };

typedef struct {
    const float *a;
    size_t lda, m;
    const float *packed;
    size_t k, n;
    float *c;
    size_t ldc;
    nt_sgemm_epilogue epilogue;
} nt_sgemm_call;

typedef void (*nt_sgemm_function)(const nt_sgemm_call *);

void nt_sgemm_portable(const nt_sgemm_call *);
void nt_sgemm_neon(const nt_sgemm_call *);
void nt_sgemm_avx2(const nt_sgemm_call *);
void nt_sgemm_avx512(const nt_sgemm_call *);
