// The functions of each tier, as pq.c chooses among them.
#pragma once
#include "nt_pq.h"

#define NT_PQ_DECLARE(tier)                                                                         \
    void nt_pq_scan4_##tier(nt_pq_query *const *, size_t, const nt_pq_run *);                       \
    void nt_pq_scan8_##tier(nt_pq_query *const *, size_t, const nt_pq_run *);                       \
    void nt_pq_products_##tier(const nt_pq_codebook *, const float *, float, bool, float *);        \
    void nt_pq_encode_##tier(const nt_pq_codebook *, const float *, size_t, size_t, uint8_t *);     \
    void nt_argmin_rows_##tier(const float *, size_t, size_t, size_t, uint32_t, float *, uint32_t *); \
    size_t nt_least_values_##tier(const float *, size_t, size_t, uint64_t *, size_t);
NT_PQ_DECLARE(portable)
NT_PQ_DECLARE(neon)
NT_PQ_DECLARE(avx2)
NT_PQ_DECLARE(avx512)

// With AVX-512 VBMI, whose permutation of 64 bytes needs no mask on the codes and holds a quarter of an 8-bit table.
void nt_pq_scan4_vbmi(nt_pq_query *const *, size_t, const nt_pq_run *);
void nt_pq_scan8_vbmi(nt_pq_query *const *, size_t, const nt_pq_run *);
