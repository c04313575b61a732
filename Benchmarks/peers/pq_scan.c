// The 4-bit scan of Sources/CNeedletailKernels, timed from within: pq_scan.py compiles this together with the kernels.
#include "nt_pq.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_QUERIES = 64, MOST_SUBSPACES = 256, KEEP = 100, CAPACITY = 2 * KEEP + 192 };

/// Rows that are scanned for all queries before the next, as a list is in a batch.
enum { LIST_ROWS = 1024 };

struct bench {
    uint8_t *blocks;
    size_t stride, rows;
    uint32_t subspaces;
    uint8_t tables[MOST_QUERIES][MOST_SUBSPACES * 16];
    uint64_t keys[MOST_QUERIES][CAPACITY];
};

/// Random codes; rows is a multiple of 64.
struct bench *pq_scan_open(size_t rows, uint32_t subspaces) {
    struct bench *bench = malloc(sizeof *bench);
    bench->rows = rows;
    bench->subspaces = subspaces;
    bench->stride = nt_pq_block_bytes(4, subspaces, NT_PQ_BLOCK, false);
    const size_t bytes = rows / NT_PQ_BLOCK * bench->stride;
    bench->blocks = aligned_alloc(64, (bytes + 63) / 64 * 64);
    uint64_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bench->blocks[i] = (uint8_t)(state >> 56);
    }
    for (size_t row = 0; row < rows; row++) {
        const uint32_t slot = (uint32_t)row;
        uint8_t *block = bench->blocks + row / NT_PQ_BLOCK * bench->stride;
        memcpy(block + NT_PQ_BLOCK * (subspaces / 2 + 1) + 4 * (row % NT_PQ_BLOCK), &slot, 4);
    }
    for (int q = 0; q < MOST_QUERIES; q++)
        for (uint32_t i = 0; i < subspaces * 16; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            bench->tables[q][i] = (uint8_t)(state >> 57);
        }
    return bench;
}

void pq_scan_close(struct bench *bench) {
    free(bench->blocks);
    free(bench);
}

const char *pq_scan_variant(size_t position) {
    const nt_pq_kernels *variant = nt_pq_variant(position);
    return variant ? variant->name : NULL;
}

/// Seconds of CPU that the 100 nearest of `count` queries, at most 64, take.
double pq_scan_run(struct bench *bench, size_t position, size_t count) {
    const nt_pq_kernels *kernels = nt_pq_variant(position);
    nt_pq_query queries[MOST_QUERIES], *pointers[MOST_QUERIES];
    struct timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    for (size_t q = 0; q < count; q++) {
        queries[q] = (nt_pq_query){.table = bench->tables[q], .threshold = INFINITY, .keep = KEEP, .capacity = CAPACITY, .keys = bench->keys[q]};
        nt_pq_enter(&queries[q], 0, 1, 1);
        pointers[q] = &queries[q];
    }
    for (size_t first = 0; first < bench->rows; first += LIST_ROWS) {
        const nt_pq_run run = {
            .blocks = bench->blocks + first / NT_PQ_BLOCK * bench->stride, .stride = bench->stride,
            .rows = bench->rows - first < LIST_ROWS ? bench->rows - first : LIST_ROWS, .width = NT_PQ_BLOCK,
            .subspaces = bench->subspaces, .slot_count = (uint32_t)bench->rows};
        // Groups whose tables stay in the first-level cache, as in a batch of searches.
        for (size_t q = 0; q < count; q += 4) kernels->scan4(pointers + q, count - q < 4 ? count - q : 4, &run);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}
