// The scans in plain C: the specification that the other tiers are tested against.
#include "pq_kernels.h"
#include "pq_scan.h"

/// Adds the terms to a block's sums and keeps what is within the limit.
static void finish(nt_pq_query *query, const nt_pq_run *run, const uint16_t *sums, const uint8_t *factors, size_t rows) {
    const uint8_t *terms = factors + (run->has_scales ? run->width : 0);
    const uint32_t *slots = (const uint32_t *)(const void *)(terms + run->width);
    nt_pq_sums split;
    uint32_t hits[2] = {0, 0};
    for (size_t v = 0; v < rows; v++) {
        uint32_t sum = sums[v];
        if (run->has_scales) sum = (uint16_t)((int32_t)query->center + ((((int32_t)sum - (int32_t)query->center) * factors[v] + 128) >> 8));
        sum += (terms[v] * query->term_factor >> 8);
        if (sum > 65535) sum = 65535;
        (v & 1 ? split.odd : split.even)[v / 2] = (uint16_t)sum;
        if (sum <= query->limit) hits[v & 1] |= 1u << (v / 2);
    }
    if (!(hits[0] | hits[1])) return;
    if (query->count + NT_PQ_BLOCK > query->capacity) nt_pq_make_room(query);
    nt_pq_keep(query, run, slots, split.even, hits[0], 0);
    nt_pq_keep(query, run, slots, split.odd, hits[1], 1);
}

static inline __attribute__((always_inline)) void scan(nt_pq_query *const *queries, size_t count, const nt_pq_run *run, const int bits) {
    const size_t width = run->width;
    const uint8_t *block = run->blocks;
    for (size_t first = 0; first < run->rows; first += width, block += run->stride) {
        const size_t rows = run->rows - first < width ? run->rows - first : width;
        const uint8_t *factors = block + width * run->subspaces * (size_t)bits / 8;
        for (size_t q = 0; q < count; q++) {
            uint16_t sums[NT_PQ_BLOCK] = {0};
            const uint8_t *codes = block, *table = queries[q]->table;
            for (uint32_t m = 0; m < run->subspaces; m += 2) {
                if (bits == 4) {
                    for (size_t v = 0; v < width; v++)
                        sums[v] += (uint8_t)(table[codes[v] & 15] + table[16 + (codes[v] >> 4)]);
                    codes += width;
                    table += 32;
                } else {
                    for (size_t v = 0; v < width; v++)
                        sums[v] += (uint8_t)(table[codes[v]] + table[256 + codes[width + v]]);
                    codes += 2 * width;
                    table += 512;
                }
            }
            finish(queries[q], run, sums, factors, rows);
        }
    }
}

void nt_pq_scan4_portable(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) { scan(queries, count, run, 4); }
void nt_pq_scan8_portable(nt_pq_query *const *queries, size_t count, const nt_pq_run *run) { scan(queries, count, run, 8); }

#define NT_TIER 0
#include "pq_arithmetic.h"
