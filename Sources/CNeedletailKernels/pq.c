// The choice of the kernels by CPU, and what is the same in every tier: pools of keys, and tables of bytes.
#include <math.h>
#include "nt_distance.h"
#include "pq_kernels.h"
#include "pq_scan.h"

#define VARIANT(text, cpu, scan4, scan8, tier) \
    {text, cpu, nt_pq_scan4_##scan4, nt_pq_scan8_##scan8, nt_pq_products_##tier, nt_pq_encode_##tier, nt_argmin_rows_##tier, nt_least_values_##tier}

// 8-bit tables want 256-byte lookups, which only VBMI has: elsewhere the portable scan is the scan.
static const nt_pq_kernels variants[] = {
    VARIANT("portable", NT_CPU_PORTABLE, portable, portable, portable),
#if defined(__aarch64__)
    VARIANT("neon", NT_CPU_NEON, neon, portable, neon),
#elif defined(__x86_64__)
    VARIANT("avx2", NT_CPU_AVX2, avx2, portable, avx2),
    VARIANT("avx512", NT_CPU_AVX512, avx512, portable, avx512),
    VARIANT("avx512 vbmi", NT_CPU_AVX512, vbmi, vbmi, avx512),
#endif
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static const nt_pq_kernels *current = &variants[0];

static bool has(const nt_pq_kernels *variant, nt_cpu_tier tier) {
    if (variant->tier > tier) return false;
#if defined(__x86_64__)
    if (variant->scan4 == nt_pq_scan4_vbmi) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512vbmi");
    }
#endif
    return true;
}

// Priority 102: after nt_cpu has looked at the CPU.
__attribute__((constructor(102))) static void nt_pq_start(void) {
    for (size_t i = 0; i < VARIANTS; i++)
        if (has(&variants[i], nt_cpu_current())) current = &variants[i];
}

const nt_pq_kernels *nt_pq_variant(size_t position) {
    return position < VARIANTS && has(&variants[position], nt_cpu_best()) ? &variants[position] : NULL;
}

void nt_pq_scan4(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) { current->scan4(queries, count, run); }
void nt_pq_scan8(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) { current->scan8(queries, count, run); }
void nt_pq_products(const nt_pq_codebook *book, const float *vector, float scale, bool with_norms, float *table) {
    current->products(book, vector, scale, with_norms, table);
}
void nt_pq_encode(const nt_pq_codebook *book, const float *vectors, size_t stride, size_t count, uint8_t *codes) {
    current->encode(book, vectors, stride, count, codes);
}
void nt_argmin_rows(const float *c, size_t ldc, size_t m, size_t n, uint32_t first_column, float *best, uint32_t *label) {
    current->argmin_rows(c, ldc, m, n, first_column, best, label);
}

size_t nt_least_values(const float *values, size_t n, size_t keep, uint64_t *keys, size_t capacity) {
    return current->least_values(values, n, keep, keys, capacity);
}

// MARK: Pools

/// The greatest sum whose distance is within the threshold, up to 65,535, or -1.
static int64_t limit_of(const nt_pq_query *query) {
    if (query->threshold == INFINITY) return 65535;
    const float limit = (query->threshold - query->base) / query->step;
    return limit >= 65535 ? 65535 : limit >= 0 ? (int64_t)limit : -1;
}

bool nt_pq_enter(nt_pq_query *query, float base, float step, float term_step) {
    const float factor = 256 * term_step / step + 0.5f;
    query->base = base;
    query->step = step;
    query->term_factor = factor < 65535 ? (uint32_t)factor : 65535;
    const int64_t limit = limit_of(query);
    query->limit = limit < 0 ? 0 : (uint32_t)limit;
    return limit >= 0;
}

void nt_pq_make_room(nt_pq_query *query) {
    if (query->count <= query->keep) return;
    query->threshold = nt_key_distance(nt_least_keys(query->keys, query->count, query->keep));
    query->count = query->keep;
    const int64_t limit = limit_of(query);
    query->limit = limit < 0 ? 0 : (uint32_t)limit;
}

void nt_pq_settle(nt_pq_query *query) {
    if (query->count >= query->keep) query->threshold = nt_key_distance(nt_least_keys(query->keys, query->count, query->keep));
    if (query->count > query->keep) query->count = query->keep;
}

// MARK: Tables

float nt_pq_quantize(const float *values, uint32_t subspaces, uint32_t codes, uint32_t limit, float least_step, uint8_t *table,
                     float *offset) {
    float least_sum = 0, span_sum = 0, span_pair = 0;
    for (uint32_t m = 0; m < subspaces; m += 2) {
        float pair = 0;
        for (uint32_t n = m; n < m + 2 && n < subspaces; n++) {
            const float *row = values + (size_t)n * codes;
            float least[16], most[16];
            for (int i = 0; i < 16; i++) least[i] = most[i] = row[i];
            for (uint32_t c = 16; c < codes; c += 16)
                for (int i = 0; i < 16; i++) {
                    least[i] = row[c + i] < least[i] ? row[c + i] : least[i];
                    most[i] = row[c + i] > most[i] ? row[c + i] : most[i];
                }
            for (int width = 8; width; width /= 2)
                for (int i = 0; i < width; i++) {
                    least[i] = least[i + width] < least[i] ? least[i + width] : least[i];
                    most[i] = most[i + width] > most[i] ? most[i + width] : most[i];
                }
            least_sum += least[0];
            pair += most[0] - least[0];
        }
        span_sum += pair;
        span_pair = pair > span_pair ? pair : span_pair;
    }
    // Each entry is rounded, which may add half a step: 254 for a pair, and as much less for the sum of all.
    float step = span_pair / 254;
    const float room = (float)(limit > subspaces ? limit - subspaces : 1);
    if (span_sum / room > step) step = span_sum / room;
    if (!(step > least_step)) step = least_step;
    if (!(step > 1e-30f)) step = 1e-30f;
    const float scale = 1 / step;
    for (uint32_t m = 0; m < subspaces; m++) {
        const float *row = values + (size_t)m * codes;
        uint8_t *out = table + (size_t)m * codes;
        float least = row[0];
        for (uint32_t c = 1; c < codes; c++) least = row[c] < least ? row[c] : least;
        for (uint32_t c = 0; c < codes; c++) {
            const float entry = (row[c] - least) * scale + 0.5f;
            out[c] = (uint8_t)(entry < 255 ? entry > 0 ? (int32_t)entry : 0 : 255);
        }
    }
    if (subspaces & 1)
        for (uint32_t c = 0; c < codes; c++) table[(size_t)subspaces * codes + c] = 0;
    *offset = least_sum;
    return step;
}
