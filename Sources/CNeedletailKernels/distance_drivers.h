// The loops over rows, written once and compiled into each tier's file around that tier's arithmetic.
//
// The including file defines, before it includes this one:
//   TARGET           the attribute that chooses the instruction set (may be empty)
//   TIER             its nt_cpu_tier
//   rows_<op>_<element>(query, rows, n, dimension, raw)
//                    always-inlined: raw[i] = op(query, rows[i]) for i < n, n a constant 1 or 4, op l2sq or dot,
//                    with the same arithmetic, in the same order, for either n
//   widen_f16, widen_i8, narrow_f16, narrow_i8, survivors
// and gets `static const nt_kernels table`.
//
// Four rows go together: their sums are independent, which hides the latency of the additions, and they share one
// transposed reduction at the end.
#pragma once
#include "nt_distance.h"
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

// How far ahead of use gathered rows are fetched. Rows in a run are left to the hardware's own prefetcher, which software
// prefetches only hindered (0.77 of the memory's bandwidth against 0.95).
#define GATHER_AHEAD_ROWS 8
#define GATHER_PREFETCH_BYTES 1024  // of one row; beyond that the hardware has recognised the stream

typedef void (*rows_function)(const void *query, const void *const *rows, int n, size_t dimension, float *raw);

INLINE float finish(nt_metric metric, float raw, float norm, float query_norm) {
    if (metric == NT_METRIC_COSINE) {
        // Rounding leads a little beyond 0 ... 2; NaN fails both comparisons and stays.
        float distance = 1 - (raw * norm) * query_norm;
        return distance < 0 ? 0 : distance > 2 ? 2 : distance;
    }
    if (metric == NT_METRIC_DOT) return 0 - raw;
    return raw;
}

INLINE size_t element_size(nt_element element) {
    return element == NT_ELEMENT_F32 ? 4 : element == NT_ELEMENT_F16 ? 2 : 1;
}

INLINE void prefetch_row(const void *row, size_t row_bytes) {
    size_t bytes = row_bytes < GATHER_PREFETCH_BYTES ? row_bytes : GATHER_PREFETCH_BYTES;
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)row + i);
}

INLINE float drive_one(rows_function compute, nt_metric metric, const nt_query *query, const void *row, float norm) {
    float raw;
    compute(query->vector, &row, 1, query->dimension, &raw);
    return finish(metric, raw, norm, query->inverse_norm);
}

INLINE void drive_many(rows_function compute, nt_metric metric, const nt_query *query, const char *rows, size_t stride,
                       const float *norms, size_t count, float *out) {
    const bool normed = metric == NT_METRIC_COSINE;
    const size_t dimension = query->dimension;
    const void *vector = query->vector;
    const float query_norm = query->inverse_norm;
    size_t i = 0;
    for (; i + 4 <= count; i += 4, rows += 4 * stride) {
        const void *four[4] = {rows, rows + stride, rows + 2 * stride, rows + 3 * stride};
        float raw[4];
        compute(vector, four, 4, dimension, raw);
        for (int j = 0; j < 4; ++j) out[i + j] = finish(metric, raw[j], normed ? norms[i + j] : 0, query_norm);
    }
    for (; i < count; ++i, rows += stride) out[i] = drive_one(compute, metric, query, rows, normed ? norms[i] : 0);
}

INLINE void drive_gathered(rows_function compute, nt_metric metric, nt_element element, const nt_query *query,
                           const void *const *rows, const float *norms, size_t count, float *out) {
    const bool normed = metric == NT_METRIC_COSINE;
    const size_t dimension = query->dimension, row_bytes = dimension * element_size(element);
    const void *vector = query->vector;
    const float query_norm = query->inverse_norm;
    size_t ahead = count < GATHER_AHEAD_ROWS ? count : GATHER_AHEAD_ROWS;
    for (size_t i = 0; i < ahead; ++i) prefetch_row(rows[i], row_bytes);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (int j = 0; j < 4 && ahead < count; ++j, ++ahead) prefetch_row(rows[ahead], row_bytes);
        float raw[4];
        compute(vector, rows + i, 4, dimension, raw);
        for (int j = 0; j < 4; ++j) out[i + j] = finish(metric, raw[j], normed ? norms[i + j] : 0, query_norm);
    }
    for (; i < count; ++i) out[i] = drive_one(compute, metric, query, rows[i], normed ? norms[i] : 0);
}

INLINE size_t drive_run(rows_function compute, nt_metric metric, const nt_query *query, const nt_rows *table,
                        uint32_t first_slot, size_t count, float threshold, uint64_t *keys) {
    const bool normed = metric == NT_METRIC_COSINE;
    const size_t dimension = query->dimension, stride = table->stride;
    const void *vector = query->vector;
    const float query_norm = query->inverse_norm;
    const char *block = table->blocks[first_slot >> table->block_shift];
    const size_t position = first_slot & ((1u << table->block_shift) - 1);
    const char *rows = block + position * stride;
    const float *norms = (const float *)(block + (stride << table->block_shift)) + position;
    size_t found = 0, i = 0;
    for (; i + 4 <= count; i += 4, rows += 4 * stride) {
        const void *four[4] = {rows, rows + stride, rows + 2 * stride, rows + 3 * stride};
        float d[4];
        compute(vector, four, 4, dimension, d);
        for (int j = 0; j < 4; ++j) d[j] = finish(metric, d[j], normed ? norms[i + j] : 0, query_norm);
        // Nearly always none of the four is near enough: one branch tells.
        if ((d[0] <= threshold) | (d[1] <= threshold) | (d[2] <= threshold) | (d[3] <= threshold))
            for (int j = 0; j < 4; ++j)
                if (d[j] <= threshold) keys[found++] = nt_key(d[j], first_slot + (uint32_t)i + (uint32_t)j);
    }
    for (; i < count; ++i, rows += stride) {
        float d = drive_one(compute, metric, query, rows, normed ? norms[i] : 0);
        if (d <= threshold) keys[found++] = nt_key(d, first_slot + (uint32_t)i);
    }
    return found;
}

INLINE const float *norm_of(const nt_rows *table, uint32_t slot) {
    const char *block = table->blocks[slot >> table->block_shift];
    return (const float *)(block + (table->stride << table->block_shift)) + (slot & ((1u << table->block_shift) - 1));
}

INLINE size_t drive_slots(rows_function compute, nt_metric metric, nt_element element, const nt_query *query,
                          const nt_rows *table, const uint32_t *slots, size_t count, float threshold, uint64_t *keys) {
    const bool normed = metric == NT_METRIC_COSINE;
    const size_t dimension = query->dimension, row_bytes = dimension * element_size(element);
    const void *vector = query->vector;
    const float query_norm = query->inverse_norm;
    size_t ahead = count < GATHER_AHEAD_ROWS ? count : GATHER_AHEAD_ROWS;
    for (size_t i = 0; i < ahead; ++i) {
        prefetch_row(nt_row(table, slots[i]), row_bytes);
        if (normed) __builtin_prefetch(norm_of(table, slots[i]));
    }
    size_t found = 0, i = 0;
    for (; i + 4 <= count; i += 4) {
        for (int j = 0; j < 4 && ahead < count; ++j, ++ahead) {
            prefetch_row(nt_row(table, slots[ahead]), row_bytes);
            if (normed) __builtin_prefetch(norm_of(table, slots[ahead]));
        }
        const void *four[4];
        for (int j = 0; j < 4; ++j) four[j] = nt_row(table, slots[i + j]);
        float d[4];
        compute(vector, four, 4, dimension, d);
        for (int j = 0; j < 4; ++j) {
            d[j] = finish(metric, d[j], normed ? *norm_of(table, slots[i + j]) : 0, query_norm);
            if (d[j] <= threshold) keys[found++] = nt_key(d[j], slots[i + j]);
        }
    }
    for (; i < count; ++i) {
        float norm = normed ? *norm_of(table, slots[i]) : 0;
        float d = drive_one(compute, metric, query, nt_row(table, slots[i]), norm);
        if (d <= threshold) keys[found++] = nt_key(d, slots[i]);
    }
    return found;
}

// The five functions of one metric and element, and their entry in the table.
#define DISTANCE_FUNCTIONS(name, compute, metric, element) \
    TARGET static float one_##name(const nt_query *query, const void *row, float norm) { \
        return drive_one(compute, metric, query, row, norm); \
    } \
    TARGET static void many_##name(const nt_query *query, const void *rows, size_t stride, const float *norms, \
                                   size_t count, float *out) { \
        drive_many(compute, metric, query, rows, stride, norms, count, out); \
    } \
    TARGET static void gathered_##name(const nt_query *query, const void *const *rows, const float *norms, \
                                       size_t count, float *out) { \
        drive_gathered(compute, metric, element, query, rows, norms, count, out); \
    } \
    TARGET static size_t run_##name(const nt_query *query, const nt_rows *rows, uint32_t first_slot, size_t count, \
                                    float threshold, uint64_t *keys) { \
        return drive_run(compute, metric, query, rows, first_slot, count, threshold, keys); \
    } \
    TARGET static size_t slots_##name(const nt_query *query, const nt_rows *rows, const uint32_t *slots, size_t count, \
                                      float threshold, uint64_t *keys) { \
        return drive_slots(compute, metric, element, query, rows, slots, count, threshold, keys); \
    }

#define DISTANCE_ENTRY(name) {one_##name, many_##name, gathered_##name, run_##name, slots_##name}

DISTANCE_FUNCTIONS(l2_f32, rows_l2sq_f32, NT_METRIC_L2, NT_ELEMENT_F32)
DISTANCE_FUNCTIONS(l2_f16, rows_l2sq_f16, NT_METRIC_L2, NT_ELEMENT_F16)
DISTANCE_FUNCTIONS(l2_i8, rows_l2sq_i8, NT_METRIC_L2, NT_ELEMENT_I8)
DISTANCE_FUNCTIONS(cosine_f32, rows_dot_f32, NT_METRIC_COSINE, NT_ELEMENT_F32)
DISTANCE_FUNCTIONS(cosine_f16, rows_dot_f16, NT_METRIC_COSINE, NT_ELEMENT_F16)
DISTANCE_FUNCTIONS(cosine_i8, rows_dot_i8, NT_METRIC_COSINE, NT_ELEMENT_I8)
DISTANCE_FUNCTIONS(dot_f32, rows_dot_f32, NT_METRIC_DOT, NT_ELEMENT_F32)
DISTANCE_FUNCTIONS(dot_f16, rows_dot_f16, NT_METRIC_DOT, NT_ELEMENT_F16)
DISTANCE_FUNCTIONS(dot_i8, rows_dot_i8, NT_METRIC_DOT, NT_ELEMENT_I8)

#define PAIR_FUNCTION(name, query_type, row_type, compute) \
    TARGET static float name(const query_type *query, const row_type *row, size_t dimension) { \
        const void *rows[1] = {row}; \
        float raw; \
        compute(query, rows, 1, dimension, &raw); \
        return raw; \
    }

PAIR_FUNCTION(pair_l2sq_f32, float, float, rows_l2sq_f32)
PAIR_FUNCTION(pair_l2sq_f16, float, uint16_t, rows_l2sq_f16)
PAIR_FUNCTION(pair_l2sq_i8, int8_t, int8_t, rows_l2sq_i8)
PAIR_FUNCTION(pair_dot_f32, float, float, rows_dot_f32)
PAIR_FUNCTION(pair_dot_f16, float, uint16_t, rows_dot_f16)
PAIR_FUNCTION(pair_dot_i8, int8_t, int8_t, rows_dot_i8)

static const nt_kernels table = {
    .tier = TIER,
    .l2sq_f32 = pair_l2sq_f32, .l2sq_f16 = pair_l2sq_f16, .l2sq_i8 = pair_l2sq_i8,
    .dot_f32 = pair_dot_f32, .dot_f16 = pair_dot_f16, .dot_i8 = pair_dot_i8,
    .widen_f16 = widen_f16, .widen_i8 = widen_i8, .narrow_f16 = narrow_f16, .narrow_i8 = narrow_i8,
    .survivors = survivors,
    .distances = {
        {DISTANCE_ENTRY(l2_f32), DISTANCE_ENTRY(l2_f16), DISTANCE_ENTRY(l2_i8)},
        {DISTANCE_ENTRY(cosine_f32), DISTANCE_ENTRY(cosine_f16), DISTANCE_ENTRY(cosine_i8)},
        {DISTANCE_ENTRY(dot_f32), DISTANCE_ENTRY(dot_f16), DISTANCE_ENTRY(dot_i8)},
    },
};
